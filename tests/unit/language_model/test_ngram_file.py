"""The header of an n-gram file is checked before KenLM reads it."""

import bz2
import gzip
import lzma
import struct
from functools import partial

import pytest

from lact_modules.data.text.vocabulary import Vocabulary
from lact_modules.decoding.search.beam_search import BeamSearch
from lact_modules.errors import InputError
from lact_modules.language_model import ngram_file
from lact_modules.language_model.language_model import KenLMModel
from lact_modules.language_model.ngram_file import read_header, read_words

ARPA = """
\\data\\
ngram 1=5
ngram 2=2

\\1-grams:
-1\t<unk>\t0
-99\t<s>\t-0.3
-0.9\t</s>
-0.7\tONE\t-0.3
-0.7\tÉTÉ\t-0.3

\\2-grams:
-0.2\t<s> ONE
-0.3\tONE ÉTÉ

\\end\\
"""
SINGLE = """\\data\\
ngram 1=4

\\1-grams:
-1\t<unk>
-99\t<s>
-0.9\t</s>
-0.5\tONE

\\end\\
"""


def binary(counts=(5, 2), order=2, multiplier=1.5, kind=0, size=4000):
    """Return a KenLM binary's header and zeros."""
    magic = b"mmap lm http://kheafield.com/code format version 5\n".ljust(56, b"\0")
    sanity = struct.pack("=3f3IQ", 0.0, 1.0, -0.5, 1, 2**32 - 1, 0, 1)
    settings = struct.pack("@Bfi?I", order, multiplier, kind, True, 0)
    numbers = struct.pack(f"={len(counts)}Q", *counts)
    return (magic + sanity + settings + numbers).ljust(size, b"\0")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "lm.arpa"


@pytest.mark.parametrize("pack", [bytes, gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("prefix", ["", "\ufeff", "# by hand\n"])
def test_packed_files_and_marks_change_nothing(path, pack, prefix):
    path.write_bytes(pack((prefix + ARPA.lstrip("\n")).encode()))
    assert read_words(path) == ["ONE", "ÉTÉ"]
    assert read_header(path).counts == (5, 2)
    [score] = KenLMModel(path).log_probs(["ONE ÉTÉ"])
    assert score == pytest.approx((-0.2 - 0.3 - 0.3 - 0.9) * 2.302585, abs=1e-4)


def test_a_model_of_single_words_is_read(path):
    path.write_text(SINGLE)
    [score] = KenLMModel(path).log_probs(["ONE ONE"])
    assert score == pytest.approx((-0.5 - 0.5 - 0.9) * 2.302585, abs=1e-4)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"ONE TWO\nTHREE\n", "not a language model"),
        (b"", "not a language model"),
        (b"\xff\xfe\x00\x01", "not a language model"),
        (b"\x1f\x8b\x08 cut", "packed and damaged"),
        (gzip.compress(ARPA.encode(), mtime=0)[:-20], "packed and damaged|cannot read"),
        (b"\\1-grams:\n-1\n\\end\\\n", "not a language model"),
        (ARPA.replace("2-grams", "3-grams").encode()[:150], "cut short|cannot read"),
        (ARPA.replace("-0.7\tONE", "-0.7").encode(), "cannot read"),
        (ARPA.encode().replace(b"\xc3\x89", b"\xff"), "damaged"),
        (ARPA.encode().replace(b"ONE \xc3\x89", b"ONE \xff"), "line 15 is not UTF-8"),
        (ARPA.replace("1=5", "1=five").encode(), "'ngram 1=five' stands among"),
        (ARPA.replace("ngram 2", "ngram 3").encode(), "'ngram 3=2' stands among"),
        (ARPA.replace("1=5", "1=" + "9" * 30).encode(), "stands among its counts"),
        (SINGLE.replace("1=4", "1=0").encode(), "has 0 1-grams"),
        (
            ARPA.replace("2=2", "\n".join(f"{n}=1" for n in range(2, 8)))
            .replace("\n3", "\nngram 3")
            .replace("\n4", "\nngram 4")
            .replace("\n5", "\nngram 5")
            .replace("\n6", "\nngram 6")
            .replace("\n7", "\nngram 7")
            .encode(),
            "7 orders",
        ),
    ],
)
def test_other_files_are_refused_in_a_line(path, content, complaint):
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"lm\.arpa: .*({complaint})") as caught:
        KenLMModel(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(str(path))


@pytest.mark.parametrize("count", ["-1", "-5", "3000000000"])
@pytest.mark.parametrize("order", [1, 2])
def test_counts_that_cannot_be_true_do_not_reach_kenlm(path, monkeypatch, count, order):
    monkeypatch.setattr(ngram_file, "native_stderr_hidden", None)
    path.write_text(ARPA.replace(f"{order}={(5, 2)[order - 1]}", f"{order}={count}"))
    with pytest.raises(InputError, match=rf"says that it has {count} {order}-grams"):
        KenLMModel(path)


@pytest.mark.parametrize(
    "content",
    [
        binary(order=1),
        binary(order=9),
        binary(multiplier=0.5),
        binary(multiplier=float("nan")),
        binary(kind=77),
        binary(counts=(2**63, 2)),
        binary(counts=(5, 2**62)),
        binary(size=0)[:100],
        b"mmap lm http://kheafield.com/code incomplete\n",
    ],
)
def test_a_binary_that_cannot_be_true_does_not_reach_kenlm(path, monkeypatch, content):
    monkeypatch.setattr(ngram_file, "native_stderr_hidden", None)
    path.write_bytes(content)
    with pytest.raises(InputError, match="damaged or cut KenLM binary"):
        KenLMModel(path)


@pytest.mark.parametrize("kind", [0, 1])
@pytest.mark.parametrize("share", [0.2, 0.99])
def test_a_binary_that_was_cut_is_reported_on_one_line(path, kind, share):
    # hash tables of 5000 words, 16 and 12 bytes an n-gram of the others at least
    whole = 5000 * 12 + 20000 * 16 + 30000 * 12
    header = binary((5000, 20000, 30000), order=3, kind=kind, size=int(share * whole))
    path.write_bytes(header)
    assert read_header(path).is_binary
    vocabulary = Vocabulary.from_texts(["ONE"])
    (path.parent / "lexicon").write_text("ONE\n")
    readers = (
        partial(KenLMModel, path),
        partial(BeamSearch, vocabulary, 10.0, lm=path, lexicon=path.parent / "lexicon"),
        partial(BeamSearch, vocabulary, 10.0, lm=path),
    )
    for read in readers:
        with pytest.raises(InputError, match=r"lm\.arpa: .*headers say") as caught:
            read()
        assert "\n" not in str(caught.value)


def test_a_binary_hides_its_words(path):
    path.write_bytes(binary())
    assert read_header(path).is_binary
    with pytest.raises(InputError, match="give a lexicon"):
        read_words(path)


def test_a_line_without_end_is_not_read_to_its_end(path):
    path.write_bytes(gzip.compress(b"\\data\\\n" + bytes(4 << 20)))
    with pytest.raises(InputError, match="a line never ends"):
        read_words(path)


def test_a_missing_file_is_named(path):
    with pytest.raises(InputError, match=r"lm\.arpa: no such language model"):
        read_words(path)
