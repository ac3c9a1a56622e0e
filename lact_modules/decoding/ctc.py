"""CTC decoders: from a model's log-probabilities to text with word times."""

from pathlib import Path
from typing import Any

from torch import Tensor

from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.decoding.frames import check_numbers, check_size, valid_frames
from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.decoding.numbers import check_number
from lact_modules.decoding.search.beam_search import BeamSearch, wants_beam
from lact_modules.decoding.stream.greedy import GreedyStream, best_path
from lact_modules.ops.padding import padding_mask


class GreedyDecoder:
    """Take the best token of each frame, on the device."""

    def __init__(self, vocabulary: AnyVocabulary, frame_rate: float):
        self.vocabulary = vocabulary
        self._stream = GreedyStream(vocabulary, frame_rate)

    def __call__(self, log_probs: Tensor, lengths: Tensor, *_: Any) -> list[Hypothesis]:
        """Decode (B, T, V) of any floating dtype and device, with (B,) valid frames.

        The score is that of the best path. Raises InputError for another V or a valid
        frame of NaN.
        """
        check_size(log_probs, self.vocabulary)
        paths = zip(*best_path(log_probs), lengths.tolist(), strict=True)
        return [
            self._follow(scores[:length], ids[:length]) for scores, ids, length in paths
        ]

    def _follow(self, scores: Tensor, ids: Tensor) -> Hypothesis:
        check_numbers(scores)
        start = self._stream.start()
        return self._stream.finish(self._stream.follow(scores, ids, start))


class BeamDecoder:
    """Search for the best texts, see :class:`BeamSearch`, which `settings` are for."""

    def __init__(
        self,
        vocabulary: AnyVocabulary,
        frame_rate: float,
        beam_size: int = 50,
        lm: str | Path | None = None,
        lexicon: str | Path | None = None,
        num_best: int = 1,
        **settings: Any,
    ):
        check_number("num_best", num_best, 1, whole=True)
        self.vocabulary = vocabulary
        self.num_best = num_best
        self._search = BeamSearch(
            vocabulary, frame_rate, beam_size, lm, lexicon, **settings
        )
        # that may come out; any spelling if None
        self.words = self._search.words

    def __call__(self, log_probs: Tensor, lengths: Tensor, *_: Any) -> list[Hypothesis]:
        """Decode a batch; see :meth:`n_best`, of which this is the first."""
        return [best[0] for best in self.n_best(log_probs, lengths)]

    def n_best(
        self, log_probs: Tensor, lengths: Tensor, *_: Any
    ) -> list[list[Hypothesis]]:
        """Decode a batch to 1 to `num_best` different texts each, best first.

        Computed in float32 on the CPU, else as `GreedyDecoder`.
        """
        valid = valid_frames(log_probs, lengths, self.vocabulary)
        return [self._decode(frames) for frames in valid]

    def _decode(self, frames: Tensor) -> list[Hypothesis]:
        self._search.begin()
        self._search.step(frames)
        return self._search.end()[: self.num_best]


def build_decoder(
    vocabulary: AnyVocabulary,
    frame_rate: float,
    *,
    beam_size: int = 0,
    lm: str | Path | None = None,
    lexicon: str | Path | None = None,
    **settings: Any,
) -> GreedyDecoder | BeamDecoder:
    """Make the decoder that a user asks for: greedy if `beam_size` is 0 or 1.

    Raises InputError if a language model or lexicon comes without beam search, or does
    not serve; if beam search is asked for over too many pieces.
    """
    if wants_beam(vocabulary, beam_size, lm, lexicon):
        return BeamDecoder(vocabulary, frame_rate, beam_size, lm, lexicon, **settings)
    return GreedyDecoder(vocabulary, frame_rate)


def check_frames(log_probs: Tensor, lengths: Tensor, vocabulary: AnyVocabulary) -> None:
    """Raise InputError if V of (B, T, V) is wrong or a valid frame is NaN.

    That is found where the log-probabilities are.
    """
    check_size(log_probs, vocabulary)
    best = log_probs.detach().amax(dim=-1)
    check_numbers(best.masked_fill(padding_mask(lengths, best.shape[1]), 0.0))
