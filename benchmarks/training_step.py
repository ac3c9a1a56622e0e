"""Time training steps of a model: forward, CTC losses, backward, clipping, update.

python benchmarks/training_step.py hparams.yaml --seconds 20 -- --d_model=144

Prints one JSON object: the median step, audio seconds a second, memory, hardware. What
follows ``--`` overrides keys of the YAML file. With ``--cr_loss_scale 0.2`` each
utterance is used twice, as in training.
"""

import json
import statistics
import time
from pathlib import Path
from typing import Annotated

import torch
import typer
from program import run_program
from speechbrain import Stage

from lact_modules.allocator import keep_freed_memory
from lact_modules.training.augmentation.views import consistency_losses
from lact_modules.training.from_keys import from_keys
from lact_modules.training.objective.auxiliary import AuxiliaryLosses
from lact_modules.training.objective.losses import ctc_losses
from lact_modules.training.optimizer.plan import plan_optimizer
from lact_modules.training.option.command_line import read_command_line
from lact_modules.training.option.hparams import load_hparams
from lact_modules.training.option.keys import EVERY
from lact_modules.training.outcome.environment import (
    describe_hardware,
    package_versions,
)

HPARAMS = Path("recipes/LibriSpeech/ASR/CTC/hparams/lact_demo.yaml")
SAMPLE_RATE, LABELS_A_SECOND = 16000, 14


def main(
    hparams: Annotated[Path, typer.Argument(help="YAML file of a recipe.")] = HPARAMS,
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Keys of the YAML, after --.")
    ] = None,
    device: str = "cpu",
    batch_size: int = 12,
    seconds: float = 10.0,
    steps: int = 10,
    bf16: Annotated[bool, typer.Option(help="Autocast to bfloat16.")] = False,
    compile_model: Annotated[bool, typer.Option(help="Use torch.compile.")] = False,
    threads: Annotated[int, typer.Option(help="Of the CPU.")] = 2,
) -> None:
    """Print what was measured."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    paths = ["--data_folder=none", "--output_folder=runs/benchmark"]
    line = read_command_line([*paths, *(overrides or [])], EVERY)
    made = load_hparams(hparams, line.overrides)
    model, cr_loss_scale = made["model"].to(device).train(), made["cr_loss_scale"]
    auxiliary = AuxiliaryLosses(model, made["inter_ctc_weight"])
    forward = torch.compile(model) if compile_model else model
    optimizer = from_keys(plan_optimizer, made).optimizer
    num_samples = round(seconds * SAMPLE_RATE)
    num_utterances = batch_size * (2 if cr_loss_scale else 1)
    waveform = torch.randn(num_utterances, num_samples, device=device)
    lengths = torch.full((num_utterances,), num_samples, device=device)
    num_labels = torch.full_like(lengths, round(seconds * LABELS_A_SECOND))
    tokens = torch.randint(1, 29, (num_utterances, int(num_labels[0])), device=device)

    def step() -> float:
        started = time.perf_counter()
        auxiliary.begin()
        with torch.autocast(device, torch.bfloat16, enabled=bf16):
            log_probs, frames, *_ = forward(waveform, lengths)
        losses, _ = ctc_losses(log_probs, frames, tokens, num_labels)
        losses = auxiliary.share_with_heads(losses, tokens, num_labels, Stage.TRAIN)
        loss = losses.sum() / num_labels.sum()
        if cr_loss_scale:
            disagreement = consistency_losses(log_probs, frames).sum()
            loss = loss + cr_loss_scale * disagreement / num_labels.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - started

    for _ in range(3):
        step()
    median = statistics.median(step() for _ in range(steps))
    is_cuda = device == "cuda"
    result = {
        "hparams": hparams.name,
        "overrides": overrides or [],
        "parameters": sum(p.numel() for p in model.parameters()),
        "batch": [batch_size, seconds],
        "bf16": bf16,
        "compiled": compile_model,
        "median_step_s": median,
        "audio_seconds_a_second": batch_size * seconds / median,
        "peak_memory_gib": torch.cuda.max_memory_allocated() / 2**30
        if is_cuda
        else None,
        "hardware": describe_hardware(device),
        "versions": package_versions(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    run_program(main)
