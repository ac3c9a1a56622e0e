"""Encoders are timed side by side, in as much memory and time as is allowed."""

import json
import sys
import time
from functools import wraps

import pytest

import lact_modules
from lact_modules.errors import InputError


@pytest.fixture
def systems(load_benchmark):
    return load_benchmark("encoder_systems")


@pytest.fixture
def apart(load_benchmark, monkeypatch):
    module = load_benchmark("apart")
    # all that these tests call
    monkeypatch.setattr(module, "_PRELOADED", ["apart", "encoder_passes"])
    return module


def test_each_system_is_measured_in_each_pass_and_length(
    load_benchmark, tmp_path, capsys, monkeypatch
):
    benchmark = load_benchmark("encoders")
    monkeypatch.setattr(benchmark, "run_apart", lambda f, _, *arguments: f(*arguments))
    benchmark.main(
        ["lact_conformer", "near=lact_conformer {mixer: {window: [2, 2]}}"],
        points="0.4,0.8x2",
        d_model=16,
        num_layers=1,
        rounds=2,
        output=tmp_path,
    )
    result = json.loads((tmp_path / "result.json").read_text())
    assert result["systems"]["near"] == result["systems"]["lact_conformer"] > 1000
    found = [
        (c["seconds"], c["batch"], c["pass"], c["system"]) for c in result["costs"]
    ]
    assert found == [
        (*length, kind, name)
        for length in ((0.4, 1), (0.8, 2))
        for kind in ("forward", "training step")
        for name in ("lact_conformer", "near")
    ]
    assert all(len(cost["times_s"]) == 2 for cost in result["costs"])
    assert result["left_out"] == []
    output = capsys.readouterr()
    assert "0.8x2 s, training step: near 0.0" in output.err
    assert "lact_conformer / near" in output.out


def test_what_a_limit_ends_is_left_out_from_there_on(
    load_benchmark, tmp_path, capsys, monkeypatch
):
    benchmark = load_benchmark("encoders")

    def measure(function, limits, system, setting, point, kind):
        is_ended = (system.name, point.seconds) == ("conmamba", 0.4)
        return "more than 1 s" if is_ended else 1.0

    monkeypatch.setattr(benchmark, "run_apart", measure)
    options = {"d_model": 16, "num_layers": 1, "rounds": 1, "passes": "forward"}
    benchmark.main(
        ["conformer", "conmamba"], points="0.2,0.4,0.6", output=tmp_path, **options
    )
    result = json.loads((tmp_path / "result.json").read_text())
    left_out = [(each["system"], each["seconds"]) for each in result["left_out"]]
    assert left_out == [("conmamba", 0.4), ("conmamba", 0.6)]
    assert len(result["costs"]) == 4
    assert "0.4 s, forward: conmamba is skipped: more than 1 s" in (
        capsys.readouterr().err
    )


def test_streams_are_encoded_chunk_by_chunk(load_benchmark, systems):
    passes = load_benchmark("encoder_passes")
    setting = passes.Setting(16, 1, "cpu", bf16=False, threads=1, keep_freed=True)
    encoder, calls = setting.load(systems.System.parse("lact_streaming")), []
    chunked = encoder.chunked

    @wraps(chunked)
    def note(*given):
        calls.append(given)
        return chunked(*given)

    encoder.chunked = note
    setting.prepare(encoder, passes.Point(1.5, 2), passes.STREAM)(0)
    # 38 frames
    found = [lengths.tolist() for _, lengths, *_ in calls]
    assert found == [[16, 16], [16, 16], [6, 6]]
    assert [given[-1] is None for given in calls] == [True, False, False]


def test_memory_is_what_is_kept_beyond_the_model(load_benchmark, systems, apart):
    passes = load_benchmark("encoder_passes")
    setting = passes.Setting(16, 1, "cpu", bf16=False, threads=1, keep_freed=True)
    arguments = (systems.System.parse("conformer"), setting, passes.Point(240, 1))
    limits = apart.Limits(60.0, 4.0, "cpu")
    inference, trained = (
        apart.run_apart(passes.measure_memory, limits, *arguments, kind)
        for kind in passes.PASSES
    )
    # (6000, 64) floats are kept more than five times
    assert 0 < inference < trained
    assert trained > 5 * 6000 * 64 * 4 / 2**20


def test_a_process_that_takes_too_much_is_ended(apart):
    slow = apart.run_apart(time.sleep, apart.Limits(0.5, 4.0, "cpu"), 60)
    assert slow == "more than 0.5 s"
    large = apart.run_apart(bytearray, apart.Limits(60.0, 0.5, "cpu"), 2**31)
    assert large == "more than 0.5 GiB"
    assert apart.run_apart(len, apart.Limits(60.0, 4.0, "cpu"), "abc") == 3


def test_its_faults_are_reported(apart):
    limits = apart.Limits(60.0, 4.0, "cpu")
    with pytest.raises(RuntimeError, match=r"int: invalid literal"):
        apart.run_apart(int, limits, "x")


@pytest.mark.parametrize("name", ["lact_conformer", "speechbrain_conformer"])
def test_sizes_are_set_where_the_fragment_has_them(systems, name):
    encoder = systems.System.parse(name).build(d_model=16, num_layers=3)
    layers = encoder.blocks if name.startswith("lact") else encoder.encoder.layers
    assert len(layers) == 3
    assert encoder.d_model == 16


def test_a_system_changes_keys_of_its_fragment(systems):
    system = systems.System.parse("wide=lact_conformer {mixer: {hidden_ratio: 2.0}}")
    encoder, other = (
        each.build(d_model=16, num_layers=1)
        for each in (system, systems.System.parse("lact_conformer"))
    )
    assert system.name == "wide"
    assert sum(p.numel() for p in encoder.parameters()) > sum(
        p.numel() for p in other.parameters()
    )


def test_an_unknown_system_is_named(systems):
    with pytest.raises(InputError, match=r"no_such\.yaml: no such file"):
        systems.System.parse("no_such")


def test_lengths_that_are_none_are_refused(load_benchmark):
    with pytest.raises(InputError, match="write 60 or 15x4"):
        load_benchmark("encoder_passes").Point.parse("1m")


def test_a_system_of_another_checkout_is_made_there(systems, tmp_path):
    package = tmp_path / "old" / "lact_modules"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(
        "class Encoder:\n    def __init__(self, **options):\n"
        "        self.options = options\n"
    )
    fragments = tmp_path / "old" / "hparams" / "encoder"
    fragments.mkdir(parents=True)
    (fragments / "old.yaml").write_text("!new:lact_modules.Encoder\nd_model: 8\n")
    system = systems.System.parse("old", tmp_path / "old")
    encoder = system.build(d_model=16, num_layers=1)
    assert system.name == "old, old"
    assert encoder.options == {"d_model": 16}
    assert sys.modules["lact_modules"] is lact_modules


def test_functions_take_turns(load_benchmark):
    turns = []
    functions = {name: lambda n, name=name: turns.append((n, name)) for name in "ab"}
    times = load_benchmark("timing").take_turns(functions, 2, 60.0, "cpu")
    assert turns == [(n, name) for n in range(3) for name in "ab"]
    assert {name: len(found) for name, found in times.items()} == {"a": 2, "b": 2}
    # three rounds are made in any case
    times = load_benchmark("timing").take_turns(functions, 9, 0.0, "cpu")
    assert len(times["a"]) == 3
