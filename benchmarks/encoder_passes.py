"""Passes of an encoder over noise, and the memory that one takes."""

import random
from collections.abc import Callable
from typing import NamedTuple, get_type_hints

import torch
from encoder_systems import System
from resident import memory_mib, reset_peak
from torch import Tensor, nn

from lact_modules.allocator import keep_freed_memory
from lact_modules.errors import InputError

FRAME_RATE = 25
FORWARD, TRAINING = PASSES = ("forward", "training step")
STREAM = "stream"
"""Chunk by chunk, of encoders that can."""
# 640 ms, with 5 s before them
_SIZE, _LEFT = 16, 128


class Point(NamedTuple):
    """Utterances of one length that are run together."""

    seconds: float
    batch: int

    @classmethod
    def parse(cls, text: str) -> "Point":
        """Read ``60``, or ``15x4`` for four at once."""
        seconds, _, batch = text.partition("x")
        try:
            return cls(float(seconds), int(batch or 1))
        except ValueError:
            raise InputError(f"--points: {text!r}: write 60 or 15x4") from None

    def __str__(self) -> str:
        """Write it as it is read."""
        return f"{self.seconds:g}" + (f"x{self.batch}" if self.batch > 1 else "")


class Setting(NamedTuple):
    """What all encoders have in common."""

    d_model: int
    num_layers: int
    device: str
    bf16: bool
    threads: int
    keep_freed: bool

    def load(self, system: System) -> nn.Module:
        """Make an encoder, with random weights."""
        if self.keep_freed:
            keep_freed_memory()
        torch.set_num_threads(self.threads)
        torch.manual_seed(0)
        encoder = system.build(d_model=self.d_model, num_layers=self.num_layers)
        return encoder.to(self.device)

    def prepare(
        self, encoder: nn.Module, point: Point, kind: str
    ) -> Callable[[int], None]:
        """Return a function that runs noise once; its number seeds what is drawn."""
        num_frames = max(1, round(point.seconds * FRAME_RATE))
        x = torch.randn(point.batch, num_frames, self.d_model, device=self.device)
        lengths = torch.full((point.batch,), num_frames, device=self.device)
        optimizer = torch.optim.AdamW(encoder.parameters(), lr=1e-5)
        is_training = kind == TRAINING

        def run_once(seed: int) -> None:
            random.seed(seed)
            torch.manual_seed(seed)
            encoder.train(is_training)
            with torch.inference_mode(not is_training):
                with torch.autocast(self.device, torch.bfloat16, enabled=self.bf16):
                    if kind == STREAM:
                        run_stream(encoder, x, lengths)
                        return
                    output, _ = encoder(x, lengths)
                if not is_training:
                    return
            (output * x).mean().backward()
            nn.utils.clip_grad_norm_(encoder.parameters(), 1.0)
            optimizer.step()
            # they are part of what is loaded
            optimizer.zero_grad(set_to_none=False)

        return run_once


def run_stream(encoder: nn.Module, x: Tensor, lengths: Tensor) -> None:
    """Run frames (B, T, D) chunk by chunk, with carried state."""
    # of another checkout it is another class
    chunking = get_type_hints(encoder.chunked)["chunking"](_SIZE, _LEFT)
    state = None
    for index, chunk in enumerate(x.split(_SIZE, dim=1)):
        rest = (lengths - index * _SIZE).clamp(max=chunk.shape[1])
        _, state = encoder.chunked(chunk, rest, chunking, state)


def measure_memory(system: System, setting: Setting, point: Point, kind: str) -> float:
    """Return the MiB that a pass takes beyond the model."""
    encoder = setting.load(system)
    # kernels, threads, gradients, and the optimizer's state are there afterwards
    setting.prepare(encoder, Point(0.2, 1), kind)(0)
    run_once = setting.prepare(encoder, point, kind)
    if setting.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated() / 2**20
        run_once(0)
        return torch.cuda.max_memory_allocated() / 2**20 - before
    reset_peak()
    before = memory_mib()
    run_once(0)
    return memory_mib("VmHWM") - before
