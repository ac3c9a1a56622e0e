"""Tables of Mozilla Common Voice: of sentences read, and of spontaneous speech."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import regex

from lact_modules.data.source.collect import AUDIO_SUFFIXES
from lact_modules.errors import InputError

# as Mozilla has it, before what it may have been converted to
CLIP_SUFFIXES = (".mp3", *(each for each in AUDIO_SUFFIXES if each != ".mp3"))

_LOCALE = regex.compile(r"([a-z]{2,3})(?:[-_]|$)")
_NAMED = regex.compile(r"(?:common_voice_|ss-corpus-)([a-z]{2,3})(?![a-z])")


class Clip(NamedTuple):
    """One line of a table; `id` is its file's stem, `fault` is why it is skipped.

    `audio` is None if there is no file.
    """

    id: str
    sentence: str
    audio: Path | None
    speaker: str
    fault: str


class Corpus(NamedTuple):
    """A release of one language, the folder of its audio, and the columns it uses."""

    folder: Path
    audio: str
    path_column: str
    text_column: str

    @property
    def is_spontaneous(self) -> bool:
        """Whether it is of answers to questions, not of sentences read."""
        return self.audio == "audios"


class Table(NamedTuple):
    """The clips of a split: a table, or those of its lines that name the split."""

    path: Path
    split: str | None = None


def find_corpus(data_folder: Path, language: str) -> Corpus:
    """Find a release, in its folder or in one of the language's name there.

    Of sentences read, if it has ``clips``; of spontaneous speech, if ``audios``.
    """
    if not data_folder.is_dir():
        raise InputError(f"{data_folder}: no such folder; give a corpus folder")
    for folder in (data_folder, data_folder / language):
        if (folder / "clips").is_dir():
            return Corpus(folder.resolve(), "clips", "path", "sentence")
        if (folder / "audios").is_dir():
            return Corpus(folder.resolve(), "audios", "audio_file", "transcription")
    raise InputError(
        f"{data_folder}: no folder 'clips' there or in {language!r} there, nor "
        "'audios'; give the folder of a language of Common Voice"
    )


def find_table(corpus: Corpus, split: str) -> Table:
    """Find the clips of a split; without them the error lists the splits there are.

    Spontaneous speech has one table, whose column ``split`` may have the name too.
    """
    tables = sorted(corpus.folder.glob("[!.]*.tsv"))
    path = corpus.folder / f"{split}.tsv"
    if path in tables:
        return Table(path)
    found = {table.stem for table in tables}
    if corpus.is_spontaneous:
        for table in tables:
            if table.name.startswith("ss-corpus-"):
                splits = {row["split"] for row in _read_rows(corpus, Table(table))}
                if split in splits:
                    return Table(table, split)
                found |= splits - {""}
    names = ", ".join(sorted(found)) or "none"
    raise InputError(f"{path}: no such split; {corpus.folder} has: {names}")


def list_clips(
    corpus: Corpus, table: Table, held_out: list[Path], language: str
) -> list[Clip]:
    """Read a table, and find the audio of its lines, sorted by id.

    Clips in the tables `held_out` are skipped, and those marked as another language.
    """
    faults = {
        _stem(row[corpus.path_column]): f"in {other.name}"
        for other in held_out
        for row in _read_rows(corpus, Table(other))
    }
    found = []
    for row in _read_rows(corpus, table):
        name, sentence = row[corpus.path_column], row[corpus.text_column]
        if corpus.is_spontaneous:
            sentence = _strip_tags(sentence)
        audio = _find_audio(corpus.folder / corpus.audio, name)
        fault = faults.get(_stem(name)) or _other_language(row, name, table, language)
        found.append(Clip(_stem(name), sentence, audio, row["client_id"], fault))
        faults[_stem(name)] = "listed twice"
    if not found:
        raise InputError(f"{table.path}: lists no clips")
    return sorted(found, key=lambda clip: clip.id)


def _read_rows(corpus: Corpus, table: Table) -> Iterator[dict[str, str]]:
    """Read cells by column: no quotes, and whatever a cell of text holds."""
    path = table.path
    try:
        # a lone carriage return ends no line
        with open(path, encoding="utf-8-sig", newline="\n") as stream:
            columns = next(stream, "").rstrip("\r\n").split("\t")
            wanted = [corpus.path_column, corpus.text_column]
            for name in wanted if table.split is None else [*wanted, "split"]:
                if name not in columns:
                    raise InputError(
                        f"{path}: no column {name!r}; it has: {', '.join(columns)}"
                    )
            text = columns.index(corpus.text_column)
            for line in filter(str.strip, stream):
                row = _split_line(line.rstrip("\r\n"), columns, text)
                if table.split is None or row["split"] == table.split:
                    yield row
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error})") from error


def _split_line(line: str, columns: list[str], text: int) -> dict[str, str]:
    cells = line.split("\t")
    # a sentence may hold tabs of its own
    last = text + max(len(cells) - len(columns), 0)
    cells[text : last + 1] = [" ".join(cells[text : last + 1])]
    empty = dict.fromkeys(["client_id", "split", "locale", *columns], "")
    return empty | dict(zip(columns, cells, strict=False))


def _other_language(row: dict[str, str], name: str, table: Table, language: str) -> str:
    """Warn of a clip whose column, or file, or table has another code."""
    found = (
        _LOCALE.match(row["locale"])
        or _NAMED.match(_stem(name))
        or _NAMED.match(table.path.stem)
    )
    # of zh-CN and zh-TW the rules are the same
    if found is None or found[1] == language.lower().partition("-")[0]:
        return ""
    return f"in {found[1]}, where --language is {language}"


def _strip_tags(text: str) -> str:
    """Remove ``[disfluency]``, ``[noise]`` and the like, which are no words."""
    return regex.sub(r"\[[^\[\]]*\]", " ", text)


def _stem(name: str) -> str:
    path = Path(name)
    return path.stem if path.suffix.lower() in CLIP_SUFFIXES else path.name


def _find_audio(clips: Path, name: str) -> Path | None:
    parent = (clips / name).parent
    others = (parent / (_stem(name) + ending) for ending in CLIP_SUFFIXES)
    return next((path for path in (clips / name, *others) if path.is_file()), None)
