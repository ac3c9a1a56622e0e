"""``lact-asr evaluate``: error rates of a trained model on transcribed speech."""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich import box
from rich.table import Table

from lact_modules.cli import options
from lact_modules.cli.output import open_report, print_table, show_progress
from lact_modules.cli.tally import Tally
from lact_modules.cli.transcribed import read_transcribed
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from lact_modules.data.manifest import Utterance
    from lact_modules.decoding.rescore import Decoder
    from lact_modules.inference.transcriber import Transcriber
    from lact_modules.training.minutes import ByMinute
    from lact_modules.training.transcripts import Transcripts

# of the table of minutes
_MOST_ROWS = 20


def evaluate(
    model: options.Model,
    data: Annotated[
        Path,
        typer.Option(
            help="Split folder in LibriSpeech's layout, or manifest: .jsonl, .csv, "
            ".tsv, Lhotse's .jsonl.gz."
        ),
    ],
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="File for scores and transcripts; -: stdout."),
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
    skip_blanks: options.SkipBlanks = None,
    exit_block: options.ExitBlock = None,
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
    channel: options.Channel = None,
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    compiled: options.Compile = False,
    each_step: Annotated[
        bool,
        typer.Option(
            "--each-step", help="Score greedy, beam, language model, rescoring apart."
        ),
    ] = False,
) -> None:
    """Transcribe a data set and score it: word and character error rate.

    Of recordings of more than a minute, errors are told by minute too.
    """
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
        skip_blanks=skip_blanks,
    )
    adaptation = options.ttt_options(
        *(ttt, ttt_loss, ttt_steps, ttt_params),
        *(ttt_optimizer, ttt_lr, ttt_mode, ttt_chunk),
    )
    running = {
        "ttt": adaptation,
        "avg_checkpoints": avg_checkpoints,
        "exit_block": exit_block,
        "compiled": compiled,
        **options.given(chunk_seconds=chunk, left_seconds=left, precision=precision),
    }
    with open_report(json_file) as stream:
        transcriber, decoders = _load_model(model, device, each_step, running, decoding)
        utterances, unusable = read_transcribed(data, channel)
        tally = Tally(unusable)
        transcripts, minutes = _transcribe(
            transcriber, decoders, utterances, batch_size, tally
        )
        _check_transcripts(data, transcripts, [*decoders][-1])
        scores = {
            name: _score(transcripts, by_minute, tally, name)
            for name, by_minute in minutes.items()
        }
        if stream is not None:
            summary = _summary(scores, transcripts, tally) | _latency(transcriber)
            summary |= {"precision": precision, "compiled": compiled}
            summary["exit_block"] = exit_block
            if transcriber.adapter is not None:
                report = asdict(transcriber.adapter.report)
                summary["ttt"] = {**(adaptation or {}), **report}
            json.dump(summary, stream, indent=2)
        _print_table(scores, _latency(transcriber))
        _print_minutes(minutes[[*decoders][-1]])
    if tally.failures:
        raise typer.Exit(2)


def _load_model(
    folder: Path,
    device: str,
    each_step: bool,
    running: dict[str, Any],
    decoding: dict[str, Any],
) -> "tuple[Transcriber, dict[str, Decoder]]":
    """Load a model, and the search asked for or all the steps that lead to it."""
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
    from lact_modules.training.minutes import ByMinute
    from lact_modules.training.transcripts import Transcripts

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
            said = outcome.source
            transcripts.record(said.id, said.text, outcome.result)
            for name, found in outcome.result.items():
                minutes[name].add(said.text, found[0].words, outcome.seconds)
    tally.report()
    if transcriber.adapter is not None:
        typer.echo(transcriber.adapter.report, err=True)
    return transcripts, minutes


def _check_transcripts(data: Path, transcripts: "Transcripts", name: str) -> None:
    """Refuse to score nothing; say so where texts differ in case alone, or the like."""
    from lact_modules.training.likeness import tell_likeness

    if not transcripts.ids:
        raise InputError(f"{data}: not one utterance could be transcribed")
    if hint := tell_likeness(transcripts.references, transcripts.hypotheses[name]):
        typer.echo(f"{data}: {hint}", err=True)


