"""A model that turns audio into words: what `lact_modules.load` returns."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar, overload

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.source.audio_file import Waveform
from lact_modules.data.source.waveforms import Samples, join_blocks
from lact_modules.decoding.hypothesis import Word
from lact_modules.errors import InputError
from lact_modules.inference.files import process_files
from lact_modules.inference.recordings import Recording, Source, gather
from lact_modules.inference.streaming import StreamingRecognizer
from lact_modules.inference.transcriber import Transcriber
from lact_modules.inference.transcripts import Transcript, to_transcript

Result = TypeVar("Result")


class Recognizer:
    """A trained model, ready to transcribe; see :func:`load`.

    Recordings are files of any format and rate, NumPy arrays, or tensors on any device.

    Arguments
    ---------
    transcriber : Transcriber
        Of the model, with its search.
    streaming : dict[str, Any] | None
        Options of :class:`~lact_modules.inference.streaming.StreamingRecognizer` for
        :meth:`stream`.

    Example
    -------
    >>> from functools import partial
    >>> from lact_modules.data.text.vocabulary import Vocabulary
    >>> from lact_modules.encoders import CTCModel, Encoder
    >>> from lact_modules.frontends import MelFrontend
    >>> from lact_modules.model_store.trained_model import TrainedModel
    >>> from lact_modules.layers import FeedForward, LaCTMixer
    >>> mixer, ffn = partial(LaCTMixer, 8, 2, 2), partial(FeedForward, 8, 16)
    >>> network = CTCModel(MelFrontend(8), Encoder(8, 1, mixer, ffn), 4).eval()
    >>> trained = TrainedModel(network, Vocabulary.from_texts(["HI"]), None)
    >>> model = Recognizer(Transcriber(trained))
    >>> len(model.transcribe([torch.randn(8000), torch.randn(16000)], sample_rate=8000))
    2
    """

    def __init__(
        self, transcriber: Transcriber, streaming: dict[str, Any] | None = None
    ):
        self._transcriber, self._stream_options = transcriber, streaming or {}
        self._streaming: StreamingRecognizer | None = None

    @property
    def tokens(self) -> tuple[str, ...]:
        """The tokens of the columns of log-probabilities; CTC's blank is the first."""
        return self._transcriber.trained.vocabulary.tokens

    @property
    def frame_rate(self) -> float:
        """Frames of log-probabilities per second; on average, with dynamic chunking."""
        return self._transcriber.model.frame_rate

    # a str is a sequence of str, too
    @overload
    def transcribe(  # type: ignore[overload-overlap]
        self, audio: Recording, sample_rate: int = ..., batch_size: int = ...
    ) -> Transcript: ...

    @overload
    def transcribe(
        self, audio: Sequence[Recording], sample_rate: int = ..., batch_size: int = ...
    ) -> list[Transcript]: ...

    @overload
    def transcribe(
        self, audio: Iterator[Recording], sample_rate: int = ..., batch_size: int = ...
    ) -> Transcript | list[Transcript]: ...

    def transcribe(
        self,
        audio: Recording | Iterable[Recording],
        sample_rate: int = SAMPLE_RATE,
        batch_size: int = 8,
    ) -> Transcript | list[Transcript]:
        """Transcribe as ``lact-asr transcribe`` does.

        Arguments
        ---------
        audio : Recording | Iterable[Recording]
            A recording; a list or tuple of them; a generator of blocks of samples,
            which are one recording; a generator of files.
        sample_rate : int
            Sample rate of arrays and tensors in Hz; files have their own.
        batch_size : int
            Recordings in a batch, which does not change the result.

        Returns
        -------
        Transcript | list[Transcript]
            Of one recording, or of each.

        Raises
        ------
        InputError
            If something is no audio, or memory does not hold it.
        """
        sources, is_one = gather(audio, sample_rate)
        results = self._run(sources, batch_size, self._transcribe)
        return results[0] if is_one else results

    def log_probs(
        self,
        audio: Recording | Iterable[Recording],
        sample_rate: int = SAMPLE_RATE,
        batch_size: int = 8,
    ) -> tuple[Tensor, Tensor]:
        """Score every token at every frame, by CTC.

        Arguments
        ---------
        audio : Recording | Iterable[Recording]
            As for :meth:`transcribe`; one alone is a batch of one.
        sample_rate : int
            As for :meth:`transcribe`.
        batch_size : int
            As for :meth:`transcribe`.

        Returns
        -------
        log_probs : Tensor
            (B, T, V) float32 on the CPU, zero at padding; V as in :attr:`tokens`.
        lengths : Tensor
            (B,) valid frames, int64.

        Raises
        ------
        InputError
            As :meth:`transcribe`.
        """
        return self._make_frames(
            audio, sample_rate, batch_size, self._transcriber.run_model
        )

    def encode(
        self,
        audio: Recording | Iterable[Recording],
        sample_rate: int = SAMPLE_RATE,
        batch_size: int = 8,
    ) -> tuple[Tensor, Tensor]:
        """Return the encoder's output, the input of the output layer.

        Arguments
        ---------
        audio : Recording | Iterable[Recording]
            As for :meth:`transcribe`; one alone is a batch of one.
        sample_rate : int
            As for :meth:`transcribe`.
        batch_size : int
            As for :meth:`transcribe`.

        Returns
        -------
        encoded : Tensor
            (B, T, D) float32 on the CPU, zero at padding.
        lengths : Tensor
            (B,) valid frames, int64.

        Raises
        ------
        InputError
            As :meth:`transcribe`, or if the model learns from what it transcribes.
        """
        return self._make_frames(
            audio, sample_rate, batch_size, self._transcriber.encode
        )

    def stream(
        self, blocks: Iterable[Samples], sample_rate: int = SAMPLE_RATE
    ) -> Iterator[Transcript]:
        """Transcribe a stream as it arrives; for streaming models.

        Arguments
        ---------
        blocks : Iterable[Samples]
            Blocks of any size, such as a microphone's, of any number.
        sample_rate : int
            Sample rate in Hz.

        Yields
        ------
        Transcript
            The partial hypothesis, whenever its words change; and once, final, each
            utterance when it ends. Times are those of the stream.

        Raises
        ------
        InputError
            If the model needs whole utterances, or blocks are no samples.
        """
        recognizer = self._open_stream()
        before: tuple[Word, ...] = ()
        for block in join_blocks(blocks, sample_rate, "stream"):
            recognizer.accept(block)
            for ended in recognizer.take():
                yield to_transcript(ended.words)
                before = ()
            if recognizer.words != before:
                before = recognizer.words
                yield to_transcript(before, is_final=False)
        recognizer.finish()
        for ended in recognizer.take():
            yield to_transcript(ended.words)

    def _open_stream(self) -> StreamingRecognizer:
        if self._streaming is None:
            self._streaming = StreamingRecognizer(
                self._transcriber.trained,
                device=self._transcriber.device,
                **self._stream_options,
            )
        return self._streaming.fork()

    def _make_frames(
        self,
        audio: Recording | Iterable[Recording],
        sample_rate: int,
        batch_size: int,
        run: Callable[[Sequence[Waveform]], tuple[Any, ...]],
    ) -> tuple[Tensor, Tensor]:
        def run_apart(waveforms: Sequence[Waveform]) -> list[Tensor]:
            frames, lengths, *_ = run(waveforms)
            return [each.float().cpu() for each in _apart(frames, lengths)]

        sources, _ = gather(audio, sample_rate)
        if not sources:
            raise InputError("audio: an empty list; give at least one recording")
        found = self._run(sources, batch_size, run_apart)
        return pad_sequence(found, batch_first=True), torch.tensor([*map(len, found)])

    def _transcribe(self, waveforms: Sequence[Waveform]) -> list[Transcript]:
        outputs = self._transcriber.run_model(waveforms)
        hypotheses = self._transcriber.decode(outputs, waveforms)
        every = zip(hypotheses, _apart(*outputs[:2]), strict=True)
        return [
            to_transcript(each.words, frames, self.tokens) for each, frames in every
        ]

    def _run(
        self,
        sources: Sequence[Source],
        batch_size: int,
        run: Callable[[Sequence[Waveform]], list[Result]],
    ) -> list[Result]:
        """Run recordings in batches of like duration; return results in their order."""
        results: list[Any] = []
        outcomes = process_files(
            sources,
            run,
            batch_size,
            lambda source: source.load(self._transcriber.load),
            self._transcriber.is_in_order,
        )
        for outcome in outcomes:
            if outcome.error is not None:
                raise outcome.error
            results.append(outcome.result)
        return results


def _apart(frames: Tensor, lengths: Tensor) -> Iterator[Tensor]:
    """Take a padded batch (B, T, ...) apart."""
    pairs = zip(frames, lengths.tolist(), strict=True)
    return (each[:length] for each, length in pairs)
