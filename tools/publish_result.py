"""Copy what documents a run, a comparison or studies of methods to ``results/``."""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from lact_modules.errors import InputError
from lact_modules.model_store.publishable import without_folders
from lact_modules.whole_file import write_whole

RESULTS = Path(__file__).resolve().parents[1] / "results"
FILES = {
    "result.json": "result.json",
    "hyperparams.yaml": "hparams.yaml",
    "train_log.txt": "train_log.txt",
}


def publish(run: Path, results: Path, name: str | None = None) -> Path:
    """Copy result, hyperparameters and log; no folder of this machine is named in them.

    Arguments
    ---------
    run : Path
        Output folder of a run that was trained and tested.
    results : Path
        Where to make ``<dataset>_<recipe>_<name>_<hardware>_<date>``.
    name : str | None
        Distinguishes it from others of that day; None: the model.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    FileNotFoundError
        If the run is not complete.
    InputError
        If its data have no name.
    """
    texts = _read(run, FILES)
    result = json.loads(texts["result.json"])
    return _write(texts, results / _folder_name(result, name or result["model"]))


def publish_comparison(
    comparison: Path, results: Path, name: str | None = None
) -> Path:
    """Copy a comparison's page and numbers, and each of the runs beside them.

    Arguments
    ---------
    comparison : Path
        Folder with ``compare.html`` and ``compare.json``, the runs in its subfolders.
    results : Path
        Where to make ``<dataset>_<recipe>_<name>_<hardware>_<date>``.
    name : str | None
        See `publish`; None: ``comparison``.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    FileNotFoundError
        If a file is missing, or all runs are.
    """
    # written to be passed on; in HTML a slash is no path
    texts = {
        file: (comparison / file).read_text(encoding="utf-8")
        for file in ("compare.html", "compare.json")
    }
    runs = {
        run["folder"]: _read(comparison / run["folder"], FILES)
        for system in json.loads(texts["compare.json"])["systems"]
        for run in system["runs"]
    }
    results_of_runs = [json.loads(files["result.json"]) for files in runs.values()]
    last = max(results_of_runs, key=lambda result: result["date"])
    folder = _write(texts, results / _folder_name(last, name or "comparison"))
    for run, files in runs.items():
        _write(files, folder / run)
    return folder


def publish_studies(folder: Path, results: Path, name: str | None = None) -> Path:
    """Copy the result of each study of a trained model.

    Arguments
    ---------
    folder : Path
        Its subfolders, one at least, are outputs of benchmarks of one group, such as
        ``benchmarks/test_time_training.py``.
    results : Path
        Where to make ``<dataset>_<recipe>_<name>_<hardware>_<date>``.
    name : str | None
        See `publish`; None: the model and the studies' group.

    Returns
    -------
    Path
        The new folder.
    """
    files = {"result.json": "result.json"}
    studies = {
        path.parent.name: _read(path.parent, files)
        for path in sorted(folder.glob("*/result.json"))
    }
    found = [json.loads(texts["result.json"]) for texts in studies.values()]
    last = max(found, key=lambda result: result["date"])
    subject = name or f"{last['model']}_{last['group']}"
    published = results / _folder_name(last, subject)
    for study, texts in studies.items():
        _write(texts, published / study)
    return published


def _read(folder: Path, files: Mapping[str, str]) -> dict[str, str]:
    """Read files by the names they are published under."""
    return {
        published: without_folders((folder / name).read_text(encoding="utf-8"))
        for name, published in files.items()
    }


def _write(texts: Mapping[str, str], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_whole(folder / name, text)
    return folder


def _folder_name(result: dict, subject: str) -> str:
    if not result["dataset"]:
        raise InputError(
            "its data have no name; run its command again with --dataset_name NAME"
        )
    hardware = result["hardware"]
    parts = [
        result["dataset"],
        result["recipe"].rpartition("/")[2],
        subject,
        hardware["gpu"] or hardware["cpu"],
        result["date"][:10],
    ]
    return "_".join(
        re.sub(r"[^a-z0-9_]+", "-", part.lower()).strip("-") for part in parts
    )


def main() -> None:
    """Publish what is named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "run", type=Path, help="output folder of it, or that of studies"
    )
    parser.add_argument("--results", type=Path, default=RESULTS)
    parser.add_argument(
        "--name", help="default: the model, with the group of studies; or comparison"
    )
    arguments = parser.parse_args()
    try:
        copy: Callable[[Path, Path, str | None], Path] = publish
        if (arguments.run / "compare.json").is_file():
            copy = publish_comparison
        elif any(arguments.run.glob("*/result.json")):
            copy = publish_studies
        folder = copy(arguments.run, arguments.results, arguments.name)
    except FileNotFoundError as error:
        sys.exit(f"{error.filename}: missing; train and test the run first")
    except InputError as error:
        sys.exit(f"{arguments.run}: {error}")
    print(f"{folder}: now run `make results`")


if __name__ == "__main__":
    main()
