"""What the manifests of many tools call the same thing."""

from collections.abc import Collection, Mapping
from typing import Any

_NAMES = {
    "audio_filepath": (
        *("audio_filepath", "wav", "path", "file", "audio"),
        *("audio_path", "filename", "file_name"),
    ),
    "text": ("text", "wrd", "transcript", "transcription", "sentence"),
    "id": ("id", "utt_id", "utterance_id"),
    "duration": ("duration",),
    "offset": ("offset", "start"),
    "channel": ("channel",),
    "speaker": ("speaker", "spk_id", "speaker_id", "client_id"),
}


def find_columns(names: Collection[str]) -> dict[str, str]:
    """Tell which of a table's columns hold what an utterance has.

    Arguments
    ---------
    names : Collection[str]
        Columns, or keys of a JSON object; upper or lower case does not matter.

    Returns
    -------
    dict[str, str]
        By the name of a field of `Utterance`, the column's. A field that has several
        columns takes the best known.

    Example
    -------
    >>> find_columns(["ID", "wav", "wrd", "age"])
    {'audio_filepath': 'wav', 'text': 'wrd', 'id': 'ID'}
    """
    by_name = {name.strip().lower(): name for name in reversed([*names])}
    found = {}
    for field, synonyms in _NAMES.items():
        present = [by_name[synonym] for synonym in synonyms if synonym in by_name]
        if present:
            found[field] = present[0]
    return found


def rename_columns(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Give what an entry holds under the names of the fields of `Utterance`.

    Arguments
    ---------
    entry : Mapping[str, Any]
        One row, or JSON object.

    Returns
    -------
    dict[str, Any]
        Values by field; further columns are left out.

    Example
    -------
    >>> rename_columns({"path": "a.mp3", "sentence": "One.", "up_votes": "2"})
    {'audio_filepath': 'a.mp3', 'text': 'One.'}
    """
    return {field: entry[name] for field, name in find_columns(entry).items()}


def missing_columns(names: Collection[str]) -> list[str]:
    """Say what a table lacks, each with the names by which it could go.

    Arguments
    ---------
    names : Collection[str]
        Columns of the table.

    Returns
    -------
    list[str]
        One entry for audio, one for text, if missing.

    Example
    -------
    >>> missing_columns(["wav", "words"])
    ['text (wrd, transcript, transcription, sentence)']
    """
    found = find_columns(names)
    return [
        f"{field} ({', '.join(_NAMES[field][1:])})"
        for field in ("audio_filepath", "text")
        if field not in found
    ]
