"""What a model is, in transformers' terms."""

import json
import os
from typing import Any

from transformers import PreTrainedConfig

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.hf.remote_code import WithOwnCode, place_of, write_code
from lact_modules.model_store.export import FORMAT_VERSION


class LaCTConfig(WithOwnCode, PreTrainedConfig):
    """The ``config.json`` of an export, which `lact-asr` reads too.

    Arguments
    ---------
    model : dict[str, Any] | None
        What :func:`~lact_modules.model_store.model_builder.build_model` builds.
    frame_rate : float | None
        Output frames per second, as of the model.
    parameters : int | None
        How many, likewise.
    **others : Any
        Of PreTrainedConfig; and `vocab_size`, the model's number of tokens.

    Example
    -------
    >>> model = {"class": "lact_modules.encoders.CTCModel", "arguments": {}}
    >>> config = LaCTConfig(model=model, vocab_size=29, frame_rate=25.0)
    >>> config.model["arguments"], config.inputs_to_logits_ratio
    ({'num_tokens': 29}, 640)
    """

    model_type = "lact_asr"

    def __init__(
        self,
        model: dict[str, Any] | None = None,
        frame_rate: float | None = None,
        parameters: int | None = None,
        **others: Any,
    ):
        self.model = model
        self.frame_rate, self.parameters = frame_rate, parameters
        self.format_version = others.pop("format_version", FORMAT_VERSION)
        self.sample_rate = others.pop("sample_rate", SAMPLE_RATE)
        others["auto_map"] = {
            "AutoConfig": place_of("LaCTConfig"),
            "AutoModelForCTC": place_of("LaCTForCTC"),
        }
        super().__init__(**others)
        # CTC's blank, which pads texts too
        self.pad_token_id = Vocabulary.blank_id

    @property
    def vocab_size(self) -> int | None:
        """Number of tokens, CTC's blank included; setting it changes the model's."""
        return self._arguments.get("num_tokens")

    @vocab_size.setter
    def vocab_size(self, num_tokens: int | None) -> None:
        if self.model is not None and num_tokens is not None:
            arguments = {**self._arguments, "num_tokens": num_tokens}
            self.model = {**self.model, "arguments": arguments}

    @property
    def inputs_to_logits_ratio(self) -> float:
        """Samples a frame."""
        ratio = self.sample_rate / (self.frame_rate or self.sample_rate)
        return int(ratio) if ratio.is_integer() else ratio

    @property
    def _arguments(self) -> dict[str, Any]:
        return (self.model or {}).get("arguments") or {}

    def save_pretrained(self, save_directory: str | os.PathLike, **more: Any) -> None:
        """Write ``config.json`` and the code that it names, see PreTrainedConfig."""
        os.makedirs(save_directory, exist_ok=True)
        write_code(os.fspath(save_directory))
        super().save_pretrained(save_directory, **more)

    def to_json_string(self, use_diff: bool = True) -> str:
        """Write JSON in which references to an object still follow it."""
        # the original sorts keys
        content = json.loads(super().to_json_string(use_diff))
        return json.dumps({**content, "model": self.model}, indent=2) + "\n"
