"""How a tracker knows a run again that resumes."""

from pathlib import Path

from lact_modules.errors import InputError
from lact_modules.whole_file import write_whole

PROJECT = "lact-asr"
"""Name of W&B's project and MLflow's experiment, unless the environment has one."""

Setting = str | int | float | bool
"""A hyperparameter as trackers show it."""


class TrackedRun:
    """A run's folder as one tracker sees it; ``<package>_run.txt`` keeps its id."""

    def __init__(self, folder: Path, package: str):
        self.folder = folder.resolve()
        self.package = package
        self.path = folder / f"{package}_run.txt"

    @property
    def name(self) -> str:
        """For people to distinguish runs."""
        return "/".join(self.folder.parts[-2:])

    @property
    def known_id(self) -> str | None:
        """What the tracker calls it; None for one that it has not seen."""
        if not self.path.is_file():
            return None
        return self.path.read_text(encoding="utf-8").strip()

    def remember(self, run_id: str) -> None:
        """Keep the tracker's id for when the run resumes."""
        write_whole(self.path, run_id + "\n")

    def is_missing(self) -> InputError:
        """Return the error that the package is not installed."""
        return InputError(
            f"trackers: {self.package} is not installed; "
            f"pip install 'lact-asr[{self.package}]'"
        )

    def refusal(self, error: Exception, advice: str) -> InputError:
        """Return the tracker's error on one line, with advice."""
        reason = str(error).strip().partition("\n")[0]
        return InputError(f"trackers: {self.package}: {reason}; {advice}")
