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
    """Make the decoder of a stream: greedy if `beam_size` is 0 or 1.

    A ``fork`` of it is for another stream; `settings` are those of `BeamSearch`. Raises
    InputError as `build_decoder` does.
    """
    if wants_beam(vocabulary, beam_size, lm, lexicon):
        search = BeamSearch(vocabulary, frame_rate, beam_size, lm, lexicon, **settings)
        return BeamStream(search)
    return GreedyStream(vocabulary, frame_rate)
