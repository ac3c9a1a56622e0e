"""Models on the Hugging Face hub: publish trained models, and fetch them."""

import json
import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi
from huggingface_hub.errors import HfHubHTTPError

from lact_modules.errors import InputError
from lact_modules.hub_session import hub_session, is_unreachable
from lact_modules.model_store.export import (
    EXPORT_FILES,
    RESULT_FILE,
    TRANSFORMERS_FILES,
    export_model,
    is_run,
    load_export,
)
from lact_modules.model_store.hub import check_repo_id, hub_fault
from lact_modules.model_store.publishable import check_own_files, without_folders
from lact_modules.model_store.trained_model import HYPERPARAMETERS_FILE
from lact_modules.publishing.evaluations import find_evaluations
from lact_modules.publishing.model_card import model_card

logger = logging.getLogger(__name__)

EXPORT_FOLDER = "export"
"""In a run's folder: its model as published."""

CARD_FILE = "README.md"
SETTINGS_FILE = "hparams.yaml"

ATTEMPTS = 5
"""Failures after which an upload gives up."""

UPLOAD_PATIENCE = 60.0
"""Seconds that the hub may take to answer; a commit of large files takes some."""

FIRST_WAIT = 2.0
"""Seconds before the second attempt; doubled before each further one."""

# of a server that may soon be available again
_PASSING = (408, 409, 429)

Done = TypeVar("Done")


def push_model(
    folder: str | Path,
    repo_id: str,
    private: bool = True,
    for_transformers: bool = True,
) -> str:
    """Publish a model with a card; its folder always stays as it is.

    A run is first exported into its folder ``export``; an export is brought into the
    form asked for. Uploaded are the files of the export, ``hparams.yaml`` of a run, a
    card with its metrics, and what `find_evaluations` finds beside the export; a
    ``README.md`` there is uploaded in the card's place. All come in one commit, after
    as many attempts as it takes up to `ATTEMPTS`. The token is huggingface_hub's
    (``HF_TOKEN``, or that of ``hf auth login``), and so is the address
    (``HF_ENDPOINT``).
    """
    check_repo_id(repo_id)
    folder = Path(folder)
    files = _collect(folder, repo_id, for_transformers)
    try:
        with hub_session(UPLOAD_PATIENCE):
            return _try_often(lambda: _upload(files, repo_id, private))
    # HTTP, the storage behind the hub, and a refused token raise errors of their own
    except Exception as error:
        command = f"lact-asr push {folder} {repo_id}{'' if private else ' --public'}"
        command += "" if for_transformers else " --no-transformers"
        raise InputError(
            f"{repo_id}: cannot be uploaded ({hub_fault(error)}); the model stays in "
            f"{folder}; try again: {command}"
        ) from error


def _collect(
    folder: Path, repo_id: str, for_transformers: bool
) -> dict[str, Path | bytes]:
    """Gather the files to upload, by name in the repository."""
    files: dict[str, Path | bytes] = {}
    source = folder
    if is_run(folder):
        hyperparameters = folder / HYPERPARAMETERS_FILE
        text = without_folders(hyperparameters.read_text(encoding="utf-8"))
        files[SETTINGS_FILE] = text.encode()
        folder = folder / EXPORT_FOLDER
    names = (*EXPORT_FILES, *TRANSFORMERS_FILES, CARD_FILE)
    check_own_files(folder, [folder / name for name in names])
    _export(source, folder, for_transformers)
    trained = load_export(folder)
    for name in names:
        if (folder / name).is_file():
            files[name] = folder / name
    if CARD_FILE not in files:
        num_parameters = sum(p.numel() for p in trained.model.parameters())
        result = _read_result(folder / RESULT_FILE)
        card = model_card(
            repo_id, num_parameters, len(trained.vocabulary), result, for_transformers
        )
        files[CARD_FILE] = card.encode()
    return {**files, **find_evaluations(folder)}


def _export(source: Path, folder: Path, for_transformers: bool) -> None:
    """Export a run, or an export into its own folder, if it has another form."""
    wanted = TRANSFORMERS_FILES if for_transformers else ()
    found = [name for name in TRANSFORMERS_FILES if (folder / name).is_file()]
    if source == folder and found == [*wanted]:
        return
    if not for_transformers:
        export_model(source, folder)
        return
    # takes seconds to import
    from lact_modules.hf.export import export_for_transformers

    export_for_transformers(source, folder)


def _read_result(path: Path) -> dict:
    if not path.is_file():
        return {}
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); test the run again") from error


def _upload(files: dict[str, Path | bytes], repo_id: str, private: bool) -> str:
    api = HfApi()
    url = api.create_repo(repo_id, private=private, exist_ok=True)
    # such as another vocabulary, or results of a model that was there before
    ours = {*EXPORT_FILES, *TRANSFORMERS_FILES}
    outdated = ours & {*api.list_repo_files(repo_id)} - files.keys()
    added = [CommitOperationAdd(name, content) for name, content in files.items()]
    removed = [CommitOperationDelete(name) for name in sorted(outdated)]
    api.create_commit(repo_id, [*added, *removed], commit_message="Publish the model")
    return str(url)


def _try_often(upload: Callable[[], Done]) -> Done:
    for attempt in range(1, ATTEMPTS):
        try:
            return upload()
        except Exception as error:
            # without a connection it will hardly be there in a minute
            if _is_final(error) or (attempt > 1 and is_unreachable(error)):
                raise
            wait = FIRST_WAIT * 2 ** (attempt - 1)
            logger.warning("%s; trying again in %g s", hub_fault(error), wait)
            time.sleep(wait)
    return upload()


def _is_final(error: Exception) -> bool:
    """Distinguish the hub's refusals from faults of the network."""
    if isinstance(error, HfHubHTTPError):
        status = error.response.status_code
        return status < 500 and status not in _PASSING
    return isinstance(error, ValueError | TypeError)
