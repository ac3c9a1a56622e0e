"""Make a recipe's objects report faults now, not when all data are prepared."""

import contextlib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from ruamel.yaml.error import MarkedYAMLError

from lact_modules.encoders import CTCModel, S2SModel
from lact_modules.errors import InputError
from lact_modules.training.augmentation.views import check_views
from lact_modules.training.ctc import make_meta_step
from lact_modules.training.dataset.streams import LongForm
from lact_modules.training.from_keys import from_keys
from lact_modules.training.objective.distillation import check_distillation
from lact_modules.training.optimizer.plan import plan_optimizer
from lact_modules.training.option.kind.kinds import is_number
from lact_modules.training.parallel.sharding import check_shardable
from lact_modules.training.time_masks import check_time_masks

_SAMPLES = 16_000
_FRAMES, _BANDS = 100, 80


def try_out(hparams: Mapping[str, Any]) -> None:
    """Use model, optimizer, schedule and augmentation on a second of noise.

    None of them is changed; random numbers are drawn.
    """
    if {"model", "opt_class"} <= hparams.keys():
        with _fault_of("opt_class"):
            from_keys(plan_optimizer, hparams)
    if "schedule" in hparams:
        _try_schedule(hparams["schedule"])
    if hparams.get("fsdp"):
        check_shardable(hparams["model"], hparams)
    from_keys(check_views, hparams, model=hparams.get("model"))
    long_form = from_keys(LongForm, hparams, "long_form_")
    has_more = hparams.get("long_form_finetune_seconds") is not None
    check_distillation(
        hparams.get("model"),
        hparams.get("teacher_codes"),
        has_pauses=bool(hparams.get("pause_prob")),
        is_joined=long_form.is_joined or has_more,
    )
    check_time_masks(hparams.get("fea_augment"), hparams.get("time_mask_scale"))
    if hparams.get("meta_ttt") is not None:
        make_meta_step(hparams["model"], hparams["meta_ttt"])
    ones = torch.ones(2)
    for key, shape in (
        ("wav_augment", (2, _SAMPLES)),
        ("fea_augment", (2, _FRAMES, _BANDS)),
    ):
        if hparams.get(key) is not None:
            with _fault_of(key):
                hparams[key](0.1 * torch.randn(shape), ones)
    # without a number of tokens it is not finished
    if isinstance(hparams.get("model"), CTCModel | S2SModel) and hparams["num_tokens"]:
        with _fault_of("model"):
            _try_model(hparams["model"])


@contextlib.contextmanager
def _fault_of(key: str) -> Iterator[None]:
    try:
        yield
    except InputError:
        raise
    # the code is PyTorch's, SpeechBrain's or the user's, and raises anything
    except Exception as error:
        raise InputError(f"--{key}: {reason_of(error)}") from error


def reason_of(error: Exception) -> str:
    """Describe an error on one line, or its type, and its place in a YAML file."""
    if isinstance(error, MarkedYAMLError) and error.problem_mark:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    # HyperPyYAML puts words of its own before those of a constructor
    reason = error.args[-1] if isinstance(error, TypeError) and error.args else error
    return " ".join(str(reason).split()) or type(error).__name__


def _try_schedule(schedule: Any) -> None:
    for step in (0, 1, 50, 99):
        with _fault_of("schedule"):
            factor = schedule(step, 100)
        if not (is_number(factor, int | float) and 0 <= factor < math.inf):
            raise InputError(
                f"--schedule: gives {factor} at step {step} of 100; expected a number "
                "of 0 or more"
            )


@torch.no_grad()
def _try_model(model: CTCModel | S2SModel) -> None:
    was_training = model.training
    model.eval()
    model(0.1 * torch.randn(1, _SAMPLES), torch.tensor([_SAMPLES]))
    model.train(was_training)
