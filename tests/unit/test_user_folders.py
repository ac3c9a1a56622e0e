import os
import subprocess
import sys
from pathlib import Path

from hyperpyyaml import resolve_references

from lact_modules import user_folders

CTC = Path(__file__).parents[2] / "recipes" / "LibriSpeech" / "ASR" / "CTC"
# between them they have every layer
MODELS = ("conmamba_hnet_demo", "gated_deltanet_demo", "hybrid_demo", "lact_streaming")

# the user of a container: a number without an entry in /etc/passwd, and no HOME
NAMELESS = """
import importlib, os, pwd, sys
from pathlib import Path

def refuse(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")

pwd.getpwuid = refuse
for name in ("LOGNAME", "USER", "LNAME", "USERNAME", "HOME"):
    os.environ.pop(name, None)
import lact_modules
root = Path(lact_modules.__path__[0])
paths = [path.relative_to(root.parent) for path in root.rglob("[!_]*.py")]
names = [".".join(path.with_suffix("").parts) for path in paths]
# transformers imports the compiler
of_transformers = [name for name in names if name.startswith("lact_modules.hf.")]
for name in set(names) - {*of_transformers}:
    importlib.import_module(name)
assert "torch._dynamo" not in sys.modules, "imports the compiler"
for name in of_transformers:
    importlib.import_module(name)
import torch
torch.optim.AdamW(torch.nn.Linear(1, 1).parameters())
print(os.environ["TORCHINDUCTOR_CACHE_DIR"], os.environ["MPLCONFIGDIR"])
"""


def test_users_without_a_name_can_import_everything_and_train():
    environment = os.environ.copy()
    for name in user_folders.VARIABLES:
        environment.pop(name, None)
    finished = subprocess.run(
        [sys.executable, "-c", NAMELESS],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    names = [Path(folder).name for folder in finished.stdout.split()]
    assert names == [f"torchinductor_{os.getuid()}", f"matplotlib_{os.getuid()}"]


DESCRIBED = """
import sys
from lact_modules.errors import InputError
from lact_modules.model_store.run.hyperparameters import read_hyperparameter
from lact_modules.model_store.model_builder import build_trained_model
for path in sys.argv[1:]:
    try:
        build_trained_model(read_hyperparameter(path, "model"), {})
    except InputError as error:
        print(error)
assert "torch._dynamo" not in sys.modules, "imports the compiler"
"""


def test_a_model_is_compared_with_its_weights_without_the_compiler(tmp_path):
    paths = [tmp_path / f"{name}.yaml" for name in MODELS]
    for path in paths:
        overrides = {"data_folder": "corpus"}
        with open(CTC / "hparams" / path.name, encoding="utf-8") as stream:
            path.write_text(resolve_references(stream, overrides).read())
    finished = subprocess.run(
        [sys.executable, "-c", DESCRIBED, *paths],
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout.count("is missing; the weights and") == len(MODELS)


def test_a_folder_that_the_environment_names_stays(monkeypatch):
    monkeypatch.setenv(user_folders.COMPILER_CACHE, "mine")
    user_folders.name_user_folders()
    assert os.environ[user_folders.COMPILER_CACHE] == "mine"
