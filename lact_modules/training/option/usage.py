"""``train.py --help``: keys of a recipe, what they are now, and what fits them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from lact_modules.errors import InputError
from lact_modules.former_keys import in_present_keys
from lact_modules.training.option.defaults import OPTIONAL, REQUIRED, default_of
from lact_modules.training.option.kind.wording import shown
from lact_modules.training.option.run_options import RUN_OPTIONS
from lact_modules.training.option.sizes import sizes_in
from lact_modules.training.option.training_keys import Keys


class _Row(NamedTuple):
    """A key, its value, and what it is for."""

    name: str
    value: str
    about: str


def show_usage(script: str, yaml_file: str | None, keys: Keys) -> None:
    """Print how to start a recipe, and its keys with values and words about each."""
    console = Console(soft_wrap=False, highlight=False)
    console.print(
        Text(
            f"python {Path(script).name} YAML --key value --key=value --flag\n\n"
            "Text is taken as it stands; other values are YAML: 0.1, null, [a, b], "
            "'{num_layers: 6}', which changes an argument of an object. Run it again "
            "to resume.\n"
        )
    )
    files = sorted(Path(script).resolve().parent.glob("hparams/*.yaml"))
    if yaml_file is None and files:
        names = "\n".join(f"    hparams/{file.name}" for file in files)
        console.print(Text(f"YAML files; --help shows the values of one:\n{names}\n"))
    in_file = {row.name: row for row in read_rows(yaml_file)} if yaml_file else {}
    if yaml_file and "sizes" in in_file:
        sizes = sizes_in(Path(yaml_file).parent / in_file["sizes"].value)
        console.print(Text(f"Sizes, for --size: {', '.join(sizes)}\n"))
    rows = [
        _Row(name, _default(default_of(name, key)), key.about)
        for name, key in keys.items()
        if name not in in_file and not (yaml_file and key.default is OPTIONAL)
    ]
    own = [
        row._replace(about=_about(row.name, keys) or row.about)
        for row in in_file.values()
    ]
    recipe = [row for row in rows if row.name not in RUN_OPTIONS]
    options = [row for row in rows if row.name in RUN_OPTIONS]
    for title, part in (
        (f"Keys of {yaml_file}", own),
        ("Other keys of the recipe" if own else "Keys of the recipe", recipe),
        ("SpeechBrain's run options", options),
    ):
        if part:
            console.print(_table(title, part, keys))


def _about(name: str, keys: Keys) -> str:
    return keys[name].about if name in keys else ""


def _default(value: object) -> str:
    words = {id(REQUIRED): "(in the YAML)", id(OPTIONAL): "(in the YAML)"}
    return words.get(id(value)) or shown(value)


def _table(title: str, rows: list[_Row], keys: Keys) -> Table:
    table = Table(box=box.SIMPLE, title=title, title_justify="left", pad_edge=False)
    table.add_column("key", no_wrap=True)
    table.add_column("value", overflow="fold", max_width=32)
    table.add_column("what it is for; what fits", overflow="fold")
    for row in rows:
        expected = keys[row.name].kind.expected if row.name in keys else ""
        about = "; ".join(part for part in (row.about, expected) if part)
        table.add_row(*map(Text, (f"--{row.name}", row.value, about)))
    return table


def read_rows(yaml_file: str) -> Iterator[_Row]:
    """Read the top-level keys of a YAML file with the comments above them."""
    path = Path(yaml_file)
    if not path.is_file():
        raise InputError(f"{path}: no such YAML file; see hparams/ beside train.py")
    comments: list[str] = []
    is_above = False
    text = in_present_keys(path.read_text(encoding="utf-8"))
    for line in text.splitlines():
        if match := re.match(r"([A-Za-z]\w*):\s*(.*)", line):
            about = " ".join(comments) if is_above else ""
            yield _Row(match[1], match[2] or "...", about)
        is_comment = line.startswith("#")
        comments = [*comments, line.lstrip("# ")] if is_comment else []
        # a comment above a blank line is a heading
        is_above = is_comment
