import pytest

from lact_modules.data.manifest import Utterance, read_manifest, write_manifest
from lact_modules.errors import InputError


def test_written_manifest_is_read_back(tmp_path):
    utterances = [
        Utterance("b", "/audio/b.flac", "ÜBER ALL", 1.25, speaker="7", offset=0.5),
        Utterance("a", "/audio/a.flac", "ONE", 2.0),
    ]
    path = tmp_path / "new" / "train.jsonl"
    write_manifest(path, utterances)
    assert read_manifest(path) == utterances
    assert [file.name for file in path.parent.iterdir()] == ["train.jsonl"]


def test_failed_write_leaves_the_old_manifest(tmp_path):
    path = tmp_path / "train.jsonl"
    write_manifest(path, [Utterance("a", "a.wav", "ONE", 1.0)])
    before = path.read_text()

    def interrupted():
        yield Utterance("b", "b.wav", "TWO", 1.0)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_manifest(path, interrupted())
    assert path.read_text() == before


def test_manifest_of_another_tool_is_read(tmp_path):
    path = tmp_path / "nemo.jsonl"
    path.write_text(
        '{"audio_filepath": "wav/a.wav", "text": "one", "duration": null}\n'
        "\n"
        '{"audio_filepath": "/b.wav", "text": "", "lang": "en"}\n'
    )
    first, second = read_manifest(path)
    assert first == Utterance("1", str(tmp_path / "wav/a.wav"), "one", 0.0)
    assert (second.id, second.audio_filepath, second.text) == ("3", "/b.wav", "")


@pytest.mark.parametrize(
    "line",
    [
        "not json",
        "[1, 2]",
        '{"text": "one"}',
        '{"audio_filepath": "a.wav"}',
        '{"audio_filepath": "a.wav", "text": null}',
        '{"audio_filepath": "a.wav", "text": "one", "duration": "long"}',
    ],
)
def test_bad_line_is_named(tmp_path, line):
    path = tmp_path / "bad.jsonl"
    path.write_text(f'{{"audio_filepath": "a.wav", "text": "one"}}\n{line}\n')
    with pytest.raises(InputError, match=r"bad\.jsonl:2: not a manifest line"):
        read_manifest(path)


def test_missing_empty_or_binary_manifest_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such manifest"):
        read_manifest(tmp_path / "gone.jsonl")
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n\n")
    with pytest.raises(InputError, match="no utterances"):
        read_manifest(empty)
    binary = tmp_path / "binary.jsonl"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a manifest"):
        read_manifest(binary)
