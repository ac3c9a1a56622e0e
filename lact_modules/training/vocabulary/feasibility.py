"""Utterances that CTC has too few frames for, counted before training begins."""

import itertools
import logging
import math
from collections.abc import Iterable, Sequence

from lact_modules.data.text.subwords import AnyVocabulary, SubwordVocabulary
from lact_modules.errors import InputError

logger = logging.getLogger(__name__)

_USUAL_RATE = 25.0
"""Frames a second of the mel front end."""


def check_feasible(
    utterances: Iterable[tuple[float, str]],
    vocabulary: AnyVocabulary,
    frame_rate: float,
    ctc_weight: float = 1.0,
) -> int:
    """Warn of utterances with more labels than frames, which CTC cannot learn.

    A label that repeats its neighbor takes a frame more, for the blank between. Audio
    is not read: frames follow from durations, but for one or two, and augmentation that
    changes the speed is ignored. Raises InputError if there are no others and no
    attention.
    """
    if not ctc_weight:
        return 0
    total = count = 0
    for seconds, text in utterances:
        total += 1
        # durations are decimals: a frame of their rounding is none
        num_frames = math.ceil(round(seconds * frame_rate, 6))
        count += not fits(vocabulary.encode(text), num_frames)
    if not count:
        return 0
    complaint = (
        f"{count} of {total} training utterances ({100 * count / total:.2g} %) have "
        f"more labels than frames, at {frame_rate:g} frames a second"
    )
    advice = " or ".join(_remedies(vocabulary, frame_rate))
    if count == total and ctc_weight == 1:
        raise InputError(f"{complaint}: CTC can learn none of them; {advice}")
    logger.warning("%s; CTC skips them: %s", complaint, advice)
    return count


def fits(labels: Sequence[int], num_frames: int) -> bool:
    """Return whether labels, and blanks between equal ones, fit into so many frames."""
    count = len(labels)
    if not count <= num_frames < 2 * count - 1:
        return count <= num_frames
    repeats = sum(one == other for one, other in itertools.pairwise(labels))
    return count + repeats <= num_frames


def _remedies(vocabulary: AnyVocabulary, frame_rate: float) -> list[str]:
    """List remedies: fewer labels, more frames, or other utterances."""
    is_of_pieces = isinstance(vocabulary, SubwordVocabulary)
    remedies = [
        "give more num_tokens"
        if is_of_pieces
        else "take word pieces (--units pieces --num_tokens 256)"
    ]
    if frame_rate < _USUAL_RATE:
        remedies.append(
            f"a front end of {_USUAL_RATE:g} frames a second (4x subsampling)"
        )
    return [*remedies, "fix or split transcripts that hold more than the audio"]
