"""Transcribed speech that commands score against."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from torch import Tensor

    from lact_modules.data.manifest.manifest import Utterance

DATA_HELP = (
    "Split folder in LibriSpeech's layout, or manifest: .jsonl, .csv, .tsv, Lhotse's "
    ".jsonl.gz."
)
"""Of an option or argument that `read_transcribed` reads."""

Data = Annotated[Path, typer.Argument(help=DATA_HELP)]


def read_transcribed(
    data: Path, channel: int | None = None
) -> tuple[list["Utterance"], list[str]]:
    """Read utterances of a split folder or manifest, and the faults of others."""
    from lact_modules.data.corpus.split_folder import inspect_split
    from lact_modules.data.manifest.manifest import read_manifest

    if not data.is_dir():
        utterances = read_manifest(data)
        if channel is not None:
            utterances = [replace(each, channel=channel) for each in utterances]
        return utterances, []
    utterances, skipped = inspect_split(data, min_duration=0.0, channel=channel)
    return utterances, [f"{s.id}: {s.reason} ({s.detail})" for s in skipped]


def load_utterance(utterance: "Utterance") -> "Tensor":
    """Read an utterance's part of its file, (N,) float32 at 16 kHz."""
    from lact_modules.data import audio

    return audio.load_utterance(utterance)
