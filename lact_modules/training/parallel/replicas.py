"""One model in several processes: gradients and statistics that all of them share."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeGuard

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from lact_modules.training.parallel.sharding import is_sharded, zero_of_gathered


class Replica(nn.Module):
    """What `DistributedDataParallel` wraps: the model, and ways to make a loss of it.

    A loss that is made within its forward is seen whole: DDP finds out which parameters
    it depends on, whatever of the model was run, and how. Where ranks have run other
    parts of the model, as with LayerDrop, none waits for gradients that never come.

    Called without arguments, it returns a zero that depends on no model parameter.
    Backward from there exchanges what was gathered before: no memory is needed for it,
    so that a rank whose memory ran out can first go through its batch again.
    """

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module
        device = next(module.parameters()).device
        self.anchor = nn.Parameter(torch.zeros((), device=device))

    def forward(
        self, *inputs: Any, run: Callable[[], Tensor] | None = None, **more: Any
    ) -> Any:
        """Return what the model makes of inputs; or what `run` makes of it; or zero."""
        if inputs or more:
            return self.module(*inputs, **more)
        return self.anchor * 0 if run is None else run()


def replicate(model: nn.Module) -> DistributedDataParallel:
    """Share a model among the processes of a training: the main one's is everybody's.

    Parameters that are frozen are not exchanged; replicate anew when others are.
    """
    return DistributedDataParallel(
        Replica(model),
        find_unused_parameters=True,
        # a rank that tries again would send them twice; see `average_buffers`
        broadcast_buffers=False,
    )


def unwrapped(model: nn.Module) -> nn.Module:
    """Return the model that `replicate` has wrapped, or the model itself."""
    return model.module.module if is_replicated(model) else model


def is_replicated(model: nn.Module) -> TypeGuard[DistributedDataParallel]:
    """Return whether `replicate` made it."""
    return isinstance(model, DistributedDataParallel)


def without_exchange(model: nn.Module) -> AbstractContextManager[None]:
    """Let gradients gather, within a ``with`` block, in each process for itself."""
    # SpeechBrain's own continues after an error
    return model.no_sync() if is_replicated(model) else nullcontext()


def run_replica(
    model: nn.Module, run: Callable[[], tuple[Any, Tensor]]
) -> tuple[Any, Tensor]:
    """Compute outputs and a loss, so that processes can exchange gradients."""
    if is_sharded(model):
        outputs, loss = run()
        return outputs, loss + zero_of_gathered(model)
    if not is_replicated(model):
        return run()
    kept = []

    def run_for_loss() -> Tensor:
        outputs, loss = run()
        # out of DDP's sight: it would wait for all that they depend on
        kept.append(outputs)
        return loss

    loss = model(run=run_for_loss)
    return kept[0], loss


def sum_gradients(model: nn.Module) -> None:
    """Sum gradients over processes that were gathered without exchange, if any has."""
    if not is_replicated(model):
        return
    # DDP averages
    model().backward()
    for parameter in unwrapped(model).parameters():
        if parameter.grad is not None:
            parameter.grad *= torch.distributed.get_world_size()


@torch.no_grad()
def average_buffers(model: nn.Module) -> None:
    """Average over processes what checkpoints hold beside parameters.

    Running means then are of what all processes have seen; what is the same in all
    stays as it is, to the bit.
    """
    if not (is_replicated(model) or is_sharded(model)):
        return
    buffers = [*_saved_buffers(unwrapped(model))]
    if not buffers:
        return
    # in float64 a few equal float32 add up without rounding
    total = torch.cat([buffer.flatten().double() for buffer in buffers])
    torch.distributed.all_reduce(total)
    means = (total / torch.distributed.get_world_size()).split(
        [buffer.numel() for buffer in buffers]
    )
    for buffer, mean in zip(buffers, means, strict=True):
        is_count = not buffer.is_floating_point()
        buffer.copy_((mean.round() if is_count else mean).view_as(buffer))


def _saved_buffers(model: nn.Module) -> Iterator[Tensor]:
    """Yield what a state dict holds beside parameters; making one may communicate."""
    for module in model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name not in module._non_persistent_buffers_set:
                yield buffer
