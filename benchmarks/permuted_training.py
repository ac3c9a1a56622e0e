"""Train an encoder to remember which digit stands for which, on frames of words.

python benchmarks/permutation.py --data digits/LibriSpeech --output data/permuted \
    --names 3 --strings 3 --gap 3.5 --train 1500
python benchmarks/permuted_training.py RUN --corpus data/permuted

RUN recognizes the words. Its front end is frozen, and its encoder is trained by CTC and
the token of each frame. A linear layer learns from the frames of half of the blocks, at
the second word of a pair, which was the first. Word error rates are those of the whole
model on the recordings of the corpus. Started again with the same ``--output``, the
study continues: results there are kept.
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import mean
from typing import Annotated, Any

import torch
import typer
from permutation import score
from permuted_frames import NO_LABEL, Batch, Stream, join, read_streams
from permuted_streams import read_plan
from program import run_program
from rich.console import Console
from rich.progress import track
from study import write_study
from torch import Tensor, nn
from torch.nn.functional import ctc_loss, nll_loss
from torch.nn.utils.rnn import pad_sequence

from lact_modules.allocator import keep_freed_memory
from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.layers.dropout import Dropout
from lact_modules.model_store.loading import load_model
from lact_modules.training.muon import MuonWithAdamW
from lact_modules.training.optimizer.plan import plan_optimizer
from lact_modules.training.schedules import tri_stage

BATCH_SIZE, REPORTED = 32, 25


@dataclass(frozen=True)
class Settings:
    """How an encoder is trained.

    Arguments
    ---------
    steps : int
        Batches of `BATCH_SIZE` streams.
    rate : float
        Learning rate.
    names_weight : float
        Of the loss of `NameHead`.
    """

    steps: int
    rate: float
    names_weight: float


class Training:
    """A training of a model's encoder and output layer."""

    def __init__(self, model: CTCModel, settings: Settings):
        self.model, self.settings = model.train(), settings
        for module in model.modules():
            if isinstance(module, Dropout | nn.Dropout):
                module.p = 0.0
        self.name_head = NameHead(model)
        parts = {"encoder": model.encoder, "output": model.output}
        self.learned = nn.ModuleDict({**parts, "names": self.name_head})
        self.learned.requires_grad_(True)
        plan = plan_optimizer(
            self.learned, lambda groups: MuonWithAdamW(groups, settings.rate)
        )
        self.optimizer = plan.optimizer

    def run(self, streams: Sequence[Stream], seed: int) -> None:
        """Train, and print what is right behind the gap."""
        random, recent, total = Random(seed), list[float](), self.settings.steps
        for step in track(range(1, total + 1), console=Console(stderr=True)):
            for group in self.optimizer.param_groups:
                factor = tri_stage(step - 1, total, 0.05, 0.75)
                group["lr"] = self.settings.rate * factor
            recent.append(self.step(join(random.choices(streams, k=BATCH_SIZE))))
            if len(recent) == REPORTED or step == total:
                right = f"{mean(recent):.1%} right behind the gap"
                Console().print(f"step {step}: {right}")
                recent.clear()
        self.name_head.handle.remove()
        self.model.eval()

    def step(self, batch: Batch) -> float:
        """Take a step; return the share of frames behind the gap that were right."""
        encoded, _ = self.model.encoder(batch.frames, batch.lengths)
        log_probs = self.model.score_frames(encoded)
        names = framewise_loss(self.name_head.log_probs(), batch.names)
        loss = framewise_loss(log_probs, batch.tokens)
        loss = loss + self.settings.names_weight * names + ctc_loss_of(log_probs, batch)
        loss.backward()
        nn.utils.clip_grad_norm_(self.learned.parameters(), 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        asked = batch.is_behind_gap
        is_right = log_probs.argmax(dim=-1)[asked] == batch.tokens[asked]
        return is_right.float().mean().item()


def framewise_loss(log_probs: Tensor, tokens: Tensor) -> Tensor:
    """Return the cross-entropy of the tokens (B, T), without padding."""
    return nll_loss(log_probs.mT, tokens, ignore_index=NO_LABEL)


def ctc_loss_of(log_probs: Tensor, batch: Batch) -> Tensor:
    """Return CTC's loss a frame."""
    rows = [torch.unique_consecutive(row) for row in batch.tokens]
    rows = [row[row > 0] for row in rows]
    total = ctc_loss(
        log_probs.transpose(0, 1),
        pad_sequence(rows, batch_first=True),
        batch.lengths,
        torch.tensor([len(row) for row in rows]),
        reduction="sum",
        zero_infinity=True,
    )
    return total / batch.lengths.sum()


class NameHead(nn.Module):
    """Learns from the middle of the encoder which word came before."""

    def __init__(self, model: CTCModel):
        super().__init__()
        self.layers = nn.Sequential(
            nn.LayerNorm(model.encoder.d_model),
            nn.Linear(model.encoder.d_model, model.output.out_features),
        )
        blocks = model.encoder.blocks
        self.handle = blocks[len(blocks) // 2 - 1].register_forward_hook(self._keep)

    def _keep(self, block: nn.Module, inputs: Any, output: Tensor) -> None:
        self.frames = output

    def log_probs(self) -> Tensor:
        """Return those (B, T, num_tokens) of the last batch."""
        scores: Tensor = self.layers(self.frames)
        return scores.log_softmax(dim=-1)


def main(
    runs: Annotated[list[Path], typer.Argument(help="Output folders of trainings.")],
    corpus: Annotated[Path, typer.Option(help="Folder of the streams.")],
    steps: Annotated[int, typer.Option(help="Steps of each training.")] = 500,
    rate: Annotated[float, typer.Option(help="Learning rate.")] = 0.003,
    names_weight: Annotated[
        float, typer.Option(help="Of the loss of the words before.")
    ] = 0.5,
    seeds: Annotated[str, typer.Option(help="Separated by commas.")] = "1,2,3",
    output: Path = Path("runs/memory/permuted_training"),
) -> None:
    """Train with every seed, and measure."""
    keep_freed_memory()
    settings = Settings(steps, rate, names_weight)
    known = dict(plan=asdict(read_plan(corpus)), training=asdict(settings))
    rows = read_rows(output / "result.json", known)
    for seed, run in itertools.product(map(int, seeds.split(",")), runs):
        name = f"{run.name}, seed {seed}"
        if name in rows:
            continue
        Console().rule(name)
        torch.manual_seed(seed)
        trained = load_model(run)
        streams = read_streams(trained, corpus)
        Training(trained.model, settings).run(streams, seed)
        rows |= score(trained, name, corpus)
        found = dict(**known, permutation=rows)
        write_study(output, run, "cpu", "memory", output.name, **found)


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
