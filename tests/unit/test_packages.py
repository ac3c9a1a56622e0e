import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from lact_modules.errors import InputError
from lact_modules.packages import misfits_named, torchaudio_that_fits

RECIPES = sorted((Path(__file__).parents[2] / "recipes").rglob("train.py"))


@pytest.fixture
def installed(monkeypatch):
    """Report other releases than those that are installed."""

    def pretend(**versions):
        monkeypatch.setattr(metadata, "version", versions.__getitem__)

    return pretend


@pytest.mark.parametrize(
    ("torch", "torchaudio", "fitting"),
    [
        ("2.11.0", "2.11.0", None),
        ("2.11.0+cpu", "2.11.1", "torchaudio==2.11.0"),
        ("2.12.1", "2.11.1+cu130", "torchaudio==2.11.0"),
        ("2.13.0", "2.11.0", None),
        ("2.13.0+cpu", "2.11.1", None),
        ("2.14.1", "2.11.1", None),
        ("2.15.0", "2.11.0", "torchaudio>=2.11.1"),
        ("2.15.0", "2.11.1", None),
    ],
)
def test_torchaudio_has_to_fit_torch(installed, torch, torchaudio, fitting):
    installed(torch=torch, torchaudio=torchaudio)
    assert torchaudio_that_fits() == fitting


def test_torchaudio_that_cannot_be_loaded_is_named_with_the_remedy(
    installed, monkeypatch
):
    installed(torch="2.12.0", torchaudio="2.11.1")
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    with (
        pytest.raises(InputError, match=r"torch 2.12.0: pip .* 'torchaudio==2.11.0'"),
        misfits_named(),
    ):
        raise OSError("Could not load this library: libtorchaudio.so")


@pytest.mark.parametrize("torchaudio", ["2.11.0", "2.11.1"])
def test_other_faults_pass(installed, monkeypatch, torchaudio):
    installed(torch="2.12.0", torchaudio=torchaudio)
    if torchaudio == "2.11.0":
        monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    else:
        monkeypatch.setitem(sys.modules, "torchaudio", object())
    with pytest.raises(OSError, match="disk"), misfits_named():
        raise OSError("disk")


@pytest.fixture
def with_misfits(tmp_path):
    """Shadow torch's release and torchaudio by ones that do not fit together."""
    for name, version in {"torch": "2.12.0", "torchaudio": "2.11.1"}.items():
        folder = tmp_path / f"{name}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (tmp_path / "torchaudio.py").write_text('raise OSError("libtorchaudio.so")')
    paths = [tmp_path, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, paths))}


# one process for all of them, which import torch
RUN_ALL = """
import runpy, sys
for recipe in sys.argv[1:]:
    try:
        runpy.run_path(recipe, run_name="__main__")
    except SystemExit as end:
        print(end.code)
"""


def test_recipes_report_on_one_line_that_torchaudio_does_not_fit(with_misfits):
    command = [sys.executable, "-c", RUN_ALL, *RECIPES]
    done = subprocess.run(command, env=with_misfits, capture_output=True, text=True)
    assert done.stdout.split() == ["2"] * len(RECIPES)
    line = (
        "train.py: torchaudio 2.11.1 cannot be loaded with torch 2.12.0: "
        "pip install 'torchaudio==2.11.0'"
    )
    assert done.stderr.splitlines() == [line] * len(RECIPES)
