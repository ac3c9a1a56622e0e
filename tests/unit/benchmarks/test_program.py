"""How programs of ``benchmarks/`` end."""

import sys
from typing import Annotated

import pytest
import typer

from lact_modules.errors import InputError


def test_a_fault_of_the_user_is_one_line_and_code_2(
    load_benchmark, monkeypatch, capsys
):
    def main(data: str):
        raise InputError(f"{data}: no such file")

    monkeypatch.setattr(sys, "argv", ["benchmarks/latency.py", "a.jsonl"])
    with pytest.raises(SystemExit) as caught:
        load_benchmark("program").run_program(main)
    assert caught.value.code == 2
    assert capsys.readouterr().err == "latency.py: a.jsonl: no such file\n"


def test_options_are_read_by_their_former_names(load_benchmark, monkeypatch):
    found = []

    def main(
        system: Annotated[list[str], typer.Option()],
        options: Annotated[list[str], typer.Argument()],
    ):
        found.append((system, options))

    words = ["--arm", "a", "--arm=b", "--system", "c", "--", "--arm", "d"]
    monkeypatch.setattr(sys, "argv", ["benchmarks/encoders.py", *words])
    with (
        pytest.warns(FutureWarning, match="^--arm is now called --system$"),
        pytest.raises(SystemExit) as caught,
    ):
        load_benchmark("program").run_program(main)
    assert caught.value.code == 0
    assert found == [(["a", "b", "c"], ["--arm", "d"])]
