"""Load models of transformers from a folder; what fails is told on one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lact_modules.errors import InputError

LOCAL = {"local_files_only": True, "trust_remote_code": False}
"""Options for ``from_pretrained``: nothing is fetched, and no code of others runs."""


@contextmanager
def loading_from(folder: str | Path, wanted: str) -> Iterator[None]:
    """Load within a ``with`` block, without bars of progress.

    Arguments
    ---------
    folder : str | Path
        Of the model.
    wanted : str
        What it is to be, with an article.

    Yields
    ------
    None
        Once.

    Raises
    ------
    InputError
        If anything fails, with the reason.

    Example
    -------
    >>> with loading_from("folder", "a causal language model"):
    ...     raise OSError("no file named config.json")
    Traceback (most recent call last):
    ...
    lact_modules.errors.InputError: folder: transformers cannot load it as a causal
    language model (no file named config.json)
    """
    from transformers.utils import logging

    logging.disable_progress_bar()
    try:
        yield
    # what a damaged folder raises depends on the architecture
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{folder}: transformers cannot load it as {wanted} ({reason})"
        ) from error
    finally:
        logging.enable_progress_bar()
