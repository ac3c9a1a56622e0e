"""A model whose parameters are divided among processes (FSDP2)."""

import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from speechbrain.utils.checkpoints import Checkpointer
from speechbrain.utils.distributed import ddp_broadcast, if_main_process
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from torch.optim import Optimizer
from torch.utils._pytree import tree_map_only

from lact_modules.encoders import Encoder
from lact_modules.errors import InputError

_OBSTACLES = {
    "target_effective_batch": "set grad_accumulation_factor",
    "unfreezing_stages": "freeze parameters from the start",
    "meta_ttt": "omit it",
    "compile": "omit it",
}


def check_shardable(model: nn.Module, options: Mapping[str, Any]) -> None:
    """Refuse what cannot be sharded: all processes must run the same blocks in turn.

    >>> check_shardable(nn.Linear(1, 1), {})
    Traceback (most recent call last):
    ...
    lact_modules.errors.InputError: fsdp: shards the blocks of an Encoder, and this
    model has none; omit fsdp
    """
    encoder = getattr(model, "encoder", None)
    if not isinstance(encoder, Encoder):
        raise InputError(
            "fsdp: shards the blocks of an Encoder, and this model has none; omit fsdp"
        )
    chunks = encoder.streaming_chunks
    segments = chunks is not None and chunks.backprop_frames is not None
    for key, is_given, instead in (
        ("dynamic_chunking", encoder.dynamic_chunking is not None, "omit it"),
        ("backprop_frames", segments, "set backprop_frames to null"),
        ("precision fp16", options.get("precision") == "fp16", "take bf16"),
        *((key, options.get(key), instead) for key, instead in _OBSTACLES.items()),
    ):
        if is_given:
            raise InputError(f"fsdp: does not go with {key}; {instead}, or omit fsdp")


def shard(model: nn.Module) -> None:
    """Divide a model's parameters among the processes of a training, in place.

    Each block of the encoder gathers its own when it runs, and the model the others.
    The main process's parameters are everybody's. State dicts are those of the whole
    model, so that all processes have to ask for one together.
    """
    with torch.no_grad():
        for tensor in (*model.parameters(), *model.buffers()):
            torch.distributed.broadcast(tensor, src=0)
    encoder: Any = model.encoder
    # by default it is of GPUs wherever there are some
    device = next(model.parameters()).device.type
    mesh = init_device_mesh(device, (torch.distributed.get_world_size(),))
    for block in encoder.blocks:
        fully_shard(block, mesh=mesh)
        register_fsdp_forward_method(block, "chunked")
    fully_shard(model, mesh=mesh)
    draw_alike(encoder)
    model.register_state_dict_post_hook(_gather_state)
    model.register_load_state_dict_pre_hook(_divide_state)


def is_sharded(model: nn.Module) -> bool:
    """Return whether `shard` has divided it."""
    return isinstance(model, FSDPModule)


def gather_parameters(model: nn.Module) -> None:
    """Let each process of a sharded model have all parameters, until they are released.

    Whatever is run then, in whatever order, needs no other process.
    """
    for part in _parts(model):
        part.set_reshard_after_forward(False, recurse=False)
        part.unshard()


def release_parameters(model: nn.Module) -> None:
    """Undo `gather_parameters`."""
    for part in _parts(model):
        # what is outside of blocks is needed at once for backward
        part.set_reshard_after_forward(part is not model, recurse=False)
        part.reshard()


def zero_of_gathered(model: nn.Module) -> Tensor:
    """Return a zero that depends on all parameters which a process has gathered.

    In a loss it lets all processes exchange the gradients of the same parameters,
    whatever their batches have needed.
    """
    gathered = (each for each in model.parameters() if not isinstance(each, DTensor))
    firsts = [each.flatten()[:1] for each in gathered if each.requires_grad]
    return torch.cat(firsts).sum() * 0 if firsts else torch.zeros(())


def _parts(model: nn.Module) -> Iterator[FSDPModule]:
    return (each for each in model.modules() if isinstance(each, FSDPModule))


def whole(tensor: Tensor) -> Tensor:
    """Return all of a tensor that processes may share; all of them must ask for it."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def save_whole(checkpointer: Checkpointer, *shared: nn.Module | Optimizer) -> None:
    """Have a checkpointer save what processes share as if one had all of it."""
    for each in shared:
        if isinstance(each, Optimizer):
            each.register_load_state_dict_pre_hook(_divide_optimizer_state)
    for name, known in [*checkpointer.recoverables.items()]:
        if any(known is each for each in shared):
            checkpointer.add_recoverable(name, known, custom_save_hook=_save)


def _save(shared: nn.Module | Optimizer, path: Path) -> None:
    state = tree_map_only(DTensor, _to_main, shared.state_dict())
    if if_main_process():
        torch.save(state, path)


def _to_memory(tensor: Tensor) -> Tensor:
    """Return all of a tensor, where there is room for all of a model."""
    return whole(tensor.detach()).cpu()


def _to_main(tensor: Tensor) -> Tensor | None:
    """Return it on the main process alone, after what all have to do for it."""
    full = whole(tensor.detach())
    return full.cpu() if if_main_process() else None


def _divide(tensor: Any, like: Tensor) -> Any:
    """Return this process's share of a tensor, if it is shared as another one is."""
    if not isinstance(like, DTensor) or getattr(tensor, "shape", None) != like.shape:
        return tensor
    tensor = tensor.to(like.device)
    # each process has read it
    return distribute_tensor(
        tensor, like.device_mesh, like.placements, src_data_rank=None
    )


def _gather_state(model: nn.Module, state: dict[str, Any], *_: Any) -> None:
    state.update(tree_map_only(DTensor, _to_memory, dict(state)))


def _divide_state(
    model: nn.Module, state: dict[str, Any], prefix: str, *_: Any
) -> None:
    release_parameters(model)
    for name, parameter in model.named_parameters(
        prefix.rstrip("."), remove_duplicate=False
    ):
        if name in state:
            state[name] = _divide(state[name], parameter)


def _divide_optimizer_state(
    optimizer: Optimizer, state: dict[str, Any]
) -> dict[str, Any]:
    names = [name for group in state["param_groups"] for name in group["params"]]
    parameters = [each for group in optimizer.param_groups for each in group["params"]]
    # what does not fit is refused by the optimizer
    like = dict(zip(names, parameters, strict=False))
    divided = {
        name: {key: _divide(value, like[name]) for key, value in entry.items()}
        for name, entry in state["state"].items()
    }
    return {**state, "state": divided}


def draw_alike(encoder: nn.Module) -> None:
    """Let an encoder in training skip the same blocks in all processes.

    What it draws by Python's `random` is then the main process's choice.
    """
    before: list[Any] = []

    def begin(*_: Any) -> None:
        if encoder.training:
            seed = ddp_broadcast(random.getrandbits(32), src=0)
            before.append(random.getstate())
            random.seed(seed)

    def end(*_: Any) -> None:
        if before:
            random.setstate(before.pop())

    encoder.register_forward_pre_hook(begin)
    encoder.register_forward_hook(end, always_call=True)
