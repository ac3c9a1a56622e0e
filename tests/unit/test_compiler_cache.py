import os
import subprocess
import sys
from pathlib import Path

from lact_modules import compiler_cache

# the user of a container: a number without an entry in /etc/passwd, and no HOME
NAMELESS = """
import importlib, os, pkgutil, pwd, sys

def refuse(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")

pwd.getpwuid = refuse
for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME"):
    os.environ.pop(name, None)
import lact_modules
for module in pkgutil.walk_packages(lact_modules.__path__, "lact_modules."):
    importlib.import_module(module.name)
assert "torch._dynamo" not in sys.modules, "imports the compiler"
import torch
torch.optim.AdamW(torch.nn.Linear(1, 1).parameters())
print(os.environ["TORCHINDUCTOR_CACHE_DIR"])
"""


def test_users_without_a_name_can_import_everything_and_train():
    environment = os.environ.copy()
    environment.pop(compiler_cache.VARIABLE, None)
    finished = subprocess.run(
        [sys.executable, "-c", NAMELESS],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert Path(finished.stdout.strip()).name == f"torchinductor_{os.getuid()}"


def test_a_folder_that_the_environment_names_stays(monkeypatch):
    monkeypatch.setenv(compiler_cache.VARIABLE, "mine")
    compiler_cache.name_compiler_cache()
    assert os.environ[compiler_cache.VARIABLE] == "mine"
