"""From manifests to batches."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from speechbrain.dataio.dataset import DynamicItemDataset
from speechbrain.utils.data_pipeline import provides, takes
from torch import Tensor

from lact_modules.data.long_form.joining import Stream, join_signals, transcribe
from lact_modules.data.manifest.durations import measure_durations
from lact_modules.data.manifest.manifest import Utterance, read_manifest
from lact_modules.data.text.subwords import AnyVocabulary, SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.errors import InputError
from lact_modules.training.dataset.recordings import Recordings
from lact_modules.training.dataset.stream_dataset import StreamDataset, list_streams
from lact_modules.training.dataset.streams import StreamPlan

logger = logging.getLogger(__name__)

_REMEDIES = {
    Vocabulary.file_name: "take the YAML key 'characters' from them: --characters null "
    "--num_tokens null, in a new output_folder if this run has begun",
    SubwordVocabulary.file_name: "give the YAML key 'tokenizer' one that spells them, "
    "or null to train one, in a new output_folder if this run has begun",
}


def read_manifests(
    paths: Sequence[str | Path],
    max_duration: float | None = None,
    data_root: str | Path | None = None,
) -> list[Utterance]:
    """Join manifests, without utterances that are too long, the shortest first.

    Durations that a manifest lacks are read from the audio files.
    """
    utterances = measure_durations(
        [u for path in paths for u in read_manifest(path, data_root=data_root)]
    )
    check_durations([u.duration for u in utterances], max_duration)
    if max_duration is not None:
        utterances = [u for u in utterances if u.duration <= max_duration]
    return sorted(utterances, key=lambda u: (u.duration, u.id))


def check_durations(durations: Sequence[float], max_duration: float | None) -> None:
    """Warn of utterances of more than ``max_duration`` seconds; refuse if all are."""
    if max_duration is None:
        return
    num_long = sum(duration > max_duration for duration in durations)
    if num_long == len(durations):
        raise InputError(
            f"no utterance is shorter than {max_duration} s; raise max_train_duration"
        )
    if num_long:
        logger.warning(
            "%d of %d utterances are longer than %g s and are skipped",
            num_long,
            len(durations),
            max_duration,
        )


def make_dataset(
    utterances: Sequence[Utterance | Stream],
    vocabulary: AnyVocabulary,
    in_memory: bool = False,
    must_spell: bool = True,
) -> DynamicItemDataset:
    """Make a SpeechBrain dataset; a stream is read as one utterance.

    Items are ``id``, ``signal`` (N,) float32, ``tokens`` (U,) int64, ``text``, and
    ``faults``: by id, why utterances cannot be read, which signal and transcript then
    lack. ``in_memory`` decodes each file once and keeps it (230 MB an hour). Without
    ``must_spell``, tokens omit characters that the vocabulary lacks, and a warning
    counts them: for data that are scored, not learned.
    """
    streams = [(u,) if isinstance(u, Utterance) else u for u in utterances]
    _check(streams, vocabulary, must_spell)
    recordings = Recordings(in_memory)
    options = _make_items(recordings, vocabulary)
    dataset = DynamicItemDataset(list_streams(streams, gap=0.0), **options)
    dataset.recordings = recordings
    return dataset


def make_stream_dataset(
    plans: Sequence[StreamPlan],
    vocabulary: AnyVocabulary,
    in_memory: bool = False,
    gap: float = 0.0,
    seed: int = 0,
) -> StreamDataset:
    """Make a dataset of streams to learn from, which change from epoch to epoch.

    Items are those of `make_dataset`; ``gap`` is in seconds.
    """
    _check([(u,) for s in plans[0].streams for u in s], vocabulary, must_spell=True)
    recordings = Recordings(in_memory)
    options = _make_items(recordings, vocabulary, gap)
    dataset = StreamDataset(plans, gap, seed, **options)
    dataset.recordings = recordings
    return dataset


def _check(
    streams: Sequence[Stream], vocabulary: AnyVocabulary, must_spell: bool
) -> None:
    """Check spelling and ids before anything is read."""
    texts = {stream[0].id: transcribe(stream) for stream in streams}
    check = check_spelling if must_spell else _warn_of_unknown
    check(texts, vocabulary)
    if len(texts) < len(streams):
        [(twice, _)] = Counter(s[0].id for s in streams).most_common(1)
        raise InputError(
            f"{len(streams) - len(texts)} utterance ids appear twice in the "
            f"manifests, first {twice}; make them unique"
        )


def _make_items(
    recordings: Recordings, vocabulary: AnyVocabulary, gap: float = 0.0
) -> dict[str, Any]:
    """Add to SpeechBrain's dataset how streams become signals and tokens."""

    @takes("stream")
    @provides("signal", "transcript", "faults")
    def read(stream: Stream) -> Iterator[Any]:
        signals, faults = recordings.read(stream)
        yield join_signals([*signals.values()], gap)
        yield transcribe([u for u in stream if u.id in signals])
        yield faults

    @takes("transcript")
    @provides("tokens")
    def spell(text: str) -> Tensor:
        unknown = vocabulary.unknown(text)
        known = "".join(c for c in text if c not in unknown)
        return torch.tensor(vocabulary.encode(known), dtype=torch.int64)

    return {
        "dynamic_items": [read, spell],
        "output_keys": {
            **{key: key for key in ("id", "signal", "tokens", "faults")},
            "text": "transcript",
        },
    }


def read_ahead(dataset: DynamicItemDataset) -> None:
    """Decode what a dataset keeps in memory, before workers share it."""
    recordings = getattr(dataset, "recordings", None)
    if recordings is not None:
        streams = (entry["stream"] for entry in dataset.data.values())
        recordings.read_ahead([u for stream in streams for u in stream])


def check_spelling(texts: Mapping[str, str], vocabulary: AnyVocabulary) -> None:
    """Refuse a transcript with characters that a vocabulary lacks.

    ``texts`` are by what an error calls them.
    """
    faulty = _find_unknown(texts, vocabulary)
    if faulty:
        name, characters = next(iter(faulty.items()))
        raise InputError(
            f"{len(faulty)} transcripts hold characters that the vocabulary lacks, "
            f"first {name}: {' '.join(sorted(characters))!r}; clean them, or "
            f"{_REMEDIES[vocabulary.file_name]}"
        )


def _warn_of_unknown(texts: Mapping[str, str], vocabulary: AnyVocabulary) -> None:
    faulty = _find_unknown(texts, vocabulary)
    if faulty:
        logger.warning(
            "%d of %d transcripts hold characters that the vocabulary lacks, first %s "
            "(all: %s); the loss skips them, error rates count them",
            len(faulty),
            len(texts),
            next(iter(faulty)),
            " ".join(sorted(set().union(*faulty.values()))),
        )


def _find_unknown(
    texts: Mapping[str, str], vocabulary: AnyVocabulary
) -> dict[str, set[str]]:
    unknown = {name: vocabulary.unknown(text) for name, text in texts.items()}
    return {name: characters for name, characters in unknown.items() if characters}
