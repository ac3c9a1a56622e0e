"""Manifests: lists of utterances, written as JSON lines (NeMo's format)."""

import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lact_modules.data.manifest.beginnings import CheckedEntry, check_beginnings
from lact_modules.data.manifest.columns import REQUIRED
from lact_modules.data.manifest.fields import read_fields
from lact_modules.data.manifest.json_entries import Entry, read_json
from lact_modules.data.manifest.lhotse import is_cut, read_cuts
from lact_modules.data.manifest.segments import Timed, read_segments
from lact_modules.data.manifest.tables import read_table
from lact_modules.data.text.sentences import read_text
from lact_modules.errors import InputError
from lact_modules.whole_file import whole_file

TABLE_ENDINGS = (".csv", ".tsv")
_ENDINGS = (".jsonl", ".json", *TABLE_ENDINGS)
MANIFEST_ENDINGS = (*_ENDINGS, *(f"{ending}.gz" for ending in _ENDINGS))
"""Endings of manifests; `read_manifest` takes any."""


@dataclass(frozen=True)
class Utterance:
    """One recorded utterance.

    Arguments
    ---------
    id : str
        Unique within its manifest.
    audio_filepath : str
        In a manifest it may be relative to the manifest's folder.
    text : str
        Transcript.
    duration : float
        Seconds.
    speaker : str
        Empty if unknown.
    offset : float
        Seconds into the file at which the utterance begins.
    channel : int | None
        Which one of the file's channels, from 0; their mean if None.
    recording : str | None
        What it was cut out of, such as a chapter or a session, None if unknown.
    order : float | None
        Place within the recording: any numbers that rise, None if unknown.
    """

    id: str
    audio_filepath: str
    text: str
    duration: float
    speaker: str = ""
    offset: float = 0.0
    channel: int | None = None
    recording: str | None = None
    order: float | None = None


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
    with (
        whole_file(path) as unfinished,
        open(unfinished, "w", encoding="utf-8") as stream,
    ):
        for utterance in utterances:
            fields = {k: v for k, v in asdict(utterance).items() if v is not None}
            stream.write(json.dumps(fields, ensure_ascii=False) + "\n")


def read_manifest(
    path: str | Path,
    audio_folder: str | Path | None = None,
    data_root: str | Path | None = None,
    required: Sequence[str] = REQUIRED,
) -> list[Utterance]:
    """Read a manifest, also one written by other tools.

    The file's ending names its form: ``.csv`` and ``.tsv`` are tables with a line of
    column names (see `read_table`), others are JSON: a line for each utterance
    (NeMo's, or cuts of Lhotse), an array, or SpeechBrain's objects by id. Each may be
    packed (``.gz``). Columns and keys go by the names of `Utterance` or other usual
    ones (``wav``, ``path``, ``wrd``, ``sentence``, ...), see `read_segments` for those
    of times. A missing ``id`` becomes the name of the audio file, with the number of
    the line where several share it; a missing duration is 0.

    Arguments
    ---------
    path : str | Path
        The manifest.
    audio_folder : str | Path | None
        From which relative audio paths are taken; the manifest's folder if None.
    data_root : str | Path | None
        Replaces SpeechBrain's ``{data_root}``, or another such name at the beginning
        of a path; the `audio_folder` if None, and if that is None too, there may be no
        such names.
    required : Sequence[str]
        Fields that each utterance must have; without ``text``, texts are not read.

    Returns
    -------
    list[Utterance]
        In the order of the file.

    Raises
    ------
    InputError
        If the file is missing or empty, a line does not describe an utterance, an id
        is a duplicate, or times seem not to be understood, see `check_beginnings`.
    """
    path = Path(path)
    if path.is_dir():
        raise InputError(
            f"{path}: a folder; give a manifest: a .jsonl, .csv or .tsv file"
        )
    if not os.path.isfile(path):
        raise InputError(
            f"{path}: no such manifest; give a .jsonl, .csv or .tsv file or prepare one"
        )
    lines = list(_read_entries(path, required))
    if not lines:
        raise InputError(f"{path}: the manifest has no utterances")
    folder = path.parent if audio_folder is None else Path(audio_folder)
    numbers, entries = zip(*lines, strict=True)
    places = [f"{path}:{number}" for number in numbers]
    fields = [
        read_fields(entry, place, folder, data_root or audio_folder, required)
        for place, entry in zip(places, entries, strict=True)
    ]
    audio = [each["audio_filepath"] for each in fields]
    segments = read_segments([*map(Timed, places, audio, entries)])
    check_beginnings(
        [
            CheckedEntry(
                place, each["audio_filepath"], each["channel"], each["text"], entry
            )
            for place, each, entry in zip(places, fields, entries, strict=True)
        ]
    )
    utterances = [
        Utterance(**each, **segment._asdict())
        for each, segment in zip(fields, segments, strict=True)
    ]
    return list(check_ids(_name_all(utterances, numbers), path))


def _name_all(
    utterances: list[Utterance], numbers: Sequence[int]
) -> Iterator[Utterance]:
    """Assign ids to those without."""
    stems = [Path(utterance.audio_filepath).stem for utterance in utterances]
    count = Counter(stems)
    for utterance, stem, number in zip(utterances, stems, numbers, strict=True):
        name = stem if count[stem] == 1 else f"{stem}-{number}"
        yield utterance if utterance.id else replace(utterance, id=name)


def check_ids(
    utterances: Iterable[Utterance], source: str | Path | None = None
) -> Iterator[Utterance]:
    """Pass utterances on; raise InputError at a duplicate id in `source`."""
    seen = set()
    for utterance in utterances:
        if utterance.id in seen:
            place = "" if source is None else f"{source}: "
            raise InputError(
                f"{place}utterance {utterance.id} appears twice; make ids unique"
            )
        seen.add(utterance.id)
        yield utterance


def manifest_name(path: str | Path) -> str:
    """Return the name of a manifest without its ending."""
    return Path(Path(path).name.removesuffix(".gz")).stem


def _read_entries(path: Path, required: Sequence[str]) -> Iterator[tuple[int, Entry]]:
    try:
        text = read_text(path)
    except InputError as error:
        raise InputError(
            f"{error}; not a manifest, not a set of Lhotse's cuts"
        ) from error
    if path.name.lower().removesuffix(".gz").endswith(TABLE_ENDINGS):
        yield from read_table(path, text, required)
        return
    for number, entry in read_json(path, text):
        if is_cut(entry):
            yield from read_cuts(path)
            return
        yield number, entry
