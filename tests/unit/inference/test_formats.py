import json

import pytest

from lact_modules.decoding.hypothesis import Hypothesis, Word
from lact_modules.inference.formats import (
    captions,
    to_ctm,
    to_json,
    to_srt,
    to_vtt,
)

SILENCE = Hypothesis.from_words([], 0.0)
SPOKEN = Hypothesis.from_words(
    [
        Word("SO", 0.04, 0.2),
        Word("<B>", 0.24, 1.0),
        Word("ÉTÉ", 3723.9996, 3724.5),
    ],
    -1.0,
)


def test_json():
    line = to_json("a dir/é.wav", SPOKEN)
    assert line.endswith("}\n")
    assert "é.wav" in line
    assert json.loads(line) == {
        "file": "a dir/é.wav",
        "text": "SO <B> ÉTÉ",
        "words": [
            {"word": "SO", "start": 0.04, "end": 0.2},
            {"word": "<B>", "start": 0.24, "end": 1.0},
            {"word": "ÉTÉ", "start": 3724.0, "end": 3724.5},
        ],
    }


def test_ctm():
    assert to_ctm("x/a b.wav", SPOKEN) == (
        "a_b 1 0.04 0.16 SO\na_b 1 0.24 0.76 <B>\na_b 1 3724.00 0.50 ÉTÉ\n"
    )


def test_srt():
    assert to_srt(SPOKEN) == (
        "1\n00:00:00,040 --> 00:00:01,000\nSO <B>\n\n"
        "2\n01:02:04,000 --> 01:02:04,500\nÉTÉ\n\n"
    )


def test_vtt():
    assert to_vtt(SPOKEN) == (
        "WEBVTT\n\n"
        "00:00:00.040 --> 00:00:01.000\nSO &lt;B&gt;\n\n"
        "01:02:04.000 --> 01:02:04.500\nÉTÉ\n\n"
    )


def test_silence():
    assert json.loads(to_json("a.wav", SILENCE))["words"] == []
    assert (to_ctm("a.wav", SILENCE), to_srt(SILENCE)) == ("", "")
    assert to_vtt(SILENCE) == "WEBVTT\n\n"


@pytest.mark.parametrize("length", [3, 10, 60])
def test_captions_are_short(length):
    words = [Word("W" * length, i * 0.5, i * 0.5 + 0.4) for i in range(40)]
    grouped = list(captions(words))
    assert [word for caption in grouped for word in caption] == words
    for caption in grouped:
        text = " ".join(word.word for word in caption)
        assert len(text) <= 42 or len(caption) == 1
        assert caption[-1].end - caption[0].start <= 5.0
