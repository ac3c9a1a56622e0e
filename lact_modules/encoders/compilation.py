"""A model's blocks as code that is made for them, by `torch.compile`."""

import functools
import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from lact_modules.errors import InputError
from lact_modules.layers.chunking import Chunking, map_tensors

logger = logging.getLogger(__name__)

Result = TypeVar("Result")

BACKEND = "inductor"
"""Of `torch.compile`, what makes code of graphs."""


class CompiledBlocks:
    """The blocks that a model repeats, compiled in place when they are first called.

    Blocks of one kind share their graphs, so that a deep model takes no longer to
    compile than a shallow one. Lengths and batch sizes are dynamic in these. There are
    others for batches of one, very short utterances and training; after PyTorch's
    ``recompile_limit`` of graphs, 8, further input runs uncompiled. Of streams it is
    the step of one chunk that is compiled, when no state grows any more. Names of
    weights stay as they are.

    If compiling fails, as it does without a C++ compiler, a warning is logged, and
    blocks run uncompiled.

    Arguments
    ---------
    model : nn.Module
        If it repeats nothing it is compiled as a whole.
    backend : str | Callable[..., Any] | None
        As for `torch.compile`; None is `BACKEND`.
    mode : str | None
        As for `torch.compile`.
    fullgraph : bool
        Fail where a block is no single graph.
    dynamic : bool
        False compiles anew for each length.

    Attributes
    ----------
    blocks : list[nn.Module]
        What is compiled.
    num_graphs : int
        How many have been made so far.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.encoders import Encoder
    >>> from lact_modules.layers import AttentionMixer, FeedForward
    >>> mixer, ffn = partial(AttentionMixer, 8, 2), partial(FeedForward, 8, 16)
    >>> encoder = Encoder(8, 2, mixer, ffn)
    >>> len(CompiledBlocks(encoder).blocks)
    2
    """

    def __init__(
        self,
        model: nn.Module,
        backend: str | Callable[..., Any] | None = None,
        mode: str | None = None,
        fullgraph: bool = False,
        dynamic: bool = True,
    ):
        self.blocks = [*repeated_blocks(model)] or [model]
        self.num_graphs = 0
        self.is_off = False
        self.fullgraph = fullgraph
        compiled = partial(
            torch.compile, backend=backend or BACKEND, mode=mode, fullgraph=fullgraph
        )
        # attributes of instances, which nn.Module's __call__ takes before the class's
        for block in self.blocks:
            plain: Any = block.forward
            whole = self._watched(plain, compiled(plain, dynamic=dynamic))
            block.__dict__["forward"] = whole
            if plain := getattr(block, "chunked", None):
                # by itself PyTorch finds out that positions are all that changes
                step = self._watched(plain, compiled(plain))
                block.__dict__["chunked"] = _steady(plain, step)
        logger.warning("compile: blocks are compiled when they are first called")

    def _watched(
        self, plain: Callable[..., Result], compiled: Callable[..., Result]
    ) -> Callable[..., Result]:
        """Call compiled code; log new graphs, and parts that cannot be compiled."""
        from torch._dynamo.exc import TorchDynamoException
        from torch._dynamo.utils import counters

        @functools.wraps(plain)
        def run(*args: Any, **kwargs: Any) -> Result:
            if self.is_off:
                return plain(*args, **kwargs)
            before, started = counters["stats"]["unique_graphs"], time.perf_counter()
            try:
                output = compiled(*args, **kwargs)
            except TorchDynamoException as error:
                self._give_up(error)
                return plain(*args, **kwargs)
            if made := counters["stats"]["unique_graphs"] - before:
                self.num_graphs += made
                seconds = time.perf_counter() - started
                logger.warning("compile: graph %d, %.0f s", self.num_graphs, seconds)
            return output

        return run

    def _give_up(self, error: Exception) -> None:
        reason = " ".join(str(error).split("\n\n")[0].split())
        if self.fullgraph:
            raise InputError(f"compile: no full graph of a block: {reason}") from error
        self.is_off = True
        logger.warning("compile: blocks run uncompiled, for this failed: %s", reason)


def _steady(
    plain: Callable[..., tuple[Tensor, Any]], step: Callable[..., tuple[Tensor, Any]]
) -> Callable[..., tuple[Tensor, Any]]:
    """Take compiled steps of one chunk, once they leave a state as large as before."""
    known: set[Any] = set()

    @functools.wraps(plain)
    def run(
        x: Tensor, is_padding: Tensor, chunking: Chunking, state: Any = None
    ) -> tuple[Tensor, Any]:
        is_step = state is not None and x.shape[1] == chunking.size
        before = (chunking, *_layouts((x, state))) if is_step else None
        if before in known:
            return step(x, is_padding, chunking, state)
        output, after = plain(x, is_padding, chunking, state)
        if before == (chunking, *_layouts((x, after))):
            known.add(before)
        return output, after

    return run


def _layouts(state: Any) -> list[tuple[torch.Size, tuple[int, ...]]]:
    """Return shapes and strides, for graphs are made for both."""
    found: list[tuple[torch.Size, tuple[int, ...]]] = []

    def note(x: Tensor) -> Tensor:
        found.append((x.shape, x.stride()))
        return x

    map_tensors(note, state)
    return found


def repeated_blocks(model: nn.Module) -> Iterator[nn.Module]:
    """Find the outermost blocks that are in lists.

    Arguments
    ---------
    model : nn.Module
        Of any kind.

    Yields
    ------
    nn.Module
        A block that has parts.

    Example
    -------
    >>> part = nn.Sequential(nn.Linear(2, 2))
    >>> model = nn.ModuleDict({"a": nn.ModuleList([part, nn.Linear(2, 2)]), "b": part})
    >>> [*repeated_blocks(model)] == [part]
    True
    """
    for child in model.children():
        if isinstance(child, nn.ModuleList):
            yield from (block for block in child if any(block.children()))
        else:
            yield from repeated_blocks(child)
