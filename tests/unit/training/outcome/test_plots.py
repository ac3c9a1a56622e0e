import json

import pytest
from PIL import Image

from lact_modules.errors import InputError
from lact_modules.training.outcome.plots import plot_learning_curves


def write_log(path, entries):
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def measurements(steps):
    for step in steps:
        yield {"step": step, "split": "train", "loss": 9 / step, "lr": 1e-3}
        if step % 5 == 0:
            yield {"step": step, "split": "dev", "loss": 9 / step, "wer": 50, "cer": 20}


def test_draws_loss_error_rates_and_learning_rate(tmp_path):
    write_log(tmp_path / "metrics.jsonl", measurements(range(1, 21)))
    pictures = plot_learning_curves(tmp_path / "metrics.jsonl", tmp_path / "plots")
    names = [picture.name for picture in pictures]
    assert names == ["loss.png", "wer.png", "learning_rate.png"]
    for picture in pictures:
        with Image.open(picture) as image:
            assert image.width > 600
            # more than one color: something was drawn
            assert len(image.convert("L").getcolors()) > 2


def test_draws_nothing_that_was_not_measured(tmp_path):
    write_log(tmp_path / "log", [{"step": 1, "split": "train", "loss": 2.0}])
    pictures = plot_learning_curves(tmp_path / "log", tmp_path)
    assert [picture.name for picture in pictures] == ["loss.png"]
    assert not (tmp_path / "wer.png").exists()


def test_resumed_run_draws_as_if_it_had_never_been_killed(tmp_path):
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    write_log(whole, measurements(range(1, 21)))
    write_log(resumed, measurements(range(1, 13)))
    with open(resumed, "a") as stream:
        stream.write('{"step": 13, "split": "tr\n')
        for entry in measurements(range(9, 21)):
            stream.write(json.dumps(entry) + "\n")
    for log in (whole, resumed):
        plot_learning_curves(log, tmp_path / f"{log.name}-plots")
    for name in ("loss.png", "wer.png"):
        expected = (tmp_path / "whole-plots" / name).read_bytes()
        assert (tmp_path / "resumed-plots" / name).read_bytes() == expected


def test_not_a_number_leaves_a_gap(tmp_path):
    entries = list(measurements(range(1, 21)))
    entries[4]["loss"] = float("nan")
    write_log(tmp_path / "log", entries)
    assert (tmp_path / "loss.png") in plot_learning_curves(tmp_path / "log", tmp_path)


@pytest.mark.parametrize("content", [None, "", "not json\n"])
def test_missing_or_empty_log_is_named(tmp_path, content):
    log = tmp_path / "metrics.jsonl"
    if content is not None:
        log.write_text(content)
    with pytest.raises(InputError, match=r"metrics\.jsonl.*train"):
        plot_learning_curves(log, tmp_path)
