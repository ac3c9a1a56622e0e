"""How long audio files are, and their rate."""

from pathlib import Path

from lact_modules.data.media.decoder import Decoder
from lact_modules.data.media.segment import open_decoders


def audio_duration(path: str | Path) -> float:
    """Measure how long an audio file is, decoding it only where its header fails.

    Arguments
    ---------
    path : str | Path
        wav, flac, ogg, opus, mp3, ...

    Returns
    -------
    float
        Seconds, as decoding it gives them if it is not damaged.

    Raises
    ------
    InputError
        If the file is missing or not audio, or announces more than it holds.

    Example
    -------
    >>> import soundfile, tempfile, numpy
    >>> path = Path(tempfile.mkdtemp()) / "a.wav"
    >>> soundfile.write(path, numpy.zeros(4000), 8000)
    >>> audio_duration(path)
    0.5
    """
    with open_decoders(path) as (parts, _):
        return sum(_count_samples(part) / part.rate for part in parts)


def audio_rate(path: str | Path) -> int:
    """Read an audio file's sample rate.

    Arguments
    ---------
    path : str | Path
        wav, flac, ogg, opus, mp3, ...

    Returns
    -------
    int
        Hz; the first one's, of files joined.

    Raises
    ------
    InputError
        If the file is missing or not audio.
    """
    with open_decoders(path) as (parts, _):
        return next(parts).rate


def _count_samples(part: Decoder) -> int:
    if part.num_samples is not None:
        return part.num_samples
    return sum(map(len, part.read()))
