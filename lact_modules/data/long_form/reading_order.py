"""Utterances in the order in which they were spoken, recording by recording."""

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from itertools import pairwise
from typing import NamedTuple

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.errors import InputError

# speaker, chapter, number in the order of reading
_LIBRISPEECH = re.compile(r"(\d+)-(\d+)-(\d{4})", re.ASCII)


class _Place(NamedTuple):
    """The recording of an utterance, and its place there."""

    recording: Hashable
    order: float


def group_by_recording(utterances: Sequence[Utterance]) -> list[list[Utterance]]:
    """Sort utterances into their recordings, each in the order of speaking.

    A manifest has recording and order, or the order among all utterances of a speaker.
    Where it has no order, ids of LibriSpeech, such as ``1034-121119-0007``, number the
    utterances of a chapter, and parts of one audio file follow each other as they do
    there. Raises InputError if a place is unknown, or two are the same.
    """
    sharing = Counter(map(_source, utterances))
    recordings = defaultdict(list)
    for utterance in utterances:
        place = _find_place(utterance, sharing)
        recordings[place.recording].append((place.order, utterance))
    return [_in_order(recordings[name]) for name in sorted(recordings, key=str)]


def group_by_speaker(utterances: Sequence[Utterance]) -> list[list[Utterance]]:
    """Sort utterances by who speaks, by name, each speaker's in the order given."""
    by_speaker = defaultdict(list)
    for utterance in utterances:
        if not utterance.speaker:
            raise InputError(f"{utterance.id} has no speaker in its manifest")
        by_speaker[utterance.speaker].append(utterance)
    return [by_speaker[speaker] for speaker in sorted(by_speaker)]


def _find_place(
    utterance: Utterance, sharing: Mapping[tuple[str, int | None], int]
) -> _Place:
    recording, order = utterance.recording, utterance.order
    if order is not None and (recording or utterance.speaker):
        # a recording may have the name of a speaker
        return _Place((recording is None, recording or utterance.speaker), order)
    read = _LIBRISPEECH.fullmatch(utterance.id)
    # SpeechBrain calls a chapter a speaker
    if read and utterance.speaker in ("", read[1], f"{read[1]}-{read[2]}"):
        return _Place((recording, read[1], read[2]), int(read[3]))
    # in a table of recordings' parts, one may be all there is of its recording
    if max(sharing.values()) > 1:
        return _Place((recording, *_source(utterance)), utterance.offset)
    missing = "order" if order is None else "recording"
    raise InputError(
        f"{utterance.id}: its place in the recording is unknown; add a column "
        f"{missing!r} to its manifest (see docs/data.md), or join by speaker"
    )


def _source(utterance: Utterance) -> tuple[str, int | None]:
    return utterance.audio_filepath, utterance.channel


def _in_order(placed: list[tuple[float, Utterance]]) -> list[Utterance]:
    placed = sorted(placed, key=lambda each: (each[0], each[1].id))
    for (place, utterance), (next_place, following) in pairwise(placed):
        # others may begin at the same time
        has_order = utterance.order is not None
        if has_order and place == next_place:
            raise InputError(
                f"{utterance.id} and {following.id} are both number {place:g} of "
                f"{utterance.recording or utterance.speaker}; give each recording a "
                "name of its own, and each of its utterances another order"
            )
    return [utterance for _, utterance in placed]
