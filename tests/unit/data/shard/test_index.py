import json

import numpy as np
import pytest
import soundfile

from lact_modules.data.manifest.manifest import Utterance
from lact_modules.data.shard.index import find_shards
from lact_modules.data.shard.writer import write_shards
from lact_modules.errors import InputError


@pytest.fixture
def folders(tmp_path):
    """Two folders of two shards of an utterance each."""
    folders = [tmp_path / "en", tmp_path / "de"]
    for folder in folders:
        utterances = []
        for number in range(2):
            path = tmp_path / f"{folder.name}{number}.wav"
            soundfile.write(path, np.zeros(8000 * (number + 1)), 16000)
            text = f"{folder.name} {number}".upper()
            seconds = 0.5 * (number + 1)
            utterances.append(Utterance(path.stem, str(path), text, seconds))
        write_shards(folder, utterances, max_bytes=1)
    return folders


def texts(shards):
    return [text for shard in shards for text in shard.texts]


def test_a_folder_has_what_was_written(folders):
    shards = find_shards(folders[0])
    assert texts(shards) == ["EN 0", "EN 1"]
    assert [shard.durations for shard in shards] == [[0.5], [1.0]]
    index = json.loads((folders[0] / "shards.json").read_text())
    assert (index["num_utterances"], index["seconds"]) == (2, 1.5)
    assert [entry["size"] for entry in index["shards"]] == [s.size for s in shards]


def test_shards_are_found_by_pattern_and_in_lists(folders, tmp_path):
    english, german = folders
    assert texts(find_shards(str(tmp_path / "*" / "*1.tar"))) == ["DE 1", "EN 1"]
    assert texts(find_shards(f"{english}/*")) == ["EN 0", "EN 1"]
    assert texts(find_shards([german / "shard-000001.tar", english])) == [
        *("DE 1", "EN 0", "EN 1"),
    ]
    # whatever is named twice is there once
    assert texts(find_shards([str(german / "*.tar"), german])) == ["DE 0", "DE 1"]


def test_a_fault_is_named(folders, tmp_path):
    english, german = folders
    with pytest.raises(InputError, match="nowhere: no such shards"):
        find_shards(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"shards\.json: no such index"):
        find_shards(tmp_path)
    (english / "other.tar").write_bytes(b"")
    with pytest.raises(InputError, match=r"other\.tar: not in the index"):
        find_shards(str(english / "*.tar"))
    (english / "shard-000000.tar").unlink()
    with pytest.raises(InputError, match=r"000000\.tar: no such file, but the index"):
        find_shards(english)
    cut_off = german / "shard-000001.tar"
    cut_off.write_bytes(cut_off.read_bytes()[:-512])
    with pytest.raises(InputError, match=r"000001\.tar: has \d+ bytes where the index"):
        find_shards(german)
    (german / "shards.json").write_text('{"shards": [{}]}')
    with pytest.raises(InputError, match="not an index of shards"):
        find_shards(german)
