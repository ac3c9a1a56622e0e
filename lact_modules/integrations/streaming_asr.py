"""Streams through the methods of SpeechBrain's ``StreamingASR``."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from speechbrain.utils.dynamic_chunk_training import DynChunkTrainConfig
from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.source.live_audio import read_file
from lact_modules.errors import InputError
from lact_modules.inference.stable_words import StableWords
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.model_store.loading import load_model
from lact_modules.model_store.trained_model import TrainedModel


class _Stream:
    """One stream of a batch."""

    def __init__(self, recognizer: StreamingRecognizer):
        self._recognizer, self._words = recognizer, StableWords(recognizer)
        self._has_text = self._is_over = False

    def accept(self, samples: Tensor, part: float) -> str:
        """Return the new text, with a blank before it except at the beginning."""
        if self._is_over:
            return ""
        self._recognizer.accept(samples[: round(part * len(samples))])
        if part < 1:
            self._recognizer.finish()
            self._is_over = True
        _, words = self._words.take()
        blank = " " if words and self._has_text else ""
        self._has_text |= bool(words)
        return blank + " ".join(word.word for word in words)


@dataclass
class StreamingContext:
    """Carried state of a batch of streams, which calls change.

    ``recognizer`` is at its beginning, and each stream has a fork of it. The first
    chunk defines the number of streams.
    """

    config: DynChunkTrainConfig
    recognizer: StreamingRecognizer
    streams: list[_Stream] | None = None


class StreamingASR:
    """Recognize streams by the methods that SpeechBrain's ``StreamingASR`` has.

    Its strings are to be joined as they are, so they hold stable words alone, each with
    a blank before it but for the first.

    Arguments
    ---------
    trained : TrainedModel
        Trained in chunks, with running normalization.
    **options : Any
        Of :class:`~lact_modules.inference.streaming.StreamingRecognizer`, but for the
        chunks: ``device``, ``endpoint``, ``beam_size``, ...

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.data.text.vocabulary import Vocabulary
    >>> from lact_modules.encoders import CTCModel, Encoder
    >>> from lact_modules.frontends import MelFrontend
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> mixer, ffn = partial(LaCTMixer, 8, 2, 2), partial(FeedForward, 8, 16)
    >>> frontend = MelFrontend(8, normalization="running")
    >>> model = CTCModel(frontend, Encoder(8, 1, mixer, ffn), num_tokens=4).eval()
    >>> asr = StreamingASR(TrainedModel(model, Vocabulary.from_texts(["HI"]), None))
    >>> config = DynChunkTrainConfig(chunk_size=16, left_context_size=4)
    >>> context = asr.make_streaming_context(config)
    >>> chunk = torch.randn(2, asr.get_chunk_size_frames(config))
    >>> len(asr.transcribe_chunk(context, chunk))
    2
    """

    def __init__(self, trained: TrainedModel, **options: Any):
        self._trained, self._options = trained, options
        self._recognizers: dict[tuple[int, int], StreamingRecognizer] = {}

    @classmethod
    def from_hparams(cls, source: str | Path, **options: Any) -> "StreamingASR":
        """Load an export, a training run, or a model of the hub; no code is run.

        Arguments
        ---------
        source : str | Path
            See :func:`~lact_modules.model_store.loading.load_model`.
        **options : Any
            As for the class.

        Returns
        -------
        StreamingASR
            Ready to run.

        Raises
        ------
        InputError
            If there is no model.
        """
        return cls(load_model(source), **options)

    def transcribe_file(
        self, path: str | Path, dynchunktrain_config: DynChunkTrainConfig
    ) -> str:
        """Transcribe a file of any length, as a stream.

        Arguments
        ---------
        path : str | Path
            Audio of any format and rate.
        dynchunktrain_config : DynChunkTrainConfig
            See `make_streaming_context`.

        Returns
        -------
        str
            All its words.

        Raises
        ------
        InputError
            If the file cannot be read, or the model does not stream.
        """
        return "".join(self.transcribe_file_streaming(path, dynchunktrain_config))

    def transcribe_file_streaming(
        self, path: str | Path, dynchunktrain_config: DynChunkTrainConfig
    ) -> Iterator[str]:
        """Transcribe a file of any length, block by block.

        Arguments
        ---------
        path : str | Path
            Audio of any format and rate.
        dynchunktrain_config : DynChunkTrainConfig
            See `make_streaming_context`.

        Yields
        ------
        str
            What has become stable, to be joined to what came before; often empty.

        Raises
        ------
        InputError
            If the file cannot be read, or the model does not stream.
        """
        context = self.make_streaming_context(dynchunktrain_config)
        for block in read_file(path):
            yield self.transcribe_chunk(context, block[None])[0]
        yield self.transcribe_chunk(context, torch.zeros(1, 0), torch.zeros(1))[0]

    def make_streaming_context(
        self, dynchunktrain_config: DynChunkTrainConfig
    ) -> StreamingContext:
        """Begin a batch of streams.

        Arguments
        ---------
        dynchunktrain_config : DynChunkTrainConfig
            ``chunk_size`` in frames of the encoder, ``left_context_size`` in chunks.

        Returns
        -------
        StreamingContext
            For `transcribe_chunk`.

        Raises
        ------
        InputError
            If the left context has no limit, or the model does not stream.
        """
        left = dynchunktrain_config.left_context_size_frames()
        if left is None:
            raise InputError("left_context_size None: memory would grow; give a number")
        key = (dynchunktrain_config.chunk_size, left)
        if key not in self._recognizers:
            rate = self._trained.model.frame_rate
            chunk_seconds, left_seconds = (frames / rate for frames in key)
            self._recognizers[key] = StreamingRecognizer(
                self._trained, chunk_seconds, left_seconds, **self._options
            )
        return StreamingContext(dynchunktrain_config, self._recognizers[key])

    def get_chunk_size_frames(self, dynchunktrain_config: DynChunkTrainConfig) -> int:
        """Return the samples of a chunk; pieces of other sizes are accepted, too."""
        rate = self._trained.model.frame_rate
        return round(dynchunktrain_config.chunk_size * SAMPLE_RATE / rate)

    def transcribe_chunk(
        self, context: StreamingContext, chunk: Tensor, chunk_len: Tensor | None = None
    ) -> list[str]:
        """Recognize the next samples of each stream.

        Arguments
        ---------
        context : StreamingContext
            Of these streams; changed.
        chunk : Tensor
            (B, N) float32 at 16 kHz, N of any size.
        chunk_len : Tensor | None
            (B,) which part of it is audio. Below 1 the stream ends in it, and what
            comes later is ignored; 0 if it has ended with the chunk before.

        Returns
        -------
        list[str]
            What has become stable in each, to be joined to what came before.

        Raises
        ------
        ValueError
            If it is another number of streams than before.
        """
        if context.streams is None:
            forks = (context.recognizer.fork() for _ in chunk)
            context.streams = [_Stream(fork) for fork in forks]
        if len(chunk) != len(context.streams):
            raise ValueError(f"{len(chunk)} streams; there were {len(context.streams)}")
        parts = torch.ones(len(chunk)) if chunk_len is None else chunk_len
        return [
            stream.accept(samples, part)
            for stream, samples, part in zip(
                context.streams, chunk, parts.tolist(), strict=True
            )
        ]
