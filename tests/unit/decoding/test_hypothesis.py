from lact_modules.decoding.hypothesis import Hypothesis, Word, group_words


def test_delimiters_alone_are_no_words():
    assert group_words("|||", range(3), frame_rate=25.0) == []
    assert group_words("", [], frame_rate=25.0) == []


def test_times_are_seconds_from_first_to_after_last_frame():
    words = group_words("|AB|C", [0, 5, 8, 9, 20], frame_rate=10.0)
    assert words == [Word("AB", 0.5, 0.9), Word("C", 2.0, 2.1)]


def test_no_words_make_an_empty_text():
    assert Hypothesis.from_words([], score=-1.0) == Hypothesis("", (), -1.0)


def test_pieces_with_the_mark_begin_words():
    pieces = ["\u2581TW", "O", "\u2581", "TEN", "\u2581"]
    words = group_words(pieces, [0, 5, 8, 9, 20], frame_rate=10.0)
    assert words == [Word("TWO", 0.0, 0.6), Word("TEN", 0.9, 1.0)]


def test_a_first_piece_without_the_mark_is_a_word():
    words = group_words(["O", "\u2581TEN"], [2, 5], frame_rate=10.0)
    assert words == [Word("O", 0.2, 0.3), Word("TEN", 0.5, 0.6)]
