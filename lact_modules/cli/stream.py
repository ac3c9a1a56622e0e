"""``lact-asr stream``: recognize speech as it arrives."""

import sys
from collections.abc import Iterator
from contextlib import closing
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lact_modules.cli.option import groups, options
from lact_modules.cli.option.grouped import grouped
from lact_modules.cli.option.live import load_recognizer
from lact_modules.cli.terminal.output import make_folder
from lact_modules.cli.terminal.signals import until_stopped
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from lact_modules.cli.terminal.stream_output import StreamWriter
    from lact_modules.inference.latency import LatencyMeter

STDIN = "-"


class Format(str, Enum):
    """How utterances are written."""

    TEXT = "text"
    JSON = "json"


@grouped
def stream(
    model: options.Model,
    source: Annotated[
        str | None,
        typer.Argument(
            help="Audio file; - reads stdin: a WAV, or raw samples, which are 16-bit "
            "little-endian integers of one channel.",
            metavar="FILE|-",
        ),
    ] = None,
    mic: Annotated[
        bool, typer.Option("--mic", help="Recognize the microphone.")
    ] = False,
    sample_rate: Annotated[
        int | None,
        typer.Option(
            min=1000,
            max=384000,
            help="Sample rate of raw samples on stdin in Hz; 16000 by default.",
        ),
    ] = None,
    realtime: Annotated[
        bool, typer.Option("--realtime", help="Read the file in real time.")
    ] = False,
    *,
    streaming: groups.Streaming,
    exit_block: options.ExitBlock = None,
    search: groups.StreamSearch,
    format: Annotated[
        Format, typer.Option(help="text: start, end, text; json: with word times.")
    ] = Format.TEXT,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial", help="Write partial hypotheses too; needs --format json."
        ),
    ] = False,
    save_state: Annotated[
        Path | None,
        typer.Option(
            help="File for the state of the stream at its end, for --load-state."
        ),
    ] = None,
    load_state: Annotated[
        Path | None,
        typer.Option(help="Continue from a state that --save-state has written."),
    ] = None,
    adaptation: groups.StreamAdaptation,
    compute: groups.Compute,
) -> None:
    """Transcribe a stream: a file, stdin or the microphone.

    Each utterance becomes one line on stdout when it ends; a terminal also shows
    the partial hypothesis. Ctrl-C ends the stream as the end of the audio does.

    At the end, stderr reports speed and latency, as if the audio had arrived in
    real time. The latency of a word is the time from its last sample until it is
    final: waiting for audio, and computing.
    """
    if partial and format is not Format.JSON:
        raise InputError("--partial: needs --format json")
    ttt = adaptation.given()
    if ttt is not None and (save_state or load_state):
        raise InputError("--ttt: a saved stream would lose what it learned; choose one")
    if save_state is not None:
        make_folder(save_state)
    blocks = _open_source(source, mic, sample_rate, realtime)

    from lact_modules.cli.terminal.stream_output import StreamWriter
    from lact_modules.inference.latency import LatencyMeter
    from lact_modules.inference.stream_file import load_stream, save_stream

    recognizer = load_recognizer(model, streaming, exit_block, search, compute, ttt)
    if save_state is not None:
        # what cannot be saved fails before the stream is recognized
        recognizer.state_dict()
    if load_state is not None:
        load_stream(recognizer, load_state)
    meter = LatencyMeter(recognizer)
    writer = StreamWriter(format is Format.JSON, partial)
    fault = _recognize(blocks, meter, writer)
    if save_state is not None:
        save_stream(recognizer, save_state)
        writer.clear()
    else:
        writer.write(meter.finish(), recognizer.partial, recognizer.seconds)
    typer.echo(meter.report(), err=True)
    if recognizer.adapter is not None:
        typer.echo(recognizer.adapter.report, err=True)
    if fault is not None:
        raise fault


def _open_source(
    source: str | None, mic: bool, sample_rate: int | None, realtime: bool
) -> "Iterator[Tensor]":
    if mic == (source is not None):
        raise InputError("stream: give an audio file, - for stdin, or --mic")
    if sample_rate is not None and source != STDIN:
        raise InputError("--sample-rate: only for stdin; other sources have their own")
    if realtime and source in (None, STDIN):
        raise InputError("--realtime: only for a file; other sources are live")

    from lact_modules.data.source import live_audio

    if source is None:
        return live_audio.record()
    if source == STDIN:
        return live_audio.read_pcm(sys.stdin.buffer, sample_rate)
    if not Path(source).is_file():
        raise InputError(f"{source}: no such file")
    blocks = live_audio.read_file(source)
    return live_audio.at_speed_of_speech(blocks) if realtime else blocks


def _recognize(
    blocks: "Iterator[Tensor]", meter: "LatencyMeter", writer: "StreamWriter"
) -> InputError | None:
    """Write utterances until the stream ends; return the fault that ended it."""
    recognizer = meter.recognizer
    try:
        with closing(until_stopped(blocks)) as coming:
            for block in coming:
                ended = meter.accept(block)
                writer.write(ended, recognizer.partial, recognizer.seconds)
    except InputError as fault:
        if not meter.seconds:
            raise
        return fault
    return None
