"""The one exception that users meet."""


class InputError(ValueError):
    """A fault in what the user gave: a file, a folder, a key, a transcript.

    The message is one line that names the culprit and says what to do. Commands
    print it without a traceback and exit with code 2.

    Example
    -------
    >>> raise InputError("speech.wav: not audio; give wav, flac or mp3")
    Traceback (most recent call last):
    ...
    lact_modules.errors.InputError: speech.wav: not audio; give wav, flac or mp3
    """
