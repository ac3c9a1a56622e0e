"""Load a language model of any kind, by what its path holds."""

from pathlib import Path

import torch

from lact_modules.errors import InputError
from lact_modules.language_model.language_model import (
    CausalModel,
    KenLMModel,
    LanguageModel,
)

# A mistyped path shall not lead to a request to the hub.
_PUBLISHER = "speechbrain/"


def load_language_model(
    path: str | Path, device: str | torch.device = "cpu", lowercase: bool = False
) -> LanguageModel:
    """Load a language model that scores whole texts, by what its path holds.

    A file: n-gram, ARPA or KenLM binary. A folder with ``config.json``: any causal
    model of transformers, which alone can read texts in lower case. Another
    folder: a run of the recipe ``LibriSpeech/LM``, or the Transformer that SpeechBrain
    publishes, which may be named as on the Hugging Face hub too.
    """
    path = Path(path)
    if path.is_file():
        return KenLMModel(path)
    if not (path.is_dir() or str(path).startswith(_PUBLISHER)):
        raise InputError(f"{path}: no such language model; give a file or a folder")
    if (path / "config.json").is_file():
        return CausalModel(path, device, lowercase)
    from lact_modules.language_model.transformer_lm import TransformerLanguageModel

    return TransformerLanguageModel.from_folder(path, device)