def _score(
    transcripts: "Transcripts", by_minute: "ByMinute", tally: Tally, name: str
) -> dict[str, Any]:
    """Sum up one decoder; its time is that of the model and its own."""
    rate = transcripts.rates(name)
    model_s = tally.wall_s - transcripts.all_decoding_s
    wall_s = model_s + transcripts.decoding_s[name]
    return {
        "wer": rate.wer,
        "wer_interval": rate.wer_interval,
        "cer": rate.cer,
        "oracle_wer": transcripts.oracle_wer(name),
        "substitutions": rate.substitutions,
        "insertions": rate.insertions,
        "deletions": rate.deletions,
        "n_words": rate.num_words,
        "minutes": by_minute.rows(),
        "wall_s": wall_s,
        "rtf": wall_s / tally.audio_s if tally.audio_s else 0.0,
    }


def _summary(
    scores: dict[str, dict[str, Any]], transcripts: "Transcripts", tally: Tally
) -> dict[str, Any]:
    """Give the last decoder's scores and transcripts, and the scores of all steps."""
    last = next(reversed(scores))
    heard = transcripts.hypotheses[last]
    return {
        **scores[last],
        "n_utterances": len(heard),
        "n_failed": len(tally.failures),
        "audio_s": tally.audio_s,
        "steps": scores if len(scores) > 1 else {},
        "utterances": [
            {"id": id_, "ref": said, "hyp": text}
            for id_, said, text in zip(
                transcripts.ids, transcripts.references, heard, strict=True
            )
        ],
    }


def _latency(transcriber: "Transcriber") -> dict[str, Any]:
    """Tell the seconds of chunks, None where utterances were heard whole."""
    if transcriber.chunked is None:
        return {"chunk_s": None, "left_s": None}
    chunking = transcriber.chunked.encoder.chunking
    rate = transcriber.model.frame_rate
    return {"chunk_s": chunking.size / rate, "left_s": chunking.left / rate}


def _print_table(scores: dict[str, dict[str, Any]], latency: dict[str, Any]) -> None:
    rows = [_cells(name, score) for name, score in scores.items()]
    # a search that is alone has no name, and without lists there is no oracle
    headings = [key for key in rows[0] if any(row[key] for row in rows)]
    # narrow enough for 80 columns
    table = Table(*headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in rows:
        table.add_row(*(row[key] for key in headings))
    chunk, left = latency["chunk_s"], latency["left_s"]
    if chunk is not None:
        table.caption = f"chunks of {chunk:g} s, {left:g} s before"
    print_table(table)


def _print_minutes(by_minute: "ByMinute") -> None:
    """Show errors by minute; of hours, several minutes are taken together."""
    step = math.ceil(by_minute.num_minutes / _MOST_ROWS)
    rows = by_minute.rows(step)
    if not rows:
        return
    headings = ("minute", "recordings", "WER %", "sub", "ins", "del", "words")
    table = Table(*headings, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for row in rows:
        first = row["minute"]
        last = min(first + step - 1, by_minute.num_minutes)
        table.add_row(
            f"{first}" if first == last else f"{first}-{last}",
            str(row["recordings"]),
            f"{row['wer']:.2f}",
            *(str(row[k]) for k in ("substitutions", "insertions", "deletions")),
            str(row["n_words"]),
        )
    print_table(table)


def _cells(name: str, score: dict[str, Any]) -> dict[str, str]:
    low, high = score["wer_interval"]
    oracle = score["oracle_wer"]
    return {
        "decoding": name,
        "WER %": f"{score['wer']:.2f}",
        "95 %": f"{low:.2f}-{high:.2f}",
        "CER %": f"{score['cer']:.2f}",
        "oracle %": "" if oracle is None else f"{oracle:.2f}",
        "sub": str(score["substitutions"]),
        "ins": str(score["insertions"]),
        "del": str(score["deletions"]),
        "words": str(score["n_words"]),
        "RTF": f"{score['rtf']:.3f}",
    }
