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
    """Take the best token of each frame, on the device.

    Arguments
    ---------
    vocabulary : AnyVocabulary
        Tokens of the model.
    frame_rate : float
        Frames a second.

    Example
    -------
    >>> import torch
    >>> from lact_modules.data.text.vocabulary import Vocabulary
    >>> vocabulary = Vocabulary.from_texts(["HI"])
    >>> frames = torch.tensor([[0, 2, 2, 0, 3, 1]])
    >>> log_probs = torch.nn.functional.one_hot(frames, len(vocabulary)).log()
    >>> decoder = GreedyDecoder(vocabulary, frame_rate=10.0)
    >>> decoder(log_probs, torch.tensor([6]))[0].words
    (Word(word='HI', start=0.1, end=0.5),)
    """

    def __init__(self, vocabulary: AnyVocabulary, frame_rate: float):
        self.vocabulary = vocabulary
        self._stream = GreedyStream(vocabulary, frame_rate)

    def __call__(self, log_probs: Tensor, lengths: Tensor, *_: Any) -> list[Hypothesis]:
        """Decode a batch; what else a model puts out is not looked at.

        Arguments
        ---------
        log_probs : Tensor
            (B, T, V) any floating dtype and device; frames beyond the lengths are not
            looked at.
        lengths : Tensor
            (B,) int64 frames.

        Returns
        -------
        list[Hypothesis]
            One an utterance; the score is that of the best path.

        Raises
        ------
        InputError
            If V is not the vocabulary's size or a valid frame is NaN.
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
    """Search for the best texts, see :class:`BeamSearch`.

    Arguments
    ---------
    vocabulary : AnyVocabulary
        Tokens of the model.
    frame_rate : float
        Frames a second.
    beam_size : int
        Hypotheses kept after each frame.
    lm : str | Path | None
        N-gram of words or of tokens: ARPA or KenLM binary.
    lexicon : str | Path | None
        Words that may come out, if not those of the ARPA file.
    num_best : int
        Most hypotheses that :meth:`n_best` gives.
    **settings : Any
        Other arguments of :class:`BeamSearch`: weights and threshold.

    Raises
    ------
    InputError
        As :class:`BeamSearch`.

    Example
    -------
    >>> import torch
    >>> from lact_modules.data.text.vocabulary import Vocabulary
    >>> vocabulary = Vocabulary.from_texts(["HI"])
    >>> frames = torch.tensor([[0, 2, 2, 0, 3, 1]])
    >>> log_probs = torch.nn.functional.one_hot(frames, len(vocabulary)).log()
    >>> decoder = BeamDecoder(vocabulary, frame_rate=10.0, beam_size=5)
    >>> decoder(log_probs, torch.tensor([6]))[0].text
    'HI'
    """

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
        """Decode a batch to several different texts an utterance.

        What else a model puts out is not looked at.

        Arguments
        ---------
        log_probs : Tensor
            (B, T, V) any floating dtype and device, computed in float32; frames
            beyond the lengths are not looked at.
        lengths : Tensor
            (B,) int64 frames.

        Returns
        -------
        list[list[Hypothesis]]
            For each utterance 1 to `num_best` hypotheses, best first.

        Raises
        ------
        InputError
            If V is not the vocabulary's size or a valid frame is NaN.
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
    """Make the decoder that a user asks for.

    Arguments
    ---------
    vocabulary : AnyVocabulary
        Tokens of the model.
    frame_rate : float
        Frames a second.
    beam_size : int
        Hypotheses to keep; 0 and 1 mean the greedy decoder.
    lm : str | Path | None
        Language model, for beam search.
    lexicon : str | Path | None
        Lexicon, for beam search.
    **settings : Any
        Other arguments of :class:`BeamDecoder`.

    Returns
    -------
    GreedyDecoder | BeamDecoder
        Called with (B, T, V) log-probabilities and (B,) lengths.

    Raises
    ------
    InputError
        If a language model or lexicon comes without beam search, or does not serve;
        if beam search is asked for over too many pieces.

    Example
    -------
    >>> from lact_modules.data.text.vocabulary import Vocabulary
    >>> vocabulary = Vocabulary.from_texts(["HI"])
    >>> type(build_decoder(vocabulary, 25.0, beam_size=20)).__name__
    'BeamDecoder'
    """
    if wants_beam(vocabulary, beam_size, lm, lexicon):
        return BeamDecoder(vocabulary, frame_rate, beam_size, lm, lexicon, **settings)
    return GreedyDecoder(vocabulary, frame_rate)


def check_frames(log_probs: Tensor, lengths: Tensor, vocabulary: AnyVocabulary) -> None:
    """Refuse what no search can use, where the log-probabilities are.

    Arguments
    ---------
    log_probs : Tensor
        (B, T, V) any floating dtype and device.
    lengths : Tensor
        (B,) int64 frames, on the same device.
    vocabulary : AnyVocabulary
        Tokens of the model.

    Raises
    ------
    InputError
        If V is not the vocabulary's size or a valid frame is NaN.
    """
    check_size(log_probs, vocabulary)
    best = log_probs.detach().amax(dim=-1)
    check_numbers(best.masked_fill(padding_mask(lengths, best.shape[1]), 0.0))
