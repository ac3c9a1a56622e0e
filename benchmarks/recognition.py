"""Ways in which a trained model recognizes recordings."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import NamedTuple

from torch import Tensor, nn

from lact_modules.cli.option.transcribed import load_utterance
from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.decoding.hypothesis import Word
from lact_modules.inference.stream.chunks import LEFT_SECONDS
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.inference.transcriber import Transcriber
from lact_modules.layers.fast_weight_memory import FastWeightMemory
from lact_modules.model_store.trained_model import TrainedModel

_PIECE = SAMPLE_RATE


class Way(str, Enum):
    """Whole, in chunks as a stream would be, or as a stream that ends utterances."""

    TRANSCRIBE = "transcribe"
    CHUNK = "chunk"
    STREAM = "stream"


class Recognized(NamedTuple):
    """The words of a recording, and its duration in seconds."""

    words: Sequence[Word]
    seconds: float


Recognize = Callable[[Sequence[Utterance]], Iterator[Recognized]]


def make_recognizer(
    trained: TrainedModel,
    way: Way,
    chunk_seconds: float = 0.64,
    left_seconds: float = LEFT_SECONDS,
) -> Recognize:
    """Return a function that recognizes recordings.

    Arguments
    ---------
    trained : TrainedModel
        The model.
    way : Way
        Whole, in chunks or as a stream.
    chunk_seconds : float
        What is recognized together; whole recordings are not cut.
    left_seconds : float
        What attention sees before a chunk.

    Returns
    -------
    Recognize
        Returns the words of each recording, in their order.
    """
    chunking = dict(chunk_seconds=chunk_seconds, left_seconds=left_seconds)
    if way is Way.STREAM:
        return partial(_recognize_streams, StreamingRecognizer(trained, **chunking))
    options = chunking if way is Way.CHUNK else {}
    return partial(_recognize_files, Transcriber(trained, **options))


def stream_words(
    recognizer: StreamingRecognizer, waveform: Tensor, is_last: bool = True
) -> list[Word]:
    """Return the words of the utterances that end in a part of a stream."""
    words: list[Word] = []

    def take() -> None:
        words.extend(word for each in recognizer.take() for word in each.words)

    for piece in waveform.split(_PIECE):
        recognizer.accept(piece)
        take()
    if is_last:
        recognizer.finish()
        take()
    return words


def stop_learning(model: nn.Module) -> bool:
    """Let fast weights stay as they were trained; return whether there are any."""
    memories = [each for each in model.modules() if isinstance(each, FastWeightMemory)]
    for memory in memories:
        memory.rule = replace(memory.current_rule, gain=0.0)
        memory.log_gain = None
    return bool(memories)


def _recognize_files(
    transcriber: Transcriber, recordings: Sequence[Utterance]
) -> Iterator[Recognized]:
    load = transcriber.load_utterance
    for outcome in transcriber.transcribe_files(recordings, 4, load):
        if outcome.error is not None:
            raise outcome.error
        yield Recognized(outcome.result.words, outcome.seconds)


def _recognize_streams(
    recognizer: StreamingRecognizer, recordings: Sequence[Utterance]
) -> Iterator[Recognized]:
    for recording in recordings:
        waveform = load_utterance(recording)
        words = stream_words(recognizer, waveform)
        yield Recognized(words, len(waveform) / SAMPLE_RATE)
