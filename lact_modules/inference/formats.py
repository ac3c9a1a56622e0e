"""Hypotheses as text: JSON lines, CTM, and SubRip or WebVTT captions."""

import html
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lact_modules.decoding.hypothesis import Hypothesis, Word
from lact_modules.errors import InputError

MAX_CAPTION_CHARACTERS = 42
MAX_CAPTION_SECONDS = 5.0


def to_json(
    source: str | Path,
    hypothesis: Hypothesis,
    channel: int | None = None,
    about: Mapping[str, Any] | None = None,
) -> str:
    """Write one line ``{"file", "text", "words": [{"word", "start", "end"}]}``.

    Times are in seconds, to the millisecond; ``channel`` counts from 0; keys of `about`
    come first.
    """
    words = [
        {"word": w.word, "start": round(w.start, 3), "end": round(w.end, 3)}
        for w in hypothesis.words
    ]
    place = {} if channel is None else {"channel": channel}
    entry = {
        **(about or {}),
        "file": str(source),
        **place,
        "text": hypothesis.text,
        "words": words,
    }
    line = json.dumps(entry, ensure_ascii=False)
    # bytes of a file name that are not UTF-8, escaped as in Python, which JSON can hold
    return line.encode("utf-8", "backslashreplace").decode() + "\n"


def ctm_names(sources: Sequence[Path]) -> dict[Path, str]:
    """Name files uniquely for CTM, where a name has no blanks.

    The name is the stem. Where stems are equal, it is all of the path that is not
    shared, with the extension if only that differs.

    >>> ctm_names([Path("calls/x/a.wav"), Path("calls/y/a.wav")])
    {PosixPath('calls/x/a.wav'): 'x/a', PosixPath('calls/y/a.wav'): 'y/a'}
    """
    shared = Path(os.path.commonpath([file.absolute().parent for file in sources]))
    paths = [file.absolute().relative_to(shared) for file in sources]
    attempts = (
        [file.stem for file in sources],
        [str(path.with_suffix("")) for path in paths],
        [str(path) for path in paths],
    )
    for names in (["_".join(name.split()) for name in each] for each in attempts):
        if len(set(names)) == len(sources):
            return dict(zip(sources, names, strict=True))
    [(name, _)] = Counter(names).most_common(1)
    raise InputError(f"{name}: names two files in CTM; transcribe them separately")


def to_ctm(
    source: str | Path,
    hypothesis: Hypothesis,
    channel: int | None = None,
    name: str | None = None,
) -> str:
    """Write NIST's time-marked words: file, channel from 1, start, duration, word."""
    name = name or "_".join(Path(source).stem.split())
    return "".join(
        f"{name} {(channel or 0) + 1} {w.start:.2f} {w.end - w.start:.2f} {w.word}\n"
        for w in hypothesis.words
    )


def to_srt(hypotheses: Hypothesis | Mapping[str, Hypothesis]) -> str:
    """Write SubRip captions of a transcript, or of several speakers' by name."""
    return "".join(
        f"{number}\n{_span(words).replace('.', ',')}\n"
        f"{f'{speaker}: ' if speaker else ''}{_join(words)}\n\n"
        for number, (speaker, words) in enumerate(
            _captions_by_time(hypotheses), start=1
        )
    )


def to_vtt(hypotheses: Hypothesis | Mapping[str, Hypothesis]) -> str:
    """Write WebVTT captions of a transcript, or of several speakers' by name."""
    return "WEBVTT\n\n" + "".join(
        f"{_span(words)}\n{f'<v {html.escape(speaker)}>' if speaker else ''}"
        f"{html.escape(_join(words), quote=False)}\n\n"
        for speaker, words in _captions_by_time(hypotheses)
    )


def captions(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Group words into captions that can be read at a glance.

    A caption has at most :data:`MAX_CAPTION_CHARACTERS` and spans at most
    :data:`MAX_CAPTION_SECONDS`; a single word may exceed both.
    """
    caption: list[Word] = []
    for word in words:
        is_full = caption and (
            len(_join([*caption, word])) > MAX_CAPTION_CHARACTERS
            or word.end - caption[0].start > MAX_CAPTION_SECONDS
        )
        if is_full:
            yield caption
            caption = []
        caption.append(word)
    if caption:
        yield caption


def _captions_by_time(
    hypotheses: Hypothesis | Mapping[str, Hypothesis],
) -> list[tuple[str, list[Word]]]:
    """Return each caption with its speaker, who has no name if there is one alone."""
    by_name = {"": hypotheses} if isinstance(hypotheses, Hypothesis) else hypotheses
    every = [
        (name, words) for name in by_name for words in captions(by_name[name].words)
    ]
    return sorted(every, key=lambda caption: caption[1][0].start)


def _join(words: Sequence[Word]) -> str:
    return " ".join(w.word for w in words)


def _span(words: Sequence[Word]) -> str:
    return f"{_clock(words[0].start)} --> {_clock(words[-1].end)}"


def _clock(seconds: float) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{milliseconds / 1000:06.3f}"
