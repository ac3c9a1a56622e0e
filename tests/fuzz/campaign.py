"""Mutate, run, and report what went wrong."""

import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.isolation import Outcome, run
from tests.fuzz.mutations import mutate
from tests.fuzz.targets import Target, Words, choose, make_files, make_targets


class Case(NamedTuple):
    """A mutated file, the command that read it, and what came of it."""

    folder: Path
    path: Path
    words: Words
    outcome: Outcome

    def __str__(self) -> str:
        command = " ".join(["lact-asr", *map(str, self.words)])
        last = self.outcome.err.strip().rpartition("\n")[2][:300]
        return f"{self.outcome.fault}: {self.path} in {self.folder}: {command}: {last}"


def prepare(folder: Path, trained_run: Path, streaming_run: Path) -> dict[str, Target]:
    """Fill a folder with good files, and see that each command takes them."""
    folder.mkdir(parents=True)
    make_files(folder, trained_run, streaming_run)
    live = ("stream", "--device", "cpu", "--model", "live", "--chunk", "0.32", "a.wav")
    for words in (("export", "run", "model"), (*live, "--save-state", "stream.pt")):
        outcome = run(words, folder)
        assert outcome.code == 0, outcome.err
    targets = make_targets(folder)
    for target in targets.values():
        for path in target.files:
            for words in target.commands(path):
                if words[0] == "export" and words[1] == "model":
                    continue
                outcome = run(words, folder)
                assert outcome.code == 0, f"{words}: {outcome.err}"
    for name in ("out", "exported"):
        shutil.rmtree(folder / name)
    (folder / "o.arpa").unlink()
    return targets


def attack(
    good: Path, work: Path, target: Target, count: int, seed: str
) -> Iterator[Case]:
    """Run a command on each of `count` mutations of a kind of file.

    Arguments
    ---------
    good : Path
        What `prepare` filled.
    work : Path
        Where the cases stand; those without fault are deleted.
    target : Target
        The kind.
    count : int
        How many.
    seed : str
        The same one gives the same cases.

    Yields
    ------
    Case
        Each.
    """
    for number in range(count):
        rng = random.Random(f"{seed}-{number}")
        folder = work / str(number)
        shutil.copytree(good, folder)
        path, words = choose(target, rng)
        changed = mutate((good / path).read_bytes(), rng, target.is_text)
        (folder / path).write_bytes(changed)
        case = Case(folder, path, words, run(words, folder))
        if case.outcome.fault is None:
            shutil.rmtree(folder)
        yield case
