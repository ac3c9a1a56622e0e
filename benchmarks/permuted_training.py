"""Train an encoder to remember which digit stands for which, on frames of words.

python benchmarks/permutation.py --data digits/LibriSpeech --output data/permuted \
    --names 3 --strings 3 --gap 3.5 --train 600
python benchmarks/permuted_training.py RUN --corpus data/permuted

RUN recognizes the words. Its front end is frozen, and its encoder is trained by CTC and
the token of each frame, on streams that are drawn anew at every step. What prevents
recall in speech is that words last for several frames: a word must be found beside the
one before it, and both at the right frames, before there is any gain. So words are
averaged to one frame at first, then last longer, and in the end as spoken. The word
error rates are those of the whole model on the recordings of the corpus.
"""

import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Annotated, Any

import torch
import typer
from permutation import score
from permuted_frames import NO_LABEL, Batch, FrameBank
from permuted_streams import Plan, read_plan
from program import run_program
from rich.console import Console
from rich.progress import track
from study import write_study
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, ctc_loss
from torch.nn.utils.rnn import pad_sequence

from lact_modules.allocator import keep_freed_memory
from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.layers.dropout import Dropout
from lact_modules.model_store.loading import load_model
from lact_modules.training.muon import MuonWithAdamW
from lact_modules.training.optimizer.plan import plan_optimizer
from lact_modules.training.schedules import tri_stage

# frames that a word lasts for, and the share of the steps
STAGES = ((1, 0.55), (2, 0.08), (3, 0.06), (4, 0.06), (6, 0.06), (None, 0.19))
BATCH_SIZE, REPORTED = 32, 25


def train(
    model: CTCModel, bank: FrameBank, plan: Plan, steps: int, rate: float
) -> None:
    """Train encoder and output layer, and print what is right behind the gap."""
    random = Random(plan.seed)
    model.frontend.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, Dropout | nn.Dropout):
            module.p = 0.0
    learned = nn.ModuleDict({"encoder": model.encoder, "output": model.output})
    learned.requires_grad_(True)
    optimizer = plan_optimizer(learned, lambda groups: MuonWithAdamW(groups, rate))
    optimizer = optimizer.optimizer
    model.train()
    recent: list[float] = []
    lengths = [each for each, share in STAGES for _ in range(round(share * steps))]
    banks = {each: bank.lasting(each) for each, _ in STAGES}
    for step, word_frames in enumerate(track(lengths, console=Console(stderr=True))):
        for group in optimizer.param_groups:
            group["lr"] = rate * tri_stage(step, steps, 0.05, 0.75)
        batch = banks[word_frames].draw(BATCH_SIZE, plan, random)
        log_probs = model.score_frames(model.encoder(batch.frames, batch.lengths)[0])
        loss = loss_of(log_probs, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(learned.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        asked = batch.is_behind_gap
        is_right = log_probs.argmax(dim=-1)[asked] == batch.tokens[asked]
        recent.append(is_right.float().mean().item())
        if len(recent) % REPORTED == 0:
            right = sum(recent[-REPORTED:]) / REPORTED
            Console().print(
                f"step {step + 1}: {word_frames or 'all'} frames a word, loss "
                f"{loss.item():.3f}, behind the gap {right:.1%} right"
            )
    model.eval()


def loss_of(log_probs: Tensor, batch: Batch) -> Tensor:
    """Return the cross-entropy of each frame's token, and CTC's a frame."""
    framewise = cross_entropy(log_probs.mT, batch.tokens, ignore_index=NO_LABEL)
    rows = [torch.unique_consecutive(row) for row in batch.tokens]
    rows = [row[row > 0] for row in rows]
    ctc = ctc_loss(
        log_probs.transpose(0, 1),
        pad_sequence(rows, batch_first=True),
        batch.lengths,
        torch.tensor([len(row) for row in rows]),
        reduction="sum",
        zero_infinity=True,
    )
    return framewise + ctc / batch.lengths.sum()


def main(
    runs: Annotated[list[Path], typer.Argument(help="Output folders of trainings.")],
    corpus: Annotated[Path, typer.Option(help="Folder of the streams.")],
    steps: Annotated[int, typer.Option(help="Steps of each training.")] = 1100,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 0.003,
    seeds: Annotated[str, typer.Option(help="Separated by commas.")] = "1,2,3",
    output: Path = Path("runs/memory/permuted_training"),
) -> None:
    """Train on frames with every seed, and measure on recordings."""
    keep_freed_memory()
    settings = dict(plan=asdict(read_plan(corpus)), steps=steps, rate=rate)
    rows = read_rows(output / "result.json", settings)
    for seed, run in itertools.product(map(int, seeds.split(",")), runs):
        name = f"{run.name}, seed {seed}"
        if name in rows:
            continue
        Console().rule(name)
        torch.manual_seed(seed)
        trained = load_model(run)
        plan = replace(read_plan(corpus), seed=seed)
        bank = FrameBank.of(trained, corpus, plan)
        train(trained.model, bank, plan, steps, rate)
        rows |= score(trained, name, corpus)
        found = dict(**settings, permutation=rows)
        write_study(output, run, "cpu", "memory", "permuted_training", **found)


def read_rows(path: Path, settings: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Read what was found so far; InputError if it was found in another way."""
    if not path.is_file():
        return {}
    report = json.loads(path.read_text(encoding="utf-8"))
    if any(report.get(name) != value for name, value in settings.items()):
        raise InputError(
            f"{path}: found with other streams or settings; give another --output"
        )
    rows: dict[str, dict[str, float]] = report["permutation"]
    return rows


if __name__ == "__main__":
    run_program(main)
