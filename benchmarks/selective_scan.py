"""Time the forms of the selective scan: forward, and forward with backward.

Prints one JSON object: the median milliseconds of every form that runs here.
"""

import json
from typing import Annotated

import torch
import typer
from program import run_program
from timing import time_function
from torch import Tensor

from lact_modules.allocator import keep_freed_memory
from lact_modules.ops.cpu.native_scan import has_native_scan, native_scan
from lact_modules.ops.selective_scan import chunked_scan, sequential_scan
from lact_modules.training.outcome.environment import (
    describe_hardware,
    package_versions,
)

D_STATE = 16


def make_inputs(batch_size: int, channels: int, frames: int) -> list[Tensor]:
    """Draw u, delta, A, B, C as at the start of training."""
    u = torch.randn(batch_size, channels, frames)
    delta = torch.empty_like(u).uniform_(1e-3, 1e-1)
    A = -torch.arange(1.0, D_STATE + 1).repeat(channels, 1)
    B, C = torch.randn(2, batch_size, D_STATE, frames)
    return [x.requires_grad_() for x in (u, delta, A, B, C)]


def main(
    device: str = "cpu",
    batch_size: int = 4,
    channels: int = 256,
    frames: int = 2000,
    repeats: int = 5,
    threads: Annotated[int, typer.Option(help="Of the CPU.")] = 1,
) -> None:
    """Print what was measured."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    torch.manual_seed(0)
    with torch.device(device):
        inputs = make_inputs(batch_size, channels, frames)
    forms = [sequential_scan, chunked_scan]
    if has_native_scan(inputs[0], D_STATE):
        forms.append(native_scan)
    result = {
        "shape": {
            "batch": batch_size,
            "channels": channels,
            "frames": frames,
            "state": D_STATE,
        },
        "forms": {
            form.__name__: time_function(form, inputs, repeats) for form in forms
        },
        "hardware": describe_hardware(device),
        "versions": package_versions(),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    run_program(main)
