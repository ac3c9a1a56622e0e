"""Read audio files: any format soundfile reads, any rate, mono or not."""

from pathlib import Path

import soundfile
import torch
import torchaudio
from torch import Tensor

from lact_modules.errors import InputError

SAMPLE_RATE = 16000
"""Hz; what every model here hears."""


def load_audio(
    path: str | Path,
    sample_rate: int = SAMPLE_RATE,
    offset: float = 0.0,
    duration: float | None = None,
) -> Tensor:
    """Read one audio file as mono samples at the wanted rate.

    Channels are averaged.

    Arguments
    ---------
    path : str | Path
        wav, flac, ogg, opus, mp3, ... (what libsndfile reads).
    sample_rate : int
        Hz of the result; other rates are resampled.
    offset : float
        Seconds to skip.
    duration : float | None
        Seconds to read; to the end of the file if None or 0.

    Returns
    -------
    Tensor
        (N,) float32, full scale is 1.

    Raises
    ------
    InputError
        If the file is missing, not audio, truncated, empty or holds NaN or
        infinite samples.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "stereo.wav"
    >>> soundfile.write(path, torch.zeros(8000, 2).numpy(), 8000)
    >>> load_audio(path).shape
    torch.Size([16000])
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        with soundfile.SoundFile(path) as stream:
            rate, announced = stream.samplerate, stream.frames
            stream.seek(min(round(offset * rate), announced))
            wanted = round(duration * rate) if duration else -1
            samples = stream.read(wanted, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, RuntimeError) as error:
        raise InputError(f"{path}: cannot be read as audio ({error})") from error
    if len(samples) == 0:
        raise InputError(f"{path}: holds no samples")
    # flac declares its length up front: fewer decoded samples mean a cut file
    expected = announced - round(offset * rate)
    if wanted < 0 and announced < 2**62 and len(samples) < expected:
        raise InputError(
            f"{path}: truncated: {len(samples)} of {expected} samples can be decoded"
        )
    waveform = torch.from_numpy(samples).mean(dim=1)
    if not torch.isfinite(waveform).all():
        raise InputError(f"{path}: holds NaN or infinite samples")
    if rate != sample_rate:
        waveform = torchaudio.functional.resample(waveform, rate, sample_rate)
    return waveform
