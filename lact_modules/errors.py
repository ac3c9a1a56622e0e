"""The one exception that users meet, and how they meet it."""

import errno
import logging
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class InputError(ValueError):
    """A fault in what the user gave: a file, a folder, a key, a transcript.

    The message is one line that names the culprit and the remedy. Commands
    print it without a traceback and exit with code 2.

    Example
    -------
    >>> raise InputError("speech.wav: not audio; give wav, flac or mp3")
    Traceback (most recent call last):
    ...
    lact_modules.errors.InputError: speech.wav: not audio; give wav, flac or mp3
    """


def on_one_line(text: str) -> str:
    r"""Spell out line breaks and other control characters, as file names may have.

    Arguments
    ---------
    text : str
        With file names in it.

    Returns
    -------
    str
        Shown on one line, without tabs.

    Example
    -------
    >>> on_one_line("a\nb\u2028c é.wav")
    'a\\nb\\u2028c é.wav'
    """
    return re.sub(
        "[\x00-\x1f\x7f-\x9f\u2028\u2029]",
        lambda match: match[0].encode("unicode_escape").decode(),
        text,
    )


@contextmanager
def faults_shown(program: str) -> Iterator[None]:
    """Print a user's fault as one line, and exit with code 2.

    Such are `InputError`, a full disk, and files that cannot be read or written. The
    traceback goes to the log, at level debug.

    Arguments
    ---------
    program : str
        Begins the line.

    Raises
    ------
    SystemExit
        In place of a user's fault; others pass.

    Example
    -------
    >>> with faults_shown("lact-asr"):
    ...     raise InputError("speech.wav: not audio; give wav, flac or mp3")
    Traceback (most recent call last):
    ...
    SystemExit: 2
    """
    # a full disk is reported once, not by each log handler that it stops
    logging.raiseExceptions = False
    try:
        yield
    except InputError as error:
        message = str(error)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            place = error.filename or "output"
            message = f"{place}: no space left on the device; free some and rerun"
        # without a file's name one line would explain nothing
        elif error.filename is None:
            raise
        else:
            message = f"{error.filename}: {error.strerror}"
    else:
        return
    logging.getLogger(__name__).debug("stopped", exc_info=True)
    # stderr may be on the same full disk
    with suppress(OSError):
        print(f"{program}: {on_one_line(message)}", file=sys.stderr, flush=True)
    sys.exit(2)
