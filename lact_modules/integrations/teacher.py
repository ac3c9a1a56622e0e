"""A pretrained model of transformers, as a teacher: the frames of one of its layers."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lact_modules.errors import InputError
from lact_modules.transformers_folder import LOCAL, load_weights, loading_from

_KINDS = "wav2vec 2.0, HuBERT or WavLM"


class Teacher:
    """Frames of one layer, from 1, of a local wav2vec 2.0, HuBERT or WavLM model.

    ``hop`` is the number of samples from frame to frame.
    """

    def __init__(self, folder: str | Path, layer: int, device: str = "cpu"):
        self.layer, self.device = layer, device
        self._normalize, self._model = _load(Path(folder))
        config = self._model.config
        if not hasattr(config, "conv_stride"):
            raise InputError(f"{folder}: is a {config.model_type}; use a {_KINDS}")
        if not 1 <= layer <= config.num_hidden_layers:
            raise InputError(
                f"--layer {layer}: {folder} has layers 1 to {config.num_hidden_layers}"
            )
        self.hop = math.prod(config.conv_stride)
        self._fewest = _receptive_field(config.conv_kernel, config.conv_stride)
        self._model.to(device)

    @torch.inference_mode()
    def frames(self, samples: Tensor) -> NDArray[np.float32]:
        """Return the frames (T, D) of samples (N,) at 16 kHz; at least one."""
        if len(samples) < self._fewest:
            samples = torch.nn.functional.pad(samples, (0, self._fewest - len(samples)))
        if self._normalize:
            samples = (samples - samples.mean()) / (
                samples.var(correction=0) + 1e-7
            ).sqrt()
        given = samples[None].to(self.device)
        states = self._model(given, output_hidden_states=True).hidden_states
        frames: NDArray[np.float32] = states[self.layer][0].float().cpu().numpy()
        return frames


def _receptive_field(kernels: list[int], strides: list[int]) -> int:
    samples = 1
    for kernel, stride in zip(reversed(kernels), reversed(strides), strict=True):
        samples = (samples - 1) * stride + kernel
    return samples


def _load(folder: Path) -> tuple[bool, Any]:
    """Return whether waveforms are normalized, and the model."""
    from transformers import AutoFeatureExtractor, AutoModel

    if not folder.is_dir():
        raise InputError(
            f"{folder}: no such folder; give that of a {_KINDS}, as transformers saves "
            "it"
        )
    with loading_from(folder, "a model with safetensors and a feature extractor"):
        extractor = AutoFeatureExtractor.from_pretrained(folder, **LOCAL)
        # what hides frames in its own training is not used
        model = load_weights(AutoModel, folder, frozenset({"masked_spec_embed"}))
    if getattr(extractor, "sampling_rate", 16000) != 16000:
        raise InputError(f"{folder}: expects {extractor.sampling_rate} Hz, not 16000")
    return bool(getattr(extractor, "do_normalize", False)), model.eval()
