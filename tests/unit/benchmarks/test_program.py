"""How programs of ``benchmarks/`` end."""

import sys

import pytest

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
