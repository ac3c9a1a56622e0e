"""Measure what each part of its LaCT mixers is worth to a trained model.

python benchmarks/mixer_parts.py RUN... --data digits/LibriSpeech/dev

Scores transcribed speech as it is, then with one part switched off everywhere: the
update of the fast weights (gain 0, so that they stay as trained), the fast weights
altogether, or attention. The parts were trained together: what is lost without one
bounds its use from above.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from program import run_program
from torch import nn

from lact_modules.cli.option.transcribed import load_utterance, read_transcribed
from lact_modules.cli.terminal.output import open_output
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.errors import InputError
from lact_modules.inference.files import process_files
from lact_modules.inference.transcriber import Transcriber
from lact_modules.layers.lact import LaCTMixer
from lact_modules.scoring.error_rate import score
from lact_modules.training.objective.losses import ctc_losses

BATCH_SIZE = 16


def main(
    runs: Annotated[list[Path], typer.Argument(help="Output folders of trainings.")],
    data: Annotated[Path, typer.Option(help="Split folder or manifest.")],
    output: Annotated[Path | None, typer.Option(help="Default: stdout.")] = None,
    device: str = "cpu",
) -> None:
    """Write WER in percent and CTC loss in nats a label, by run and part, as JSON."""
    utterances, _ = read_transcribed(data)
    report = {}
    for run in runs:
        transcriber = Transcriber.from_folder(run, device)
        report[run.name] = {
            name: measure(transcriber, without, utterances)
            for name, without in PARTS.items()
        }
    with open_output(output) as stream:
        json.dump(report, stream, indent=2)


def measure(
    transcriber: Transcriber,
    without: Callable[[LaCTMixer], None],
    utterances: list[Utterance],
) -> dict[str, float]:
    """Score a model with a part switched off."""
    vocabulary = transcriber.trained.vocabulary
    references, hypotheses, losses = [], [], 0.0
    with switched_off(transcriber.model, without):
        outcomes = process_files(
            utterances,
            lambda batch: recognize(transcriber, batch),
            BATCH_SIZE,
            load_utterance,
        )
        for outcome in outcomes:
            if outcome.result is None:
                raise InputError(f"{outcome.source.id}: {outcome.error}")
            text, log_probs = outcome.result
            labels = torch.tensor([vocabulary.encode(outcome.source.text)])
            loss, _ = ctc_losses(
                log_probs[None],
                torch.tensor([len(log_probs)]),
                labels,
                torch.tensor([labels.shape[1]]),
            )
            losses += loss.item()
            references.append(outcome.source.text)
            hypotheses.append(text)
    num_labels = sum(len(vocabulary.encode(text)) for text in references)
    return {
        "wer": score(references, hypotheses, num_bootstrap=0).wer,
        "loss": losses / num_labels,
    }


def recognize(
    transcriber: Transcriber, waveforms: list[torch.Tensor]
) -> list[tuple[str, torch.Tensor]]:
    """Return text and log-probabilities (T, V) of each waveform."""
    log_probs, lengths, *_ = outputs = transcriber.run_model(waveforms)
    texts = [hypothesis.text for hypothesis in transcriber.decoder(*outputs)]
    rows = [row[:length].cpu() for row, length in zip(log_probs, lengths, strict=True)]
    return list(zip(texts, rows, strict=True))


def keep_all(mixer: LaCTMixer) -> None:
    """Switch nothing off."""


def stop_updates(mixer: LaCTMixer) -> None:
    """Leave the fast weights as they were trained."""
    if mixer.fast is not None:
        mixer.fast.rule = replace(mixer.fast.rule, gain=0.0)


def drop_fast_weights(mixer: LaCTMixer) -> None:
    """Leave attention alone."""
    mixer.fast = None


def drop_attention(mixer: LaCTMixer) -> None:
    """Leave the fast weights alone."""
    mixer.attention = None


PARTS = {
    "whole": keep_all,
    "without_update": stop_updates,
    "without_fast_weights": drop_fast_weights,
    "without_attention": drop_attention,
}


@contextmanager
def switched_off(
    model: nn.Module, without: Callable[[LaCTMixer], None]
) -> Iterator[None]:
    """Switch a part off in every LaCT mixer, for a while."""
    mixers = [module for module in model.modules() if isinstance(module, LaCTMixer)]
    if not mixers:
        raise InputError("the model has no LaCT mixer; give a LaCT run")
    parts = [(m.attention, m.fast, m.fast.rule if m.fast else None) for m in mixers]
    for mixer in mixers:
        without(mixer)
    try:
        yield
    finally:
        for mixer, (attention, fast, rule) in zip(mixers, parts, strict=True):
            mixer.attention, mixer.fast = attention, fast
            if fast is not None:
                fast.rule = rule


if __name__ == "__main__":
    run_program(main)
