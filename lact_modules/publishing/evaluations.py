"""Results of benchmarks beside a model, as the hub's leaderboards read them."""

from pathlib import Path

import yaml
from huggingface_hub import parse_eval_result_entries

from lact_modules.errors import InputError
from lact_modules.model_store.publishable import check_own_files

EVALUATIONS_FOLDER = ".eval_results"


def find_evaluations(folder: Path) -> dict[str, Path]:
    """Find ``.eval_results/*.yaml``, such as the Open ASR Leaderboard's.

    Their numbers come from a benchmark's own program; the hub shows them on its
    leaderboard. Files that the hub does not read, or links out of the folder, are
    refused.
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
