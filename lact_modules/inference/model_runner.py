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

    Arguments are those of `Transcriber`. With ``in_pieces``, audio that is longer than
    `MAX_WHOLE_SECONDS` runs piece by piece, see `LongForm`, if it is divided into
    chunks and the model can stream.
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
                    "chunk: only --ttt self-train and noisy-student learn in chunks, "
                    "others from whole utterances; choose one"
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
        """Whether results depend on earlier audio."""
        adapter = self.adapter
        return isinstance(adapter, TestTimeAdapter) and adapter.start is not None

    @torch.inference_mode()
    def run_model(self, waveforms: Sequence[Waveform]) -> tuple[Any, ...]:
        """Return log-probabilities (B, T, V), lengths (B,), and any other outputs.

        They are on the model's device, those of long audio on the CPU. Decoders take
        each as an argument.
        """
        with memory_for(waveforms, self.device), self.caster.running():
            if isinstance(self.adapter, RecordingAdapter):
                return self.adapter.transcribe_with(waveforms, self._run_one)
            return self._run(waveforms)

    @torch.inference_mode()
    def encode(self, waveforms: Sequence[Waveform]) -> tuple[Tensor, Tensor]:
        """Return encoder frames (B, T, D), zero at padding, and lengths (B,).

        Even long utterances are run as a whole. A model that learns from them is
        refused.
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
        """Read audio; long audio stays in its file if it is run piece by piece."""
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
