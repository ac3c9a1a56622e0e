"""The utterances of an epoch that a training from shards has seen, in a checkpoint."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lact_modules.training.batch.resuming import NOTHING, hash_ids
from lact_modules.training.checkpointing.random_state import rank_path


@dataclass
class SeenUtterances:
    """Utterances that were trained on: their `hash_ids`, and durations in seconds."""

    keys: NDArray[np.uint64]
    seconds: NDArray[np.float64]

    @classmethod
    def nothing(cls) -> "SeenUtterances":
        """Begin with no utterance."""
        return cls(NOTHING, np.empty(0))

    def __add__(self, other: "SeenUtterances") -> "SeenUtterances":
        return SeenUtterances(
            np.concatenate([self.keys, other.keys]),
            np.concatenate([self.seconds, other.seconds]),
        )


class ShardState:
    """What was seen of an epoch: in another order before, and in the present order.

    ``before`` is of all ranks.
    """

    def __init__(self, epoch: int, order: str, before: SeenUtterances | None = None):
        self.epoch, self.order = epoch, order
        self.before = before or SeenUtterances.nothing()
        self.num_done = 0
        self._ids: list[str] = []
        self._seconds: list[float] = []
        self._loaded = self._by_others = SeenUtterances.nothing()

    def add(self, ids: Iterable[str], seconds: Iterable[float]) -> None:
        """Note a batch of this rank."""
        self._ids += ids
        self._seconds += map(float, seconds)
        self.num_done += 1

    @property
    def _done(self) -> SeenUtterances:
        """By this rank, in the present order."""
        return self._loaded + SeenUtterances(
            hash_ids(self._ids), np.array(self._seconds)
        )

    def begin_anew(self, order: str) -> "ShardState":
        """Continue within the epoch in another order."""
        seen = self.before + self._done + self._by_others
        return ShardState(self.epoch, order, seen)

    def save(self, path: str | Path) -> None:
        """Write what this rank has seen; others' files are beside the main one's."""
        done = self._done
        with open(rank_path(path), "wb") as stream:
            np.savez(
                stream,
                epoch=self.epoch,
                order=self.order,
                num_done=self.num_done,
                keys_before=self.before.keys,
                seconds_before=self.before.seconds,
                keys=done.keys,
                seconds=done.seconds,
            )

    @classmethod
    def load(cls, path: str | Path) -> "ShardState":
        """Read what all ranks have seen."""
        path = Path(path)
        own = rank_path(path)
        if not own.exists():
            # this rank is new; the order is another one then
            own = path
        fields = _read(own)
        before = SeenUtterances(fields["keys_before"], fields["seconds_before"])
        state = cls(int(fields["epoch"]), str(fields["order"]), before)
        state.num_done = int(fields["num_done"])
        state._loaded = SeenUtterances(fields["keys"], fields["seconds"])
        for other in {path, *path.parent.glob(f"{path.name}.rank*")} - {own}:
            fields = _read(other)
            state._by_others += SeenUtterances(fields["keys"], fields["seconds"])
        return state


def _read(path: Path) -> dict[str, NDArray]:
    with np.load(path) as fields:
        return dict(fields)
