"""Corrupted copies of a data set, one folder a condition."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.data.conditions import Condition
from lact_modules.data.flac import encode_flac, name_flac
from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.errors import InputError
from lact_modules.whole_file import whole_folder

MANIFEST_FILE = "manifest.jsonl"


class CorruptedCopy:
    """A folder of one condition: 16-bit flac files at 16 kHz, and their manifest.

    What exceeds full scale is scaled down as a whole, not clipped as a recorder would:
    loud noise would clip most of an utterance, and the error rate would measure that.
    So the signal-to-noise ratio is the requested one, and only the level of speech and
    noise together differs, which features normalized by utterance hardly show.
    Clipping is a separate condition. What stays within full scale keeps its level.
    """

    def __init__(self, folder: Path, unfinished: Path, condition: Condition, seed: int):
        self.folder = folder
        self.unfinished = unfinished
        self.condition = condition
        self.seed = seed
        self.utterances: list[Utterance] = []
        self.num_bytes = 0

    @property
    def seconds(self) -> float:
        """Duration of the audio that was written."""
        return sum(utterance.duration for utterance in self.utterances)

    def add(self, utterance: Utterance, waveform: Tensor) -> None:
        """Corrupt (N,) samples at 16 kHz and write them under the utterance's id."""
        corrupted = self.condition.corrupt(waveform, utterance.id, self.seed)
        name = name_flac(utterance.id)
        self.num_bytes += (self.unfinished / name).write_bytes(encode_flac(corrupted))
        duration = len(corrupted) / SAMPLE_RATE
        self.utterances.append(
            replace(
                utterance,
                audio_filepath=name,
                duration=duration,
                offset=0.0,
                channel=None,
            )
        )


@contextmanager
def open_copies(
    out_folder: str | Path, conditions: Sequence[Condition], seed: int
) -> Iterator[list[CorruptedCopy]]:
    """Write copies, a folder for each condition, which appear when all is written.

    The same utterances and seed give the same bytes, on one kind of machine and with as
    many of torch's threads. An earlier copy is replaced, but after an exception as it
    was; a folder of anything else raises InputError.
    """
    out_folder = Path(out_folder)
    if out_folder.exists() and not out_folder.is_dir():
        raise InputError(f"{out_folder}: is a file; name a folder for the copies")
    for condition in conditions:
        _check_replaceable(out_folder / condition.name)
    with ExitStack() as stack:
        copies = []
        for condition in conditions:
            folder = out_folder / condition.name
            unfinished = stack.enter_context(whole_folder(folder, replace=True))
            copies.append(CorruptedCopy(folder, unfinished, condition, seed))
        yield copies
        for copy in copies:
            write_manifest(copy.unfinished / MANIFEST_FILE, copy.utterances)


def _check_replaceable(folder: Path) -> None:
    """Refuse what was not made here: it will be deleted."""
    if not folder.exists():
        return
    names = {entry.name for entry in folder.iterdir()} if folder.is_dir() else set()
    others = {name for name in names if not name.endswith(".flac")} - {MANIFEST_FILE}
    if MANIFEST_FILE not in names or others:
        raise InputError(
            f"{folder}: exists, and is no corrupted copy; remove it or give another "
            "output folder"
        )
