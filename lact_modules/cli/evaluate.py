"""``lact-asr evaluate``: error rates of a trained model on transcribed speech."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from lact_modules.cli import options
from lact_modules.cli.output import open_output, show_progress
from lact_modules.cli.tally import Tally
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from lact_modules.data.manifest import Utterance
    from lact_modules.training.error_rate import ErrorRate


def evaluate(
    model: options.Model,
    data: Annotated[
        Path,
        typer.Option(
            help="Split folder in LibriSpeech's layout, or a .jsonl manifest."
        ),
    ],
    json_file: Annotated[
        Path | None, typer.Option("--json", help="File for scores and transcripts.")
    ] = None,
    batch_size: options.BatchSize = 8,
    beam_size: options.BeamSize = 0,
    lm: options.LanguageModel = None,
    lexicon: options.Lexicon = None,
    lm_weight: options.LanguageModelWeight = None,
    word_score: options.WordScore = None,
    device: options.Device = "auto",
) -> None:
    """Transcribe a data set and score it: word and character error rate."""
    from lact_modules.inference.transcriber import Transcriber
    from lact_modules.training.error_rate import score

    utterances, unusable = _read_data(data)
    decoding = options.given(
        beam_size=beam_size,
        lm=lm,
        lexicon=lexicon,
        lm_weight=lm_weight,
        word_score=word_score,
    )
    with nullcontext() if json_file is None else open_output(json_file) as stream:
        transcriber = Transcriber.from_folder(model, device, **decoding)
        tally = Tally(unusable)
        results = transcriber.transcribe_files(utterances, batch_size, load=_load)
        heard: list[tuple[Utterance, str]] = []
        for result in show_progress(results, "Transcribing", len(utterances)):
            tally.add(result)
            if result.hypothesis is not None:
                heard.append((result.source, result.hypothesis.text))
        tally.report()
        if not heard:
            raise InputError(f"{data}: not one utterance could be transcribed")
        rate = score([u.text for u, _ in heard], [text for _, text in heard])
        if stream is not None:
            json.dump(_summary(rate, tally, heard), stream, indent=2)
    _print_table(rate, tally)
    if tally.failures:
        raise typer.Exit(2)


def _read_data(data: Path) -> tuple[list["Utterance"], list[str]]:
    """Read a split folder or a manifest: utterances, and what is wrong with others."""
    from lact_modules.data.manifest import read_manifest
    from lact_modules.data.split_folder import inspect_split

    if not data.is_dir():
        return read_manifest(data), []
    utterances, skipped = inspect_split(data, min_duration=0.0)
    return utterances, [f"{s.id}: {s.reason} ({s.detail})" for s in skipped]


def _load(utterance: "Utterance") -> "Tensor":
    from lact_modules.data.audio import load_audio

    return load_audio(
        utterance.audio_filepath, offset=utterance.offset, duration=utterance.duration
    )


def _summary(
    rate: "ErrorRate", tally: Tally, heard: Sequence[tuple["Utterance", str]]
) -> dict[str, Any]:
    return {
        "wer": rate.wer,
        "wer_interval": rate.wer_interval,
        "cer": rate.cer,
        "substitutions": rate.substitutions,
        "insertions": rate.insertions,
        "deletions": rate.deletions,
        "n_words": rate.num_words,
        "n_utterances": len(heard),
        "n_failed": len(tally.failures),
        "audio_s": tally.audio_s,
        "wall_s": tally.wall_s,
        "rtf": tally.rtf,
        "utterances": [{"id": u.id, "ref": u.text, "hyp": text} for u, text in heard],
    }


def _print_table(rate: "ErrorRate", tally: Tally) -> None:
    low, high = rate.wer_interval
    table = Table("WER %", "95 %", "CER %", "sub", "ins", "del", "words", "utt", "RTF")
    table.add_row(
        f"{rate.wer:.2f}",
        f"{low:.2f} - {high:.2f}",
        f"{rate.cer:.2f}",
        str(rate.substitutions),
        str(rate.insertions),
        str(rate.deletions),
        str(rate.num_words),
        str(rate.num_utterances),
        f"{tally.rtf:.3f}",
    )
    Console().print(table)
