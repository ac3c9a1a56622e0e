import os
import subprocess
import sys

import numpy as np
import soundfile

from lact_modules.hf.export import export_for_transformers
from lact_modules.inference.transcriber import Transcriber
from tests.documents import examples


def test_a_model_is_used_from_everywhere_with_the_same_text(
    windowed_run, onnx_export, tmp_path
):
    (tmp_path / "RUN").symlink_to(windowed_run)
    (tmp_path / "ONNX").symlink_to(onnx_export)
    export_for_transformers(windowed_run, tmp_path / "EXPORT")
    samples = 0.1 * np.random.default_rng(1).standard_normal(40_000)
    # sherpa-onnx subtracts the mean
    soundfile.write(tmp_path / "talk.wav", samples - samples.mean(), 16_000, "FLOAT")
    blocks = examples("../README.md", "python")
    assert len(blocks) == 5
    (tmp_path / "use.py").write_text("\n".join(blocks))
    finished = subprocess.run(
        [sys.executable, "use.py"],
        cwd=tmp_path,
        env={**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    assert finished.returncode == 0, finished.stderr
    [hypothesis] = Transcriber.from_folder(windowed_run).transcribe(
        tmp_path / "talk.wav"
    )
    assert hypothesis.text
    # sherpa-onnx keeps repeated spaces
    printed = [" ".join(line.split()) for line in finished.stdout.splitlines()]
    assert printed == [hypothesis.text] * len(blocks)
