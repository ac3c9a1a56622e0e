"""Utterances of a padded batch, each by itself and checked."""

from collections.abc import Iterator

from torch import Tensor

from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.errors import InputError


def valid_frames(
    log_probs: Tensor, lengths: Tensor, vocabulary: AnyVocabulary
) -> Iterator[Tensor]:
    """Cut a batch into (T, V) float32 on the CPU, unpadded, see `check_frames`."""
    check_size(log_probs, vocabulary)
    batch = log_probs.detach().float().cpu()
    for utterance, length in zip(batch, lengths.tolist(), strict=True):
        frames = utterance[:length]
        check_numbers(frames)
        yield frames


def check_size(log_probs: Tensor, vocabulary: AnyVocabulary) -> None:
    """Refuse log-probabilities (B, T, V) of another vocabulary."""
    if log_probs.shape[-1] != len(vocabulary):
        raise InputError(
            f"the model has {log_probs.shape[-1]} outputs, its vocabulary "
            f"{len(vocabulary)} tokens; give the vocabulary it was trained with"
        )


def check_numbers(scores: Tensor) -> None:
    """Refuse scores of which any is NaN."""
    if scores.isnan().any():
        raise InputError("the model's output is NaN; use an earlier checkpoint")
