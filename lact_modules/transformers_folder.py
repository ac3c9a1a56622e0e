"""Load models of transformers from a folder; failures are reported on one line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

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
    except InputError:
        raise
    # what a damaged folder raises depends on the architecture
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise InputError(
            f"{folder}: transformers cannot load it as {wanted} ({reason})"
        ) from error
    finally:
        logging.enable_progress_bar()


def load_weights(
    kind: Any, folder: str | Path, may_lack: frozenset[str] = frozenset()
) -> Any:
    """Load a model of a kind, such as ``AutoModel``, in float32, from safetensors.

    A folder whose weights lack any other than `may_lack` raises InputError.
    """
    model, report = kind.from_pretrained(
        folder,
        use_safetensors=True,
        dtype=torch.float32,
        output_loading_info=True,
        **LOCAL,
    )
    if missing := {*report["missing_keys"]} - may_lack:
        raise InputError(
            f"{folder}: its weights lack {min(missing)}; use a complete one"
        )
    return model
