from pathlib import Path

import pytest
from PIL import Image

ROOT = Path(__file__).parents[3]
DEMO = ROOT / "recipes" / "LibriSpeech" / "ASR" / "CTC" / "hparams" / "lact_demo.yaml"
SMALL = ("--d_model", "32", "--encoder={num_layers: 3}")


def test_draws_and_prints_each_groups_rates(lact_asr, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finished = lact_asr(
        *("plot-schedule", DEMO, *SMALL, "--steps", "400", "--warmup_steps", "100"),
        *("--learning_rate", "0.01", "--layer_decay=0.5", "-o", "rates.png"),
    )
    assert finished.code == 0
    rows = [line.split() for line in finished.out.splitlines()]
    numbers = {row[0]: row[1:] for row in rows if len(row) == 7}
    assert "peak" in finished.out
    assert numbers["others"][:3] == ["1.0e-02", "1.0e-04", "1.0e-02"]
    assert numbers["encoder.blocks.2"][0] == "5.0e-03"
    assert numbers["frontend"][0] == "6.3e-04"
    # no folder of a run is left behind
    assert [path.name for path in tmp_path.iterdir()] == ["rates.png"]
    with Image.open("rates.png") as image:
        assert image.width > 600


def test_schedule_and_stages_by_one_line_each(lact_asr, tmp_path):
    finished = lact_asr(
        *("plot-schedule", DEMO, *SMALL, "--steps", "100", "--num_epochs", "5"),
        *("--output", tmp_path / "rates.png"),
        *("--schedule", f"!include:{ROOT}/hparams/schedule/tri_stage.yaml"),
        *("--unfreezing_stages", f"!include:{ROOT}/hparams/finetuning/stages_ctc.yaml"),
    )
    assert finished.code == 0
    [output] = [line for line in finished.out.splitlines() if "output" in line]
    assert output.split()[1:4] == ["1.0e-04", "1.0e-06", "1.0e-04"]
    [frozen] = [line for line in finished.out.splitlines() if "others" in line]
    assert frozen.split()[1:] == ["0"] * 6


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--warmup_step", "100"], "no key 'warmup_step'; did you mean"),
        (["--warmup_steps"], "--warmup_steps: has no value; expected a whole number"),
        (["warmup_steps", "100"], "'warmup_steps': no option; expected --key value"),
        (["--parameter_groups", "[{match: lstm}]"], "'lstm' matches no parameter"),
    ],
)
def test_faults_are_named(lact_asr, tmp_path, words, message):
    output = tmp_path / "rates.png"
    finished = lact_asr("plot-schedule", DEMO, *SMALL, "-o", output, *words)
    assert finished.code == 2
    assert message in finished.err
    assert not output.exists()
