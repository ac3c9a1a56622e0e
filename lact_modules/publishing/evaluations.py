"""Results of benchmarks beside a model, as the hub's leaderboards read them."""

from pathlib import Path

import yaml
from huggingface_hub import parse_eval_result_entries

from lact_modules.errors import InputError
from lact_modules.model_store.publishable import check_own_files

EVALUATIONS_FOLDER = ".eval_results"


def find_evaluations(folder: Path) -> dict[str, Path]:
    r"""Find ``.eval_results/*.yaml``, such as the Open ASR Leaderboard's.

    Their numbers come from a benchmark's own program; the hub shows them on its
    leaderboard.

    Arguments
    ---------
    folder : Path
        Of an export.

    Returns
    -------
    dict[str, Path]
        The files, by their names in a repository.

    Raises
    ------
    InputError
        If one is not what the hub reads, or links out of the folder.

    Example
    -------
    >>> folder = getfixture("tmp_path") / ".eval_results"
    >>> folder.mkdir()
    >>> _ = (folder / "hle.yaml").write_text("- dataset: {id: cais/hle}\n  value: 20")
    >>> find_evaluations(folder.parent)
    Traceback (most recent call last):
    ...
    lact_modules.errors.InputError: .../hle.yaml: no results of a benchmark ('task_id')
    """
    paths = sorted((folder / EVALUATIONS_FOLDER).glob("*.yaml"))
    check_own_files(folder, paths)
    for path in paths:
        try:
            parse_eval_result_entries(yaml.safe_load(path.read_text(encoding="utf-8")))
        except (
            yaml.YAMLError,
            KeyError,
            TypeError,
            ValueError,
            AttributeError,
        ) as error:
            reason = str(error).partition("\n")[0]
            raise InputError(f"{path}: no results of a benchmark ({reason})") from error
    return {f"{EVALUATIONS_FOLDER}/{path.name}": path for path in paths}
