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

    Arguments
    ---------
    source : str | Path
        What was transcribed.
    hypothesis : Hypothesis
        Its transcript.
    channel : int | None
        Number of the channel, from 0; written as ``"channel"``.
    about : Mapping[str, Any] | None
        Other keys, which come first.

    Returns
    -------
    str
        One line with its end; times in seconds, to the millisecond.

    Example
    -------
    >>> hypothesis = Hypothesis.from_words([Word("ONE", 0.2, 0.48)], 0.0)
    >>> print(to_json("a.wav", hypothesis), end="")
    {"file": "a.wav", "text": "ONE", "words": [{"word": "ONE", "start": 0.2, ...}]}
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
    # bytes of a file name that are not UTF-8, as Python has them: JSON can say them so
    return line.encode("utf-8", "backslashreplace").decode() + "\n"


def ctm_names(sources: Sequence[Path]) -> dict[Path, str]:
    """Name files uniquely for CTM, where a name has no blanks.

    Arguments
    ---------
    sources : Sequence[Path]
        Files.

    Returns
    -------
    dict[Path, str]
        Of each file its stem; if stems are alike, all that its path does not share with
        the others'; with its ending, if only that differs.

    Raises
    ------
    InputError
        If that is not enough.

    Example
    -------
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
    """Write NIST's time-marked words: file, channel, start, duration, word.

    Arguments
    ---------
    source : str | Path
        What was transcribed.
    hypothesis : Hypothesis
        Its transcript.
    channel : int | None
        Number of the channel, from 0; CTM counts from 1.
    name : str | None
        Of the file, see `ctm_names`; if None, its stem.

    Returns
    -------
    str
        One line a word; times in seconds.

    Example
    -------
    >>> hypothesis = Hypothesis.from_words([Word("ONE", 0.2, 0.48)], 0.0)
    >>> print(to_ctm("a b.wav", hypothesis), end="")
    a_b 1 0.20 0.28 ONE
    """
    name = name or "_".join(Path(source).stem.split())
    return "".join(
        f"{name} {(channel or 0) + 1} {w.start:.2f} {w.end - w.start:.2f} {w.word}\n"
        for w in hypothesis.words
    )


def to_srt(hypotheses: Hypothesis | Mapping[str, Hypothesis]) -> str:
    """Write SubRip captions.

    Arguments
    ---------
    hypotheses : Hypothesis | Mapping[str, Hypothesis]
        Transcript of a file, or those of its speakers by name.

    Returns
    -------
    str
        The whole file; empty if there are no words.

    Example
    -------
    >>> hypothesis = Hypothesis.from_words([Word("ONE", 0.2, 61.0)], 0.0)
    >>> print(to_srt({"Ann": hypothesis}), end="")
    1
    00:00:00,200 --> 00:01:01,000
    Ann: ONE
    <BLANKLINE>
    """
    return "".join(
        f"{number}\n{_span(words).replace('.', ',')}\n"
        f"{f'{speaker}: ' if speaker else ''}{_join(words)}\n\n"
        for number, (speaker, words) in enumerate(
            _captions_by_time(hypotheses), start=1
        )
    )


def to_vtt(hypotheses: Hypothesis | Mapping[str, Hypothesis]) -> str:
    """Write WebVTT captions.

    Arguments
    ---------
    hypotheses : Hypothesis | Mapping[str, Hypothesis]
        Transcript of a file, or those of its speakers by name.

    Returns
    -------
    str
        The whole file; its header alone if there are no words.

    Example
    -------
    >>> hypothesis = Hypothesis.from_words([Word("R&B", 0.2, 61.0)], 0.0)
    >>> print(to_vtt({"Ann": hypothesis}), end="")
    WEBVTT
    <BLANKLINE>
    00:00:00.200 --> 00:01:01.000
    <v Ann>R&amp;B
    <BLANKLINE>
    """
    return "WEBVTT\n\n" + "".join(
        f"{_span(words)}\n{f'<v {html.escape(speaker)}>' if speaker else ''}"
        f"{html.escape(_join(words), quote=False)}\n\n"
        for speaker, words in _captions_by_time(hypotheses)
    )


def captions(words: Sequence[Word]) -> Iterator[list[Word]]:
    """Group words into captions that can be read at a glance.

    A caption has at most :data:`MAX_CAPTION_CHARACTERS` and spans at most
    :data:`MAX_CAPTION_SECONDS`; a single word may exceed both.

    Arguments
    ---------
    words : Sequence[Word]
        In order of time.

    Yields
    ------
    list[Word]
        Words of one caption, at least one.

    Example
    -------
    >>> spoken = [Word("ONE", 0.0, 0.5), Word("TWO", 1.0, 1.5), Word("SIX", 9.0, 9.5)]
    >>> [[w.word for w in caption] for caption in captions(spoken)]
    [['ONE', 'TWO'], ['SIX']]
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
