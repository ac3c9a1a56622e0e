"""Commands of the documentation, read by the parsers that would read them."""

import argparse
import importlib.util
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from unittest import mock

import torch.distributed.run
import typer
from typer.core import TyperCommand

from lact_modules.cli.main import app
from lact_modules.training.option.command_line import read_command_line
from lact_modules.training.option.hparams import read_settings
from lact_modules.training.option.keys import EVERY
from tests.documents import ROOT, Block
from tests.recipes.conftest import KEYS

RECIPES = ROOT / "recipes"
DEFAULT_RECIPE = RECIPES / "LibriSpeech" / "ASR" / "CTC"

OUTSIDE = {"arecord", "du", "export", "ffmpeg", "git", "mlflow", "ray", "source"}
"""Programs of others, whose options are not ours to check."""

_DATA = ("--data_folder", "DATA")
_ACCEPTED: set[tuple[Path, str]] = set()


class WrongCommand(Exception):
    """A command of the documentation that would be refused."""


class _Parsed(Exception):
    """The command line is read; the program would start to work."""


def commands_of(script: str) -> Iterator[list[str]]:
    """Split shell commands into words; a loop runs once, with its first value."""
    joined = script.replace("\\\n", " ")
    loops = dict(re.findall(r"^for (\w+) in (\S+)", joined, re.MULTILINE))
    for line in joined.splitlines():
        for name, value in loops.items():
            line = re.sub(rf"\${name}\b", value, line)
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";|&")
        lexer.whitespace_split = True
        words: list[str] = []
        for word in (*lexer, ";"):
            if word not in (";", "|", "||", "&", "&&"):
                words.append(word)
            else:
                words = words[1:] if words[:1] in (["do"], ["time"]) else words
                if words:
                    yield words
                words = []


def check_block(block: Block, recipe: Path) -> Path:
    """Read each command of a block as its program would.

    Arguments
    ---------
    block : Block
        Of shell commands.
    recipe : Path
        Folder that earlier blocks of the page left the reader in.

    Returns
    -------
    Path
        Folder that this block leaves the reader in.

    Raises
    ------
    WrongCommand
        If there is no such program, or it would refuse a command.
    """
    places: tuple[Path, ...] = (ROOT, recipe)
    for words in commands_of(block.text):
        program = Path(words[0]).name
        try:
            if program == "cd":
                recipe = ROOT / words[1]
                places = (recipe,)
            _check(program, words, places)
        except (SystemExit, Exception) as error:
            raise WrongCommand(f"{shlex.join(words)}: {error}") from error
    return recipe


def _check(program: str, words: list[str], places: Sequence[Path]) -> None:
    if program == "cd":
        _must((ROOT / words[1]).is_dir(), "no such folder")
    elif program == "lact-asr":
        _check_subcommand(words[1:], places)
    elif program in ("python", "torchrun"):
        # of another environment, or a module or a line of Python
        is_outside = words[0] != program and ".venv" not in words[0]
        if not is_outside and words[1] not in ("-c", "-m"):
            _check_python(words, places)
    elif program == "make":
        made = subprocess.run(
            ["make", "--dry-run", *words[1:]], cwd=ROOT, capture_output=True, text=True
        )
        _must(made.returncode == 0, made.stderr)
    elif program == "pytest":
        paths = [word for word in words[1:] if "/" in word]
        _must(all((ROOT / path).exists() for path in paths), "no such tests")
    elif program in ("uvx", "pipx"):
        _check_subcommand(words[words.index("lact-asr") + 1 :], places)
    elif program in ("pip", "uv"):
        for extra in re.findall(r"(?:lact-asr|\.)\[([\w,-]+)\]", words[-1]):
            project = (ROOT / "pyproject.toml").read_text()
            _must(re.search(rf"(?m)^{extra} = \[", project), "no such extra")
    elif program in ("bash", "submit.sh"):
        script = words[1] if program == "bash" else words[0]
        _must((ROOT / script).is_file(), "no such script")
        if "--" in words:
            options = words[words.index("--") + 1 :]
            _check_recipe(["hparams/lact_base.yaml", *_DATA, *options], places)
    else:
        _must(program in {*OUTSIDE, "for", "done"}, "no such program")


def _must(is_so: object, fault: str) -> None:
    if not is_so:
        raise WrongCommand(fault)


def _check_subcommand(words: list[str], places: Sequence[Path]) -> None:
    command = typer.main.get_command(app)
    context = _read(command, "lact-asr", words)
    if context.command.name == "plot-schedule":
        recipe = str(context.params["recipe"])
        _check_recipe([recipe, *_DATA, *context.args], places)


def _read(command, name: str, words: list[str]):
    """Return what a command has read, and do not run it."""
    with mock.patch.object(TyperCommand, "invoke", lambda _, context: context):
        return command.main(words, name, standalone_mode=False)


def _check_python(words: list[str], places: Sequence[Path]) -> None:
    if Path(words[0]).name == "torchrun":
        launcher = torch.distributed.run.get_args_parser()
        options = launcher.parse_args(words[1:])
        words = ["python", options.training_script, *options.training_script_args]
    script = _find(words[1], places)
    if script.name == "train.py":
        _check_recipe(words[2:], places)
        return
    with mock.patch.object(sys, "path", [str(script.parent), *sys.path]):
        main = _import(script).main
    if script.parent.name == "benchmarks":
        program = typer.Typer()
        program.command()(main)
        _read(typer.main.get_command(program), script.name, words[2:])
    else:
        _run_until_parsed(main, words[1:])


def _find(name: str, places: Sequence[Path]) -> Path:
    """Find a file where a reader of the page is."""
    for place in places:
        if (place / name).is_file():
            return (place / name).resolve()
    raise WrongCommand(f"{name}: no such file in {places[-1].relative_to(ROOT)}")


@cache
def _import(script: Path):
    spec = importlib.util.spec_from_file_location(script.stem, script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _run_until_parsed(main, argv: list[str]) -> None:
    parse = argparse.ArgumentParser.parse_args

    def stop(parser):
        parse(parser)
        raise _Parsed

    with (
        mock.patch.object(sys, "argv", argv),
        mock.patch.object(argparse.ArgumentParser, "parse_args", stop),
    ):
        try:
            main()
        except _Parsed:
            return
    raise WrongCommand(f"{argv[0]}: reads no command line")


def _check_recipe(words: list[str], places: Sequence[Path]) -> None:
    """Read keys and values, and the arguments of objects, and make nothing."""
    yaml_file = _find(read_command_line(words, EVERY).yaml_file or "", places)
    recipe = yaml_file.parents[1].relative_to(RECIPES)
    keys = KEYS["/".join(recipe.parts[1:])]
    overrides = read_command_line(words, keys).overrides
    if "data_folder" in overrides:
        overrides["data_folder"] = "DATA"
    if (yaml_file, repr(overrides)) in _ACCEPTED:
        return
    # placeholders of paths need not exist
    with mock.patch(
        "lact_modules.training.option.kind.kinds._must_exist", lambda _: True
    ):
        read_settings(yaml_file, overrides, keys)
    _ACCEPTED.add((yaml_file, repr(overrides)))
