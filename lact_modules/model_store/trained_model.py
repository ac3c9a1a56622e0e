"""A trained model with all that transcribing needs, from a run's folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from lact_modules.adaptation.gate import CleanStatistics
from lact_modules.data.text.subwords import AnyVocabulary, SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.encoders import CTCModel
from lact_modules.errors import InputError
from lact_modules.model_store.code_heads import without_code_heads
from lact_modules.model_store.model_builder import build_trained_model
from lact_modules.model_store.run.checkpoint import average_checkpoints
from lact_modules.model_store.run.choice import find_weights
from lact_modules.model_store.run.hyperparameters import read_hyperparameter

VOCABULARY_FILES = (Vocabulary.file_name, SubwordVocabulary.file_name)
"""A run's folder holds one of them."""

HYPERPARAMETERS_FILE = "hyperparams.yaml"


@dataclass(frozen=True)
class TrainedModel:
    """A recognizer as it is loaded.

    Arguments
    ---------
    model : CTCModel
        On the CPU, in evaluation mode.
    vocabulary : AnyVocabulary
        Its output units.
    description : Any
        What :func:`~lact_modules.model_store.model_builder.build_model` built it of.
    statistics : CleanStatistics | None
        Of its results on clean speech, if they were measured.
    """

    model: CTCModel
    vocabulary: AnyVocabulary
    description: Any
    statistics: CleanStatistics | None = None


def load_run(
    run_folder: str | Path, num_checkpoints: int | None = None
) -> TrainedModel:
    """Load the model of a training run; no code from the folder is run.

    The best ``num_checkpoints`` are averaged; None: what the training has chosen, see
    `find_weights`.
    """
    run_folder = Path(run_folder)
    metric = read_hyperparameter(run_folder / HYPERPARAMETERS_FILE, "best_by", "WER")
    found = read_run(run_folder, num_checkpoints, metric)
    return assemble(run_folder, *without_code_heads(*found))


def read_run(
    run_folder: Path, num_checkpoints: int | None = None, metric: str = "WER"
) -> tuple[Any, dict[str, Tensor]]:
    """Read the description and averaged weights of a run's model, of any kind."""
    hyperparameters = run_folder / HYPERPARAMETERS_FILE
    description = read_hyperparameter(hyperparameters, "model")
    num_averaged = read_hyperparameter(hyperparameters, "avg_checkpoints", 1)
    if description is None:
        raise InputError(f"{hyperparameters}: has no key 'model'")
    if not isinstance(num_averaged, int):
        raise InputError(f"{hyperparameters}: avg_checkpoints: must be a whole number")
    chosen = find_weights(run_folder, num_checkpoints, num_averaged, metric)
    return description, average_checkpoints(chosen)


def assemble(
    folder: Path, description: Any, weights: dict[str, Tensor]
) -> TrainedModel:
    """Build a `TrainedModel` of a description, weights and a folder's vocabulary."""
    vocabulary = load_vocabulary(folder)
    description = _with_num_tokens(description, len(vocabulary))
    try:
        model = build_trained_model(description, weights)
    except InputError as error:
        raise InputError(f"{folder}: {error}") from error
    if not isinstance(model, CTCModel):
        raise InputError(
            f"{folder}: a {type(model).__name__} is described, not CTCModel"
        )
    if model.output.out_features != len(vocabulary):
        raise InputError(
            f"{folder / vocabulary.file_name}: {len(vocabulary)} tokens, but the model "
            f"has {model.output.out_features} outputs; use the file of the same "
            "training"
        )
    return TrainedModel(model, vocabulary, description, _read_statistics(folder))


def _read_statistics(folder: Path) -> CleanStatistics | None:
    path = folder / CleanStatistics.file_name
    return CleanStatistics.load(path) if path.is_file() else None


def _with_num_tokens(description: Any, num_tokens: int) -> Any:
    """Fill in what a YAML file leaves to the vocabulary."""
    match description:
        case {"arguments": {"num_tokens": None, **others}}:
            return {**description, "arguments": {**others, "num_tokens": num_tokens}}
    return description


def load_vocabulary(folder: Path) -> AnyVocabulary:
    """Read ``vocabulary.txt`` (characters) or ``tokenizer.model`` (subwords)."""
    found = [name for name in VOCABULARY_FILES if (folder / name).is_file()]
    if len(found) > 1:
        raise InputError(
            f"{folder}: holds both {' and '.join(found)}; remove the one that its "
            "training did not use"
        )
    kind = SubwordVocabulary if SubwordVocabulary.file_name in found else Vocabulary
    return kind.load(folder / kind.file_name)
