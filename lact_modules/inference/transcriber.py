"""Transcribe waveforms and files, in batches that do not show in the result."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lact_modules.adaptation.adapter import TestTimeAdapter
from lact_modules.adaptation.methods import build_adapter
from lact_modules.adaptation.recording import RecordingAdapter
from lact_modules.data.audio import SAMPLE_RATE, load_audio
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.media.segment import Source as Media
from lact_modules.data.source.audio_file import Waveform, open_audio
from lact_modules.data.source.waveforms import Audio, to_waveforms
from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.encoders.compilation import CompiledBlocks
from lact_modules.errors import InputError
from lact_modules.inference.decoders import build_search, uses_attention
from lact_modules.inference.device import find_device, memory_for
from lact_modules.inference.files import Outcome, Source, process_files
from lact_modules.inference.long_form import MAX_WHOLE_SECONDS, LongForm
from lact_modules.inference.precision import Caster, Precision
from lact_modules.inference.stream.chunks import (
    LEFT_SECONDS,
    ChunkedModel,
    chunk_encoder,
)
from lact_modules.inference.stream.model import StreamingModel
from lact_modules.model_store.loading import load_model
from lact_modules.model_store.trained_model import TrainedModel


class Transcriber:
    """A trained model and a decoder.

    Arguments
    ---------
    trained : TrainedModel
        What to run, see :meth:`from_folder`.
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...; ``"auto"`` is CUDA if there is any.
    ttt : dict[str, Any] | None
        Options of :func:`~lact_modules.adaptation.methods.build_adapter`: ``method``,
        ``steps``, ... None leaves the model as it is.
    chunk_seconds : float | None
        Divide utterances as a stream of this latency would be. If the model can hear
        streams and CTC alone is searched, audio longer than `MAX_WHOLE_SECONDS` is
        run piece by piece, see `LongForm`. None hears whole utterances.
    left_seconds : float | None
        How much before a chunk attention sees; if None, 5.12.
    precision : Precision
        ``"fp32"``, ``"bf16"`` or ``"fp16"``, see `Caster`.
    compiled : bool
        Compile the model's blocks, see `CompiledBlocks`; not with `ttt`, nor in chunks.
    **decoding : Any
        Options of :func:`~lact_modules.inference.decoders.build_search`:
        ``beam_size``, ``lm``, ``rescore``, ... Without any, greedy.

    Raises
    ------
    InputError
        If there is no such device or precision, the decoder or the adapter refuses its
        options, the model cannot run in chunks, or options exclude each other.
    """

    def __init__(
        self,
        trained: TrainedModel,
        device: str = "cpu",
        ttt: dict[str, Any] | None = None,
        chunk_seconds: float | None = None,
        left_seconds: float | None = None,
        precision: Precision = "fp32",
        compiled: bool = False,
        **decoding: Any,
    ):
        if compiled and ttt is not None:
            raise InputError("compile: --ttt trains what is uncompiled; leave one")
        if compiled and chunk_seconds is not None:
            # graphs are made for one number of chunks
            raise InputError("compile: files run uncompiled in chunks; leave one")
        self.device = find_device(device)
        self.trained = trained
        self.model = trained.model.to(self.device)
        self.adapter = None
        if ttt is not None and precision != "fp32":
            raise InputError(f"precision {precision}: --ttt learns in fp32; leave one")
        if ttt is not None:
            self.adapter = build_adapter(
                self.model, statistics=trained.statistics, **ttt
            )
        self.decoder = build_search(trained, device=self.device, **decoding)
        self.chunked: ChunkedModel | None = None
        self.long_form: LongForm | None = None
        if chunk_seconds is not None:
            if isinstance(self.adapter, TestTimeAdapter):
                raise InputError(
                    "chunk: only --ttt self-train learns in chunks, others from whole "
                    "utterances; leave one"
                )
            left = LEFT_SECONDS if left_seconds is None else left_seconds
            encoder = chunk_encoder(self.model, chunk_seconds, left)
            self.chunked = ChunkedModel(self.model, encoder)
            if isinstance(self.adapter, RecordingAdapter):
                self.adapter.chunking = encoder.chunking
            if not uses_attention(trained, decoding.get("search") or "auto"):
                self.long_form = _find_long_form(self.chunked)
        elif left_seconds is not None:
            raise InputError(f"left {left_seconds} s: needs a chunk; give its seconds")
        self.caster = Caster(self.model, precision, self.device)
        if compiled:
            CompiledBlocks(self.model)

    @classmethod
    def from_folder(
        cls,
        folder: str | Path,
        device: str = "cpu",
        avg_checkpoints: int | None = None,
        exit_block: int | None = None,
        **options: Any,
    ) -> "Transcriber":
        """Load a training run, an export, or a model of the hub.

        Arguments
        ---------
        folder : str | Path
            See :func:`~lact_modules.model_store.loading.load_model`; no code from it
            is run.
        device : str
            As for the class.
        avg_checkpoints : int | None
            Of a training run, see :func:`~lact_modules.model_store.loading.load_model`.
        exit_block : int | None
            Early exit, likewise.
        **options : Any
            As for the class.

        Returns
        -------
        Transcriber
            Ready to run.

        Raises
        ------
        InputError
            If the folder holds no model, or what it holds is damaged, or no such exit.
        """
        trained = load_model(folder, avg_checkpoints, exit_block)
        return cls(trained, device, **options)

    @torch.inference_mode()
    def transcribe(
        self, audio: Audio | Sequence[Audio], sample_rate: int = SAMPLE_RATE
    ) -> list[Hypothesis]:
        """Transcribe a batch.

        No waveform influences another's result, but in continual test-time training,
        where those before do.

        Arguments
        ---------
        audio : Audio | Sequence[Audio]
            Waveforms (N,) as tensors or arrays: floats from -1 to 1, int16, int32 or
            uint8; any lengths, also 0. Or files, or what :meth:`load` gives. One alone
            is a batch of one.
        sample_rate : int
            Hz of the waveforms; files tell their own.

        Returns
        -------
        list[Hypothesis]
            In the same order.

        Raises
        ------
        InputError
            If something is no audio, or memory does not hold the batch.
        """
        waveforms = to_waveforms(audio, sample_rate, self.load)
        if not waveforms:
            return []
        return self.decode(self.run_model(waveforms), waveforms)

    @torch.inference_mode()
    def decode(
        self, outputs: tuple[Any, ...], waveforms: Sequence[Waveform]
    ) -> list[Hypothesis]:
        """Search the model's outputs for a batch.

        Arguments
        ---------
        outputs : tuple[Any, ...]
            What :meth:`run_model` gave.
        waveforms : Sequence[Waveform]
            What it was given.

        Returns
        -------
        list[Hypothesis]
            In the same order.
        """
        hypotheses = self.decoder(*outputs)
        return [
            _clip(hypothesis, len(waveform) / SAMPLE_RATE)
            for hypothesis, waveform in zip(hypotheses, waveforms, strict=True)
        ]

    @torch.inference_mode()
    def run_model(self, waveforms: Sequence[Waveform]) -> tuple[Any, ...]:
        """Give the model's outputs for a batch, on its device; if long, on the CPU.

        Arguments
        ---------
        waveforms : Sequence[Waveform]
            As for :meth:`transcribe`.

        Returns
        -------
        tuple[Any, ...]
            Log-probabilities (B, T, V), numbers of frames (B,), and what else the
            model gives; decoders take them spread.

        Raises
        ------
        InputError
            If the GPU's memory does not hold the batch.
        """
        with memory_for(waveforms, self.device), self.caster.running():
            if isinstance(self.adapter, RecordingAdapter):
                return self.adapter.hear(waveforms, self._run_one)
            return self._run(waveforms)

    @torch.inference_mode()
    def encode(self, waveforms: Sequence[Waveform]) -> tuple[Tensor, Tensor]:
        """Give what the encoder makes of a batch, on its device.

        Arguments
        ---------
        waveforms : Sequence[Waveform]
            As for :meth:`transcribe`; of any length, all are run as a whole.

        Returns
        -------
        encoded : Tensor
            (B, T, D) frames, zero at padding.
        lengths : Tensor
            (B,) valid frames.

        Raises
        ------
        InputError
            If the GPU's memory does not hold the batch, the model would learn, or is a
            graph that ends at log-probabilities.
        """
        if self.adapter is not None:
            raise InputError("encode: --ttt learns while it transcribes; leave it")
        whole = [torch.cat([*each.split(SAMPLE_RATE)]) for each in waveforms]
        with memory_for(whole, self.device), self.caster.running():
            return (self.chunked or self.model).encode(*self._pad(whole))

    def load(
        self,
        path: Media,
        offset: float = 0.0,
        duration: float | None = None,
        channel: int | None = None,
    ) -> Waveform:
        """Read audio; what is long stays in its file if the model runs piece by piece.

        Arguments
        ---------
        path : Media
            A file, or a stream, see :func:`~lact_modules.data.audio.load_audio`.
        offset : float
            Seconds to skip.
        duration : float | None
            Seconds to read; to the end of the file if None or 0.
        channel : int | None
            Which one, from 0; their mean if None.

        Returns
        -------
        Waveform
            For :meth:`transcribe`.

        Raises
        ------
        InputError
            As `load_audio`.
        """
        if self.long_form is None:
            return load_audio(path, offset=offset, duration=duration, channel=channel)
        return open_audio(path, MAX_WHOLE_SECONDS, offset, duration, channel)

    def load_utterance(self, utterance: Utterance) -> Waveform:
        """Read an utterance's part of its file, see `load`."""
        return self.load(
            utterance.audio_filepath,
            utterance.offset,
            utterance.duration,
            utterance.channel,
        )

    def transcribe_files(
        self,
        sources: Iterable[Source],
        batch_size: int = 8,
        load: Callable[[Any], Waveform] | None = None,
    ) -> Iterator[Outcome[Source, Hypothesis]]:
        """Transcribe files; see :func:`~lact_modules.inference.files.process_files`.

        Arguments
        ---------
        sources : Iterable[Source]
            Paths, or what `load` takes.
        batch_size : int
            Files run together.
        load : Callable[[Any], Waveform] | None
            Reads a source; its InputError is passed on. If None, :meth:`load`.

        Returns
        -------
        Iterator[Outcome[Source, Hypothesis]]
            One for each source, in their order.

        Raises
        ------
        InputError
            If ``batch_size < 1``.
        """
        return process_files(
            sources,
            self.transcribe,
            batch_size,
            load or self.load,
            in_order=self.is_in_order,
        )

    @property
    def is_in_order(self) -> bool:
        """Whether what is heard depends on what was heard before."""
        adapter = self.adapter
        return isinstance(adapter, TestTimeAdapter) and adapter.start is not None

    def _run_one(self, waveform: Waveform) -> tuple[Any, ...]:
        """Run a recording with what the model's parameters are now."""
        return self._run([waveform])

    def _run(self, waveforms: Sequence[Waveform]) -> tuple[Any, ...]:
        longest = max(map(len, waveforms)) / SAMPLE_RATE
        if self.long_form is not None and longest > MAX_WHOLE_SECONDS:
            return self.long_form(waveforms)
        return self._run_whole(cast(Sequence[Tensor], waveforms))

    def _run_whole(self, waveforms: Sequence[Tensor]) -> tuple[Any, ...]:
        run: Callable[..., Any] = self.chunked or self.model
        if isinstance(self.adapter, TestTimeAdapter):
            run = self.adapter
        return run(*self._pad(waveforms))

    def _pad(self, waveforms: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Give a batch (B, N), N > 0, and its lengths, on the device."""
        lengths = torch.tensor([len(waveform) for waveform in waveforms])
        batch = pad_sequence(list(waveforms), batch_first=True)
        if batch.shape[1] == 0:
            batch = torch.zeros(len(waveforms), 1)
        return batch.to(self.device), lengths.to(self.device)


def _find_long_form(chunked: ChunkedModel) -> LongForm | None:
    try:
        return LongForm(StreamingModel(chunked.model, chunked.encoder))
    except InputError:
        # the front end needs the whole
        return None


def _clip(hypothesis: Hypothesis, seconds: float) -> Hypothesis:
    # The last frame may reach beyond the last sample.
    words = tuple(replace(w, end=min(w.end, seconds)) for w in hypothesis.words)
    return replace(hypothesis, words=words)
