"""Count files that succeeded and failed, and report them at the end."""

import sys
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from lact_modules.errors import on_one_line

if TYPE_CHECKING:
    from lact_modules.inference.files import Outcome


class Tally:
    """Files, seconds and failures of a run; its clock starts when it is made."""

    def __init__(self, failures: Iterable[str] = (), done: str = "transcribed") -> None:
        self._done = done
        self._started = time.perf_counter()
        self.wall_s = 0.0
        self.audio_s = 0.0
        self.num_read = 0
        self.failures = list(failures)

    @property
    def rtf(self) -> float:
        """Real-time factor: seconds of work per second of audio."""
        return self.wall_s / self.audio_s if self.audio_s else 0.0

    def add(self, result: "Outcome[Any, Any]") -> None:
        """Count one file."""
        failures = [] if result.error is None else [str(result.error)]
        self.count(1 - len(failures), result.seconds, failures)

    def count(self, num_read: int, seconds: float, failures: Iterable[str]) -> None:
        """Count some files: done, of so many seconds together, or failed."""
        self.wall_s = time.perf_counter() - self._started
        self.audio_s += seconds
        self.num_read += num_read
        self.failures += failures

    def report(self, most: int | None = None) -> None:
        """List the failures, or so many at most, and sum up, on stderr."""
        for failure in self.failures[:most]:
            print(f"not {self._done}: {on_one_line(failure)}", file=sys.stderr)
        if more := len(self.failures[most:]) if most is not None else 0:
            print(f"not {self._done}: {more} more", file=sys.stderr)
        print(self, file=sys.stderr)

    def __str__(self) -> str:
        return (
            f"{self.num_read} {self._done}, {len(self.failures)} failed; "
            f"{self.audio_s:.1f} s of audio in {self.wall_s:.1f} s "
            f"(real-time factor {self.rtf:.3f})"
        )
