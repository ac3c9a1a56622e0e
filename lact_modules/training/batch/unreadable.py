"""Skip what cannot be read of a set, name it, and stop where it is too much."""

import logging
from collections.abc import Mapping
from typing import Any

from lact_modules.errors import InputError

logger = logging.getLogger(__name__)

_SHARE = 0.01


class UnreadableAudio:
    """Utterances of a set whose audio cannot be read, each named once.

    Up to ``patience`` are skipped, or one of a hundred if that is more.
    """

    def __init__(self, num_utterances: int, patience: int):
        self.limit = max(patience, int(_SHARE * num_utterances))
        self.num_utterances = num_utterances
        self._ids: set[str] = set()

    @classmethod
    def of(cls, dataset: Any, patience: int) -> "UnreadableAudio":
        """Begin to count what of a dataset, or of shards, cannot be read."""
        count = getattr(dataset, "num_utterances", None) or len(dataset)
        return cls(count, patience)

    def __len__(self) -> int:
        return len(self._ids)

    def note(self, faults: Mapping[str, str]) -> None:
        """Log new faults; raise InputError if too many, or all, cannot be read."""
        for name, fault in faults.items():
            if name in self._ids:
                continue
            self._ids.add(name)
            logger.warning("cannot be read, skipped: %s (%s)", name, fault)
            if len(self) > self.limit or len(self) == self.num_utterances:
                raise InputError(
                    f"{len(self)} of {self.num_utterances} utterances cannot be read "
                    f"(last {name}: {fault}); fix the files or remove them from the "
                    "manifest"
                )
