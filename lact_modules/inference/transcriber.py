"""Transcribe waveforms and files, in batches that do not show in the result."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from lact_modules.data.audio import SAMPLE_RATE, load_audio
from lact_modules.decoding.ctc import build_decoder
from lact_modules.decoding.hypothesis import Hypothesis
from lact_modules.errors import InputError
from lact_modules.inference.export import load_export
from lact_modules.inference.trained_model import (
    HYPERPARAMETERS_FILE,
    TrainedModel,
    load_run,
)

Source = TypeVar("Source")

# Batches that are read ahead and sorted by duration.
_LOOK_AHEAD = 4

# Bound memory whatever the files' lengths; a longer file is alone in its batch.
_MAX_BATCH_SECONDS = 1200
_MAX_WINDOW_SECONDS = 3600


@dataclass(frozen=True)
class Transcription(Generic[Source]):
    """What became of one source: a hypothesis, or an error.

    Arguments
    ---------
    source : Source
        What was to be transcribed.
    seconds : float
        Duration of its audio, 0 if it could not be read.
    hypothesis : Hypothesis | None
        What was heard.
    error : InputError | None
        Why nothing could be.
    """

    source: Source
    seconds: float
    hypothesis: Hypothesis | None = None
    error: InputError | None = None


class Transcriber:
    """A trained model and a decoder.

    Arguments
    ---------
    trained : TrainedModel
        What to run, see :meth:`from_folder`.
    device : str
        ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ...; ``"auto"`` is CUDA if there is any.
    **decoding : Any
        Options of :func:`~lact_modules.decoding.ctc.build_decoder`: ``beam_size``,
        ``lm``, ``lexicon``, ``lm_weight``, ``word_score``. Without any, greedy.

    Raises
    ------
    InputError
        If there is no such device, or the decoder refuses its options.
    """

    def __init__(self, trained: TrainedModel, device: str = "cpu", **decoding: Any):
        self.device = _find_device(device)
        self.model = trained.model.to(self.device)
        self.decoder = build_decoder(
            trained.vocabulary, trained.model.frame_rate, **decoding
        )

    @classmethod
    def from_folder(
        cls, folder: str | Path, device: str = "cpu", **decoding: Any
    ) -> "Transcriber":
        """Load the output folder of a training run, or an export.

        Arguments
        ---------
        folder : str | Path
            No code from it is run.
        device : str
            As for the class.
        **decoding : Any
            As for the class.

        Returns
        -------
        Transcriber
            Ready to run.

        Raises
        ------
        InputError
            If the folder holds no model, or what it holds is damaged.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise InputError(
                f"{folder}: no such folder; give a run's folder or an export"
            )
        is_run = (folder / HYPERPARAMETERS_FILE).is_file()
        trained = load_run(folder) if is_run else load_export(folder)
        return cls(trained, device, **decoding)

    @torch.inference_mode()
    def transcribe(self, waveforms: Sequence[Tensor]) -> list[Hypothesis]:
        """Transcribe a batch; no waveform influences another's result.

        Arguments
        ---------
        waveforms : Sequence[Tensor]
            At least one, (N,) float32 each, at 16 kHz; any lengths, also 0.

        Returns
        -------
        list[Hypothesis]
            In the same order.

        Raises
        ------
        InputError
            If the GPU's memory does not hold the batch.
        """
        num_samples = [len(waveform) for waveform in waveforms]
        lengths = torch.tensor(num_samples)
        batch = pad_sequence(list(waveforms), batch_first=True)
        if batch.shape[1] == 0:
            batch = torch.zeros(len(waveforms), 1)
        try:
            log_probs, lengths = self.model(
                batch.to(self.device), lengths.to(self.device)
            )
        except torch.OutOfMemoryError as error:
            raise InputError(
                f"batch of {len(waveforms)} x {batch.shape[1] / SAMPLE_RATE:.0f} s: "
                f"out of memory on {self.device}; take a smaller batch"
            ) from error
        hypotheses = self.decoder(log_probs, lengths)
        return [
            _clip(hypothesis, count / SAMPLE_RATE)
            for hypothesis, count in zip(hypotheses, num_samples, strict=True)
        ]

    def transcribe_files(
        self,
        sources: Iterable[Source],
        batch_size: int = 8,
        load: Callable[[Any], Tensor] = load_audio,
    ) -> Iterator[Transcription[Source]]:
        """Transcribe files as they are needed, those of like duration together.

        A few batches are read ahead, so memory does not grow with the number of
        files.

        Arguments
        ---------
        sources : Iterable[Source]
            Paths, or what `load` takes.
        batch_size : int
            Files run together.
        load : Callable[[Any], Tensor]
            Reads a source as (N,) float32 at 16 kHz; its InputError is passed on.

        Yields
        ------
        Transcription[Source]
            One for each source, in their order.

        Raises
        ------
        InputError
            If ``batch_size < 1``.
        """
        if batch_size < 1:
            raise InputError(f"batch size {batch_size}: must be at least 1")
        window: list[tuple[Source, Tensor | InputError]] = []
        num_samples = 0
        for source in sources:
            audio = _load_or_error(source, load)
            window.append((source, audio))
            num_samples += 0 if isinstance(audio, InputError) else len(audio)
            is_full = len(window) == _LOOK_AHEAD * batch_size
            if is_full or num_samples > _MAX_WINDOW_SECONDS * SAMPLE_RATE:
                yield from self._transcribe_window(window, batch_size)
                window, num_samples = [], 0
        yield from self._transcribe_window(window, batch_size)

    def _transcribe_window(
        self, window: list[tuple[Source, Tensor | InputError]], batch_size: int
    ) -> Iterator[Transcription[Source]]:
        waveforms = {
            index: audio
            for index, (_, audio) in enumerate(window)
            if not isinstance(audio, InputError)
        }
        hypotheses: dict[int, Hypothesis] = {}
        for indices in _batches(waveforms, batch_size):
            batch = self.transcribe([waveforms[index] for index in indices])
            hypotheses.update(zip(indices, batch, strict=True))
        for index, (source, audio) in enumerate(window):
            if isinstance(audio, InputError):
                yield Transcription(source, 0.0, error=audio)
            else:
                seconds = len(audio) / SAMPLE_RATE
                yield Transcription(source, seconds, hypotheses[index])


def _find_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"device {name!r}: not available here; try 'auto'") from error
    return device


def _clip(hypothesis: Hypothesis, seconds: float) -> Hypothesis:
    # The last frame may reach beyond the last sample.
    words = tuple(replace(w, end=min(w.end, seconds)) for w in hypothesis.words)
    return replace(hypothesis, words=words)


def _load_or_error(
    source: Source, load: Callable[[Source], Tensor]
) -> Tensor | InputError:
    try:
        return load(source)
    except InputError as error:
        return error


def _batches(waveforms: dict[int, Tensor], batch_size: int) -> Iterator[list[int]]:
    """Group indices of waveforms by length, the shortest first."""
    batch: list[int] = []
    for index in sorted(waveforms, key=lambda i: len(waveforms[i])):
        padded_samples = (len(batch) + 1) * len(waveforms[index])
        is_full = padded_samples > _MAX_BATCH_SECONDS * SAMPLE_RATE
        if batch and (len(batch) == batch_size or is_full):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
