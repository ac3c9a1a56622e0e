import pytest

from lact_modules.data.manifest.manifest import Utterance, write_manifest
from lact_modules.errors import InputError
from lact_modules.language_model.corpus import read_sentences


def test_text_and_manifests_in_the_order_given(tmp_path):
    write_manifest(tmp_path / "dev.jsonl", [Utterance("a", "a.wav", "ONE", 1.0)])
    (tmp_path / "more.txt").write_text("TWO TEN\r\n\r\nÉTÉ\r\n", encoding="utf-8")
    (tmp_path / "table.csv").write_text("wav,wrd\na.wav,NINE\nb.wav,\n")
    files = [tmp_path / name for name in ("dev.jsonl", "more.txt", "table.csv")]
    assert read_sentences(files) == ["ONE", "TWO TEN", "ÉTÉ", "NINE"]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [(None, "no such text"), (b"\n \n", "no sentence"), (b"\xff\xfe\x00", "not UTF-8")],
)
def test_bad_text_is_named(tmp_path, content, complaint):
    path = tmp_path / "text.txt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=rf"text\.txt: .*{complaint}"):
        read_sentences([path])
