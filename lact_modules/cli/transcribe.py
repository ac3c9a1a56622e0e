"""``lact-asr transcribe``: audio files to text, captions or word timings."""

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from lact_modules.cli.corpus import Corpus, Manifest, transcribe_corpus
from lact_modules.cli.option import groups, options
from lact_modules.cli.option.grouped import grouped
from lact_modules.cli.option.recordings import Recording, list_recordings
from lact_modules.cli.parts import Division
from lact_modules.cli.terminal.output import STDOUT, open_output, show_progress
from lact_modules.cli.terminal.tally import Tally
from lact_modules.errors import InputError, on_one_line

if TYPE_CHECKING:
    from lact_modules.decoding.hypothesis import Hypothesis
    from lact_modules.inference.files import Outcome

Channels: TypeAlias = "list[tuple[int | None, Hypothesis]]"
"""Hypotheses of a file's channels; None is the mean of all."""


class Format(str, Enum):
    """How hypotheses are written."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"
    CTM = "ctm"


CAPTIONS = (Format.SRT, Format.VTT)


@grouped
def transcribe(
    model: options.Model,
    files: Annotated[
        list[str] | None,
        typer.Argument(help="Audio files or folders; - reads a list from stdin."),
    ] = None,
    manifest: Manifest = None,
    format: Annotated[
        Format | None,
        typer.Option(
            help="text; captions: srt, vtt; word times: json, ctm.", show_default="text"
        ),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Output file; by default stdout. For captions of several files and "
            "for parts, a folder, made if missing; parts that it holds are skipped."
        ),
    ] = None,
    *,
    division: Division,
    avg_checkpoints: options.AvgCheckpoints = None,
    channel: Annotated[
        str | None,
        typer.Option(
            help="Channel of multi-channel files, from 0; each: all, one after the "
            "other, in captions as speakers. By default the mean of all.",
            metavar="N|each",
        ),
    ] = None,
    batch_size: options.BatchSize = 8,
    search: groups.FileSearch,
    encoding: groups.Encoding,
    adaptation: groups.FileAdaptation,
    compute: groups.Compute,
) -> None:
    """Transcribe audio files of any format and sample rate, or a corpus by part.

    A corpus becomes JSON lines in a folder, part by part: --manifest, --engine ray or
    --part-size. If interrupted, the same command continues where it stopped.
    """
    from lact_modules.data.source.collect import collect_audio
    from lact_modules.inference.transcriber import Transcriber

    loading = groups.loading_options(avg_checkpoints, encoding, adaptation, compute)
    loading |= search.given()
    place = division.place(compute.device, batch_size)
    if manifest is not None or division.is_wanted:
        if format is not None and format is not Format.JSON:
            raise InputError(f"--format {format.value}: parts are json; omit it")
        corpus = Corpus(manifest, files or [], channel, division.part_size)
        transcribe_corpus(corpus, model, loading, place, output)
        return
    sources = collect_audio(files or (), listed=sys.stdin)
    recordings = list_recordings(sources, channel)
    format = format or Format.TEXT
    with _open_writer(format, sources, output) as write:
        transcriber = Transcriber.from_folder(model, place.device, **loading)
        tally = Tally()
        outcomes = transcriber.transcribe_files(
            recordings,
            batch_size,
            lambda each: transcriber.load(each.path, channel=each.channel),
        )
        is_watched = output is None and sys.stdout.isatty()
        if not is_watched:
            outcomes = show_progress(outcomes, "Transcribing", len(recordings))
        for group in _group(outcomes, format):
            channels: Channels = []
            for outcome in group:
                tally.add(outcome)
                if outcome.result is not None:
                    channels.append((outcome.source.channel, outcome.result))
            if channels:
                write(outcome.source.path, channels)
        tally.report()
        if transcriber.adapter is not None:
            typer.echo(transcriber.adapter.report, err=True)
        # Leaving from within writes nothing: not one file could be read.
        if tally.num_read == 0:
            raise typer.Exit(2)
    if tally.failures:
        raise typer.Exit(2)


def _group(
    outcomes: "Iterable[Outcome[Recording, Hypothesis]]", format: Format
) -> "Iterable[Iterable[Outcome[Recording, Hypothesis]]]":
    """Keep the channels of a file together where they are written together."""
    if format not in CAPTIONS:
        return ([outcome] for outcome in outcomes)
    return (group for _, group in groupby(outcomes, key=lambda each: each.source.path))


@contextmanager
def _open_writer(
    format: Format, sources: Sequence[Path], output: Path | None
) -> Iterator["Callable[[Path, Channels], object]"]:
    """Make a function that writes a file's hypotheses; files appear when complete."""
    several = len(sources) > 1
    if several and format in CAPTIONS:
        yield _caption_writer(format, sources, output)
        return
    names = _names(format, sources)
    with open_output(output) as stream:
        yield lambda source, channels: stream.write(
            _render(format, source, channels, several, names.get(source))
        )


def _names(format: Format, sources: Sequence[Path]) -> dict[Path, str]:
    from lact_modules.inference.formats import ctm_names

    return ctm_names(sources) if format is Format.CTM else {}


def _caption_writer(
    format: Format, sources: Sequence[Path], output: Path | None
) -> "Callable[[Path, Channels], None]":
    """Make a function that writes the captions of each source into its own file."""
    if output is None or output == STDOUT or output.is_file():
        raise InputError(
            f"{format.value} of several files: each gets a file of its own; "
            "give a folder as --output"
        )
    names = Counter(source.stem for source in sources)
    [(name, count)] = names.most_common(1)
    if count > 1:
        raise InputError(
            f"{name}.{format.value}: would hold the captions of {count} files; "
            "transcribe files of one name apart"
        )

    output.mkdir(parents=True, exist_ok=True)

    def write(source: Path, channels: Channels) -> None:
        with open_output(output / f"{source.stem}.{format.value}") as stream:
            stream.write(_render(format, source, channels))

    return write


def _render(
    format: Format,
    source: Path,
    channels: Channels,
    with_name: bool = False,
    name: str | None = None,
) -> str:
    from lact_modules.inference import formats

    if format in CAPTIONS:
        to_captions = formats.to_srt if format is Format.SRT else formats.to_vtt
        if len(channels) == 1:
            return to_captions(channels[0][1])
        return to_captions({f"Channel {number}": each for number, each in channels})
    writers: dict[Format, Callable[..., str]] = {
        Format.JSON: formats.to_json,
        Format.CTM: partial(formats.to_ctm, name=name),
        Format.TEXT: partial(_to_text, with_name=with_name),
    }
    to_lines = writers[format]
    return "".join(to_lines(source, each, channel) for channel, each in channels)


def _to_text(
    source: Path, hypothesis: "Hypothesis", channel: int | None, with_name: bool
) -> str:
    """Write a line: the file if there are several, the channel if given, the text."""
    place = [on_one_line(str(source))] if with_name else []
    if channel is not None:
        place.append(str(channel))
    return "\t".join([*place, hypothesis.text]) + "\n"
