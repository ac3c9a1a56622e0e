import torch

from lact_modules.training.batch.batching import take
from lact_modules.training.batch.speech_batch import SpeechBatch, count_valid


def item(name, signal=3, tokens=2, **more):
    tokens = torch.ones(tokens, dtype=torch.int64)
    texts = {"text": "A" * len(tokens), **more}
    return {"id": name, "signal": torch.ones(signal), "tokens": tokens, **texts}


def test_a_batch_without_a_word_has_no_tokens():
    batch = SpeechBatch([item("a", tokens=0), item("b", tokens=0)])
    assert batch.tokens.data.shape == (2, 0)
    assert count_valid(batch.tokens).tolist() == [0, 0]
    assert count_valid(take(batch, [1, 0]).tokens).tolist() == [0, 0]
    assert batch.to("cpu").text == ["", ""]


def test_what_could_not_be_read_is_left_out():
    lost = item("b", signal=0, faults={"b": "b.wav: truncated"})
    batch = SpeechBatch([item("a", faults={}), lost, item("c", signal=5, faults={})])
    assert batch.id == ["a", "c"]
    assert batch.signal.data.shape == (2, 5)
    assert batch.faults == {"b": "b.wav: truncated"}
    assert not batch.is_lost
    assert take(batch, [1]).id == ["c"]


def test_silence_stands_for_a_batch_that_is_lost():
    faults = {name: "no such file" for name in "ab"}
    lost = [item(name, signal=0, duration=1.0, faults=faults) for name in "ab"]
    batch = SpeechBatch(lost)
    assert batch.is_lost
    assert batch.faults == faults
    assert (len(batch), batch.text) == (1, [""])
    assert batch.signal.data.abs().max() == 0
    assert count_valid(batch.tokens).tolist() == [0]
