"""Checkpoints that survive a kill or a power cut at any moment."""

import contextlib
import errno
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from speechbrain.utils.checkpoints import CKPT_PREFIX, Checkpoint, Checkpointer
from speechbrain.utils.distributed import ddp_barrier

from lact_modules.errors import InputError
from lact_modules.model_store.run.integrity import (
    META_FILE,
    SEALED,
    SUMS_FILE,
    UNFINISHED,
    is_complete,
    read_meta,
    seal,
    verify,
)
from lact_modules.training.parallel.main_process import from_main

logger = logging.getLogger(__name__)

_DAMAGED = "damaged-"
# bytes; less is left after a file did not fit
_FULL_DISK = 1 << 20


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's checkpointer, except that half a checkpoint is never found.

    SpeechBrain writes the file that marks a folder as a checkpoint first, and the
    parameters after it: a process killed in between cannot resume. Here the mark
    is written last, when checksums of all files are beside them and everything is on
    the disk. Folders without a mark, or with a file missing (killed while deleting),
    are skipped, and cleared on resuming. Resuming takes the newest checkpoint that
    is what was saved; damaged ones are named and set aside.

    Arguments are those of `speechbrain.utils.checkpoints.Checkpointer`.

    Example
    -------
    >>> import tempfile, torch
    >>> folder = tempfile.mkdtemp()
    >>> checkpointer = AtomicCheckpointer(folder, {"model": torch.nn.Linear(2, 2)})
    >>> checkpoint = checkpointer.save_checkpoint(verbosity=logging.DEBUG)
    >>> len(checkpointer.list_checkpoints())
    1
    """

    def save_checkpoint(
        self,
        meta: dict[str, Any] | None = None,
        end_of_epoch: bool = True,
        name: str | None = None,
        verbosity: int = logging.INFO,
    ) -> Checkpoint | None:
        """Save all recoverables, then mark the folder as a checkpoint."""
        meta = {
            **(meta or {}),
            "recoverables": sorted(self.recoverables),
            SEALED: SUMS_FILE,
        }
        try:
            checkpoint = super().save_checkpoint(meta, end_of_epoch, name, verbosity)
        except RuntimeError as error:
            # torch.save hides the reason for which it could not write
            if shutil.disk_usage(self.checkpoints_dir).free > _FULL_DISK:
                raise
            raise OSError(
                errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.checkpoints_dir)
            ) from error
        # every rank may have written a part
        ddp_barrier()
        if checkpoint is not None:
            seal(checkpoint.path)
        ddp_barrier()
        return checkpoint

    def save_and_keep_only(
        self,
        *args: Any,
        importance_keys: Sequence[Callable[[Checkpoint], Any]] = (),
        **arguments: Any,
    ) -> None:
        """Save a checkpoint, then delete the least important.

        SpeechBrain adds a key to the list it is given, by default one list for all
        calls: each save would then read every checkpoint twice more than the last.
        """
        super().save_and_keep_only(
            *args, importance_keys=list(importance_keys), **arguments
        )

    def _save_checkpoint_metafile(
        self, fpath: Path, meta: dict[str, Any], end_of_epoch: bool = True
    ) -> dict[str, Any]:
        unfinished = Path(fpath).with_name(UNFINISHED)
        return super()._save_checkpoint_metafile(unfinished, meta, end_of_epoch)

    def list_checkpoints(self) -> list[Checkpoint]:
        """List the checkpoints that no file is missing of, whatever is in them."""
        found = []
        for folder in self._list_checkpoint_dirs():
            # what has no readable mark is dealt with on resuming
            with contextlib.suppress(InputError):
                meta = read_meta(folder)
                if is_complete(folder, meta):
                    files = {path.stem: path for path in folder.glob("*.ckpt")}
                    found.append(Checkpoint(folder, meta, files))
        return found

    def recover_if_possible(self, *args: Any, **arguments: Any) -> Checkpoint | None:
        """Clear unfinished folders, then load the requested checkpoint, if any."""
        found = from_main(self._find_whole, *args, **arguments)
        if found is None:
            return None
        try:
            self.load_checkpoint(found)
        except InputError:
            raise
        except (RuntimeError, ValueError, TypeError, LookupError) as error:
            raise InputError(
                f"{found.path}: a checkpoint of another model or optimizer; take "
                "another output_folder, or the options that the run began with"
            ) from error
        return found

    def _find_whole(self, *args: Any, **arguments: Any) -> Checkpoint | None:
        """Find the requested checkpoint that is intact; set damaged ones aside."""
        damaged = self._clear_unfinished()
        for checkpoint in self.find_checkpoints(*args, **arguments):
            try:
                verify(checkpoint.path)
            except InputError as error:
                damaged[checkpoint.path] = error
            else:
                self._set_aside(damaged, checkpoint.path)
                return checkpoint
        if damaged:
            raise InputError(
                f"{next(iter(damaged.values()))}; no checkpoint is whole: take another "
                f"output_folder, or delete {self.checkpoints_dir} to start anew"
            )
        return None

    def _clear_unfinished(self) -> dict[Path, InputError]:
        """Delete what a kill has left behind; give what has a mark that is damaged."""
        damaged: dict[Path, InputError] = {}
        for folder in sorted(self.checkpoints_dir.glob(f"{CKPT_PREFIX}*")):
            try:
                if (folder / META_FILE).exists() and is_complete(
                    folder, read_meta(folder)
                ):
                    continue
            except InputError as error:
                damaged[folder] = error
            else:
                shutil.rmtree(folder)
        return damaged

    def _set_aside(self, damaged: dict[Path, InputError], whole: Path) -> None:
        for folder, error in damaged.items():
            aside = folder.with_name(_DAMAGED + folder.name)
            shutil.rmtree(aside, ignore_errors=True)
            folder.rename(aside)
            logger.warning("%s; set aside as %s", error, aside)
        if damaged:
            logger.warning("resuming from %s", whole)
