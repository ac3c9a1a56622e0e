"""The state of random numbers in checkpoints, so that a resumed run draws the same."""

import random
from pathlib import Path
from typing import Any

import numpy as np
import torch
from speechbrain.utils.checkpoints import (
    mark_as_loader,
    mark_as_saver,
    register_checkpoint_hooks,
)
from speechbrain.utils.distributed import get_rank


@register_checkpoint_hooks
class RandomState:
    """What Python, NumPy and PyTorch draw from, of each rank.

    A state that was loaded takes effect by `restore`: what a loader of data draws as it
    starts anew within an epoch would else come between.
    """

    def __init__(self) -> None:
        self.loaded: dict[str, Any] | None = None

    @mark_as_saver
    def save(self, path: str | Path) -> None:
        """Write the state of this rank; others' are beside the main one's file."""
        torch.save(_current(), rank_path(path))

    @mark_as_loader
    def load(self, path: str | Path, end_of_epoch: bool) -> None:
        """Read the state of this rank; at the end of an epoch it takes effect."""
        path = rank_path(path)
        # there are none of ranks that the run did not have
        if path.exists():
            self.loaded = torch.load(path, weights_only=True)
            if end_of_epoch:
                self.restore()

    def hold(self) -> None:
        """Keep the present state for `restore`."""
        self.loaded = _current()

    def restore(self) -> None:
        """Continue from the state that was loaded or held, if there is one."""
        if self.loaded is None:
            return
        random.setstate(self.loaded["python"])
        name, keys, *position = self.loaded["numpy"]
        np.random.set_state((name, keys.numpy(), *position))
        torch.set_rng_state(self.loaded["torch"])
        if "cuda" in self.loaded and torch.cuda.is_available():
            torch.cuda.set_rng_state(self.loaded["cuda"])
        self.loaded = None


def _current() -> dict[str, Any]:
    name, keys, *position = np.random.get_state()
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": (name, torch.from_numpy(keys), *position),
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def rank_path(path: str | Path) -> Path:
    """Return the path of this rank's own file, beside the main rank's."""
    path, rank = Path(path), get_rank()
    return path.with_name(f"{path.name}.rank{rank}") if rank else path
