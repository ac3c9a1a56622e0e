"""``lact-asr evaluate``: error rates of a trained model on transcribed speech."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lact_modules.cli.option import groups, options
from lact_modules.cli.option.grouped import grouped
from lact_modules.cli.option.transcribed import DATA_HELP, read_transcribed
from lact_modules.cli.parts import Division
from lact_modules.cli.scored_parts import score_parts
from lact_modules.cli.terminal.output import open_report, show_progress
from lact_modules.cli.terminal.scores import Scored
from lact_modules.cli.terminal.tally import Tally
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from lact_modules.data.manifest.manifest import Utterance
    from lact_modules.decoding.rescore import Decoder
    from lact_modules.inference.transcriber import Transcriber
    from lact_modules.scoring.minutes import ByMinute
    from lact_modules.scoring.transcripts import Transcripts


@grouped
def evaluate(
    model: options.Model,
    data: Annotated[Path, typer.Option(help=DATA_HELP)],
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="File for scores and transcripts; -: stdout."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(
            help="Folder for transcripts by part, as transcribe --manifest writes it; "
            "parts that it holds are skipped.",
            metavar="DIR",
        ),
    ] = None,
    *,
    division: Division,
    avg_checkpoints: options.AvgCheckpoints = None,
    batch_size: options.BatchSize = 8,
    search: groups.FileSearch,
    encoding: groups.Encoding,
    adaptation: groups.FileAdaptation,
    channel: options.Channel = None,
    compute: groups.Compute,
    each_step: Annotated[
        bool,
        typer.Option(
            "--each-step",
            help="Score every step: greedy, beam, LM, rescoring.",
        ),
    ] = False,
) -> None:
    """Transcribe a data set and score it: word and character error rate.

    Errors in recordings of more than a minute are also reported by minute. Use
    --output to transcribe a large data set part by part, and --engine ray for several
    machines; if interrupted, the same command continues where it stopped.
    """
    decoding = search.given()
    running = groups.loading_options(avg_checkpoints, encoding, adaptation, compute)
    is_by_part = output is not None or division.is_wanted
    place = division.place(compute.device, batch_size)
    if is_by_part and each_step:
        raise InputError("--each-step: parts are of one search; omit --output")
    with open_report(json_file) as stream:
        if is_by_part:
            scored = score_parts(
                *(data, channel, division.part_size, model, running | decoding),
                *(place, output),
            )
        else:
            scored = _score(
                *(data, channel, model, compute.device, batch_size, each_step),
                *(running, decoding),
            )
        _check_transcripts(data, scored.transcripts)
        scores = scored.scores()
        if stream is not None:
            summary = scored.summary(scores) | {
                "precision": compute.precision,
                "compiled": compute.compiled,
                "exit_block": encoding.exit_block,
            }
            json.dump(summary, stream, indent=2)
        scored.show(scores)
    if scored.tally.failures:
        raise typer.Exit(2)


def _score(
    data: Path,
    channel: int | None,
    model: Path,
    device: str,
    batch_size: int,
    each_step: bool,
    running: dict[str, Any],
    decoding: dict[str, Any],
) -> Scored:
    """Transcribe a data set in this process, by one search or by all its steps."""
    transcriber, decoders = _load_model(model, device, each_step, running, decoding)
    utterances, unusable = read_transcribed(data, channel)
    tally = Tally(unusable)
    transcripts, minutes = _transcribe(
        transcriber, decoders, utterances, batch_size, tally
    )
    adaptation = None
    if transcriber.adapter is not None:
        report = asdict(transcriber.adapter.report)
        adaptation = {**(running["ttt"] or {}), **report}
    return Scored(
        *(transcripts, minutes, tally, tally.audio_s),
        *(_latency(transcriber), adaptation),
    )


def _load_model(
    folder: Path,
    device: str,
    each_step: bool,
    running: dict[str, Any],
    decoding: dict[str, Any],
) -> "tuple[Transcriber, dict[str, Decoder]]":
    """Load a model, and the requested search or all the steps up to it."""
    from lact_modules.inference.decoders import decoding_steps
    from lact_modules.inference.transcriber import Transcriber

    if not each_step:
        transcriber = Transcriber.from_folder(folder, device, **running, **decoding)
        return transcriber, {"": transcriber.decoder}
    # audio is run piece by piece where CTC alone is searched
    search = options.given(search=decoding.get("search"))
    transcriber = Transcriber.from_folder(folder, device, **running, **search)
    decoding["device"] = transcriber.device
    return transcriber, decoding_steps(transcriber.trained, **decoding)


def _transcribe(
    transcriber: "Transcriber",
    decoders: "dict[str, Decoder]",
    utterances: "list[Utterance]",
    batch_size: int,
    tally: Tally,
) -> "tuple[Transcripts, dict[str, ByMinute]]":
    """Transcribe utterances by each decoder, and count what was done."""
    from lact_modules.inference.files import process_files
    from lact_modules.scoring.minutes import ByMinute
    from lact_modules.scoring.transcripts import Transcripts

    transcripts = Transcripts(decoders)
    minutes = {name: ByMinute() for name in decoders}
    outcomes = process_files(
        utterances,
        lambda batch: transcripts.decode(transcriber.run_model(batch)),
        batch_size,
        transcriber.load_utterance,
        in_order=transcriber.is_in_order,
    )
    for outcome in show_progress(outcomes, "Transcribing", len(utterances)):
        tally.add(outcome)
        if outcome.result is not None:
            utterance = outcome.source
            transcripts.record(utterance.id, utterance.text, outcome.result)
            for name, found in outcome.result.items():
                minutes[name].add(utterance.text, found[0].words, outcome.seconds)
    tally.report()
    if transcriber.adapter is not None:
        typer.echo(transcriber.adapter.report, err=True)
    return transcripts, minutes


def _check_transcripts(data: Path, transcripts: "Transcripts") -> None:
    """Refuse to score nothing; warn if texts differ only in case or the like."""
    from lact_modules.scoring.likeness import describe_likeness

    if not transcripts.ids:
        raise InputError(f"{data}: not one utterance could be transcribed")
    hypotheses = transcripts.hypotheses[[*transcripts.decoders][-1]]
    if hint := describe_likeness(transcripts.references, hypotheses):
        typer.echo(f"{data}: {hint}", err=True)


def _latency(transcriber: "Transcriber") -> dict[str, Any]:
    """Return chunk size and left context in seconds; None for whole utterances."""
    if transcriber.chunked is None:
        return {"chunk_s": None, "left_s": None}
    chunking = transcriber.chunked.encoder.chunking
    rate = transcriber.model.frame_rate
    return {"chunk_s": chunking.size / rate, "left_s": chunking.left / rate}
