"""Manifests in JSON: objects one after the other, an array, or SpeechBrain's."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

from lact_modules.data.manifest.fields import not_an_utterance

Entry = dict[str, Any]
"""The fields of an utterance in a manifest."""

_SPACE = re.compile(r"\s*")


def read_json(path: str | Path, text: str) -> Iterator[tuple[int, Entry]]:
    """Read the objects of a manifest, with the number of the line, or else the object.

    They follow each other, usually a line each; or are in an array; or in an object by
    their ids, as in SpeechBrain.
    """
    values = _parse(path, text)
    first, second = next(values, None), next(values, None)
    if first is None:
        return
    found: Iterator[tuple[int, Any]]
    if second is not None:
        found = chain([first, second], values)
    elif isinstance(first[1], list):
        found = iter(enumerate(first[1], start=1))
    elif _is_of_objects(first[1]):
        found = iter(
            enumerate([_from_speechbrain(*item) for item in first[1].items()], start=1)
        )
    else:
        found = iter([first])
    for number, value in found:
        if not isinstance(value, dict):
            raise not_an_utterance(f"{path}:{number}", "no object")
        yield number, value


def _parse(path: str | Path, text: str) -> Iterator[tuple[int, Any]]:
    """Yield JSON values, each with the number of the line in which it begins."""
    decoder = json.JSONDecoder(object_pairs_hook=_make_object)
    position, number = 0, 1
    while True:
        begin = _SPACE.match(text, position).end()  # type: ignore[union-attr]
        number += text.count("\n", position, begin)
        if begin == len(text):
            return
        try:
            value, position = decoder.raw_decode(text, begin)
        except json.JSONDecodeError as error:
            raise not_an_utterance(f"{path}:{number}", error.msg) from error
        except ValueError as error:
            raise not_an_utterance(f"{path}:{number}", str(error)) from error
        except RecursionError as error:
            raise not_an_utterance(f"{path}:{number}", "nested too deep") from error
        yield number, value
        number += text.count("\n", begin, position)


def _make_object(pairs: list[tuple[str, Any]]) -> Entry:
    """Refuse duplicate keys: one of the values would be lost."""
    made = dict(pairs)
    if len(made) < len(pairs):
        [(twice, _)] = Counter(name for name, _ in pairs).most_common(1)
        raise ValueError(f"{twice!r} appears twice in an object")
    return made


def _is_of_objects(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and len(value) > 0
        and all(isinstance(each, dict) for each in value.values())
    )


def _from_speechbrain(name: str, entry: Entry) -> Entry:
    """Return one of SpeechBrain's entries as a line of other manifests."""
    # a part of a file, in samples
    if isinstance(wav := entry.get("wav"), dict):
        part = {f"{key}_samples": wav[key] for key in ("start", "stop") if key in wav}
        entry = {**entry, "wav": wav.get("file"), **part}
    return {"id": name, **entry}
