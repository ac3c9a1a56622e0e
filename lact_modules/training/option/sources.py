"""The sources of a recipe's data: keys of which some are needed."""

from collections.abc import Mapping
from typing import Any

from lact_modules.errors import InputError

_INSTEAD = {
    "train_splits": ("train_manifest", "train_shards"),
    "dev_splits": ("valid_manifest",),
    "test_splits": ("test_manifest",),
}


def check_sources(values: Mapping[str, Any], needs_dev: bool) -> None:
    """Refuse to begin without data to learn from, or to judge checkpoints by."""
    needed = ("train_splits", "dev_splits") if needs_dev else ("train_splits",)
    for splits, others in _INSTEAD.items():
        if splits not in values or any(values[other] for other in others):
            continue
        if not values[splits] and splits in needed:
            raise InputError(f"--{splits} []: expected a split's name, or {others[0]}")
        if values[splits] and values["data_folder"] is None:
            raise InputError(
                "--data_folder null: expected the corpus folder, or train_manifest, "
                "valid_manifest and test_manifest"
            )
