"""A dataset of streams, which are others in later epochs."""

from collections.abc import Iterable, Sequence
from typing import Any

from speechbrain.dataio.dataset import DynamicItemDataset

from lact_modules.data.long_form.joining import Stream, duration, transcribe
from lact_modules.training.dataset.streams import StreamPlan, exchange


class StreamDataset(DynamicItemDataset):
    """Streams that follow plans; the utterances of random ones change places.

    The first plan holds from epoch 1 on; all have the same utterances.
    """

    def __init__(
        self,
        plans: Sequence[StreamPlan],
        gap: float = 0.0,
        seed: int = 0,
        **options: Any,
    ):
        self.plans, self.gap, self.seed = plans, gap, seed
        self._streams = plans[0].streams
        super().__init__(list_streams(self._streams, gap), **options)

    def set_epoch(self, epoch: int) -> None:
        """Choose the streams; ids and durations are those of the plan."""
        plan = [plan for plan in self.plans if plan.first_epoch <= epoch][-1]
        self.data = list_streams(plan.streams, self.gap)
        self.data_ids = list(self.data)
        self._streams = plan.streams
        if plan.is_random:
            self._streams = exchange(plan.streams, f"{self.seed} {epoch}")
        self._use(self._streams)

    @property
    def num_utterances(self) -> int:
        """Of all streams."""
        return sum(map(len, self.plans[0].streams))

    def utterance_ids(self) -> list[list[str]]:
        """List the ids that are joined in the epoch, stream by stream."""
        return [[utterance.id for utterance in stream] for stream in self._streams]

    def keep(self, is_kept: Iterable[bool]) -> None:
        """Skip utterances, in the order of `utterance_ids`, until the next epoch."""
        flags = iter(is_kept)
        self._use([tuple(u for u in s if next(flags)) for s in self._streams])

    def _use(self, streams: Sequence[Stream]) -> None:
        for entry, stream in zip(self.data.values(), streams, strict=True):
            entry |= {"stream": stream, "text": transcribe(stream)}


def list_streams(streams: Sequence[Stream], gap: float) -> dict[str, dict[str, Any]]:
    """Return ``stream``, ``duration`` and ``text`` of each stream, by its first id."""
    return {
        stream[0].id: {
            "stream": stream,
            "duration": duration(stream, gap),
            "text": transcribe(stream),
        }
        for stream in streams
    }
