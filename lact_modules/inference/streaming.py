"""Streaming recognition: samples in as they arrive, text out."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lact_modules.adaptation.stream import StreamLearner, build_stream_adapter
from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.decoding.hypothesis import Hypothesis, Word
from lact_modules.decoding.stream.decoder import build_stream_decoder
from lact_modules.decoding.stream.endpoint import Endpoint, PartialHypothesis
from lact_modules.decoding.stream.utterances import UtteranceDecoder
from lact_modules.encoders.compilation import CompiledBlocks
from lact_modules.errors import InputError
from lact_modules.inference.precision import Caster, Precision
from lact_modules.inference.stream.memory import pack_memory, unpack_memory
from lact_modules.inference.stream.model import open_stream
from lact_modules.inference.stream.warm_up import run_silence
from lact_modules.model_store.loading import load_model
from lact_modules.model_store.trained_model import TrainedModel

# Samples that the model takes at once, so that memory does not depend on the pieces.
_BLOCK = 4 * SAMPLE_RATE


class StreamingRecognizer:
    """Recognize samples as they arrive, and return the text so far.

    The text does not depend on how the samples are cut into pieces. Between calls it
    keeps a state of constant size, the partial hypothesis, and the utterances that
    have ended and were not taken.

    Arguments
    ---------
    trained : TrainedModel
        Trained in chunks, with running normalization.
    chunk_seconds : float | None
        Chunk size, which is the algorithmic latency; rounded to frames. None: 0.64, or
        what an ONNX graph was exported for.
    left_seconds : float | None
        Left context of attention. None: 5.12, or what an ONNX graph has.
    endpoint : Endpoint | None
        When an utterance is over; None is `Endpoint`'s defaults.
    device : str | torch.device
        Where the model runs.
    precision : Precision
        ``"fp32"``, ``"bf16"`` or ``"fp16"``, see `Caster`.
    ttt : dict[str, Any] | None
        Options of :func:`~lact_modules.adaptation.methods.build_adapter`, by which the
        model learns from pieces of the stream as it recognizes it, see `StreamLearner`;
        without ``steps`` each takes one. None leaves the model as it is.
    compiled : bool
        Compile the model's blocks before the first sample; not with `ttt`.
    **decoding : Any
        Options of :func:`~lact_modules.decoding.stream.decoder.build_stream_decoder`:
        ``beam_size``, ``lm``, ... Without any, greedy.

    Raises
    ------
    InputError
        If the model or what it is to learn needs the whole utterance, there is no such
        precision, or the decoder or the adapter refuses its options.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.data.text.vocabulary import Vocabulary
    >>> from lact_modules.encoders import CTCModel, Encoder
    >>> from lact_modules.frontends import MelFrontend
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> mixer, ffn = partial(LaCTMixer, 8, 2, 2), partial(FeedForward, 8, 16)
    >>> encoder = Encoder(8, 1, mixer, ffn)
    >>> frontend = MelFrontend(8, normalization="running")
    >>> vocabulary = Vocabulary.from_texts(["HI"])
    >>> model = CTCModel(frontend, encoder, len(vocabulary)).eval()
    >>> recognizer = StreamingRecognizer(TrainedModel(model, vocabulary, None))
    >>> for piece in torch.randn(16000).split(1000):
    ...     so_far = recognizer.accept(piece)
    >>> recognizer.finish().startswith(so_far)
    True
    """

    def __init__(
        self,
        trained: TrainedModel,
        chunk_seconds: float | None = None,
        left_seconds: float | None = None,
        endpoint: Endpoint | None = None,
        device: str | torch.device = "cpu",
        precision: Precision = "fp32",
        ttt: dict[str, Any] | None = None,
        compiled: bool = False,
        **decoding: Any,
    ):
        if compiled and ttt is not None:
            raise InputError("compile: --ttt trains uncompiled blocks; choose one")
        self.device = torch.device(device)
        self.model = trained.model.to(self.device)
        self.streaming = open_stream(self.model, chunk_seconds, left_seconds)
        self.chunking = self.streaming.chunking
        self.adapter = build_stream_adapter(
            self.model, trained.statistics, self.chunking, ttt
        )
        self.caster = Caster(self.model, precision, self.device)
        if ttt is not None and precision != "fp32":
            raise InputError(f"precision {precision}: --ttt learns in fp32; choose one")
        rate = self.model.frame_rate
        decoder = build_stream_decoder(trained.vocabulary, rate, **decoding)
        self.decoder = UtteranceDecoder(decoder, endpoint or Endpoint(), rate)
        self.reset()
        if compiled:
            CompiledBlocks(self.model)
            run_silence(self.fork(), self.chunking, rate)

    @classmethod
    def from_export(
        cls, folder: str | Path, exit_block: int | None = None, **options: Any
    ) -> "StreamingRecognizer":
        """Load an export, a training run, or a model of the hub.

        Arguments
        ---------
        folder : str | Path
            See :func:`~lact_modules.model_store.loading.load_model`.
        exit_block : int | None
            Early exit, likewise.
        **options : Any
            As for the class.

        Returns
        -------
        StreamingRecognizer
            Before the first sample.

        Raises
        ------
        InputError
            If there is no model, or none that streams.
        """
        return cls(load_model(folder, exit_block=exit_block), **options)

    def fork(self) -> "StreamingRecognizer":
        """Return a recognizer of another stream, with the same model and options."""
        other = copy.copy(self)
        other.decoder = self.decoder.fork()
        other.reset()
        return other

    def reset(self) -> None:
        """Start a new stream; the carried state of this one is dropped."""
        self._state: Any = self.streaming.start(batch_size=1)
        self._learner = None if self.adapter is None else StreamLearner(self.adapter)
        self._utterance = self.decoder.start()
        self._ended: tuple[Hypothesis, ...] = ()
        self._text_of_ended = ""
        self._is_over = False

    @property
    def seconds(self) -> float:
        """Seconds of the stream recognized so far."""
        return self._state.num_samples / SAMPLE_RATE

    @property
    def partial(self) -> PartialHypothesis:
        """The partial hypothesis: stable words, and open ones that may change."""
        return self.decoder.words(self._utterance)

    heard = partial
    """Former name of `partial`."""

    @property
    def words(self) -> tuple[Word, ...]:
        """All words of the partial hypothesis, in the stream's seconds."""
        stable, open_words = self.partial
        return (*stable, *open_words)

    @property
    def text(self) -> str:
        """The utterances that were not taken, and the partial hypothesis."""
        words = (word.word for word in self.words)
        return " ".join(filter(None, [self._text_of_ended, *words]))

    def take(self) -> tuple[Hypothesis, ...]:
        """Return the utterances that have ended since the last call."""
        taken, self._ended, self._text_of_ended = self._ended, (), ""
        return taken

    @torch.inference_mode()
    def accept(self, samples: Tensor) -> str:
        """Recognize some samples.

        Arguments
        ---------
        samples : Tensor
            (N,) float32 at 16 kHz, or what `torch.as_tensor` takes; N of any size.

        Returns
        -------
        str
            The text so far, see `text`.
        """
        if self._is_over:
            self.reset()
        waveform = torch.as_tensor(samples, dtype=torch.float32, device=self.device)
        learner = self._learner
        blocks = learner.blocks(waveform, _BLOCK) if learner else waveform.split(_BLOCK)
        for block in blocks:
            with self._running():
                log_probs, self._state = self.streaming.accept(block[None], self._state)
            self._decode(log_probs[0])
        return self.text

    @torch.inference_mode()
    def finish(self) -> str:
        """Return the final text, see `text`; the next samples begin another stream."""
        if not self._is_over:
            with self._running():
                log_probs = self.streaming.finish(self._state)
            self._decode(log_probs[0])
            self._end(self.decoder.finish(self._utterance))
            self._utterance = self.decoder.start()
            self._is_over = True
        return self.text

    def state_dict(self) -> dict[str, Any]:
        """Return the carried state, for `torch.save`; not what `ttt` has learned.

        Returns
        -------
        dict[str, Any]
            For `load_state_dict`.

        Raises
        ------
        InputError
            If the model is an ONNX graph.
        """
        if self._is_over:
            self.reset()
        return pack_memory(self.streaming, self._state, self._utterance, self._ended)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where another recognizer of the same model stopped.

        Arguments
        ---------
        state : dict[str, Any]
            From `state_dict`.

        Raises
        ------
        InputError
            If it is none of this version, or of another decoder or model.
        """
        model, utterance, hypotheses = unpack_memory(state)
        if type(utterance.decoding) is not type(self._utterance.decoding):
            raise InputError("state of a stream: of another kind of decoder")
        self.reset()
        self._state, self._utterance = model, utterance
        self._try_state()
        for hypothesis in hypotheses:
            self._end(hypothesis)

    @contextmanager
    def _running(self) -> Iterator[None]:
        """Run the model in its precision, with what it has learned."""
        learned = nullcontext() if self._learner is None else self._learner.installed()
        with self.caster.running(), learned:
            yield

    def _try_state(self) -> None:
        """Continue briefly from the state, on a copy, to see whether it fits."""
        other = self.fork()
        other._state, other._utterance = self._state, self._utterance
        try:
            other.accept(torch.zeros(_BLOCK // 8))
            other.finish()
        # any error that foreign tensors cause is the file's fault
        except Exception as error:
            self.reset()
            reason = str(error).partition("\n")[0]
            fault = f"of another model ({reason})"
            raise InputError(f"state of a stream: {fault}") from error

    def _decode(self, log_probs: Tensor) -> None:
        # chunk by chunk, so that the ends of utterances do not depend on the pieces
        for chunk in log_probs.split(self.chunking.size):
            self._utterance, ended = self.decoder.accept(chunk, self._utterance)
            self._end(ended)

    def _end(self, hypothesis: Hypothesis | None) -> None:
        if hypothesis is not None:
            self._ended = (*self._ended, hypothesis.ending_by(self.seconds))
            texts = filter(None, [self._text_of_ended, hypothesis.text])
            self._text_of_ended = " ".join(texts)
