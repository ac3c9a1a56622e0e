from lact_modules.decoding.hypothesis import Hypothesis, Word, group_words


def test_delimiters_alone_are_no_words():
    assert group_words("|||", range(3), frame_rate=25.0) == []
    assert group_words("", [], frame_rate=25.0) == []


def test_times_are_seconds_from_first_to_after_last_frame():
    words = group_words("|AB|C", [0, 5, 8, 9, 20], frame_rate=10.0)
    assert words == [Word("AB", 0.5, 0.9), Word("C", 2.0, 2.1)]


def test_no_words_make_an_empty_text():
    assert Hypothesis.from_words([], score=-1.0) == Hypothesis("", (), -1.0)
