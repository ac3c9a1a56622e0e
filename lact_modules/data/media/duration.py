"""How long audio files are, and their rate."""

from pathlib import Path

from lact_modules.data.media.decoder import Decoder
from lact_modules.data.media.segment import open_decoders


def audio_duration(path: str | Path) -> float:
    """Return the seconds of a file, decoded only where its header fails."""
    with open_decoders(path) as (parts, _):
        return sum(_count_samples(part) / part.rate for part in parts)


def audio_rate(path: str | Path) -> int:
    """Read an audio file's sample rate; the first one's, of files joined."""
    with open_decoders(path) as (parts, _):
        return next(parts).rate


def _count_samples(part: Decoder) -> int:
    if part.num_samples is not None:
        return part.num_samples
    return sum(map(len, part.read()))
