"""Checkpoints that survive a kill at any moment."""

import errno
import logging
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from speechbrain.utils.checkpoints import (
    CKPT_PREFIX,
    METAFNAME,
    Checkpoint,
    Checkpointer,
)
from speechbrain.utils.distributed import ddp_barrier, if_main_process

from lact_modules.errors import InputError

_UNFINISHED = METAFNAME + ".part"
_FILES = "recoverables"
# bytes; less is left after a file did not fit
_FULL_DISK = 1 << 20


class AtomicCheckpointer(Checkpointer):
    """SpeechBrain's checkpointer, except that half a checkpoint is never found.

    SpeechBrain writes the file that marks a folder as a checkpoint first, and the
    parameters after it: a process killed in between cannot resume. Here the mark
    is written last and lists the files that belong to it. Folders without a mark,
    or with a file missing (killed while deleting), are passed over, and cleared on
    resuming.

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
        """Save all recoverables, then mark the folder as a checkpoint.

        Arguments
        ---------
        meta : dict[str, Any] | None
            What to note of the checkpoint.
        end_of_epoch : bool
            Whether an epoch ends here.
        name : str | None
            Name of the folder; the time if None.
        verbosity : int
            Level of the log message.

        Returns
        -------
        Checkpoint | None
            The checkpoint; None on ranks other than the main one.

        Raises
        ------
        OSError
            If the disk is full.
        """
        meta = {**(meta or {}), _FILES: sorted(self.recoverables)}
        try:
            checkpoint = super().save_checkpoint(meta, end_of_epoch, name, verbosity)
        except RuntimeError as error:
            # torch.save does not say why it could not write
            if shutil.disk_usage(self.checkpoints_dir).free > _FULL_DISK:
                raise
            raise OSError(
                errno.ENOSPC, os.strerror(errno.ENOSPC), str(self.checkpoints_dir)
            ) from error
        # every rank may have written a part
        ddp_barrier()
        if checkpoint is not None:
            os.replace(checkpoint.path / _UNFINISHED, checkpoint.path / METAFNAME)
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

        Arguments
        ---------
        *args : Any
            See `speechbrain.utils.checkpoints.Checkpointer`.
        importance_keys : Sequence[Callable[[Checkpoint], Any]]
            Checkpoints with the highest of each are kept.
        **arguments : Any
            The others by name.
        """
        super().save_and_keep_only(
            *args, importance_keys=list(importance_keys), **arguments
        )

    def _save_checkpoint_metafile(
        self, fpath: Path, meta: dict[str, Any], end_of_epoch: bool = True
    ) -> dict[str, Any]:
        unfinished = Path(fpath).with_name(_UNFINISHED)
        return super()._save_checkpoint_metafile(unfinished, meta, end_of_epoch)

    def list_checkpoints(self) -> list[Checkpoint]:
        """List the checkpoints that are whole."""
        return [
            checkpoint
            for checkpoint in super().list_checkpoints()
            if set(checkpoint.meta.get(_FILES, [])) <= checkpoint.paramfiles.keys()
        ]

    def recover_if_possible(self, *args: Any, **arguments: Any) -> Checkpoint | None:
        """Clear unfinished folders, then load the wanted checkpoint, if any.

        Arguments
        ---------
        *args : Any
            Which one, see `speechbrain.utils.checkpoints.Checkpointer`.
        **arguments : Any
            The same by name.

        Returns
        -------
        Checkpoint | None
            What was loaded.

        Raises
        ------
        InputError
            If it is of another model.
        """
        if if_main_process():
            complete = {checkpoint.path for checkpoint in self.list_checkpoints()}
            for folder in self.checkpoints_dir.glob(f"{CKPT_PREFIX}*"):
                if folder not in complete:
                    shutil.rmtree(folder)
        ddp_barrier()
        try:
            return super().recover_if_possible(*args, **arguments)
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"{self.checkpoints_dir}: checkpoints of another model or optimizer; "
                "take another output_folder, or the options that the run began with"
            ) from error
