"""Prepare manifests from a release of Mozilla Common Voice, of any language."""

import math
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from lact_modules.data.inspection import (
    Limits,
    Skipped,
    inspect_all,
    inspect_recording,
)
from lact_modules.data.languages import TextRules, normalize_text, rules_for
from lact_modules.data.manifest import Utterance
from lact_modules.data.preparation import digest, write_split
from lact_modules.data.sources import AUDIO_SUFFIXES
from lact_modules.errors import InputError

_EXTENSIONS = (".mp3", *AUDIO_SUFFIXES)


class _Clip(NamedTuple):
    """One line of a table."""

    id: str
    sentence: str
    audio: Path | None
    speaker: str
    # why it is not wanted, if it is not
    fault: str


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
        Holds ``clips/`` and ``<split>.tsv``; or holds a folder named by the language
        that does. Of a table's columns only ``path`` and ``sentence`` are needed. Clips
        may be mp3, flac, wav, ogg or opus files of any rate.
    manifest_folder : str | Path
        Where ``<split>.jsonl`` is written, sorted by utterance id, with absolute
        audio paths.
    splits : Sequence[str]
        Names of tables, such as ``train``. From ``validated`` the clips of ``dev`` and
        ``test`` are left out: what is learned from it can be tested.
    language : str
        Code of the language, such as ``de`` or ``zh-CN``.
    text_rules : Mapping[str, Any] | None
        Changes to the language's rules, by names of `TextRules`.
    min_duration : float
        Seconds; shorter clips are skipped.
    max_duration : float
        Seconds; longer clips are skipped.
    min_rate : float
        Characters a second, spaces included; clips with fewer are skipped.
    max_rate : float
        Characters a second, spaces included; clips with more are skipped.
    limited_splits : Sequence[str] | None
        Splits that durations and rates are limited in; all if None. A test set is
        comparable with others' if none of its clips is left out for being difficult.
    num_workers : int | None
        Threads; one a core if None.

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
    corpus = _find_corpus(Path(data_folder), language)
    rules = rules_for(language, text_rules)
    limits = Limits(min_duration, max_duration, min_rate, max_rate)
    manifests = {}
    for split in splits:
        is_limited = limited_splits is None or split in limited_splits
        table = _find_table(corpus, split)
        held_out = _held_out_tables(corpus) if split == "validated" else []
        clips = _list_clips(table, held_out)
        files = [table, *held_out, *(clip.audio for clip in clips if clip.audio)]
        settings = rules, limits if is_limited else Limits()
        check = partial(_inspect, settings=settings)
        manifest = Path(manifest_folder) / f"{split}.jsonl"
        write_split(
            manifest,
            digest(settings, files),
            partial(inspect_all, table, clips, check, num_workers),
        )
        manifests[split] = manifest
    return manifests


def _find_corpus(data_folder: Path, language: str) -> Path:
    if not data_folder.is_dir():
        raise InputError(f"{data_folder}: no such folder; give a corpus folder")
    for corpus in (data_folder, data_folder / language):
        if (corpus / "clips").is_dir():
            return corpus.resolve()
    raise InputError(
        f"{data_folder}: no folder 'clips' there or in {language!r} there; give the "
        "folder of a language of Common Voice"
    )


def _find_table(corpus: Path, split: str) -> Path:
    table = corpus / f"{split}.tsv"
    if not table.is_file():
        names = sorted(path.stem for path in corpus.glob("*.tsv"))
        raise InputError(
            f"{table}: no such split; {corpus} has: {', '.join(names) or 'none'}"
        )
    return table


def _held_out_tables(corpus: Path) -> list[Path]:
    tables = [corpus / f"{split}.tsv" for split in ("dev", "test")]
    return [table for table in tables if table.is_file()]


def _list_clips(table: Path, held_out: list[Path]) -> list[_Clip]:
    """Read a table, and find the audio of its lines; sorted by id."""
    clips = table.parent / "clips"
    faults = {
        _stem(row["path"]): f"in {other.name}"
        for other in held_out
        for row in _read_rows(other)
    }
    found = []
    for row in _read_rows(table):
        utterance_id = _stem(row["path"])
        audio = _find_audio(clips, row["path"])
        speaker = row.get("client_id", "")
        fault = faults.get(utterance_id, "")
        found.append(_Clip(utterance_id, row["sentence"], audio, speaker, fault))
        faults[utterance_id] = "listed twice"
    if not found:
        raise InputError(f"{table}: lists no clips")
    return sorted(found, key=lambda clip: clip.id)


def _read_rows(table: Path) -> Iterator[dict[str, str]]:
    """Read cells by column: no quotes, and whatever a cell of text holds."""
    try:
        # a lone carriage return ends no line
        with open(table, encoding="utf-8-sig", newline="\n") as stream:
            columns = next(stream, "").rstrip("\r\n").split("\t")
            for name in ("path", "sentence"):
                if name not in columns:
                    raise InputError(
                        f"{table}: no column {name!r}; it has: {', '.join(columns)}"
                    )
            for line in filter(str.strip, stream):
                yield _split_line(line.rstrip("\r\n"), columns)
    except UnicodeDecodeError as error:
        raise InputError(f"{table}: not UTF-8 text ({error})") from error


def _split_line(line: str, columns: list[str]) -> dict[str, str]:
    cells = line.split("\t")
    # a sentence may hold tabs of its own
    first = columns.index("sentence")
    last = first + max(len(cells) - len(columns), 0)
    cells[first : last + 1] = [" ".join(cells[first : last + 1])]
    return {"path": "", **dict(zip(columns, cells, strict=False))}


def _stem(name: str) -> str:
    path = Path(name)
    return path.stem if path.suffix.lower() in _EXTENSIONS else path.name


def _find_audio(clips: Path, name: str) -> Path | None:
    parent = (clips / name).parent
    others = (parent / (_stem(name) + extension) for extension in _EXTENSIONS)
    return next((path for path in (clips / name, *others) if path.is_file()), None)


def _inspect(clip: _Clip, settings: tuple[TextRules, Limits]) -> Utterance | Skipped:
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
        return Skipped(clip.id, "missing audio", f"none of {_EXTENSIONS}")
    utterance = Utterance(clip.id, str(clip.audio), text, 0.0, clip.speaker)
    return inspect_recording(utterance, limits)
