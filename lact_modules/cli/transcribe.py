"""``lact-asr transcribe``: audio files to text, captions or word timings."""

import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lact_modules.cli import options
from lact_modules.cli.output import open_output, show_progress
from lact_modules.cli.tally import Tally
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from lact_modules.decoding.hypothesis import Hypothesis


class Format(str, Enum):
    """How hypotheses are written."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"
    CTM = "ctm"


CAPTIONS = (Format.SRT, Format.VTT)


def transcribe(
    files: Annotated[
        list[str],
        typer.Argument(help="Audio files or folders; - reads a list from stdin."),
    ],
    model: options.Model,
    format: Annotated[
        Format, typer.Option(help="Captions: srt, vtt; word times: json, ctm.")
    ] = Format.TEXT,
    output: Annotated[
        Path | None,
        typer.Option(
            help="File to write, stdout if not given; "
            "for captions of several files, a folder."
        ),
    ] = None,
    avg_checkpoints: options.AvgCheckpoints = None,
    batch_size: options.BatchSize = 8,
    beam_size: options.BeamSize = 0,
    lm: options.LanguageModel = None,
    lexicon: options.Lexicon = None,
    lm_weight: options.LanguageModelWeight = None,
    word_score: options.WordScore = None,
    search: options.Search = None,
    ctc_weight: options.CTCWeight = None,
    rescore: options.Rescore = None,
    rescore_weight: options.RescoreWeight = None,
    rescore_word_score: options.RescoreWordScore = None,
    rescore_lowercase: options.RescoreLowercase = None,
    num_best: options.NumBest = None,
    chunk: options.Chunk = None,
    left: options.Left = None,
    ttt: options.TTT = None,
    ttt_loss: options.TTTLoss = None,
    ttt_steps: options.TTTSteps = None,
    ttt_params: options.TTTParameters = None,
    ttt_optimizer: options.TTTOptimizer = None,
    ttt_lr: options.TTTLearningRate = None,
    ttt_mode: options.TTTMode = None,
    ttt_chunk: options.TTTChunk = None,
    device: options.Device = "auto",
) -> None:
    """Transcribe audio files of any format and sample rate."""
    from lact_modules.data.sources import collect_audio
    from lact_modules.inference.transcriber import Transcriber

    sources = collect_audio(files, listed=sys.stdin)
    decoding = options.given(
        beam_size=beam_size,
        lm=lm,
        lexicon=lexicon,
        lm_weight=lm_weight,
        word_score=word_score,
        search=search,
        ctc_weight=ctc_weight,
        rescore=rescore,
        rescore_weight=rescore_weight,
        rescore_word_score=rescore_word_score,
        rescore_lowercase=rescore_lowercase,
        num_best=num_best,
    )
    adaptation = options.ttt_options(
        *(ttt, ttt_loss, ttt_steps, ttt_params),
        *(ttt_optimizer, ttt_lr, ttt_mode, ttt_chunk),
    )
    chunking = options.given(chunk_seconds=chunk, left_seconds=left)
    with _open_writer(format, sources, output) as write:
        transcriber = Transcriber.from_folder(
            model, device, avg_checkpoints, ttt=adaptation, **chunking, **decoding
        )
        tally = Tally()
        outcomes = transcriber.transcribe_files(sources, batch_size)
        is_watched = output is None and sys.stdout.isatty()
        if not is_watched:
            outcomes = show_progress(outcomes, "Transcribing", len(sources))
        for outcome in outcomes:
            tally.add(outcome)
            if outcome.result is not None:
                write(outcome.source, outcome.result)
        tally.report()
        if transcriber.adapter is not None:
            typer.echo(transcriber.adapter.report, err=True)
        # Leaving from within writes nothing: not one file could be read.
        if tally.num_read == 0:
            raise typer.Exit(2)
    if tally.failures:
        raise typer.Exit(2)


@contextmanager
def _open_writer(
    format: Format, sources: Sequence[Path], output: Path | None
) -> Iterator["Callable[[Path, Hypothesis], object]"]:
    """Give what writes the hypothesis of a source; files appear when complete."""
    several = len(sources) > 1
    if several and format in CAPTIONS:
        yield _caption_writer(format, sources, output)
        return
    with open_output(output) as stream:
        yield lambda source, hypothesis: stream.write(
            _render(format, source, hypothesis, with_name=several)
        )


def _caption_writer(
    format: Format, sources: Sequence[Path], output: Path | None
) -> "Callable[[Path, Hypothesis], None]":
    """Give what writes the captions of each source into a file of its own."""
    if output is None or not output.is_dir():
        raise InputError(
            f"{format.value} of several files: each gets a file of its own; "
            "give an existing folder as --output"
        )
    names = Counter(source.stem for source in sources)
    [(name, count)] = names.most_common(1)
    if count > 1:
        raise InputError(
            f"{name}.{format.value}: would hold the captions of {count} files; "
            "transcribe files of one name apart"
        )

    def write(source: Path, hypothesis: "Hypothesis") -> None:
        with open_output(output / f"{source.stem}.{format.value}") as stream:
            stream.write(_render(format, source, hypothesis, with_name=False))

    return write


def _render(
    format: Format, source: Path, hypothesis: "Hypothesis", with_name: bool
) -> str:
    from lact_modules.inference import formats

    match format:
        case Format.JSON:
            return formats.to_json(source, hypothesis)
        case Format.CTM:
            return formats.to_ctm(source, hypothesis)
        case Format.SRT:
            return formats.to_srt(hypothesis)
        case Format.VTT:
            return formats.to_vtt(hypothesis)
    return f"{source}\t{hypothesis.text}\n" if with_name else f"{hypothesis.text}\n"
