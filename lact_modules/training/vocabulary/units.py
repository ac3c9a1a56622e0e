"""The output units of a CTC recognizer: characters, or pieces of words."""

from collections.abc import Callable, Sequence
from pathlib import Path

from speechbrain.utils.distributed import run_on_main

from lact_modules.data.text.subwords import AnyVocabulary, SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.training.vocabulary.tokenizer import OutputUnits, prepare_tokenizer

ReadTexts = Callable[[], Sequence[str]]
"""Returns the transcripts to learn from."""


def make_vocabulary(
    options: OutputUnits, model: CTCModel, read_texts: ReadTexts
) -> AnyVocabulary:
    """Make the vocabulary of a CTC recognizer, and see that the model fits it.

    ``characters`` of None are those that the run began with, or those of the texts;
    ``num_tokens`` of None sizes the output layer of ``model`` to the vocabulary.
    """
    units = options.units
    if options.tokenizer and units != "pieces":
        raise InputError(
            f"tokenizer {options.tokenizer}: spells in pieces, and units are "
            f"{units}; set units to pieces, or leave it"
        )
    kind, prepare = UNITS[units]
    _check_beginning(Path(options.output_folder), kind, units)
    vocabulary = prepare(options, read_texts)
    if options.num_tokens is None:
        model.set_num_tokens(len(vocabulary))
    return vocabulary


def prepare_characters(options: OutputUnits, read_texts: ReadTexts) -> Vocabulary:
    """Collect characters, and write them into the run's folder."""
    path = Path(options.output_folder) / Vocabulary.file_name
    run_on_main(_write_characters, args=[path, options, read_texts])
    return Vocabulary.load(path)


def _write_characters(path: Path, options: OutputUnits, read_texts: ReadTexts) -> None:
    """Write the vocabulary, unless the run began with another one."""
    characters = options.characters
    if characters is not None:
        vocabulary = Vocabulary.from_texts([characters])
    elif path.exists():
        vocabulary = Vocabulary.load(path)
    else:
        vocabulary = Vocabulary.from_texts(read_texts())
    if options.num_tokens not in (None, len(vocabulary)):
        raise InputError(
            f"num_tokens: {options.num_tokens}, but characters, blank and word "
            f"delimiter make {len(vocabulary)}; set it to that, or to null"
        )
    if path.exists() and Vocabulary.load(path) != vocabulary:
        raise InputError(
            f"{path}: differs from the YAML key 'characters'; take another "
            "output_folder or the characters that this run began with"
        )
    vocabulary.save(path)


_Preparation = Callable[[OutputUnits, ReadTexts], AnyVocabulary]

UNITS: dict[str, tuple[type[AnyVocabulary], _Preparation]] = {
    "characters": (Vocabulary, prepare_characters),
    "pieces": (SubwordVocabulary, prepare_tokenizer),
}
"""Output units of CTC recognizers: the kind of vocabulary, and what makes one."""


def _check_beginning(folder: Path, kind: type[AnyVocabulary], units: str) -> None:
    """Refuse a run that began with other units: its folder holds one vocabulary."""
    for other, (other_kind, _) in UNITS.items():
        if other_kind is not kind and (folder / other_kind.file_name).exists():
            raise InputError(
                f"units {units}: {folder} holds a run that began with {other}; take "
                "another output_folder, or its units"
            )
