"""Run something over many files, in batches of like duration, in the files' order."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE, load_audio
from lact_modules.data.source.audio_file import Waveform
from lact_modules.data.source.prefetch import prefetch
from lact_modules.errors import InputError

Source = TypeVar("Source")
Result = TypeVar("Result")

Loaded: TypeAlias = tuple[Source, Waveform | InputError]
"""A source, and its audio or why there is none."""

# Most batches that are sorted by duration together, and that wait to be.
_LOOK_AHEAD = 4

# Bounds memory for files of any length; a longer waveform is alone in its batch.
_MAX_BATCH_SECONDS = 1200
# as much again may wait
_MAX_WINDOW_SECONDS = 1800


@dataclass(frozen=True)
class Outcome(Generic[Source, Result]):
    """What became of one source: a result, or an error.

    ``seconds`` is the duration of its audio, 0 if it could not be read.
    """

    source: Source
    seconds: float
    result: Result | None = None
    error: InputError | None = None


def process_files(
    sources: Iterable[Source],
    run: Callable[[list[Any]], Iterable[Result]],
    batch_size: int = 8,
    load: Callable[[Any], Waveform] = load_audio,
    in_order: bool = False,
) -> Iterator[Outcome[Source, Result]]:
    """Run files of like duration together, and read the next ones meanwhile.

    At first a batch is run as it comes, then twice as many are sorted by duration, and
    twice as many again, unless ``in_order``. Files are read in another thread, as many
    ahead as are sorted at most, so memory does not grow with their number. Outcomes are
    in the order of the sources. After an InputError of `run`, the files of a batch are
    run one by one, so that only those at fault fail.
    """
    if batch_size < 1:
        raise InputError(f"batch size {batch_size}: must be at least 1")
    # results that depend on each other are not sorted
    max_files = 1 if in_order else _LOOK_AHEAD * batch_size
    max_samples = _MAX_WINDOW_SECONDS * SAMPLE_RATE
    loaded = ((source, _load_or_error(source, load)) for source in sources)
    ahead = prefetch(
        loaded, 1, lambda each: 1 / max_files + _num_held(each[1]) / max_samples
    )
    for window in _windows(ahead, min(batch_size, max_files), max_files, max_samples):
        yield from _run_window(window, run, batch_size)


def _windows(
    loaded: Iterable[Loaded[Source]], num_files: int, max_files: int, max_samples: int
) -> Iterator[list[Loaded[Source]]]:
    """Gather files, each time twice as many as before, up to the most."""
    window: list[Loaded[Source]] = []
    num_samples = 0
    for source, audio in loaded:
        window.append((source, audio))
        num_samples += _num_held(audio)
        if len(window) == num_files or num_samples > max_samples:
            yield window
            window, num_samples = [], 0
            num_files = min(2 * num_files, max_files)
    if window:
        yield window


def _run_window(
    window: list[Loaded[Source]],
    run: Callable[[list[Any]], Iterable[Result]],
    batch_size: int,
) -> Iterator[Outcome[Source, Result]]:
    waveforms = {
        index: audio
        for index, (_, audio) in enumerate(window)
        if not isinstance(audio, InputError)
    }
    results: dict[int, Result | InputError] = {}
    for indices in _batches(waveforms, batch_size):
        batch = _run_batch([waveforms[index] for index in indices], run)
        results.update(zip(indices, batch, strict=True))
    for index, (source, audio) in enumerate(window):
        if isinstance(audio, InputError):
            yield Outcome(source, 0.0, error=audio)
        elif isinstance(result := results[index], InputError):
            name = getattr(source, "id", source)
            yield Outcome(source, 0.0, error=InputError(f"{name}: {result}"))
        else:
            yield Outcome(source, len(audio) / SAMPLE_RATE, result)


def _run_batch(
    waveforms: list[Waveform], run: Callable[[list[Any]], Iterable[Result]]
) -> list[Result | InputError]:
    try:
        return [*run(waveforms)]
    except InputError as error:
        if len(waveforms) == 1:
            return [error]
    return [result for each in waveforms for result in _run_batch([each], run)]


def _load_or_error(
    source: Source, load: Callable[[Source], Waveform]
) -> Waveform | InputError:
    try:
        return load(source)
    except InputError as error:
        return error
    except (OSError, MemoryError) as error:
        reason = getattr(error, "strerror", None) or "does not fit into memory"
        return InputError(f"{source}: {reason}")


def _num_held(audio: Waveform | InputError) -> int:
    """Return the samples in memory; what stays in its file takes none."""
    return len(audio) if isinstance(audio, Tensor) else 0


def _batches(waveforms: dict[int, Waveform], batch_size: int) -> Iterator[list[int]]:
    """Group indices of waveforms by length, the shortest first."""
    batch: list[int] = []
    for index in sorted(waveforms, key=lambda i: len(waveforms[i])):
        padded_samples = (len(batch) + 1) * _num_held(waveforms[index])
        is_full = padded_samples > _MAX_BATCH_SECONDS * SAMPLE_RATE
        if batch and (len(batch) == batch_size or is_full):
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
