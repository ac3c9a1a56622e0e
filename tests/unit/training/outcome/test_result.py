import json
from dataclasses import asdict
from datetime import datetime, timedelta

import pytest

from lact_modules.scoring.error_rate import score
from lact_modules.training.outcome.result import publishable_command, write_result

RUN = {
    "recipe": "LibriSpeech/ASR/CTC",
    "model": "lact_demo",
    "dataset": "digits",
    "parameters": 1_500_000,
    "seed": 7,
    "command": ["train.py", "hparams/lact_demo.yaml"],
}


def test_result_holds_measurements_and_what_it_takes_to_repeat_them(tmp_path):
    path = tmp_path / "run" / "result.json"
    greedy = {**asdict(score(["A B"], ["A"])), "rtf": 0.01}
    write_result(path, {"test": {"greedy": greedy}}, training_wall_s=60.0, **RUN)
    result = json.loads(path.read_text())
    assert result["metrics"]["test"]["greedy"]["wer"] == 50.0
    assert len(result["metrics"]["test"]["greedy"]["wer_interval"]) == 2
    assert (result["parameters"], result["seed"]) == (1_500_000, 7)
    assert result["training_wall_s"] == 60.0
    assert {"torch", "speechbrain", "lact_modules"} <= result["versions"].keys()
    assert result["hardware"]["cpu"]
    written = datetime.fromisoformat(result["date"])
    assert written.utcoffset() == timedelta(0)


def test_failed_write_leaves_the_old_result(tmp_path):
    path = tmp_path / "result.json"
    write_result(path, {}, **RUN)
    before = path.read_text()
    with pytest.raises(TypeError):
        write_result(path, {"test": {"greedy": {"wer": object()}}}, **RUN)
    assert path.read_text() == before


@pytest.mark.parametrize(
    ("argument", "published"),
    [
        ("--data_folder=/home/me/data/LibriSpeech", "--data_folder=LibriSpeech"),
        ("/home/me/data/LibriSpeech/", "LibriSpeech"),
        ("../../../../corpus/LibriSpeech", "../../../../corpus/LibriSpeech"),
        ("--lr=1e-4", "--lr=1e-4"),
        ("{noise: /me/noise, rirs: /me/rirs}", "'{noise: noise, rirs: rirs}'"),
        ("https://example.org/a/b", "https://example.org/a/b"),
    ],
)
def test_command_keeps_no_absolute_path(argument, published):
    command = publishable_command(["/home/me/recipe/train.py", argument])
    assert command == f"python train.py {published}"
