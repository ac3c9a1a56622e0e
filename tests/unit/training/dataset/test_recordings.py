import numpy as np
import pytest
import soundfile
import torch

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.training.dataset import recordings as module
from lact_modules.training.dataset.dataset import make_dataset, read_ahead

VOCABULARY = Vocabulary.from_texts(["TRUONEWMIS"])


@pytest.fixture
def utterances(tmp_path):
    """Two that can be read, between two that cannot."""
    names = ["truncated", "one", "two", "missing"]
    for name in ("one", "two", "truncated"):
        samples = np.random.default_rng(0).normal(scale=0.1, size=16000)
        soundfile.write(tmp_path / f"{name}.flac", samples, 16000)
    content = (tmp_path / "truncated.flac").read_bytes()
    (tmp_path / "truncated.flac").write_bytes(content[: len(content) // 2])
    return [
        Utterance(name, str(tmp_path / f"{name}.flac"), name[:3].upper(), 1.0)
        for name in names
    ]


@pytest.fixture
def reads(monkeypatch):
    load, reads = module.load_utterance, []

    def load_and_count(utterance):
        reads.append(utterance.audio_filepath)
        return load(utterance)

    monkeypatch.setattr(module, "load_utterance", load_and_count)
    return reads


@pytest.mark.parametrize(("in_memory", "num_reads"), [(True, 2), (False, 6)])
def test_in_memory_reads_a_file_once(utterances, reads, in_memory, num_reads):
    dataset = make_dataset(utterances[1:3], VOCABULARY, in_memory)
    items = [dataset[row] for _ in range(3) for row in (0, 1)]
    assert len(reads) == num_reads
    assert torch.equal(items[0]["signal"], items[4]["signal"])


def test_workers_find_what_was_read_before_them(utterances, reads, monkeypatch):
    dataset = make_dataset(utterances, VOCABULARY, in_memory=True)
    read_ahead(dataset)
    read_ahead(dataset)
    assert sorted(reads) == sorted(u.audio_filepath for u in utterances)
    monkeypatch.delattr(module, "load_utterance")
    loader = torch.utils.data.DataLoader(dataset, num_workers=2, collate_fn=list)
    for _ in range(2):
        items = [item for batch in loader for item in batch]
        assert [len(item["signal"]) for item in items] == [0, 16000, 16000, 0]


def test_nothing_is_read_ahead_that_is_not_kept(utterances, reads):
    read_ahead(make_dataset(utterances, VOCABULARY))
    assert not reads


def test_what_cannot_be_read_is_named_and_has_no_signal(utterances):
    truncated, one, _, missing = make_dataset(utterances, VOCABULARY)
    assert (one["text"], one["faults"]) == ("ONE", {})
    assert len(truncated["signal"]) == len(missing["signal"]) == 0
    assert "truncated.flac" in truncated["faults"]["truncated"]
    assert missing["faults"]["missing"].endswith("missing.flac: no such file")


def test_a_stream_goes_without_what_cannot_be_read(utterances):
    [item] = make_dataset([tuple(utterances)], VOCABULARY, must_spell=False)
    assert item["text"] == "ONE TWO"
    assert VOCABULARY.decode(item["tokens"].tolist()) == "ONE TWO"
    assert len(item["signal"]) == 32000
    assert item["faults"].keys() == {"truncated", "missing"}
