"""Make the decoder of a stream that a user asks for."""

from typing import Any

from lact_modules.data.subwords import AnyVocabulary
from lact_modules.decoding.greedy_stream import GreedyStream
from lact_modules.decoding.stream import StreamDecoder


def build_stream_decoder(
    vocabulary: AnyVocabulary, frame_rate: float, **options: Any
) -> StreamDecoder:
    """Make the decoder of a stream that a user asks for.

    Arguments
    ---------
    vocabulary : AnyVocabulary
        Tokens of the model.
    frame_rate : float
        Frames a second.
    **options : Any
        None yet.

    Returns
    -------
    StreamDecoder
        Greedy.
    """
    return GreedyStream(vocabulary, frame_rate, **options)
