"""Prepare manifests from a release of Mozilla Common Voice, of any language."""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lact_modules.data.corpus.commonvoice_tables import (
    CLIP_SUFFIXES,
    Clip,
    find_corpus,
    find_table,
    list_clips,
)
from lact_modules.data.corpus.inspection import (
    Limits,
    Skipped,
    inspect_all,
    inspect_recording,
)
from lact_modules.data.corpus.preparation import digest, write_split
from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.text.languages import TextRules, normalize_text, rules_for
from lact_modules.errors import InputError


def prepare_commonvoice(
    data_folder: str | Path,
    manifest_folder: str | Path,
    splits: Sequence[str],
    *,
    language: str = "en",
    text_rules: Mapping[str, Any] | None = None,
    min_duration: float = 0.1,
    max_duration: float = math.inf,
    min_rate: float = 0.0,
    max_rate: float = math.inf,
    limited_splits: Sequence[str] | None = None,
    num_workers: int | None = None,
    channel: int | None = None,
) -> dict[str, Path]:
    r"""Write a manifest for each split.

    Sentences become words as the language spells them, see `normalize_text`. Every
    clip is decoded once to verify and to time it. Clips that cannot be used are left
    out, logged, and listed with the reason in ``<split>.skipped.json`` beside the
    manifest. A split is prepared anew only if its table, its clips (names, sizes,
    times of change), the rules or the limits differ from the last time.

    Arguments
    ---------
    data_folder : str | Path
        Holds ``clips/`` and ``<split>.tsv``; or, of spontaneous speech, ``audios/`` and
        ``ss-corpus-<language>.tsv``; or holds a folder named by the language that does.
        Of a table's columns only ``path`` and ``sentence`` are needed; of spontaneous
        speech ``audio_file``, ``transcription`` and ``split``, and words in square
        brackets go. Clips may be mp3, flac, wav, ogg or opus files of any rate.
    manifest_folder : str | Path
        Gets ``<split>.jsonl``, sorted by utterance id, with absolute audio paths.
    splits : Sequence[str]
        Names of tables; of spontaneous speech, values of the column ``split``. From
        ``validated`` the clips of ``dev`` and ``test`` are left out: what is learned
        from it can be tested.
    language : str
        Such as ``de`` or ``zh-CN``. Clips that are marked as in another one (column
        ``locale``, or the names of files) are skipped.
    text_rules : Mapping[str, Any] | None
        Changes to the language's rules, by names of `TextRules`.
    min_duration : float
        Seconds.
    max_duration : float
        Seconds.
    min_rate : float
        Characters a second, spaces included.
    max_rate : float
        Likewise.
    limited_splits : Sequence[str] | None
        Splits that durations and rates are limited in; all if None. A test set is
        comparable with others' if none of its clips is skipped for being difficult.
    num_workers : int | None
        Threads; one a core if None.
    channel : int | None
        Of the audio files, from 0; their mean if None.

    Returns
    -------
    dict[str, Path]
        The manifest of each split, in the order asked for.

    Raises
    ------
    InputError
        If a folder, table or column is missing, a split has no usable clip, or there
        is no such rule.

    Example
    -------
    >>> import tempfile, numpy, soundfile
    >>> corpus = Path(tempfile.mkdtemp())
    >>> (corpus / "clips").mkdir()
    >>> soundfile.write(corpus / "clips" / "a.mp3", numpy.zeros(48000), 48000)
    >>> _ = (corpus / "train.tsv").write_text("path\tsentence\na.mp3\tIt is me!\n")
    >>> prepare_commonvoice(corpus, corpus / "manifests", ["train"])["train"].name
    'train.jsonl'
    """
    corpus = find_corpus(Path(data_folder), language)
    rules = rules_for(language, text_rules)
    limits = Limits(min_duration, max_duration, min_rate, max_rate, channel)
    manifests = {}
    for split in splits:
        is_limited = limited_splits is None or split in limited_splits
        table = find_table(corpus, split)
        held_out = _held_out_tables(corpus.folder) if split == "validated" else []
        clips = list_clips(corpus, table, held_out, language)
        files = [table.path, *held_out, *(clip.audio for clip in clips if clip.audio)]
        settings = rules, limits if is_limited else Limits(channel=channel)
        check = partial(_inspect, settings=settings)
        manifest = Path(manifest_folder) / f"{split}.jsonl"
        write_split(
            manifest,
            digest((table.split, language, settings), files),
            partial(inspect_all, table.path, clips, check, num_workers),
        )
        manifests[split] = manifest
    return manifests


def _held_out_tables(corpus: Path) -> list[Path]:
    tables = [corpus / f"{split}.tsv" for split in ("dev", "test")]
    return [table for table in tables if table.is_file()]


def _inspect(clip: Clip, settings: tuple[TextRules, Limits]) -> Utterance | Skipped:
    rules, limits = settings
    if clip.fault:
        return Skipped(clip.id, clip.fault, clip.sentence)
    try:
        text = normalize_text(clip.sentence, rules)
    except InputError as error:
        return Skipped(clip.id, "digits or symbols", str(error))
    if not text:
        return Skipped(clip.id, "empty transcript", clip.sentence)
    if clip.audio is None:
        return Skipped(clip.id, "missing audio", f"none of {CLIP_SUFFIXES}")
    utterance = Utterance(clip.id, str(clip.audio), text, 0.0, clip.speaker)
    return inspect_recording(utterance, limits)
