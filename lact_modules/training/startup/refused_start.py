"""A start that is refused leaves the settings that its folder's checkpoints are of."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speechbrain.utils.distributed import if_main_process

from lact_modules.whole_file import whole_file


@contextmanager
def settings_kept_if_refused(
    output_folder: str | Path, checkpoints: str | Path | None
) -> Iterator[None]:
    """Put ``hyperparams.yaml`` back if a run ends before it has saved anything.

    The model is later built by that file.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "hyperparams.yaml"
    >>> _ = path.write_text("d_model: 32")
    >>> try:
    ...     with settings_kept_if_refused(path.parent, None):
    ...         _ = path.write_text("d_model: 64")
    ...         raise ValueError("a checkpoint of another model")
    ... except ValueError:
    ...     path.read_text()
    'd_model: 32'
    """
    path = Path(output_folder) / "hyperparams.yaml"
    before = path.read_bytes() if path.is_file() else None
    saved = _names_in(checkpoints)
    try:
        yield
    except BaseException:
        is_refused = _names_in(checkpoints) <= saved
        if before is not None and is_refused and if_main_process():
            with whole_file(path) as unfinished:
                unfinished.write_bytes(before)
        raise


def _names_in(folder: str | Path | None) -> set[str]:
    if folder is None or not Path(folder).is_dir():
        return set()
    return {path.name for path in Path(folder).iterdir()}
