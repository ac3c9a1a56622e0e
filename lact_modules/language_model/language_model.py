"""Language models that score whole texts: n-grams, and any causal transformer."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import kenlm
import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from lact_modules.data.text.scripts import spell_characters
from lact_modules.data.text.vocabulary import WORD_DELIMITER
from lact_modules.data.token_batches import cut_batches
from lact_modules.errors import InputError
from lact_modules.language_model.characters import is_of_characters
from lact_modules.language_model.ngram_file import (
    opened_for_kenlm,
    read_header,
    read_words,
)
from lact_modules.transformers_folder import LOCAL, load_weights, loading_from

# A batch's logits take this many times the size of the LM's vocabulary.
_MAX_BATCH_TOKENS = 2048

# What torch's cross entropy skips.
_NOT_SCORED = -100

Window = tuple[list[int], int]
"""Token ids, and how many at their beginning are context alone."""


class LanguageModel(Protocol):
    """What rescoring asks of a language model."""

    def log_probs(self, texts: Sequence[str]) -> list[float]:
        """Return the natural log-probability of each whole text, its end included."""


class KenLMModel:
    """An n-gram model of words or of characters, by KenLM.

    Words that the model does not know count as its ``<unk>``. Letters must be of
    the case it was trained with. An ARPA file shows whether its words are characters;
    a binary is one of characters if it knows the delimiter ``|``.
    """

    def __init__(self, path: str | Path):
        with opened_for_kenlm(path) as plain:
            self._model = kenlm.Model(plain)
        if read_header(path).is_binary:
            self._is_of_characters = WORD_DELIMITER in self._model
        else:
            self._is_of_characters = is_of_characters(read_words(path))

    def log_probs(self, texts: Sequence[str]) -> list[float]:
        """Return the natural log-probability of each text, with its end."""
        # KenLM counts in log10
        return [math.log(10.0) * self._model.score(self.spell(text)) for text in texts]

    def spell(self, text: str) -> str:
        """Put white space between what the model takes for words."""
        return spell_characters(text) if self._is_of_characters else text


class CausalModel:
    """A causal language model in transformers' format: GPT-2, LLaMA, ...

    The text is preceded by the tokenizer's BOS and followed by its EOS; where it
    lacks one, the other replaces it, as in GPT-2. Texts beyond the model's context
    are scored in windows that overlap by half. Computed in float32, and no text
    influences another's score.

    Arguments
    ---------
    folder : str | Path
        With safetensors, on this machine. No code and no pickle from it is run.
    device : str | torch.device
        Where to run it.
    lowercase : bool
        Most models know transcripts in upper case badly.

    Raises
    ------
    InputError
        If the folder does not hold such a model, whole and causal.
    """

    def __init__(
        self,
        folder: str | Path,
        device: str | torch.device = "cpu",
        lowercase: bool = False,
    ):
        self._device = torch.device(device)
        self._lowercase = lowercase
        self._model, self._tokenizer = _load(Path(folder))
        self._model.to(self._device)
        ends = [self._tokenizer.bos_token_id, self._tokenizer.eos_token_id]
        known = [end for end in ends if end is not None]
        if not known:
            raise InputError(f"{folder}: its tokenizer has neither BOS nor EOS")
        self._bos, self._eos = known[0], known[-1]
        self._context = getattr(self._model.config, "max_position_embeddings", None)

    @torch.inference_mode()
    def log_probs(self, texts: Sequence[str]) -> list[float]:
        """Return the natural log-probability of each text, with its end.

        Texts of like length are scored together.
        """
        owners, windows = [], []
        for index, text in enumerate(texts):
            for window in _cut(self._encode(text), self._context):
                owners.append(index)
                windows.append(window)
        totals = [0.0] * len(texts)
        lengths = np.array([len(ids) for ids, _ in windows])
        for batch in cut_batches(lengths, _MAX_BATCH_TOKENS):
            scores = self._score([windows[i] for i in batch])
            for i, score in zip(batch, scores, strict=True):
                totals[owners[i]] += score
        return totals

    def _encode(self, text: str) -> list[int]:
        text = text.lower() if self._lowercase else text
        ids = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return [self._bos, *ids, self._eos]

    def _score(self, windows: Sequence[Window]) -> list[float]:
        inputs = [torch.tensor(ids) for ids, _ in windows]
        targets = [ids.clone() for ids in inputs]
        for target, (_, num_context) in zip(targets, windows, strict=True):
            target[:num_context] = _NOT_SCORED
        # Causal models do not see tokens on the right.
        padded = pad_sequence(inputs, batch_first=True, padding_value=self._eos)
        wanted = pad_sequence(targets, batch_first=True, padding_value=_NOT_SCORED)
        ones = [torch.ones_like(ids) for ids in inputs]
        logits = self._model(
            padded.to(self._device),
            attention_mask=pad_sequence(ones, batch_first=True).to(self._device),
            use_cache=False,
        ).logits
        # (B, U, V) -> (B, V, U - 1)
        losses = torch.nn.functional.cross_entropy(
            logits[:, :-1].float().transpose(1, 2),
            wanted[:, 1:].to(self._device),
            ignore_index=_NOT_SCORED,
            reduction="none",
        )
        return (-losses.double().sum(dim=1)).tolist()


def _load(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with loading_from(folder, "a causal language model with safetensors"):
        tokenizer = AutoTokenizer.from_pretrained(folder, **LOCAL)
        model = load_weights(AutoModelForCausalLM, folder)
        looks_ahead = _looks_ahead(model.eval())
    if looks_ahead:
        raise InputError(
            f"{folder}: {type(model).__name__} sees words to come; take a causal model"
        )
    return model, tokenizer


@torch.inference_mode()
def _looks_ahead(model: Any) -> bool:
    """Return whether the last token changes what is predicted before it."""
    logits = model(torch.tensor([[0, 1, 1], [0, 1, 2]])).logits[:, :2]
    return not torch.allclose(logits[0], logits[1], rtol=1e-4, atol=1e-4)


def _cut(ids: list[int], context: int | None) -> Iterator[Window]:
    """Cut ids into windows; together they score each id but the first once."""
    context = len(ids) if context is None else context
    scored = 1
    while scored < len(ids):
        end = min(len(ids), max(context, scored + context // 2))
        start = max(0, end - context)
        yield ids[start:end], scored - start
        scored = end
