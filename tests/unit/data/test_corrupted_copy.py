import math

import numpy as np
import pytest
import soundfile
import torch

from lact_modules.data.audio import load_audio
from lact_modules.data.conditions import read_conditions
from lact_modules.data.corrupted_copy import open_copies
from lact_modules.data.corruption import rms
from lact_modules.data.manifest.manifest import Utterance, read_manifest
from lact_modules.errors import InputError


def speech(seed, num_samples=8000, level=0.1):
    """Noise in the 16-bit steps of a recording."""
    generator = torch.Generator().manual_seed(seed)
    samples = level * torch.randn(num_samples, generator=generator)
    return (samples * 32768).round().clamp(-32768, 32767) / 32768


def utterance(name):
    return Utterance(name, f"{name}.wav", "A B", 9.0, "7", offset=3.0, channel=1)


def write(out, names, *texts, seed=1, level=0.1):
    with open_copies(out, read_conditions(texts), seed) as copies:
        for name in names:
            for copy in copies:
                copy.add(utterance(name), speech(len(name), level=level))
    return copies


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_copy_is_16_bit_flac_and_a_manifest(tmp_path):
    copies = write(tmp_path, ["a", "bb"], "speed:0.8", "clip:0.5")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clip-0.5", "speed-0.8"]
    slow = read_manifest(tmp_path / "speed-0.8" / "manifest.jsonl")
    assert slow == [
        Utterance(name, str(tmp_path / "speed-0.8" / f"{name}.flac"), "A B", 0.625, "7")
        for name in ("a", "bb")
    ]
    for copy in copies:
        files = sorted(copy.folder.glob("*.flac"))
        assert copy.num_bytes == sum(path.stat().st_size for path in files)
        for path in files:
            header = soundfile.info(path)
            assert (header.format, header.subtype) == ("FLAC", "PCM_16")
            assert (header.samplerate, header.channels) == (16000, 1)
    assert copies[0].seconds == 1.25


def test_a_manifest_names_files_beside_it(tmp_path):
    write(tmp_path / "here", ["a"], "clip:0.5")
    (tmp_path / "here").rename(tmp_path / "there")
    [moved] = read_manifest(tmp_path / "there" / "clip-0.5" / "manifest.jsonl")
    assert len(load_audio(moved.audio_filepath)) == 8000


def test_what_changes_nothing_keeps_every_sample(tmp_path):
    write(tmp_path, ["a"], "clip:1", level=1.5)
    assert torch.equal(load_audio(tmp_path / "clip-1" / "a.flac"), speech(1, level=1.5))


def test_what_exceeds_full_scale_is_scaled_not_clipped(tmp_path):
    [copy] = write(tmp_path, ["a"], "gaussian:0.5", level=0.25)
    clean = speech(1, level=0.25)
    loud = copy.condition.corrupt(clean, "a", seed=1)
    peak = loud.abs().max()
    assert peak > 1.5
    noisy = peak * load_audio(copy.folder / "a.flac")
    assert torch.allclose(noisy, loud, atol=1e-4)
    snr_db = 20 * torch.log10(rms(clean) / rms(noisy - clean)).item()
    assert snr_db == pytest.approx(20 * math.log10(0.25 / 0.5), abs=0.2)


def test_noise_does_not_depend_on_other_utterances(tmp_path):
    write(tmp_path / "all", ["a", "bb", "ccc"], "gaussian:0.1", "clip:0.5")
    write(tmp_path / "again", ["a", "bb", "ccc"], "gaussian:0.1", "clip:0.5")
    write(tmp_path / "some", ["ccc", "a"], "gaussian:0.1")
    write(tmp_path / "other", ["a"], "gaussian:0.1", seed=2)
    for name in ("gaussian-0.1", "clip-0.5"):
        assert contents(tmp_path / "all" / name) == contents(tmp_path / "again" / name)
    written = contents(tmp_path / "all" / "gaussian-0.1")
    for path in (tmp_path / "some" / "gaussian-0.1").glob("*.flac"):
        assert path.read_bytes() == written[path.name]
    assert contents(tmp_path / "other" / "gaussian-0.1")["a.flac"] != written["a.flac"]


def test_ids_may_hold_what_names_of_files_may_not(tmp_path):
    names = ["de/a.b", "de%2Fa.b", "..", "ü ß"]
    write(tmp_path, names, "clip:0.5")
    found = read_manifest(tmp_path / "clip-0.5" / "manifest.jsonl")
    assert [each.id for each in found] == names
    sums = {load_audio(each.audio_filepath).sum().item() for each in found}
    assert len(sums) == len({len(name) for name in names})
    assert len(list((tmp_path / "clip-0.5").iterdir())) == len(names) + 1


def test_an_earlier_copy_is_replaced_as_a_whole(tmp_path):
    write(tmp_path, ["a", "bb"], "gaussian:0.1")
    before = contents(tmp_path / "gaussian-0.1")
    with (
        pytest.raises(KeyboardInterrupt),
        open_copies(tmp_path, read_conditions(["gaussian:0.1"]), seed=2) as [copy],
    ):
        copy.add(utterance("a"), speech(1))
        raise KeyboardInterrupt
    assert contents(tmp_path / "gaussian-0.1") == before
    assert [path.name for path in tmp_path.iterdir()] == ["gaussian-0.1"]
    write(tmp_path, ["ccc"], "gaussian:0.1")
    assert {*contents(tmp_path / "gaussian-0.1")} == {"ccc.flac", "manifest.jsonl"}
    assert [path.name for path in tmp_path.iterdir()] == ["gaussian-0.1"]


def test_what_a_killed_run_left_is_no_hindrance(tmp_path):
    unfinished = tmp_path / "clip-0.5.part"
    unfinished.mkdir()
    (unfinished / "old.flac").write_bytes(b"half")
    write(tmp_path, ["a"], "clip:0.5")
    assert {*contents(tmp_path / "clip-0.5")} == {"a.flac", "manifest.jsonl"}


@pytest.mark.parametrize("names", [[], ["a.flac"], ["manifest.jsonl", "thesis.txt"]])
def test_other_folders_are_not_replaced(tmp_path, names):
    folder = tmp_path / "clip-0.5"
    folder.mkdir()
    for name in names:
        (folder / name).touch()
    with pytest.raises(InputError, match=r"clip-0.5: exists, and is no corrupted copy"):
        write(tmp_path, ["a"], "speed:2", "clip:0.5")
    assert [path.name for path in tmp_path.iterdir()] == ["clip-0.5"]
    assert sorted(contents(folder)) == sorted(names)


def test_files_in_the_way_are_named(tmp_path):
    (tmp_path / "clip-0.5").touch()
    with pytest.raises(InputError, match=r"clip-0.5: exists, and is no corrupted"):
        write(tmp_path, ["a"], "clip:0.5")
    with pytest.raises(InputError, match=r"clip-0.5: is a file; name a folder"):
        write(tmp_path / "clip-0.5", ["a"], "clip:0.5")


def test_silence_stays_silent(tmp_path):
    with open_copies(tmp_path, read_conditions(["clip:0.5"]), seed=1) as [copy]:
        copy.add(utterance("a"), torch.zeros(1))
    samples, _ = soundfile.read(tmp_path / "clip-0.5" / "a.flac")
    assert np.array_equal(samples, [0.0])
