"""The tokenizer of a run: given, trained, or the one that the run began with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from speechbrain.utils.distributed import run_on_main

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.errors import InputError


@dataclass(frozen=True)
class OutputUnits:
    """Keys of a recipe that define its model's output units.

    Arguments
    ---------
    output_folder : str | Path
        Of the run, which keeps its vocabulary.
    num_tokens : int | None
        None: as many as there are.
    tokenizer : str | Path | None
        A SentencePiece model or a folder with ``tokenizer.model``; None: train one.
    units : str
        Of a CTC recognizer: ``characters`` or ``pieces``.
    characters : str | None
        None: those of the transcripts.
    """

    output_folder: str | Path
    num_tokens: int | None = None
    tokenizer: str | Path | None = None
    units: str = "characters"
    characters: str | None = None


def prepare_tokenizer(
    units: OutputUnits, read_texts: Callable[[], Sequence[str]]
) -> SubwordVocabulary:
    """Load the tokenizer or train it, and write it into the run's folder.

    Arguments
    ---------
    units : OutputUnits
        Of the recipe: its tokenizer and number of tokens.
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
    >>> units = OutputUnits(tempfile.mkdtemp(), num_tokens=12)
    >>> len(prepare_tokenizer(units, lambda: ["ONE TWO", "TWO TEN"]))
    12
    """
    path = Path(units.output_folder) / SubwordVocabulary.file_name
    run_on_main(_write, args=[path, units, read_texts])
    vocabulary = SubwordVocabulary.load(path)
    if units.num_tokens not in (None, len(vocabulary)):
        raise InputError(
            f"num_tokens: {units.num_tokens}, but {units.tokenizer or path} "
            f"has {len(vocabulary)}; set it to that"
        )
    return vocabulary


def _write(
    path: Path, units: OutputUnits, read_texts: Callable[[], Sequence[str]]
) -> None:
    if units.tokenizer:
        given = Path(units.tokenizer)
        file = given / SubwordVocabulary.file_name if given.is_dir() else given
        vocabulary = SubwordVocabulary.load(file)
        if path.exists() and SubwordVocabulary.load(path) != vocabulary:
            raise InputError(
                f"{path}: differs from the YAML key 'tokenizer'; take another "
                "output_folder or the tokenizer that this run began with"
            )
    elif path.exists():
        return
    elif units.num_tokens is None:
        raise InputError(
            "num_tokens: null; give the number of pieces to make, such as 256, or a "
            "tokenizer"
        )
    else:
        vocabulary = SubwordVocabulary.train(read_texts(), units.num_tokens)
    vocabulary.save(path)
