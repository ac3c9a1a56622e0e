"""Run a trained model on batches: whole, in chunks, or with test-time training."""

from collections.abc import Callable, Sequence
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
from lact_modules.encoders.compilation import CompiledBlocks
from lact_modules.errors import InputError
from lact_modules.inference.device import find_device, memory_for
from lact_modules.inference.long_form import MAX_WHOLE_SECONDS, LongForm
from lact_modules.inference.precision import Caster, Precision
from lact_modules.inference.stream.chunks import (
    LEFT_SECONDS,
    ChunkedModel,
    chunk_encoder,
)
from lact_modules.inference.stream.model import StreamingModel
from lact_modules.model_store.trained_model import TrainedModel


class ModelRunner:
    """A trained model on its device, in its precision, whole or in chunks.

    Arguments
    ---------
    trained : TrainedModel
        What to run.
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...; ``"auto"`` is CUDA if there is any.
    ttt : dict[str, Any] | None
        Options of :func:`~lact_modules.adaptation.methods.build_adapter`, or None.
    chunk_seconds : float | None
        Chunk size to divide utterances by, or None for whole ones.
    left_seconds : float | None
        Left context of attention before a chunk; if None, 5.12.
    precision : Precision
        ``"fp32"``, ``"bf16"`` or ``"fp16"``, see `Caster`.
    compiled : bool
        Compile the model's blocks, see `CompiledBlocks`; not with `ttt`, nor in chunks.
    in_pieces : bool
        Whether audio longer than `MAX_WHOLE_SECONDS` is run piece by piece, see
        `LongForm`, if it is divided into chunks and the model can stream.

    Raises
    ------
    InputError
        If there is no such device or precision, the adapter refuses its options, the
        model cannot run in chunks, or options exclude each other.
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
        in_pieces: bool = False,
    ):
        if compiled and ttt is not None:
            raise InputError("compile: --ttt trains uncompiled blocks; choose one")
        if compiled and chunk_seconds is not None:
            # graphs are made for one number of chunks
            raise InputError("compile: files run uncompiled in chunks; choose one")
        self.device = find_device(device)
        self.trained = trained
        self.model = trained.model.to(self.device)
        self.adapter = None
        if ttt is not None and precision != "fp32":
            raise InputError(f"precision {precision}: --ttt learns in fp32; choose one")
        if ttt is not None:
            self.adapter = build_adapter(
                self.model, statistics=trained.statistics, **ttt
            )
        self.chunked: ChunkedModel | None = None
        self.long_form: LongForm | None = None
        if chunk_seconds is not None:
            if isinstance(self.adapter, TestTimeAdapter):
                raise InputError(
                    "chunk: only --ttt self-train learns in chunks, others from whole "
                    "utterances; choose one"
                )
            left = LEFT_SECONDS if left_seconds is None else left_seconds
            encoder = chunk_encoder(self.model, chunk_seconds, left)
            self.chunked = ChunkedModel(self.model, encoder)
            if isinstance(self.adapter, RecordingAdapter):
                self.adapter.chunking = encoder.chunking
            if in_pieces:
                self.long_form = _find_long_form(self.chunked)
        elif left_seconds is not None:
            raise InputError(f"left {left_seconds} s: needs a chunk; give its seconds")
        self.caster = Caster(self.model, precision, self.device)
        if compiled:
            CompiledBlocks(self.model)

    @property
    def is_in_order(self) -> bool:
        """Whether results depend on the audio that came before."""
        adapter = self.adapter
        return isinstance(adapter, TestTimeAdapter) and adapter.start is not None

    @torch.inference_mode()
    def run_model(self, waveforms: Sequence[Waveform]) -> tuple[Any, ...]:
        """Return the model's outputs for a batch, on its device; if long, on the CPU.

        Arguments
        ---------
        waveforms : Sequence[Waveform]
            Samples (N,) as float32 at 16 kHz, or what :meth:`load` gives.

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
                return self.adapter.transcribe_with(waveforms, self._run_one)
            return self._run(waveforms)

    @torch.inference_mode()
    def encode(self, waveforms: Sequence[Waveform]) -> tuple[Tensor, Tensor]:
        """Return the encoder's output for a batch, on its device.

        Arguments
        ---------
        waveforms : Sequence[Waveform]
            As for :meth:`run_model`; of any length, all are run as a whole.

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
            raise InputError("encode: --ttt learns while it transcribes; omit it")
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
            For :meth:`run_model`.

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
        """Return a batch (B, N), N > 0, and its lengths, on the device."""
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
