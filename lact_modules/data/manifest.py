"""Manifests: lists of utterances, written as JSON lines (NeMo's format)."""

import json
import math
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from lact_modules.data.columns import rename_columns
from lact_modules.data.lhotse import is_cut, read_cuts
from lact_modules.data.tables import read_table
from lact_modules.errors import InputError

TABLE_ENDINGS = (".csv", ".tsv")
MANIFEST_ENDINGS = (".jsonl", ".jsonl.gz", *TABLE_ENDINGS)
"""By which a manifest is told from other files; `read_manifest` takes any."""


@dataclass(frozen=True)
class Utterance:
    """One recorded utterance.

    Arguments
    ---------
    id : str
        Unique within its manifest.
    audio_filepath : str
        Audio file; in a manifest it may be relative to the manifest's folder.
    text : str
        Transcript.
    duration : float
        Seconds.
    speaker : str
        Speaker, empty if unknown.
    offset : float
        Seconds into the file at which the utterance begins.
    channel : int | None
        Which one of the file's channels, from 0; their mean if None.

    Example
    -------
    >>> Utterance("1-1-0000", "1-1-0000.flac", "ONE TWO", 1.5, speaker="1").duration
    1.5
    """

    id: str
    audio_filepath: str
    text: str
    duration: float
    speaker: str = ""
    offset: float = 0.0
    channel: int | None = None


def write_manifest(path: str | Path, utterances: Iterable[Utterance]) -> None:
    """Write a manifest; a reader never sees half of it.

    Arguments
    ---------
    path : str | Path
        JSON-lines file; its folder is made.
    utterances : Iterable[Utterance]
        What to write, in order.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "train.jsonl"
    >>> write_manifest(path, [Utterance("a", "a.wav", "ONE", 1.0)])
    >>> read_manifest(path)[0].text
    'ONE'
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".part")
    with open(unfinished, "w", encoding="utf-8") as stream:
        for utterance in utterances:
            fields = {k: v for k, v in asdict(utterance).items() if v is not None}
            stream.write(json.dumps(fields, ensure_ascii=False) + "\n")
    os.replace(unfinished, path)


def read_manifest(
    path: str | Path, audio_folder: str | Path | None = None
) -> list[Utterance]:
    """Read a manifest, also one written by other tools.

    The file's ending tells its form: ``.csv`` and ``.tsv`` are tables with a line of
    column names, ``.jsonl.gz`` are cuts of Lhotse, and others are JSON lines (NeMo's
    or Lhotse's). Columns and keys go by the names of `Utterance` or other usual ones
    (``wav``, ``path``, ``wrd``, ``sentence``, ...). A missing ``id`` becomes the name
    of the audio file, with the number of the line where several share it; a missing
    duration is 0.

    Arguments
    ---------
    path : str | Path
        The manifest.
    audio_folder : str | Path | None
        From which relative audio paths are taken; the manifest's folder if None.

    Returns
    -------
    list[Utterance]
        In the order of the file.

    Raises
    ------
    InputError
        If the file is missing or empty, or a line does not describe an utterance.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"{path}: no such manifest; give a .jsonl, .csv or .tsv file or prepare one"
        )
    entries = list(_read_entries(path))
    if not entries:
        raise InputError(f"{path}: the manifest has no utterances")
    folder = path.parent if audio_folder is None else Path(audio_folder)
    utterances = [
        _make_utterance(entry, f"{path}:{number}", folder) for number, entry in entries
    ]
    stems = [Path(utterance.audio_filepath).stem for utterance in utterances]
    count = Counter(stems)
    return [
        utterance
        if utterance.id
        else replace(utterance, id=stem if count[stem] == 1 else f"{stem}-{number}")
        for utterance, stem, (number, _) in zip(utterances, stems, entries, strict=True)
    ]


def check_ids(utterances: Iterable[Utterance]) -> Iterator[Utterance]:
    """Pass utterances on, and stop at an id that stands twice.

    Arguments
    ---------
    utterances : Iterable[Utterance]
        Of one data set.

    Yields
    ------
    Utterance
        Each of them.

    Raises
    ------
    InputError
        If an earlier one has the same id.

    Example
    -------
    >>> utterances = [Utterance(name, "a.wav", "ONE", 1.0) for name in "ab"]
    >>> list(check_ids(utterances)) == utterances
    True
    """
    seen = set()
    for utterance in utterances:
        if utterance.id in seen:
            raise InputError(f"utterance {utterance.id} stands twice; make ids unique")
        seen.add(utterance.id)
        yield utterance


def manifest_name(path: str | Path) -> str:
    """Give the name of a manifest without its ending.

    Arguments
    ---------
    path : str | Path
        File that `read_manifest` takes.

    Returns
    -------
    str
        What its data go by.

    Example
    -------
    >>> manifest_name("data/test-clean.jsonl"), manifest_name("cuts_dev.jsonl.gz")
    ('test-clean', 'cuts_dev')
    """
    return Path(Path(path).name.removesuffix(".gz")).stem


def _read_entries(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    if path.name.endswith(".gz"):
        return read_cuts(path)
    if path.suffix.lower() in TABLE_ENDINGS:
        return read_table(path)
    return _read_json_lines(path)


def _read_json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a manifest, which is UTF-8 text") from error
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except ValueError as error:
            raise _not_an_utterance(f"{path}:{number}", str(error)) from error
        if not isinstance(entry, dict):
            raise _not_an_utterance(f"{path}:{number}", "no object")
        if is_cut(entry):
            yield from read_cuts(path)
            return
        yield number, entry


def _make_utterance(entry: dict[str, Any], place: str, folder: Path) -> Utterance:
    fields = rename_columns(entry)
    for field in ("audio_filepath", "text"):
        if not isinstance(fields.get(field), str):
            raise _not_an_utterance(place, f"{field} is missing or no string")
    try:
        duration, offset = (
            float(fields.get(field) or 0.0) for field in ("duration", "offset")
        )
    except (ValueError, TypeError) as error:
        raise _not_an_utterance(place, str(error)) from error
    if not (0 <= duration < math.inf and 0 <= offset < math.inf):
        raise _not_an_utterance(place, "duration and offset are seconds from 0 on")
    name = fields.get("id")
    return Utterance(
        # 0 is an id
        id="" if name is None else str(name),
        audio_filepath=str(folder / fields["audio_filepath"]),
        text=fields["text"],
        duration=duration,
        speaker=str(fields.get("speaker") or ""),
        offset=offset,
        channel=_read_channel(fields.get("channel"), place),
    )


def _read_channel(value: Any, place: str) -> int | None:
    """Read a channel's number; tables hold it as text."""
    if value is None or value == "":
        return None
    text = str(value)
    if isinstance(value, bool) or not (text.isdecimal() and text.isascii()):
        raise _not_an_utterance(place, f"channel is {value!r}: want 0, 1, ...")
    return int(text)


def _not_an_utterance(place: str, reason: str) -> InputError:
    return InputError(
        f"{place}: not a manifest line ({reason}); want "
        '{"audio_filepath": ..., "text": ..., "duration": ...}'
    )
