from dataclasses import dataclass
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from lact_modules.cli.option.grouped import grouped


@dataclass(frozen=True)
class Size:
    width: Annotated[int, typer.Option(min=1, help="Columns.")] = 2
    height: Annotated[int, typer.Option("--rows", help="Rows.")] = 3


@dataclass(frozen=True)
class Margins:
    width: int = 1


@pytest.fixture
def run():
    app = typer.Typer()

    @app.command()
    @grouped
    def area(unit: str, *, size: Size, is_doubled: bool = False) -> None:
        """Multiply."""
        typer.echo(f"{size.width * size.height * (1 + is_doubled)} {unit}")

    return lambda *words: CliRunner().invoke(app, words)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], "6 m2\n"),
        (["--rows", "5", "--is-doubled"], "20 m2\n"),
        (["--width", "4", "--rows", "1"], "4 m2\n"),
    ],
)
def test_a_group_has_the_options_of_its_fields(run, words, found):
    assert run("m2", *words).output == found


def test_options_are_checked_and_listed_in_their_order(run):
    refused = run("m2", "--width", "0")
    assert refused.exit_code == 2
    assert "--width" in refused.stderr
    text = run("--help").output
    assert text.index("--width") < text.index("--rows") < text.index("--is-doubled")
    assert "Multiply." in text


def test_two_groups_with_an_option_of_one_name():
    def both(*, size: Size, margins: Margins) -> None: ...

    with pytest.raises(ValueError, match="duplicate parameter name: 'width'"):
        grouped(both)
