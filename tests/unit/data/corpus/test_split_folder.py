import pytest

from lact_modules.data.corpus.split_folder import inspect_split
from lact_modules.errors import InputError


def test_one_split_folder_is_read_without_writing(corpus):
    before = sorted(corpus.rglob("*"))
    usable, skipped = inspect_split(corpus / "train", max_duration=1.0, num_workers=2)
    assert [utterance.text for utterance in usable] == ["ONE ONE", "TWO"]
    assert skipped == [("10-3-0000", "too long", "1.500 s > 1.0 s")]
    assert sorted(corpus.rglob("*")) == before


def test_missing_or_empty_folder_is_refused(tmp_path):
    with pytest.raises(InputError, match="gone: no such folder"):
        inspect_split(tmp_path / "gone")
    with pytest.raises(InputError, match="no transcripts"):
        inspect_split(tmp_path)


def test_id_with_two_transcripts_is_refused(corpus):
    other = corpus / "train" / "2" / "9"
    other.mkdir()
    (other / "2-9.trans.txt").write_text("2-1-0000 AGAIN\n")
    with pytest.raises(InputError, match="2-1-0000 has two transcripts"):
        inspect_split(corpus / "train")


def test_transcript_that_is_no_text_is_named(corpus):
    (corpus / "train" / "2" / "1" / "2-1.trans.txt").write_bytes(b"2-1-0000 \xff\xff")
    with pytest.raises(InputError, match=r"2-1\.trans\.txt: not UTF-8"):
        inspect_split(corpus / "train")
