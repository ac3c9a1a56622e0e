"""The samples of utterances, decoded as they are needed or once for all."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from torch import Tensor
from tqdm import tqdm

from lact_modules.data.audio import load_utterance
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.errors import InputError


class Recordings:
    """Read utterances, ``in_memory`` to keep them; report those that cannot be read."""

    def __init__(self, in_memory: bool = False):
        self.in_memory = in_memory
        self._kept: dict[str, Tensor | InputError] = {}

    def read(
        self, utterances: Sequence[Utterance]
    ) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Return signals (N,) by id, and by id why others cannot be read."""
        found = {utterance.id: self._find(utterance) for utterance in utterances}
        signals = {k: v for k, v in found.items() if isinstance(v, Tensor)}
        return signals, {k: str(v) for k, v in found.items() if k not in signals}

    def read_ahead(self, utterances: Sequence[Utterance]) -> None:
        """Decode now what stays in memory, before workers share it.

        Otherwise each worker would decode all of it for itself, again in every epoch.
        """
        missing = [u for u in utterances if u.id not in self._kept]
        if not self.in_memory or not missing:
            return
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            found = pool.map(self._find, missing)
            # without a terminal no bar is shown
            for _ in tqdm(found, "reading audio", len(missing), disable=None):
                pass

    def _find(self, utterance: Utterance) -> Tensor | InputError:
        found = self._kept.get(utterance.id)
        if found is None:
            found = _load(utterance)
            if self.in_memory:
                self._kept[utterance.id] = found
        return found


def _load(utterance: Utterance) -> Tensor | InputError:
    try:
        return load_utterance(utterance)
    except InputError as error:
        return error
