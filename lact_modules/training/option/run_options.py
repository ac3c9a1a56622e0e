"""SpeechBrain's run options as keys of a recipe: checked, and recorded."""

import os
from collections.abc import Collection, Mapping
from typing import Any

import torch
from speechbrain.utils.distributed import infer_device
from speechbrain.utils.run_opts import HELP_TEXTS, RunOptions

from lact_modules.errors import InputError
from lact_modules.training.option.defaults import DEFAULTS, Key
from lact_modules.training.option.kind.kinds import (
    existing,
    flag,
    maybe,
    number,
    one_of,
    text,
    text_or_texts,
    whole,
)

_PRECISION = one_of("fp32", "fp16", "bf16")

_KINDS = {
    "test_only": flag,
    "debug": flag,
    "debug_batches": whole(1),
    "debug_epochs": whole(0),
    "debug_persistently": flag,
    "device": maybe(text),
    "data_parallel_backend": flag,
    "distributed_backend": one_of("nccl", "gloo", "mpi"),
    "find_unused_parameters": flag,
    "jit": flag,
    "jit_module_keys": maybe(text_or_texts),
    "compile": flag,
    "compile_module_keys": maybe(text_or_texts),
    "compile_mode": one_of("default", "reduce-overhead", "max-autotune"),
    "compile_using_fullgraph": flag,
    "compile_using_dynamic_shape_tracing": flag,
    "precision": _PRECISION,
    "eval_precision": _PRECISION,
    # a negative norm, that SpeechBrain's help proposes, would turn gradients round
    "max_grad_norm": number(above=0, or_inf=True),
    "skip_nonfinite_grads": flag,
    "nonfinite_patience": whole(0),
    "noprogressbar": flag,
    "ckpt_interval_minutes": whole(0),
    "ckpt_interval_steps": whole(0),
    "grad_accumulation_factor": whole(1),
    "optimizer_step_limit": maybe(whole(1)),
    "tqdm_colored_bar": flag,
    "remove_vector_weight_decay": flag,
    "profile_training": flag,
    "profile_warmup": whole(0),
    "profile_steps": whole(1),
    "log_config": maybe(existing),
}

_ABOUT = HELP_TEXTS | {
    "max_grad_norm": "Gradients are clipped to this norm; .inf clips none.",
    "debug": "Run a few batches of a few epochs; nothing is kept.",
    "debug_persistently": "With debug, keep what is written, in the output folder.",
    "jit_module_keys": "Modules to compile by jit; all of them if null.",
    "compile_module_keys": "Modules to compile by torch.compile; all of them if null.",
}

SPEECHBRAINS = vars(RunOptions())
"""SpeechBrain's defaults, which a Brain has without other values."""

RUN_OPTIONS: dict[str, Key] = {
    name: Key(kind, DEFAULTS.get(name, SPEECHBRAINS[name]), _ABOUT[name].rstrip("."))
    for name, kind in _KINDS.items()
}
"""By name; defaults are SpeechBrain's, where ``hparams/defaults.yaml`` has none."""

DEPRECATED = {
    "auto_mix_prec": "--precision fp16",
    "bfloat16_mix_prec": "--precision bf16",
}
"""Run options that SpeechBrain is about to drop, with their replacements."""


def make_run_options(given: Collection[str], final: Mapping[str, Any]) -> RunOptions:
    """Make a Brain's ``run_opts``; those given take precedence over the YAML."""
    values = {name: final[name] for name in RUN_OPTIONS}
    for name in ("jit_module_keys", "compile_module_keys"):
        if isinstance(values[name], str):
            values[name] = [values[name]]
    return RunOptions(**values, overridden_args=values.keys() & given)


def check_run_options(options: Mapping[str, Any]) -> None:
    """Refuse run options that this machine, or one another, cannot serve."""
    device = options["device"] or infer_device()
    check_device(device)
    for name in ("precision", "eval_precision"):
        if options[name] == "fp16" and torch.device(device).type == "cpu":
            raise InputError(f"--{name} fp16: needs a GPU; use fp32 or bf16 on a CPU")
    if options["ckpt_interval_minutes"] and options["ckpt_interval_steps"]:
        raise InputError(
            "--ckpt_interval_minutes: --ckpt_interval_steps is set too; choose one of "
            "them"
        )
    if options["debug"] and options["test_only"]:
        raise InputError(
            "--debug: makes a model of its own and keeps none, so --test_only has none "
            "to test; choose one of them"
        )
    _check_compilation(options)
    if options["data_parallel_backend"] and not torch.cuda.is_available():
        raise InputError("--data_parallel_backend: needs a GPU; omit it")
    if options["data_parallel_backend"] and "LOCAL_RANK" in os.environ:
        raise InputError(
            "--data_parallel_backend: torchrun divides the work already; omit it"
        )
    if "RANK" in os.environ and "LOCAL_RANK" in os.environ:
        _check_backend(options["distributed_backend"], int(os.environ["LOCAL_RANK"]))


def _check_compilation(options: Mapping[str, Any]) -> None:
    for name in ("jit", "jit_module_keys"):
        if options[name]:
            raise InputError(
                f"--{name}: TorchScript cannot compile these models; use --compile"
            )
    if options["compile"] and options["data_parallel_backend"]:
        # compiled code belongs to the model that is copied
        raise InputError("--data_parallel_backend: not with --compile; use torchrun")
    names = options["compile_module_keys"] or []
    if names and not options["compile"]:
        raise InputError("--compile_module_keys: needs --compile; set both or none")
    modules = options.get("modules", {})
    for name in [names] if isinstance(names, str) else names:
        if name not in modules:
            raise InputError(
                f"--compile_module_keys {name}: no such module; expected "
                f"{' or '.join(modules) or 'none'}"
            )


def check_device(name: str) -> None:
    """Refuse a device that is none, or that this machine lacks."""
    try:
        kind = torch.device(name).type
    except RuntimeError:
        kind = "meta"
    if kind == "meta":
        raise InputError(f"--device {name}: expected cpu, cuda, or cuda:N")
    try:
        torch.zeros(1, device=name).item()
    # torch raises whatever the device's own library does
    except Exception as error:
        available = ["cpu"]
        available += [f"cuda:{index}" for index in range(torch.cuda.device_count())]
        raise InputError(
            f"--device {name}: PyTorch finds no such device here; expected one of "
            f"{', '.join(available)}"
        ) from error


def _check_backend(backend: str, local_rank: int) -> None:
    distributed = torch.distributed
    count = torch.cuda.device_count()
    if backend != "gloo" and local_rank >= count:
        raise InputError(
            f"--distributed_backend {backend}: needs a GPU for each process, and there "
            f"are {count}; start as many processes, or use gloo"
        )
    is_built = {
        "nccl": distributed.is_nccl_available,
        "gloo": distributed.is_gloo_available,
        "mpi": distributed.is_mpi_available,
    }
    if not is_built[backend]():
        raise InputError(
            f"--distributed_backend {backend}: this PyTorch is built without it"
        )
