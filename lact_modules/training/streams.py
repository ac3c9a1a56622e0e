"""Streams to train on: utterances of one speaker, one after the other."""

import itertools
import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from speechbrain.dataio.dataset import DynamicItemDataset

from lact_modules.data.manifest import Utterance
from lact_modules.errors import InputError

Stream = tuple[Utterance, ...]


def join_speakers(
    utterances: Sequence[Utterance],
    max_utterances: int,
    max_duration: float,
    seed: int = 0,
) -> list[Stream]:
    """Share out utterances among streams, each of one speaker, in random order.

    How many utterances a stream has is drawn too, from 1 on, so that there are
    streams of every length. A model that remembers learns from them to use, in a later
    utterance, what it has heard in those before.

    Arguments
    ---------
    utterances : Sequence[Utterance]
        Any, with their speakers.
    max_utterances : int
        Of a stream.
    max_duration : float
        Seconds of a stream that has more than one utterance.
    seed : int
        Of the order.

    Returns
    -------
    list[Stream]
        With every utterance once, shortest stream first.

    Raises
    ------
    InputError
        If a speaker is unknown, or a stream is to have no utterance.

    Example
    -------
    >>> two = [Utterance(i, "a.wav", i.upper(), 2.0, speaker="1") for i in "ab"]
    >>> [len(stream) for stream in join_speakers(two, 1, max_duration=9.0)]
    [1, 1]
    """
    if max_utterances < 1:
        raise InputError(f"stream_utterances {max_utterances}: must be above 0")
    by_speaker = defaultdict(list)
    for utterance in utterances:
        if not utterance.speaker:
            raise InputError(
                f"stream_utterances: {utterance.id} has no speaker in its manifest"
            )
        by_speaker[utterance.speaker].append(utterance)
    rng = random.Random(seed)
    streams = []
    for speaker in sorted(by_speaker):
        rest = sorted(by_speaker[speaker], key=lambda u: u.id)
        rng.shuffle(rest)
        while rest:
            stream = _take(rest, rng.randint(1, max_utterances), max_duration)
            streams.append(stream)
            rest = rest[len(stream) :]
    return sorted(streams, key=lambda stream: (duration(stream), stream[0].id))


def exchange(
    streams: Sequence[Stream], seed: int | str, neighbours: int = 16
) -> list[Stream]:
    """Let utterances of a speaker that last about as long change places, at random.

    So each has other ones before it in every epoch, and streams last about as long as
    they did.

    Arguments
    ---------
    streams : Sequence[Stream]
        Each of one speaker.
    seed : int | str
        Of who goes where.
    neighbours : int
        Utterances, next to each other in order of duration, that change places.

    Returns
    -------
    list[Stream]
        As long as those before, in the same order, with the same utterances.

    Example
    -------
    >>> a, b = (Utterance(i, "a.wav", "A", 2.0, speaker="1") for i in "ab")
    >>> {exchange([(a,), (b,)], seed)[0][0].id for seed in range(9)} == {"a", "b"}
    True
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


def duration(stream: Stream) -> float:
    """Give the seconds of a stream.

    Arguments
    ---------
    stream : Stream
        Its utterances.

    Returns
    -------
    float
        Their durations' sum.

    Example
    -------
    >>> duration((Utterance("a", "a.wav", "A", 2.0), Utterance("b", "b.wav", "B", 1.5)))
    3.5
    """
    return sum(utterance.duration for utterance in stream)


def transcribe(stream: Sequence[Utterance]) -> str:
    """Give what is said in a stream.

    Arguments
    ---------
    stream : Sequence[Utterance]
        Its utterances.

    Returns
    -------
    str
        Their texts, with a blank between two.

    Example
    -------
    >>> a, b = (Utterance(i, "a.wav", i, 2.0) for i in "AB")
    >>> transcribe((a, b))
    'A B'
    """
    return " ".join(utterance.text for utterance in stream)


class StreamDataset(DynamicItemDataset):
    """Streams, whose utterances change places with others in each epoch.

    Arguments
    ---------
    entries : dict[str, dict[str, Any]]
        By id, with ``stream`` and ``text``.
    seed : int
        Of who goes where.
    **options : Any
        As for SpeechBrain's class.

    Example
    -------
    >>> a, b = (Utterance(i, "a.wav", i, 1.0, speaker="1") for i in "AB")
    >>> entries = {"1": {"stream": (a, b), "text": "A B"}}
    >>> dataset = StreamDataset(entries, seed=1, output_keys=["text"])
    >>> texts = [dataset.set_epoch(epoch) or dataset[0]["text"] for epoch in range(9)]
    >>> sorted(set(texts))
    ['A B', 'B A']
    """

    def __init__(self, entries: dict[str, dict[str, Any]], seed: int, **options: Any):
        super().__init__(entries, **options)
        self.seed = seed
        self._all = self._streams = [entry["stream"] for entry in entries.values()]

    def set_epoch(self, epoch: int) -> None:
        """Choose what is heard together; ids and durations stay as they were.

        Arguments
        ---------
        epoch : int
            From 1 on.
        """
        self._streams = exchange(self._all, f"{self.seed} {epoch}")
        self._use(self._streams)

    @property
    def num_utterances(self) -> int:
        """Of all streams."""
        return sum(map(len, self._all))

    def utterance_ids(self) -> list[list[str]]:
        """List the ids of what is heard together in the epoch, stream by stream."""
        return [[utterance.id for utterance in stream] for stream in self._streams]

    def keep(self, is_kept: Iterable[bool]) -> None:
        """Leave out utterances until the next epoch.

        Arguments
        ---------
        is_kept : Iterable[bool]
            Of each utterance, in the order of `utterance_ids`.
        """
        flags = iter(is_kept)
        self._use([tuple(u for u in s if next(flags)) for s in self._streams])

    def _use(self, streams: Sequence[Stream]) -> None:
        for entry, stream in zip(self.data.values(), streams, strict=True):
            entry |= {"stream": stream, "text": transcribe(stream)}


def _take(utterances: Sequence[Utterance], count: int, max_duration: float) -> Stream:
    """Take so many, or as many as last no longer than that, at least one."""
    taken = list(utterances[:count])
    while len(taken) > 1 and duration(tuple(taken)) > max_duration:
        taken.pop()
    return tuple(taken)
