"""Transcribe waveforms and files, in batches that do not show in the result."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.source.audio_file import Waveform
from lact_modules.data.source.waveforms import Audio, to_waveforms
from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.inference.decoders import build_search, uses_attention
from lact_modules.inference.files import Outcome, Source, process_files
from lact_modules.inference.model_runner import ModelRunner
from lact_modules.inference.precision import Precision
from lact_modules.model_store.loading import load_model
from lact_modules.model_store.trained_model import TrainedModel


class Transcriber(ModelRunner):
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
        Chunk size: recognize utterances in chunks, as a stream of this algorithmic
        latency. A streaming model with a CTC search runs audio longer than
        `MAX_WHOLE_SECONDS` piece by piece, see `LongForm`. None: whole utterances.
    left_seconds : float | None
        Left context of attention before a chunk; if None, 5.12.
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
        in_pieces = not uses_attention(trained, decoding.get("search") or "auto")
        super().__init__(
            trained,
            device,
            ttt,
            chunk_seconds,
            left_seconds,
            precision,
            compiled,
            in_pieces,
        )
        self.decoder = build_search(trained, device=self.device, **decoding)

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
            uint8; any lengths, also 0. Or files, or what :meth:`load` returns. One
            alone is a batch of one.
        sample_rate : int
            Sample rate of the waveforms in Hz; files have their own.

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
        """Search the outputs that :meth:`run_model` gave for these waveforms."""
        hypotheses = self.decoder(*outputs)
        return [
            hypothesis.ending_by(len(waveform) / SAMPLE_RATE)
            for hypothesis, waveform in zip(hypotheses, waveforms, strict=True)
        ]

    def transcribe_files(
        self,
        sources: Iterable[Source],
        batch_size: int = 8,
        load: Callable[[Any], Waveform] | None = None,
    ) -> Iterator[Outcome[Source, Hypothesis]]:
        """Transcribe files; see :func:`~lact_modules.inference.files.process_files`."""
        return process_files(
            sources,
            self.transcribe,
            batch_size,
            load or self.load,
            in_order=self.is_in_order,
        )
