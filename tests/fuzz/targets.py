"""What is mutated, and the commands that read it."""

import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import soundfile
import torch

from lact_modules.language_model.arpa import write_arpa
from lact_modules.language_model.ngram import estimate_ngrams

AUDIO = ("a.wav", "a.flac", "a.ogg", "a.mp3", "a.opus", "a.aiff")

Words = Sequence[str | Path]


class Target(NamedTuple):
    """A kind of file.

    Arguments
    ---------
    files : list[Path]
        Good ones, one of which is mutated; relative to the folder of a case, which is
        a copy of the one that holds all of them.
    is_text : bool
        Which mutations fit.
    commands : Callable[[Path], list[Words]]
        Those that read a file, one of which is run.
    """

    files: list[Path]
    is_text: bool
    commands: Callable[[Path], list[Words]]


def make_files(folder: Path, trained_run: Path, streaming_run: Path) -> None:
    """Make a good file of each kind, small."""
    shutil.copytree(trained_run, folder / "run")
    shutil.copytree(streaming_run, folder / "live")
    noise = 0.2 * torch.randn(8000, generator=torch.Generator().manual_seed(0))
    samples = noise.clamp(-1, 1).numpy()
    for name in AUDIO:
        kind = {"format": "OGG", "subtype": "OPUS"} if name.endswith("opus") else {}
        soundfile.write(folder / name, samples, 16000, **kind)
    line = '{"id": "%s", "audio_filepath": "a.wav", "text": "A B", "duration": 0.5}\n'
    (folder / "data.jsonl").write_text("".join(line % name for name in "xyz"))
    rows = ["ID,wav,start,end,wrd", "x,a.wav,0.0,0.25,A B", "y,a.wav,0.25,0.5,C"]
    (folder / "data.csv").write_text("\n".join(rows) + "\n")
    (folder / "data.tsv").write_text("\n".join(rows).replace(",", "\t") + "\n")
    write_arpa(folder / "lm.arpa", estimate_ngrams(["A B", "B A B", "D C"], order=2))
    (folder / "words.txt").write_text("A\tA |\nB\tB |\nCD\tC D |\n")
    (folder / "text.txt").write_text("A B\nB A B\nD C\n" * 5)
    chapter = folder / "corpus" / "test" / "7" / "1"
    chapter.mkdir(parents=True)
    shutil.copy(folder / "a.flac", chapter / "7-1-0000.flac")
    (chapter / "7-1.trans.txt").write_text("7-1-0000 A B\n")
    voices = folder / "voices"
    (voices / "clips").mkdir(parents=True)
    shutil.copy(folder / "a.mp3", voices / "clips" / "a.mp3")
    header = "client_id\tpath\tsentence\tup_votes\tdown_votes\tage\tgender\taccent\n"
    for name in ("train", "dev", "test"):
        row = "s\ta.mp3\tOne.\t2\t0\t\t\t\n"
        (voices / f"{name}.tsv").write_text(header + row)


def make_targets(folder: Path) -> dict[str, Target]:
    """List the kinds of files in a folder that `make_files` has filled.

    Arguments
    ---------
    folder : Path
        With an export of the run in ``model`` and a saved stream in ``stream.pt``.

    Returns
    -------
    dict[str, Target]
        By name.
    """
    transcribe = ("transcribe", "--device", "cpu", "--model")
    evaluate = ("evaluate", "--device", "cpu", "--model", "run", "--data")
    search = (*transcribe, "run", "a.wav", "--beam-size", "5", "--lm")
    live = ("stream", "--device", "cpu", "--model", "live", "--chunk", "0.32")

    def inside(name: str) -> list[Path]:
        files = sorted((folder / name).rglob("*"))
        return [path.relative_to(folder) for path in files if path.is_file()]

    return {
        "audio": Target(
            [
                Path(f"a.{ending}")
                for ending in ("wav", "flac", "ogg", "mp3", "opus", "aiff")
            ],
            False,
            lambda path: [(*transcribe, "run", path), (*live, path)],
        ),
        "manifest": Target(
            [Path("data.jsonl")],
            True,
            lambda path: [(*evaluate, path), ("ngram", path, "--output", "o.arpa")],
        ),
        "table": Target(
            [Path("data.csv"), Path("data.tsv")],
            True,
            lambda path: [
                (*evaluate, path),
                ("prepare", "folder", ".", "out", "--table", path, "--workers", "1"),
            ],
        ),
        "corpus": Target(
            [Path("corpus/test/7/1/7-1.trans.txt"), Path("voices/test.tsv")],
            True,
            lambda path: [
                ("prepare", "librispeech", "corpus", "out", "--splits", "test")
                if path.parts[0] == "corpus"
                else ("prepare", "commonvoice", "voices", "out", "--splits", "test")
            ],
        ),
        "ARPA": Target(
            [Path("lm.arpa")],
            True,
            lambda path: [
                (*search, path),
                (*transcribe, "run", "a.wav", "--beam-size", "5", "--rescore", path),
            ],
        ),
        "lexicon": Target(
            [Path("words.txt")],
            True,
            lambda path: [(*search, "lm.arpa", "--lexicon", path)],
        ),
        "text": Target(
            [Path("text.txt")],
            True,
            lambda path: [("ngram", path, "--order", "3", "--output", "o.arpa")],
        ),
        "settings": Target(
            [Path("run/hyperparams.yaml"), Path("model/config.json")],
            True,
            lambda path: [
                (*transcribe, path.parts[0], "a.wav"),
                ("export", path.parts[0], "exported"),
            ],
        ),
        "model": Target(
            [*inside("model"), *inside("run/save")],
            False,
            lambda path: [
                (*transcribe, path.parts[0], "a.wav"),
                ("export", path.parts[0], "exported"),
            ],
        ),
        "stream": Target(
            [Path("stream.pt")],
            False,
            lambda path: [(*live, "a.wav", "--load-state", path)],
        ),
    }


def choose(target: Target, rng: random.Random) -> tuple[Path, Words]:
    """Choose a file of a kind, and a command that reads it."""
    path = rng.choice(target.files)
    return path, rng.choice(target.commands(path))
