"""Long-form training examples: utterances joined one after the other."""

import itertools
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from lact_modules.data.long_form.joining import Stream, duration, pack
from lact_modules.data.long_form.reading_order import (
    group_by_recording,
    group_by_speaker,
)
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.errors import InputError

RANDOM, READING = "random", "reading"
ORDERS = (RANDOM, READING)
"""Of the utterances of a stream: a speaker's at random, or a recording's as read."""


class LongForm(NamedTuple):
    """How training examples are joined of several utterances.

    ``utterances`` are the most of an example, where 1 together with ``seconds`` means
    any number; ``order`` is one of `ORDERS`.
    """

    utterances: int = 1
    seconds: float | None = None
    order: str = RANDOM
    gap_seconds: float = 0.0

    @property
    def is_joined(self) -> bool:
        """Whether an example has ever more than one utterance."""
        return self.utterances > 1 or self.seconds is not None


class StreamPlan(NamedTuple):
    """Streams from an epoch on, with each utterance in one of them.

    If ``is_random``, utterances change places in each epoch, see `exchange`.
    """

    streams: list[Stream]
    first_epoch: int = 1
    is_random: bool = False


def join_utterances(
    utterances: Sequence[Utterance],
    order: str,
    max_utterances: int | None,
    max_duration: float | None,
    gap: float = 0.0,
    seed: int = 0,
) -> list[Stream]:
    """Divide utterances into streams, each in one, the shortest stream first.

    ``order`` is one of `ORDERS`. ``max_duration`` in seconds limits streams of more
    than one utterance. Raises InputError if a speaker, or a place in a recording, is
    unknown.
    """
    if order == RANDOM:
        return join_speakers(utterances, max_utterances, max_duration, seed, gap)
    draw_count = None if max_utterances is None else lambda: max_utterances
    streams = [
        stream
        for recording in group_by_recording(utterances)
        for stream in pack(recording, max_duration, gap, draw_count)
    ]
    return _shortest_first(streams, gap)


def join_speakers(
    utterances: Sequence[Utterance],
    max_utterances: int | None,
    max_duration: float | None,
    seed: int = 0,
    gap: float = 0.0,
) -> list[Stream]:
    """Share out utterances among streams, each of one speaker, in random order.

    Where the number of a stream's utterances is bounded, it is drawn too, from 1 on, so
    that there are streams of every length. From them a model with carried state learns
    to use what earlier utterances have taught it.
    """
    if max_utterances is not None and max_utterances < 1:
        raise InputError(f"long_form_utterances {max_utterances}: must be above 0")
    rng = random.Random(seed)
    draw_count = None
    if max_utterances is not None:
        draw_count = lambda: rng.randint(1, max_utterances)  # noqa: E731
    streams = []
    for group in group_by_speaker(sorted(utterances, key=lambda u: u.id)):
        rng.shuffle(group)
        streams += pack(group, max_duration, gap, draw_count)
    return _shortest_first(streams, gap)


def _shortest_first(streams: Sequence[Stream], gap: float) -> list[Stream]:
    return sorted(streams, key=lambda stream: (duration(stream, gap), stream[0].id))


def exchange(
    streams: Sequence[Stream], seed: int | str, neighbours: int = 16
) -> list[Stream]:
    """Swap utterances of a speaker that last about as long, at random.

    So each has other ones before it in every epoch, and streams last about as long as
    they did. They change places among ``neighbours``, consecutive ones by duration.
    """
    rng = random.Random(seed)
    places = defaultdict(list)
    for i, stream in enumerate(streams):
        for j, utterance in enumerate(stream):
            places[utterance.speaker].append((utterance.duration, utterance.id, i, j))
    exchanged = [list(stream) for stream in streams]
    for speaker in sorted(places, key=str):
        in_order = [(i, j) for _, _, i, j in sorted(places[speaker])]
        first = rng.randrange(neighbours)
        borders = [0, *range(first, len(in_order), neighbours), len(in_order)]
        for start, stop in itertools.pairwise(borders):
            alike = in_order[start:stop]
            comers = [streams[i][j] for i, j in alike]
            rng.shuffle(comers)
            for (i, j), comer in zip(alike, comers, strict=True):
                exchanged[i][j] = comer
    return [tuple(stream) for stream in exchanged]
