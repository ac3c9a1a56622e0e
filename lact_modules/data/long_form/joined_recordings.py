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
    """An utterance within a recording, from `start` seconds on."""

    id: str
    start: float
    duration: float
    text: str


@dataclass(frozen=True)
class JoinedRecording(Utterance):
    """Utterances in one file, for a manifest."""

    parts: tuple[Part, ...] = ()


def write_joined(
    folder: str | Path,
    utterances: Sequence[Utterance],
    waveforms: Sequence[Tensor],
    gap: float,
) -> JoinedRecording:
    """Write utterances into one 16-bit flac file, `gap` seconds of silence between.

    The file is named after the first utterance and how many follow it. Speaker and
    recording are those of all utterances, or unknown if they differ; its order is the
    first one's.
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
