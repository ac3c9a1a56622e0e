"""A folder of transcripts by part, which a later run continues."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lact_modules.errors import InputError
from lact_modules.inference.corpus.parts import TranscribedPart
from lact_modules.whole_file import write_whole

PLAN_FILE = "parts.json"
"""The settings by which a run recognizes its own parts."""

_MODEL = "model_sha256"


class PartFolder:
    """Parts of transcripts; each appears when it is whole.

    ``part-<number>.jsonl`` has a line for each utterance that was transcribed, and
    ``failed-<number>.jsonl``, which need not exist, for each other. The former is
    written last: if it exists, the part is done. ``plan`` holds what the transcripts
    depend on; a folder with parts of another plan is refused.
    """

    def __init__(self, path: str | Path, plan: Mapping[str, Any]):
        self.path = Path(path)
        if self.path.exists() and not self.path.is_dir():
            raise InputError(
                f"{path}: a file; parts need a folder, name another output"
            )
        # as JSON has it
        self._plan: dict[str, Any] = json.loads(json.dumps(plan))
        self._model: str | None = None
        if (self.path / PLAN_FILE).exists():
            self._check_plan()
        elif next(self.path.glob("part-*.jsonl"), None) is not None:
            raise InputError(
                f"{path}: has parts, but no {PLAN_FILE} that says of which corpus; "
                "name another output"
            )

    def _check_plan(self) -> None:
        path = self.path / PLAN_FILE
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
            self._model = found.pop(_MODEL)
        except (ValueError, KeyError, AttributeError) as error:
            raise InputError(
                f"{path}: damaged ({error}); name another output"
            ) from error
        for key in {**found, **self._plan}:
            before, now = found.get(key), self._plan.get(key)
            if before != now:
                raise InputError(
                    f"{path}: parts with {key} {_shorten(before)}, not "
                    f"{_shorten(now)}; name another output, or use the former value"
                )

    def _write_plan(self) -> None:
        entry = {**self._plan, _MODEL: self._model}
        write_whole(self.path / PLAN_FILE, json.dumps(entry, indent=2) + "\n")

    def has(self, number: int) -> bool:
        """Return whether a part is done."""
        return self._name("part", number).exists()

    def write(self, part: TranscribedPart) -> None:
        """Write a complete part; all parts must come from the same model."""
        if self._model is None:
            self._model = part.model
            self.path.mkdir(parents=True, exist_ok=True)
            self._write_plan()
        elif self._model != part.model:
            raise InputError(
                f"{self.path}: parts of a model that has changed since; name another "
                "output, or use that model"
            )
        failed = self._name("failed", part.number)
        if part.failures:
            lines = [json.dumps(each) + "\n" for each in part.failures]
            write_whole(failed, "".join(lines))
        else:
            # of a run that was stopped before it wrote the part
            failed.unlink(missing_ok=True)
        write_whole(self._name("part", part.number), "".join(part.lines))

    def read_failures(self, number: int) -> Iterator[str]:
        """Read why utterances of a finished part failed, a line for each."""
        path = self._name("failed", number)
        if path.exists():
            for line in path.read_text(encoding="utf-8").splitlines():
                yield json.loads(line)["error"]

    def read(self, number: int) -> Iterator[dict[str, Any]]:
        """Read the transcripts of a finished part, see `TranscribedPart`."""
        path = self._name("part", number)
        try:
            with open(path, encoding="utf-8") as stream:
                yield from map(json.loads, stream)
        except ValueError as error:
            raise InputError(
                f"{path}: damaged ({error}); remove it to transcribe it again"
            ) from error

    def _name(self, kind: str, number: int) -> Path:
        return self.path / f"{kind}-{number:06d}.jsonl"


def _shorten(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 40 else f"{text[:36]} ..."
