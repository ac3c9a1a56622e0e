"""A model as transformers runs and trains it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import ctc_loss, pad
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput
from transformers.utils import can_return_tuple

from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.encoders import CTCModel, EncoderBlock
from lact_modules.errors import InputError
from lact_modules.hf.configuration import LaCTConfig
from lact_modules.hf.remote_code import WithOwnCode
from lact_modules.model_store.model_builder import build_model
from lact_modules.ops.padding import padding_mask


class LaCTForCTC(WithOwnCode, PreTrainedModel):
    """A recognizer with CTC; of one that has a text decoder too, the CTC branch.

    Weights stay in float32 for any `dtype`; `torch.autocast` computes in
    less.

    Arguments
    ---------
    config : LaCTConfig
        Describes what to build; only classes of models are built.

    Raises
    ------
    InputError
        If the configuration describes no recognizer.

    Example
    -------
    >>> path = "lact_modules"
    >>> ffn = {"partial": f"{path}.layers.FeedForward", "arguments": [8, 16]}
    >>> mixer = {"partial": f"{path}.layers.LaCTMixer", "arguments": [8, 2, 2]}
    >>> encoder = {"class": f"{path}.encoders.Encoder", "arguments": [8, 2, mixer, ffn]}
    >>> frontend = {"class": f"{path}.frontends.MelFrontend", "arguments": [8]}
    >>> parts = {"frontend": frontend, "encoder": encoder, "num_tokens": 5}
    >>> description = {"class": f"{path}.encoders.CTCModel", "arguments": parts}
    >>> model = LaCTForCTC(LaCTConfig(model=description))
    >>> model(torch.randn(2, 16000)).logits.shape
    torch.Size([2, 25, 5])
    """

    config_class = LaCTConfig
    # weights of an export lack it
    base_model_prefix = "model"
    main_input_name = "input_values"
    input_modalities = ("audio",)
    supports_gradient_checkpointing = True
    _keep_in_fp32_modules_strict = ("model",)
    model: CTCModel

    def __init__(self, config: LaCTConfig):
        super().__init__(config)
        # not without values, as transformers would have it: not all are weights
        with torch.device("cpu"):
            model = build_model(config.model)
        if not isinstance(model, CTCModel):
            raise InputError(
                f"config: a {type(model).__name__} is described, no CTCModel"
            )
        for parameter in model.parameters():
            # as its class initializes it
            parameter._is_hf_initialized = True  # type: ignore[attr-defined]
        self.model = model
        self.gradient_checkpointing = False
        config.frame_rate = model.frame_rate
        config.parameters = sum(p.numel() for p in model.parameters())
        self.post_init()

    @can_return_tuple
    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> CausalLMOutput:
        """Score every token at every frame.

        Arguments
        ---------
        input_values : Tensor
            (B, N) samples at 16 kHz, full scale is 1.
        attention_mask : Tensor | None
            (B, N), 0 at padding, which has no influence; None: there is none.
        labels : Tensor | None
            (B, U) tokens; those below 0, such as -100, and blanks are padding.

        Returns
        -------
        CausalLMOutput
            ``logits`` (B, T, V), which are log-probabilities, of the blank alone
            beyond an utterance's frames; ``loss``, if there are labels: CTC's by
            label, averaged over utterances; those that cannot be aligned count as 0.
        """
        lengths = _count_samples(input_values, attention_mask)
        # models need something to pad
        waveform = pad(input_values.float(), (0, int(input_values.shape[1] == 0)))
        log_probs, frames = self.model(waveform, lengths)[:2]
        loss = None if labels is None else _ctc_loss(log_probs, frames, labels)
        return CausalLMOutput(loss=loss, logits=_blank_beyond(log_probs, frames))

    def _init_weights(self, module: nn.Module) -> None:
        """Initialize what no file had, such as an output layer of another size."""
        own = module.parameters(recurse=False)
        is_loaded = all(getattr(p, "_is_hf_initialized", False) for p in own)
        reset = getattr(module, "reset_parameters", None)
        if not is_loaded and callable(reset):
            reset()

    def _set_gradient_checkpointing(
        self,
        enable: bool = True,
        gradient_checkpointing_func: Callable[..., Any] = checkpoint,
        every_n_layers: int = 1,
    ) -> None:
        """Make every n-th block drop activations that its gradient recomputes."""
        self.gradient_checkpointing = enable
        blocks = [each for each in self.modules() if isinstance(each, EncoderBlock)]
        for number, block in enumerate(blocks):
            for name in "forward", "chunked":
                vars(block).pop(name, None)
                if enable and number % every_n_layers == 0:
                    run = partial(gradient_checkpointing_func, getattr(block, name))
                    setattr(block, name, run)


def _count_samples(waveform: Tensor, mask: Tensor | None) -> Tensor:
    if mask is not None:
        return mask.long().sum(dim=-1)
    return torch.full(waveform.shape[:1], waveform.shape[1], device=waveform.device)


def _ctc_loss(log_probs: Tensor, frames: Tensor, labels: Tensor) -> Tensor:
    is_token = labels > Vocabulary.blank_id
    return ctc_loss(
        # (B, T, V) -> (T, B, V)
        log_probs.transpose(0, 1),
        labels[is_token],
        frames,
        is_token.sum(dim=-1),
        blank=Vocabulary.blank_id,
        zero_infinity=True,
    )


def _blank_beyond(log_probs: Tensor, frames: Tensor) -> Tensor:
    """Make all frames of (B, T, V) log-probabilities blank beyond (B,) frames."""
    blank = torch.full_like(log_probs[0, 0], torch.finfo(log_probs.dtype).min)
    blank[Vocabulary.blank_id] = 0.0
    is_padding = padding_mask(frames, log_probs.shape[1])
    return torch.where(is_padding[..., None], blank, log_probs)
