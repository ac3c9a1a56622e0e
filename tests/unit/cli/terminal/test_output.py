from pathlib import Path

import pytest
from rich.table import Table

from lact_modules.cli.terminal.output import (
    open_output,
    open_report,
    print_table,
    show_progress,
)
from lact_modules.errors import InputError


def test_the_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with open_output(path) as stream:
        stream.write("né")
        assert path.read_text() == "old"
    assert path.read_bytes() == "né".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_after_a_fault_the_old_file_is_there(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), open_output(path) as stream:
        stream.write("half")
        raise ZeroDivisionError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_stdout(capsys):
    with open_output(None) as stream:
        stream.write("text")
    assert capsys.readouterr().out == "text"


def test_a_dash_is_stdout_and_all_else_goes_to_stderr(capsys):
    with open_report(Path("-")) as stream:
        stream.write("{}")
        print("a table")
    assert capsys.readouterr() == ("{}", "a table\n")


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"out\.txt: its folder cannot be made"):
        open_output(tmp_path / "file" / "new" / "out.txt").__enter__()
    with pytest.raises(InputError, match="not a regular file"):
        open_output(tmp_path).__enter__()


def test_a_missing_folder_is_made_and_not_left_empty(tmp_path):
    path = tmp_path / "new" / "deep" / "out.txt"
    with pytest.raises(ZeroDivisionError), open_output(path):
        raise ZeroDivisionError
    assert not list(tmp_path.iterdir())
    with open_output(path) as stream:
        stream.write("new")
    assert path.read_text() == "new"


def test_progress_is_silent_where_there_is_no_terminal(capsys):
    assert list(show_progress("abc", "Counting", 3)) == ["a", "b", "c"]
    assert capsys.readouterr() == ("", "")


def test_a_narrow_terminal_cuts_no_number(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "20")
    table = Table("decoding", "WER %", "95 %", title="a caption", box=None)
    table.add_row("beam+lm", "123.45", "100.00-123.45")
    table.add_row("a name of words", "7.00", "6.50-7.50")
    print_table(table)
    words = capsys.readouterr().out.split()
    assert {"beam+lm", "123.45", "100.00-123.45", "7.00", "6.50-7.50"} <= {*words}
