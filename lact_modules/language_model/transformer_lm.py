"""SpeechBrain's Transformer language model over subwords."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import torch
from huggingface_hub.errors import EntryNotFoundError, HFValidationError
from speechbrain.lobes.models.transformer.TransformerLM import TransformerLM
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.token_batches import cut_batches
from lact_modules.decoders.losses import token_losses, with_start
from lact_modules.errors import InputError
from lact_modules.model_store.model_builder import build_trained_model
from lact_modules.model_store.run.checkpoint import load_state
from lact_modules.model_store.trained_model import HYPERPARAMETERS_FILE, read_run

PUBLISHED_FILES = ("lm.ckpt", "tokenizer.ckpt")
"""Of `speechbrain/asr-transformer-transformerlm-librispeech`: weights, tokenizer."""

PUBLISHED_MODEL = {
    "class": f"{TransformerLM.__module__}.{TransformerLM.__name__}",
    "arguments": {
        "vocab": 5000,
        "d_model": 768,
        "nhead": 12,
        "num_encoder_layers": 12,
        "num_decoder_layers": 0,
        "d_ffn": 3072,
        "dropout": 0.0,
        "activation": {"partial": "torch.nn.GELU"},
        "normalize_before": False,
    },
}
"""The language model that SpeechBrain publishes for LibriSpeech."""

# others of SpeechBrain's see all tokens, or do not run
_CAUSAL = ("regularMHA", "RoPEMHA")

# a batch's logits take this many times the vocabulary
_MAX_BATCH_TOKENS = 2048

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def use_boolean_masks(model: nn.Module) -> None:
    """Let a model make both its masks of one type, which PyTorch is to insist on.

    SpeechBrain's mask of what comes later holds 0 and -inf, that of padding True.
    """
    if not isinstance(model, TransformerLM):
        return
    make_masks = type(model).make_masks

    def make_boolean(*args: Any, **kwargs: Any) -> tuple[Tensor | None, Tensor | None]:
        later, padding = make_masks(model, *args, **kwargs)
        return later if later is None else later < 0, padding

    model.make_masks = make_boolean


class TransformerLanguageModel:
    """Scores texts, in the letters that its tokenizer was trained on.

    Characters that the tokenizer lacks count as its unknown piece. Raises InputError if
    the causal model has not as many outputs as there are tokens.
    """

    def __init__(
        self,
        model: TransformerLM,
        vocabulary: SubwordVocabulary,
        device: str | torch.device = "cpu",
    ):
        num_outputs = model.output_proj.layers[-1].w.out_features
        if num_outputs != len(vocabulary):
            raise InputError(
                f"the language model has {num_outputs} outputs, its tokenizer "
                f"{len(vocabulary)} tokens; give the tokenizer it was trained with"
            )
        use_boolean_masks(model)
        self.model = model.to(device).eval()
        self.vocabulary = vocabulary
        self.device = torch.device(device)

    @classmethod
    def from_folder(
        cls, folder: str | Path, device: str | torch.device = "cpu"
    ) -> "TransformerLanguageModel":
        """Load a trained model; no code from the folder is run.

        The folder is the output of the recipe ``LibriSpeech/LM``; or holds ``lm.ckpt``
        and ``tokenizer.ckpt``, of the architecture that SpeechBrain publishes; or is
        the name of such a repository on the Hugging Face hub.
        """
        path = Path(folder)
        weights_file, tokenizer_file = (path / name for name in PUBLISHED_FILES)
        if not path.is_dir():
            weights_file, tokenizer_file = _fetch(str(folder))
        if weights_file.is_file():
            description: Any = PUBLISHED_MODEL
            weights = load_state(weights_file)
        elif (path / HYPERPARAMETERS_FILE).is_file():
            description, weights = read_run(path, metric="loss")
            tokenizer_file = path / SubwordVocabulary.file_name
        else:
            raise InputError(
                f"{path}: neither {PUBLISHED_FILES[0]} nor {HYPERPARAMETERS_FILE}; "
                "give the folder of a language model"
            )
        vocabulary = SubwordVocabulary.load(tokenizer_file)
        try:
            return cls(_build(description, weights), vocabulary, device)
        except InputError as error:
            raise InputError(f"{folder}: {error}") from error

    @torch.inference_mode()
    def log_probs(self, texts: Sequence[str]) -> list[float]:
        """Return the natural log-probability of each whole text, its end included.

        What a text is batched with has no influence. Raises InputError if one is longer
        than the model's table of positions.
        """
        tokens = [torch.tensor(self.vocabulary.encode(text)).long() for text in texts]
        # the token that begins each text is read, too
        lengths = np.array([len(ids) + 1 for ids in tokens])
        self._check_lengths(texts, lengths)
        scores = torch.zeros(len(texts))
        for batch in cut_batches(lengths, _MAX_BATCH_TOKENS):
            scores[batch] = self._score([tokens[i] for i in batch]).cpu()
        return scores.tolist()

    def _score(self, tokens: list[Tensor]) -> Tensor:
        """Score sequences (U,) of ids, together."""
        padded = pad_sequence(tokens, batch_first=True).to(self.device)
        num_tokens = torch.tensor([len(ids) for ids in tokens], device=self.device)
        logits = self.model(with_start(padded, self.vocabulary.bos_id))
        log_probs = logits.float().log_softmax(dim=-1)
        return -token_losses(log_probs, padded, num_tokens, self.vocabulary.eos_id)

    def _check_lengths(self, texts: Sequence[str], lengths: np.ndarray) -> None:
        longest = self.model.positional_encoding.max_len
        for text, length in zip(texts, lengths, strict=True):
            if length > longest:
                raise InputError(
                    f"language model: the text {text[:30]!r}... has {length} tokens, "
                    f"the model reads {longest}; split it"
                )


def _build(description: Any, weights: dict[str, Tensor]) -> TransformerLM:
    model = build_trained_model(description, weights)
    if not isinstance(model, TransformerLM):
        raise InputError(
            f"a {type(model).__name__} is described, not a TransformerLM; give the "
            "folder of a language model"
        )
    if model.num_decoder_layers or model.attention_type not in _CAUSAL:
        raise InputError(
            f"a TransformerLM with {model.attention_type} and "
            f"{model.num_decoder_layers} decoder layers, which sees the tokens that it "
            f"is asked about; train one with {' or '.join(_CAUSAL)} and no decoder"
        )
    return model


def _fetch(name: str) -> tuple[Path, Path]:
    """Fetch what SpeechBrain publishes, or find it in the hub's cache."""
    if not _HUB_ID.fullmatch(name):
        raise InputError(f"{name}: no such folder; give that of a language model")
    try:
        weights, tokenizer = (
            Path(huggingface_hub.hf_hub_download(name, file))
            for file in PUBLISHED_FILES
        )
    except (HFValidationError, EntryNotFoundError, OSError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise InputError(
            f"{name}: no such folder, and the hub does not give it ({reason})"
        ) from error
    return weights, tokenizer
