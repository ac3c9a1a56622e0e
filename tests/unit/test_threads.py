"""Commands take no more threads than OpenMP gives."""

import os
import subprocess
import sys

import pytest
import torch

from lact_modules.threads import obey_thread_limit

COMMAND_LINE = "from lact_modules.cli.main import main as command"
TRAINING = """
from lact_modules.training.launch import launch
from lact_modules.training.option.keys import CTC
def command():
    launch(None, CTC)
"""
COUNT = """
import sys, torch
sys.argv = ["command", "--help"]
try:
    command()
except SystemExit:
    pass
print(torch.get_num_threads())
"""


@pytest.mark.parametrize("command", [COMMAND_LINE, TRAINING], ids=["lact-asr", "train"])
def test_commands_take_no_more_threads_than_the_limit(command):
    env = {**os.environ, "OMP_NUM_THREADS": "2", "OMP_THREAD_LIMIT": "1"}
    line = [sys.executable, "-c", command + COUNT]
    ran = subprocess.run(line, env=env, capture_output=True, text=True, check=True)
    assert ran.stdout.split()[-1] == "1"


@pytest.mark.parametrize("limit", ["", "all", "0", "1000"])
def test_without_a_lower_limit_nothing_changes(limit, monkeypatch):
    monkeypatch.setenv("OMP_THREAD_LIMIT", limit)
    before = torch.get_num_threads()
    obey_thread_limit()
    assert torch.get_num_threads() == before
