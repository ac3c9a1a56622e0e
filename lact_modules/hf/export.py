"""Exports that transformers reads as well."""

import json
from pathlib import Path

from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2Processor

from lact_modules.data.audio import SAMPLE_RATE
from lact_modules.hf.configuration import LaCTConfig
from lact_modules.hf.model import LaCTForCTC
from lact_modules.hf.tokenizer import LaCTTokenizer
from lact_modules.model_store.export import CONFIG_FILE, export_model
from lact_modules.model_store.trained_model import TrainedModel


def export_for_transformers(
    run_folder: str | Path,
    out_folder: str | Path,
    num_checkpoints: int | None = None,
    force: bool = False,
) -> TrainedModel:
    """Write an export, see `export_model`, that transformers loads as well.

    Beside the files of every export there are settings of a tokenizer and of a feature
    extractor, and some lines of code that import this package, for
    ``trust_remote_code=True``.
    """
    return export_model(
        run_folder, out_folder, num_checkpoints, force, complete=_complete
    )


def _complete(folder: Path) -> None:
    """Turn an export into one that transformers reads as well."""
    described = json.loads((folder / CONFIG_FILE).read_text(encoding="utf-8"))
    architectures = [LaCTForCTC.__name__]
    LaCTConfig(
        **described, architectures=architectures, dtype="float32"
    ).save_pretrained(folder)
    # what it reads is samples as they are
    extractor = Wav2Vec2FeatureExtractor(
        sampling_rate=SAMPLE_RATE, do_normalize=False, return_attention_mask=True
    )
    files = {
        key: str(folder / name)
        for key, name in LaCTTokenizer.vocab_files_names.items()
        if (folder / name).is_file()
    }
    Wav2Vec2Processor(extractor, LaCTTokenizer(**files)).save_pretrained(folder)
    # where readers of feature extractors alone look
    extractor.save_pretrained(folder)
