"""Fetch published models from the Hugging Face hub."""

from pathlib import Path

from huggingface_hub import get_token, snapshot_download
from huggingface_hub.errors import HFValidationError
from huggingface_hub.utils import validate_repo_id

from lact_modules.errors import InputError
from lact_modules.hub_session import describe_fault, hub_session
from lact_modules.model_store.export import EXPORT_FILES

FETCH_PATIENCE = 10.0
"""Seconds that the hub may take to answer a request for a model."""


def check_repo_id(repo_id: str) -> None:
    """Refuse what cannot name a repository, ``organization/name``, before training."""
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise InputError(f"{repo_id}: {hub_fault(error)}") from error
    if "/" not in repo_id:
        raise InputError(f"{repo_id}: no name on the hub; give organization/name")


def fetch_model(repo_id: str) -> Path:
    """Download an export, ``organization/name`` of the hub, or find it in the cache."""
    try:
        with hub_session(FETCH_PATIENCE):
            folder = snapshot_download(repo_id, allow_patterns=[*EXPORT_FILES])
    except Exception as error:
        raise InputError(
            f"{repo_id}: no such folder, and not fetched from the hub "
            f"({hub_fault(error)}); give a run's folder, an export, or a model's id"
        ) from error
    return Path(folder)


def hub_fault(error: Exception) -> str:
    """Describe a fault on one line; a server may quote the token that was sent."""
    text = describe_fault(error)
    token = get_token()
    return text.replace(token, "<token>") if token else text
