"""The tokenizer of a run: given, trained, or the one that the run began with."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from speechbrain.utils.distributed import run_on_main

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError


def prepare_tokenizer(
    hparams: dict[str, Any], read_texts: Callable[[], Sequence[str]]
) -> SubwordVocabulary:
    """Load the tokenizer or train it, and write it into the run's folder.

    Arguments
    ---------
    hparams : dict[str, Any]
        ``output_folder``; ``tokenizer``, a SentencePiece model or a folder with
        ``tokenizer.model``, None to train one; ``num_tokens``, None for as many as it
        has.
    read_texts : Callable[[], Sequence[str]]
        Gives the texts to train on, if need be.

    Returns
    -------
    SubwordVocabulary
        Of ``num_tokens`` tokens, if that is a number.

    Raises
    ------
    InputError
        If the tokenizer has another number of tokens, the run began with another one,
        the texts do not make so many tokens, or their number is not given.

    Example
    -------
    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> hparams = {"output_folder": folder, "tokenizer": None, "num_tokens": 12}
    >>> len(prepare_tokenizer(hparams, lambda: ["ONE TWO", "TWO TEN"]))
    12
    """
    path = Path(hparams["output_folder"]) / SubwordVocabulary.file_name
    run_on_main(_write, args=[path, hparams, read_texts])
    vocabulary = SubwordVocabulary.load(path)
    if hparams["num_tokens"] not in (None, len(vocabulary)):
        raise InputError(
            f"num_tokens: {hparams['num_tokens']}, but {hparams['tokenizer'] or path} "
            f"has {len(vocabulary)}; set it to that"
        )
    return vocabulary


def _write(
    path: Path, hparams: dict[str, Any], read_texts: Callable[[], Sequence[str]]
) -> None:
    if hparams["tokenizer"]:
        given = Path(hparams["tokenizer"])
        file = given / SubwordVocabulary.file_name if given.is_dir() else given
        vocabulary = SubwordVocabulary.load(file)
        if path.exists() and SubwordVocabulary.load(path) != vocabulary:
            raise InputError(
                f"{path}: differs from the YAML key 'tokenizer'; take another "
                "output_folder or the tokenizer that this run began with"
            )
    elif path.exists():
        return
    elif hparams["num_tokens"] is None:
        raise InputError(
            "num_tokens: null; give the number of pieces to make, such as 256, or a "
            "tokenizer"
        )
    else:
        vocabulary = SubwordVocabulary.train(read_texts(), hparams["num_tokens"])
    vocabulary.save(path)
