"""A trained model recognizes speech whatever pauses are around it."""

import json

import numpy
import pytest
import soundfile

from lact_modules.cli.main import main
from lact_modules.data.audio import SAMPLE_RATE, load_audio
from lact_modules.scoring.error_rate import count_word_errors


@pytest.fixture(scope="module")
def paused(train, by_heart, tmp_path_factory):
    """Learn four sentences by heart, with pauses; not to be changed."""
    options = {**by_heart, "pause_prob": 0.5, "pause_seconds": "[0.1, 1.0]"}
    return train(tmp_path_factory.mktemp("paused"), num_epochs=45, **options)


@pytest.fixture(scope="module")
def speech(corpus):
    return load_audio(min(corpus.rglob("dev/**/*.flac"))).numpy()


def write(path, speech, seconds, level_db):
    """Write speech between pauses of zeros, or of noise."""
    noise = numpy.random.default_rng(0).normal(size=round(seconds * SAMPLE_RATE))
    pause = noise * (0.0 if level_db is None else 10 ** (level_db / 20))
    soundfile.write(path, numpy.concatenate([pause, speech, pause]), SAMPLE_RATE)
    return path


def test_speech_is_recognized_between_pauses(
    paused, speech, tmp_path, capsys, monkeypatch
):
    pauses = [(0.0, None), (0.5, None), (5.0, None), (15.0, None)]
    pauses += [(5.0, -70.0), (5.0, -50.0)]
    files = [
        write(tmp_path / f"{i}.flac", speech, *pause) for i, pause in enumerate(pauses)
    ]
    command = ["lact-asr", "transcribe", "--model", paused.folder, "--format", "json"]
    monkeypatch.setattr("sys.argv", [*map(str, [*command, *files])])
    with pytest.raises(SystemExit) as stop:
        main()
    assert not stop.value.code
    lines = capsys.readouterr().out.splitlines()
    without, *padded = (json.loads(line)["text"] for line in lines)
    assert len(without.split()) == 8
    counts = count_word_errors([without] * len(padded), padded)
    # without speech statistics all are, and words come in the silence too
    assert counts[:, :3].sum(axis=1).max() <= 2
