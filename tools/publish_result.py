"""Copy what documents a run from its output folder to ``results/``."""

import argparse
import json
import re
import sys
from pathlib import Path

from lact_modules.training.result import without_folders

RESULTS = Path(__file__).resolve().parents[1] / "results"
FILES = {
    "result.json": "result.json",
    "hyperparams.yaml": "hparams.yaml",
    "train_log.txt": "train_log.txt",
}


def publish(run: Path, results: Path) -> Path:
    """Copy result, hyperparameters and log; no folder of this machine is named in them.

    Arguments
    ---------
    run : Path
        Output folder of a run that was trained and tested.
    results : Path
        Where to make ``<dataset>_<recipe>_<model>_<hardware>_<date>``.

    Returns
    -------
    Path
        The new folder.

    Raises
    ------
    FileNotFoundError
        If the run is not complete.
    """
    texts = {
        published: without_folders((run / name).read_text(encoding="utf-8"))
        for name, published in FILES.items()
    }
    folder = results / _folder_name(json.loads(texts["result.json"]))
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def _folder_name(result: dict) -> str:
    hardware = result["hardware"]
    parts = [
        result["dataset"],
        result["recipe"].rpartition("/")[2],
        result["model"],
        hardware["gpu"] or hardware["cpu"],
        result["date"][:10],
    ]
    return "_".join(
        re.sub(r"[^a-z0-9_]+", "-", part.lower()).strip("-") for part in parts
    )


def main() -> None:
    """Publish the run named on the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="output folder of the run")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    try:
        folder = publish(arguments.run, arguments.results)
    except FileNotFoundError as error:
        sys.exit(f"{error.filename}: missing; train and test the run first")
    print(f"{folder}: now run `make results`")


if __name__ == "__main__":
    main()
