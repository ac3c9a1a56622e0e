"""Paths of audio files as manifests write them."""

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lact_modules.errors import InputError

_SCHEME = re.compile(r"[a-z][a-z0-9+.-]+://", re.ASCII | re.I)
# SpeechBrain's, of its JSON and of its CSV files
_PLACEHOLDER = re.compile(r"(?:\{\w+\}|\$\w+|\$\{\w+\})(?=/)")
# bytes, of the file systems in use
_MAX_NAME, _MAX_PATH = 255, 4095


def find_audio(written: str, folder: str | Path, placeholder: str | Path | None) -> str:
    """Resolve a path or ``file://`` address of a manifest, relative to `folder`.

    It may begin with a placeholder of SpeechBrain's, such as ``{data_root}`` or
    ``$data_root``; the file need not exist.
    """
    if not written.strip():
        raise InputError("audio_filepath is empty")
    if _SCHEME.match(written):
        written = _from_address(written)
    elif name := _PLACEHOLDER.match(written):
        if placeholder is None:
            raise InputError(
                f"audio_filepath begins with SpeechBrain's {name[0]}; lact-asr prepare "
                "folder CORPUS OUT --table puts the corpus in its place, and so does "
                "train.py --data_folder CORPUS"
            )
        # relative to where the program runs
        written = os.path.abspath(placeholder) + written[name.end() :]
    path = str(Path(folder) / written)
    encoded = os.fsencode(path)
    if len(encoded) > _MAX_PATH or max(map(len, encoded.split(b"/"))) > _MAX_NAME:
        raise InputError("audio_filepath is longer than a path can be")
    return path


def _from_address(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError as error:
        raise InputError(f"audio_filepath is no address ({error})") from error
    if parts.scheme.lower() != "file" or parts.netloc not in ("", "localhost"):
        raise InputError(
            f"audio_filepath is on another machine ({parts.scheme}://{parts.netloc}); "
            "download the audio, and give its path"
        )
    # what follows ? or # belongs to a name that was not escaped
    return unquote(address.split("://", 1)[1].removeprefix(parts.netloc))
