"""Files of wav2vec 2.0 models as they are published: found, and read."""

import json
import re
from pathlib import Path
from typing import Any

from huggingface_hub import snapshot_download
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lact_modules.errors import InputError
from lact_modules.hub_session import describe_fault, hub_session, is_unreachable

CONFIG_FILE = "config.json"
PREPROCESSOR_FILE = "preprocessor_config.json"
PROCESSOR_FILE = "processor_config.json"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
SHARDS = "model-*.safetensors"

MODEL_TYPES = ("wav2vec2", "hubert", "wavlm")

# of models with something on top
_PREFIX = re.compile(rf"^(?:{'|'.join(MODEL_TYPES)})\.")


def find_folder(source: str | Path) -> Path:
    """Return the folder of a model, fetched from the hub if it is none here."""
    if Path(source).is_dir():
        return Path(source)
    wanted = [CONFIG_FILE, PREPROCESSOR_FILE, PROCESSOR_FILE]
    wanted += [WEIGHTS_FILE, INDEX_FILE, SHARDS]
    try:
        with hub_session():
            return Path(snapshot_download(str(source), allow_patterns=wanted))
    except Exception as error:
        # else its kind alone: a server's message is long, and may quote a token
        is_cut_off = is_unreachable(error)
        reason = describe_fault(error) if is_cut_off else type(error).__name__
        raise InputError(
            f"{source}: no such folder, and not fetched from the hub ({reason}); give "
            "a folder, or a model's organization/name"
        ) from error


def read_preprocessor(folder: Path, source: str | Path) -> dict[str, Any]:
    """Read how a model's waveforms were made; as transformers chooses among files."""
    # since transformers 5, beside a tokenizer's settings
    if (folder / PROCESSOR_FILE).is_file():
        nested = read_json(folder / PROCESSOR_FILE, source).get("feature_extractor")
        if isinstance(nested, dict):
            return nested
    if (folder / PREPROCESSOR_FILE).is_file():
        return read_json(folder / PREPROCESSOR_FILE, source)
    return {}


def read_json(path: Path, source: str | Path) -> dict[str, Any]:
    """Read a file that describes a model."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(
            f"{source}: has no {path.name}; give a model in transformers' format"
        ) from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{source}: {path.name} is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise InputError(f"{source}: {path.name} does not describe a model")
    return content


def list_files(folder: Path, source: str | Path) -> list[Path]:
    """List a model's files of weights."""
    if (folder / WEIGHTS_FILE).is_file():
        return [folder / WEIGHTS_FILE]
    if (folder / INDEX_FILE).is_file():
        shards = read_json(folder / INDEX_FILE, source).get("weight_map")
        if isinstance(shards, dict):
            # by name: an index does not lead out of its folder
            return sorted({folder / Path(str(name)).name for name in shards.values()})
        raise InputError(f"{source}: {INDEX_FILE} has no weight_map")
    raise InputError(
        f"{source}: has no {WEIGHTS_FILE}, and pickles are not read; load it with "
        "transformers, save it by save_pretrained(FOLDER), and give that folder"
    )


def read_tensors(paths: list[Path], source: str | Path) -> dict[str, Tensor]:
    """Read what lies before the encoder, by names without prefix."""
    tensors = {}
    for path in paths:
        try:
            with safe_open(path, framework="pt") as file:
                keys = file.keys()
                for key in keys:
                    name = _PREFIX.sub("", key)
                    if name.startswith(("feature_extractor.", "feature_projection.")):
                        tensors[name] = file.get_tensor(key)
        except (SafetensorError, OSError) as error:
            raise InputError(
                f"{source}: {path.name} cannot be read as safetensors ({error})"
            ) from error
    return tensors
