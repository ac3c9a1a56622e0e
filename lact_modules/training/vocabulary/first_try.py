"""A run that fails before it trains binds no later one to its vocabulary."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from speechbrain.utils.distributed import if_main_process

from lact_modules.data.text.subwords import SubwordVocabulary
from lact_modules.data.text.vocabulary import Vocabulary


@contextmanager
def vocabulary_kept_on_success(output_folder: str | Path) -> Iterator[None]:
    """Remove the vocabulary that a run has written if its preparation fails.

    What an earlier run has left stays: its checkpoints are of that vocabulary.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "vocabulary.txt"
    >>> try:
    ...     with vocabulary_kept_on_success(path.parent):
    ...         path.touch()
    ...         raise ValueError("no transcript can be spelled")
    ... except ValueError:
    ...     path.exists()
    False
    """
    names = Vocabulary.file_name, SubwordVocabulary.file_name
    paths = [Path(output_folder) / name for name in names]
    new = [path for path in paths if not path.exists()]
    try:
        yield
    except BaseException:
        if if_main_process():
            for path in new:
                path.unlink(missing_ok=True)
        raise
