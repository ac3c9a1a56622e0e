"""Long recordings, joined of utterances: audio, transcript, and where parts begin."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.flac import encode_flac, name_flac
from lact_modules.data.long_form.joining import find_starts, join_signals, transcribe
from lact_modules.data.manifest.manifest import Utterance


@dataclass(frozen=True)
class Part:
    """An utterance within a recording.

    Arguments
    ---------
    id : str
        The utterance's.
    start : float
        Seconds into the recording.
    duration : float
        Seconds.
    text : str
        Transcript.
    """

    id: str
    start: float
    duration: float
    text: str


@dataclass(frozen=True)
class JoinedRecording(Utterance):
    """Utterances in one file, for a manifest.

    Arguments
    ---------
    parts : tuple[Part, ...]
        The utterances.

    Example
    -------
    >>> part = Part("a", 0.0, 1.0, "ONE")
    >>> JoinedRecording("a", "a.flac", "ONE", 1.0, parts=(part,)).parts[0].start
    0.0
    """

    parts: tuple[Part, ...] = ()


def write_joined(
    folder: str | Path,
    utterances: Sequence[Utterance],
    waveforms: Sequence[Tensor],
    gap: float,
) -> JoinedRecording:
    """Write utterances into one 16-bit flac file at 16 kHz.

    Arguments
    ---------
    folder : str | Path
        Gets the file, named after the first utterance and how many follow it.
    utterances : Sequence[Utterance]
        One at least, in order.
    waveforms : Sequence[Tensor]
        (N,) float32 at 16 kHz of each.
    gap : float
        Seconds of silence between two.

    Returns
    -------
    JoinedRecording
        Its path is relative to the folder. Speaker and recording are those of all
        utterances, or unknown if they differ; it stands where the first one does.

    Example
    -------
    >>> import tempfile, torch
    >>> two = [Utterance(name, "x.wav", name, 1.0, speaker="7") for name in "AB"]
    >>> folder = tempfile.mkdtemp()
    >>> joined = write_joined(folder, two, [torch.zeros(16000)] * 2, gap=0.5)
    >>> joined.id, joined.text, joined.duration, joined.parts[1].start
    ('A+1', 'A B', 2.5, 1.5)
    """
    first, *others = utterances
    name = f"{first.id}+{len(others)}" if others else first.id
    samples = join_signals(waveforms, gap)
    path = Path(folder) / name_flac(name)
    path.write_bytes(encode_flac(samples))
    starts = find_starts(waveforms, gap)
    speakers = {utterance.speaker for utterance in utterances}
    recordings = {utterance.recording for utterance in utterances}
    return JoinedRecording(
        name,
        path.name,
        transcribe(utterances),
        len(samples) / SAMPLE_RATE,
        speaker=first.speaker if len(speakers) == 1 else "",
        recording=first.recording if len(recordings) == 1 else None,
        order=first.order,
        parts=tuple(
            Part(each.id, start / SAMPLE_RATE, len(wave) / SAMPLE_RATE, each.text)
            for each, start, wave in zip(utterances, starts, waveforms, strict=True)
        ),
    )
