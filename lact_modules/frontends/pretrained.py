"""Weights of a wav2vec 2.0 front end from, and for, models as they are published."""

import json
import logging
import re
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from lact_modules.errors import InputError
from lact_modules.frontends.feature_encoder import KERNELS, STRIDES
from lact_modules.frontends.pretrained_files import (
    CONFIG_FILE,
    MODEL_TYPES,
    PREPROCESSOR_FILE,
    PROCESSOR_FILE,
    WEIGHTS_FILE,
    find_folder,
    list_files,
    read_json,
    read_preprocessor,
    read_tensors,
)
from lact_modules.frontends.wav2vec2 import SAMPLE_RATE, Wav2Vec2Frontend
from lact_modules.whole_file import whole_file, write_whole

logger = logging.getLogger(__name__)

# what no argument of the front end changes, and the defaults
_FIXED = {
    "conv_kernel": [*KERNELS],
    "conv_stride": [*STRIDES],
    "feat_extract_activation": "gelu",
    "feat_proj_layer_norm": True,
    "layer_norm_eps": 1e-5,
}

# of the front end alone
_OWN = ("mask_embedding", "output_norm.weight", "output_norm.bias")

# from the front end's names to those of transformers
_NAMES = {
    r"^cnn\.layers\.(\d)\.convolution\.": r"feature_extractor.conv_layers.\1.conv.",
    r"^cnn\.layers\.(\d)\.norm\.": r"feature_extractor.conv_layers.\1.layer_norm.",
    r"^norm\.": "feature_projection.layer_norm.",
    r"^project\.": "feature_projection.projection.",
}


def load_pretrained(frontend: Wav2Vec2Frontend, source: str | Path) -> None:
    """Copy a model's convolutions and feature projection into a front end.

    The model is a folder with ``config.json`` and ``model.safetensors``, which may be
    in shards, or an id on the Hugging Face hub; nothing is read from a pickle. Settings
    that do not fit are named in an InputError. The linear layer of the projection is
    copied if it makes `d_model` dimensions of one frame, else it stays as it is, with a
    warning. The strides may be others than the model's, see `Wav2Vec2Frontend`.
    """
    folder = find_folder(source)
    config = read_json(folder / CONFIG_FILE, source)
    preprocessor = read_preprocessor(folder, source)
    _check_architecture(config, source)
    _check_settings(frontend, config, preprocessor, source)
    given = read_tensors(list_files(folder, source), source)
    own = frontend.state_dict()
    width = config.get("hidden_size", 768)
    fresh = {*_OWN}
    takes_projection = width == frontend.d_model and frontend.stack == 1
    if not takes_projection:
        fresh |= {"project.weight", "project.bias"}
    weights = {
        name: _pick(_published_name(name), tensor.shape, given, source)
        for name, tensor in own.items()
        if name not in fresh
    }
    with torch.no_grad():
        for name, tensor in weights.items():
            # shares its memory with the front end's parameter
            own[name].copy_(tensor)
    logger.info("front end: %d tensors from %s", len(weights), source)
    if not takes_projection:
        logger.warning(
            "front end: %s projects each frame to %s dimensions, not %d at once to "
            "%d, so that the projection starts fresh",
            *(source, width, frontend.stack, frontend.d_model),
        )


def save_pretrained(frontend: Wav2Vec2Frontend, folder: str | Path) -> None:
    """Write convolutions and feature projection so that `load_pretrained` takes them.

    The frame rate does not matter: strides are those of pretraining again when it is
    loaded. Stacked frames do, which no published model has: ValueError.
    """
    if frontend.stack != 1:
        raise ValueError(f"stack={frontend.stack}: published models stack no frames")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = {
        "model_type": "wav2vec2",
        "conv_dim": [frontend.channels] * len(KERNELS),
        "conv_bias": frontend.conv_bias,
        "feat_extract_norm": frontend.conv_norm,
        "hidden_size": frontend.d_model,
        **_FIXED,
    }
    preprocessor = {"do_normalize": frontend.normalize_input}
    weights = {
        _published_name(name): tensor.contiguous()
        for name, tensor in frontend.state_dict().items()
        if name not in _OWN
    }
    with whole_file(folder / WEIGHTS_FILE) as unfinished:
        save_file(weights, unfinished, metadata={"format": "pt"})
    for name, content in ((CONFIG_FILE, config), (PREPROCESSOR_FILE, preprocessor)):
        write_whole(folder / name, json.dumps(content, indent=2) + "\n")
    # safetensors writes files that their owner alone can read
    shutil.copymode(folder / CONFIG_FILE, folder / WEIGHTS_FILE)
    # of a model before, it would count for more than what has been written
    (folder / PROCESSOR_FILE).unlink(missing_ok=True)


def _check_architecture(config: dict[str, Any], source: str | Path) -> None:
    """Refuse what no setting of a front end makes fit."""
    kind = config.get("model_type")
    if kind not in MODEL_TYPES:
        listed = ", ".join(MODEL_TYPES)
        raise InputError(f"{source}: a model of type {kind!r}; give one of {listed}")
    for key, fixed in _FIXED.items():
        if (value := config.get(key, fixed)) != fixed:
            raise InputError(
                f"{source}: made with {key} {json.dumps(value)}, where the front end "
                f"has {json.dumps(fixed)}; give another model"
            )


def _check_settings(
    frontend: Wav2Vec2Frontend,
    config: dict[str, Any],
    preprocessor: dict[str, Any],
    source: str | Path,
) -> None:
    """Refuse a model that was made with other settings than the front end."""
    widths = config.get("conv_dim", [512] * len(KERNELS))
    if not isinstance(widths, list) or widths != widths[:1] * len(KERNELS):
        raise InputError(
            f"{source}: made with conv_dim {widths}, where all layers of the front "
            "end have as many channels; give another model"
        )
    rate = preprocessor.get("sampling_rate", SAMPLE_RATE)
    if rate != SAMPLE_RATE:
        raise InputError(
            f"{source}: made for {rate} Hz, and the front end expects {SAMPLE_RATE} "
            "Hz; give another model"
        )
    if "do_normalize" not in preprocessor:
        logger.warning(
            "front end: %s does not say whether its waveforms are normalized; "
            "normalize_input stays %s",
            *(source, json.dumps(frontend.normalize_input)),
        )
    wanted = {
        "channels": (frontend.channels, widths[0]),
        "norm": (frontend.conv_norm, config.get("feat_extract_norm", "group")),
        "conv_bias": (frontend.conv_bias, config.get("conv_bias", False)),
        "normalize_input": (
            frontend.normalize_input,
            preprocessor.get("do_normalize", frontend.normalize_input),
        ),
    }
    others = {name: json.dumps(b) for name, (a, b) in wanted.items() if a != b}
    if others:
        made = " and ".join(f"{name} {value}" for name, value in others.items())
        settings = ", ".join(f"{name}: {value}" for name, value in others.items())
        raise InputError(f"{source}: made with {made}; set {settings} in the front end")


def _published_name(name: str) -> str:
    for pattern, replacement in _NAMES.items():
        name = re.sub(pattern, replacement, name)
    return name


def _pick(
    name: str, shape: torch.Size, tensors: dict[str, Tensor], source: str | Path
) -> Tensor:
    if name not in tensors:
        raise InputError(f"{source}: tensor {name!r} is missing; give a whole model")
    if (found := tensors[name].shape) != shape:
        raise InputError(
            f"{source}: tensor {name!r} has shape {tuple(found)} where its "
            f"{CONFIG_FILE} asks for {tuple(shape)}; give a whole model"
        )
    return tensors[name]
