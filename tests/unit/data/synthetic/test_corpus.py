import errno
import sys

import numpy as np
import pytest
import soundfile

from lact_modules.data.corpus.split_folder import inspect_split
from lact_modules.data.synthetic import corpus as synthetic
from lact_modules.data.synthetic.corpus import make_corpus, record_speaker
from lact_modules.data.synthetic.grammar import vocabulary
from lact_modules.data.synthetic.voices import SPEAKERS, Speaker
from lact_modules.errors import InputError

pytest.importorskip("espeakng_loader")

SIZES = {"train": 4, "dev": 1, "test": 2}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("corpus")
    hours = make_corpus(folder, **SIZES, workers=2)
    return folder / "LibriSpeech", hours


@pytest.fixture
def no_speech(monkeypatch):
    """Record in this process, without espeak-ng."""

    def record(speaker, folder, seed):
        (folder / speaker.split / str(speaker.id)).mkdir(parents=True)
        return 3600.0

    monkeypatch.setattr(synthetic, "_in_own_process", record)


def contents(folder):
    return {
        path.relative_to(folder): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_corpus_reads_as_librispeech(corpus):
    folder, hours = corpus
    for split, size in SIZES.items():
        utterances, _ = inspect_split(folder / split)
        assert len(utterances) == size
        assert sum(u.duration for u in utterances) / 3600 == pytest.approx(hours[split])
        for utterance in utterances:
            assert 1 < utterance.duration < 5
            assert set(utterance.text.split()) <= vocabulary()
            stored = soundfile.info(utterance.audio_filepath)
            assert (stored.samplerate, stored.channels) == (16000, 1)
            assert stored.format == "FLAC"


def test_bytes_do_not_depend_on_the_number_of_workers(corpus, tmp_path):
    make_corpus(tmp_path, **SIZES, workers=1)
    assert contents(tmp_path / "LibriSpeech") == contents(corpus[0])


def test_speakers_are_listed(corpus):
    folder, _ = corpus
    lines = (folder / "SPEAKERS.TXT").read_text().splitlines()[1:]
    listed = {tuple(line.split(" | ")[:3:2]) for line in lines}
    assert listed == {
        (path.name, path.parent.name) for path in folder.glob("*/*") if path.is_dir()
    }


def test_recordings_have_quiet_ends_and_full_voices(tmp_path):
    speaker = Speaker(3, "dev", "en-us+m4", 150, 50, 50, utterances=2)
    seconds = record_speaker(speaker, tmp_path, seed=0)
    files = sorted(tmp_path.rglob("*.flac"))
    recordings = [soundfile.read(file)[0] for file in files]
    assert [file.stem for file in files] == ["3-1-0000", "3-1-0001"]
    assert sum(map(len, recordings)) / 16000 == pytest.approx(seconds)
    for samples in recordings:
        assert 0.25 < np.abs(samples).max() < 1
        assert 0 < np.abs(samples[:500]).max() < 0.05
        assert 0 < np.abs(samples[-500:]).max() < 0.05


def test_no_sentence_is_in_two_splits():
    def sentences(split):
        return {
            synthetic._write_sentence(synthetic.Random(number), split)
            for number in range(300)
        }

    train, dev, test = map(sentences, SPEAKERS)
    assert not train & dev
    assert not train & test
    assert not dev & test


def test_same_arguments_do_nothing_and_others_replace(tmp_path, no_speech):
    corpus = tmp_path / "LibriSpeech"
    hours = make_corpus(tmp_path, **SIZES)
    assert hours == {"train": 4.0, "dev": 1.0, "test": 2.0}
    made = corpus.stat().st_ino
    assert make_corpus(tmp_path, **SIZES) == hours
    assert corpus.stat().st_ino == made
    make_corpus(tmp_path, train=1, dev=1, test=1)
    assert len(list(corpus.glob("*/*"))) == 3


def test_what_fails_leaves_the_old_corpus_and_nothing_else(
    tmp_path, no_speech, monkeypatch
):
    make_corpus(tmp_path, **SIZES)
    before = contents(tmp_path)

    def fail(speaker, folder, seed):
        (folder / speaker.split).mkdir(parents=True, exist_ok=True)
        raise OSError(errno.ENOSPC, "No space left on device", str(folder))

    monkeypatch.setattr(synthetic, "_in_own_process", fail)
    with pytest.raises(OSError, match="No space left"):
        make_corpus(tmp_path, **SIZES, seed=1)
    assert contents(tmp_path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["LibriSpeech"]


def test_folder_of_someone_else_is_kept(tmp_path):
    precious = tmp_path / "LibriSpeech" / "train-clean-100"
    precious.mkdir(parents=True)
    with pytest.raises(InputError, match="no synthetic corpus; give another folder"):
        make_corpus(tmp_path, **SIZES)
    assert precious.is_dir()


def test_sizes_are_positive(tmp_path):
    with pytest.raises(InputError, match="each split needs an utterance"):
        make_corpus(tmp_path, train=10, dev=0, test=1)


def test_missing_loader_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(InputError, match="pip install"):
        make_corpus(tmp_path / "new", **SIZES)
    assert not (tmp_path / "new").exists()
