"""Streams of frames are labelled with what is to be written."""

import pytest
import torch


@pytest.fixture
def frames(load_benchmark):
    return load_benchmark("permuted_frames")


@pytest.fixture
def streams(load_benchmark, frames, corpus, make_words_run, tmp_path):
    """Make frames of two streams of three names each, at three speeds."""
    output = tmp_path / "streams"
    options = dict(names=3, strings=1, gap=0.6, train=2, dev=1, test=1)
    load_benchmark("permutation").main(output, corpus, **options)
    run = make_words_run(output / "words.model")
    trained = load_benchmark("permuted_training").load_model(run)
    texts = [
        trained.vocabulary.encode(each.text)
        for each in frames.read_manifest(output / "train.jsonl")
        for _ in range(3)
    ]
    return list(zip(frames.read_streams(trained, output), texts, strict=True))


def words_of(tokens):
    """Return the tokens of frames, once for each word."""
    found = torch.unique_consecutive(tokens)
    return found[found > 0].tolist()


def test_frames_of_words_are_what_is_to_be_written(streams):
    assert len(streams) == 6
    for stream, text in streams:
        assert words_of(stream.tokens) == text
        is_behind = stream.is_behind_gap
        assert words_of(stream.tokens[is_behind.int().argmax() :]) == text[6:]
        assert not stream.tokens[is_behind].eq(0).any()


def test_the_second_word_of_a_pair_has_the_first_as_its_name(streams):
    for stream, text in streams:
        named = stream.names > 0
        pairs = [*zip(text[0:6:2], text[1:6:2], strict=True)]
        both = torch.stack([stream.names, stream.tokens], dim=1)[named]
        found = torch.unique_consecutive(both, dim=0).tolist()
        assert found == [list(pair) for pair in pairs]


def test_slower_streams_have_more_frames_of_the_same(streams):
    (slow, _), (usual, _), (fast, _), *_ = streams
    for faster, slower in ((usual, slow), (fast, usual)):
        assert len(faster.frames) == pytest.approx(0.9 * len(slower.frames), rel=0.03)


def test_padding_has_no_label_and_is_not_behind_the_gap(frames, streams):
    joined = [stream for stream, _ in streams]
    batch = frames.join(joined)
    assert batch.frames.shape[:2] == batch.tokens.shape == batch.names.shape
    for i, stream in enumerate(joined):
        length = len(stream.tokens)
        assert batch.lengths[i] == length
        assert torch.equal(batch.tokens[i, :length], stream.tokens)
        assert batch.tokens[i, length:].eq(frames.NO_LABEL).all()
        assert not batch.is_behind_gap[i, length:].any()
