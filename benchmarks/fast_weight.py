"""Time test-time training over chunks: forward, and forward with backward.

Prints one JSON object: the median milliseconds of every mode and update rule.
"""

import itertools
import json
from typing import Annotated, get_args

import torch
import typer
from program import run_program
from timing import time_function
from torch import Tensor

from lact_modules.allocator import keep_freed_memory
from lact_modules.ops import FastWeight, UpdateRule, chunked_ttt
from lact_modules.ops.ttt.chunked import Mode
from lact_modules.training.outcome.environment import (
    describe_hardware,
    package_versions,
)


def make_inputs(
    batch_size: int, frames: int, num_heads: int, head_dim: int
) -> list[Tensor]:
    """Draw q, k, v, learning rates, and the fast weight's gate, up and down."""
    q, k, v = torch.randn(3, batch_size, frames, num_heads, head_dim)
    q, k = torch.nn.functional.normalize(torch.stack([q, k]), dim=-1)
    lr = torch.full((batch_size, frames, num_heads, 3), 0.01)
    weights = torch.randn(3, num_heads, head_dim, head_dim) / head_dim**0.5
    return [x.detach().requires_grad_() for x in (q, k, v, lr, *weights)]


def main(
    device: str = "cpu",
    batch_size: int = 4,
    frames: int = 1500,
    num_heads: int = 4,
    head_dim: int = 64,
    chunk_size: int = 250,
    repeats: int = 5,
    bf16: Annotated[bool, typer.Option(help="Autocast to bfloat16.")] = False,
    threads: Annotated[int, typer.Option(help="Of the CPU.")] = 1,
) -> None:
    """Print what was measured."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with torch.device(device):
        inputs = make_inputs(batch_size, frames, num_heads, head_dim)

    def time_case(
        mode: Mode, optimizer: str, update: str, accumulate: str
    ) -> dict[str, float]:
        rule = UpdateRule(optimizer, update=update, accumulate=accumulate)

        def run(*tensors: Tensor) -> Tensor:
            with torch.autocast(device, torch.bfloat16, enabled=bf16):
                return chunked_ttt(
                    *tensors[:4],
                    FastWeight(*tensors[4:]),
                    mode=mode,
                    chunk_size=chunk_size,
                    rule=rule,
                )[0]

        return time_function(run, inputs, repeats)

    cases = itertools.product(
        get_args(Mode),
        ("gradient_descent", "muon"),
        ("down", "all"),
        ("steps", "directions"),
    )
    result = {
        "shape": {
            "batch": batch_size,
            "frames": frames,
            "heads": num_heads,
            "head_dim": head_dim,
            "chunk": chunk_size,
        },
        "bf16": bf16,
        "cases": {" ".join(case): time_case(*case) for case in cases},
        "hardware": describe_hardware(device),
        "versions": package_versions(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    run_program(main)
