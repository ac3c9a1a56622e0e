"""Publish what a recipe has trained; its model is never lost for that."""

import logging
from pathlib import Path

from speechbrain.utils.distributed import if_main_process

from lact_modules.errors import InputError
from lact_modules.publishing.hub import push_model

logger = logging.getLogger(__name__)


def publish(
    output_folder: str | Path, push_to_hub: str | None, hub_private: bool = True
) -> None:
    """Upload the model of a run that is trained and tested, if the YAML requests it.

    A failure is a warning, with the command to try again.
    """
    # the others have nothing left to do and need not wait
    if push_to_hub is None or not if_main_process():
        return
    try:
        url = push_model(output_folder, push_to_hub, hub_private)
    # also a disk that is full when the export is written
    except (InputError, OSError) as error:
        logger.warning("%s", error)
    else:
        logger.info("published at %s", url)
