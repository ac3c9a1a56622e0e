"""Runs that are tried and not kept: debugging, and the search for a learning rate."""

import contextlib
import logging
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lact_modules.errors import InputError
from lact_modules.training.optimizer.range_test import FOUND, RateFound
from lact_modules.training.option.hparams import Settings
from lact_modules.training.parallel.main_process import from_main
from lact_modules.whole_file import whole_file

# of a training that is not kept, nothing is to be watched, tested or published
_SILENT: dict[str, Any] = {
    **{"trackers": [], "push_to_hub": None, "debug": False},
    **dict.fromkeys(["log_interval", "sample_interval", "valid_interval"], 0),
}

logger = logging.getLogger(__name__)


@contextlib.contextmanager
def nothing_kept_of_trials(settings: Settings) -> Iterator[Settings]:
    """Make a temporary folder for a trial run, which all its processes share.

    What a search for a learning rate has found goes to the output folder all the same.
    """
    values = settings.values
    finds_rate = values.get("find_lr", False)
    if finds_rate and values["test_only"]:
        raise InputError("--find_lr: --test_only trains nothing; choose one of them")
    if not finds_rate and (not values["debug"] or values["debug_persistently"]):
        yield settings
        return
    kept = Path(values["output_folder"])
    with contextlib.ExitStack() as stack:
        make = tempfile.TemporaryDirectory(
            prefix="train-debug-", ignore_cleanup_errors=True
        )
        folder = Path(from_main(lambda: stack.enter_context(make)))
        # data that are prepared already need not be prepared again
        prepared = kept / "manifests"
        if prepared.is_dir():
            from_main(shutil.copytree, prepared, folder / "manifests")
        changes: dict[str, Any] = {"output_folder": str(folder), "push_to_hub": None}
        changes |= {"save_folder": str(folder / "save"), "debug_persistently": True}
        changes |= _SILENT if finds_rate else {}
        try:
            yield settings.with_changes(
                {name: value for name, value in changes.items() if name in values}
            )
        except RateFound:
            from_main(_keep_found, folder, kept)
            logger.info("curve: %s; the search keeps nothing else", kept / FOUND[1])
        else:
            logger.info("done; a debug run keeps nothing: %s is removed", folder)


def _keep_found(folder: Path, kept: Path) -> None:
    kept.mkdir(parents=True, exist_ok=True)
    for name in FOUND:
        with whole_file(kept / name) as unfinished:
            shutil.copyfile(folder / name, unfinished)
