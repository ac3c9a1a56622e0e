"""Make the decoder of a stream that a user asks for."""

from pathlib import Path
from typing import Any

from lact_modules.data.text.subwords import AnyVocabulary
from lact_modules.decoding.search.beam_search import BeamSearch, wants_beam
from lact_modules.decoding.stream.beam import BeamStream
from lact_modules.decoding.stream.endpoint import StreamDecoder
from lact_modules.decoding.stream.greedy import GreedyStream


def build_stream_decoder(
    vocabulary: AnyVocabulary,
    frame_rate: float,
    *,
    beam_size: int = 0,
    lm: str | Path | None = None,
    lexicon: str | Path | None = None,
    **settings: Any,
) -> StreamDecoder:
    """Make the decoder of a stream that a user asks for.

    Arguments
    ---------
    vocabulary : AnyVocabulary
        Tokens of the model.
    frame_rate : float
        Frames a second.
    beam_size : int
        Hypotheses to keep; 0 and 1 mean greedy decoding.
    lm : str | Path | None
        Language model, for beam search.
    lexicon : str | Path | None
        Lexicon, for beam search.
    **settings : Any
        Other arguments of
        :class:`~lact_modules.decoding.search.beam_search.BeamSearch`: ``lm_weight``,
        ``word_score``, ...

    Returns
    -------
    StreamDecoder
        Of one stream; its ``fork`` gives those of others.

    Raises
    ------
    InputError
        If a language model or lexicon comes without beam search, or does not serve;
        if beam search is asked for over too many pieces.

    Example
    -------
    >>> from lact_modules.data.text.vocabulary import Vocabulary
    >>> vocabulary = Vocabulary.from_texts(["HI"])
    >>> type(build_stream_decoder(vocabulary, 25.0, beam_size=20)).__name__
    'BeamStream'
    """
    if wants_beam(vocabulary, beam_size, lm, lexicon):
        search = BeamSearch(vocabulary, frame_rate, beam_size, lm, lexicon, **settings)
        return BeamStream(search)
    return GreedyStream(vocabulary, frame_rate)
