"""Keep the unadapted result where adaptation looks harmful or needless."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor

from lact_modules.errors import InputError
from lact_modules.ops.padding import padding_mask
from lact_modules.whole_file import write_whole


class Traits(NamedTuple):
    """What is known of results without their transcripts; (B,) float32 each.

    Arguments
    ---------
    blank_share : Tensor
        Of the frames, those whose best token is the blank.
    confidence : Tensor
        Probability of the best token, averaged over the other frames.
    """

    blank_share: Tensor
    confidence: Tensor

    @classmethod
    def of(cls, log_probs: Tensor, lengths: Tensor) -> "Traits":
        """Describe log-probabilities (B, T, V), token 0 the blank, without padding."""
        is_valid = ~padding_mask(lengths, log_probs.shape[1])
        best, tokens = log_probs.max(dim=-1)
        is_token = is_valid & (tokens != 0)
        num_tokens, num_frames = is_token.sum(dim=1), lengths.clamp(min=1)
        total = torch.where(is_token, best.exp(), 0.0).sum(dim=1)
        return cls(1 - num_tokens / num_frames, total / num_tokens.clamp(min=1))


@dataclass(frozen=True)
class CleanStatistics:
    """Mean and standard deviation of `Traits` over speech like that of training."""

    file_name: ClassVar[str] = "clean_statistics.json"

    blank_share: tuple[float, float]
    confidence: tuple[float, float]

    @classmethod
    def of(cls, traits: Sequence[Traits]) -> "CleanStatistics":
        """Sum up the traits of several batches, two utterances at least."""
        columns = (torch.cat(column) for column in zip(*traits, strict=True))
        return cls(*((each.mean().item(), each.std().item()) for each in columns))

    def save(self, path: str | Path) -> None:
        """Write them as JSON."""
        write_whole(path, json.dumps(asdict(self)) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> "CleanStatistics":
        """Read what `save` has written."""
        try:
            entries = json.loads(Path(path).read_text(encoding="utf-8"))
            mean_and_deviation = {
                name: (float(mean), float(deviation))
                for name, (mean, deviation) in entries.items()
            }
            return cls(**mean_and_deviation)
        except (ValueError, TypeError, AttributeError) as error:
            raise InputError(f"{path}: no clean statistics ({error})") from error

    def standardize(self, traits: Traits) -> Traits:
        """Return the standard scores of the (B,) utterances' traits."""
        scores = (
            (trait - mean) / max(deviation, 1e-3)
            for trait, (mean, deviation) in zip(
                traits, asdict(self).values(), strict=True
            )
        )
        return Traits(*scores)

    def divergence(self, traits: Traits) -> Tensor:
        """Return the root mean square of the (B,) utterances' standard scores."""
        return torch.stack(self.standardize(traits)).square().mean(dim=0).sqrt()


@dataclass(frozen=True)
class Gate:
    """Judge by traits and losses whether an utterance's adaptation is to be kept.

    Arguments
    ---------
    max_change : float
        Factor by which the frames that are not blank may grow or shrink.
    max_divergence : float
        From the clean statistics, in standard deviations; what lies beyond it is kept
        if it has come nearer.
    max_confidence : float
        Before adaptation, in standard deviations above that of clean speech. What is
        above it has little to gain, and it is harmed first if a step is too large.
    enough_confidence : float
        After a step, likewise; what is above it takes no further one.
    statistics : CleanStatistics | None
        Of the model; without them divergence and confidence are not judged.
    """

    max_change: float = 2.0
    max_divergence: float = 4.0
    max_confidence: float = 0.0
    enough_confidence: float = -1.0
    statistics: CleanStatistics | None = None

    def is_needless(self, before: Traits) -> Tensor:
        """Mark the utterances (B,) with little to gain, before any step."""
        return self._is_surer(before, self.max_confidence)

    def is_enough(self, after: Traits) -> Tensor:
        """Mark the utterances (B,) that take no further step, after one."""
        return self._is_surer(after, self.enough_confidence)

    def _is_surer(self, traits: Traits, confidence: float) -> Tensor:
        if self.statistics is None:
            return torch.zeros_like(traits.confidence, dtype=torch.bool)
        return self.statistics.standardize(traits).confidence > confidence

    def harms(
        self, before: Traits, after: Traits, loss_before: Tensor, loss_after: Tensor
    ) -> dict[str, Tensor]:
        """Mark the utterances (B,) that look harmed, by reason, from losses (B,).

        A loss that is not finite counts as risen.
        """
        tokens_before, tokens_after = 1 - before.blank_share, 1 - after.blank_share
        reasons = {
            "blank": (tokens_after * self.max_change < tokens_before)
            | (tokens_after > tokens_before * self.max_change),
            "loss": ~(loss_after <= loss_before),
        }
        if self.statistics is not None:
            now = self.statistics.divergence(after)
            reasons["divergence"] = (now > self.max_divergence) & (
                now > self.statistics.divergence(before)
            )
        return reasons
