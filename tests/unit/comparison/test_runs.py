import pytest

from lact_modules.comparison.runs import Run, group_runs
from lact_modules.errors import InputError


def group(*folders):
    return group_runs(map(Run.from_folder, folders))


def test_seeds_of_a_model_are_one_system(systems):
    assert [system.name for system in systems] == ["lact_demo", "conformer_demo"]
    assert [system.seeds for system in systems] == [[1, 2], [1, 2]]


def test_other_settings_make_another_system(make_run):
    wide, narrow = make_run(d_model=128), make_run(seed=2, d_model=96)
    names = [system.name for system in group(wide, narrow)]
    assert names == ["lact_demo (d_model 128)", "lact_demo (d_model 96)"]


@pytest.mark.parametrize("key", ["system", "arm"])
def test_a_system_may_have_a_name_of_its_own(make_run, key):
    """The key was called `arm` before 0.1.0."""
    folders = []
    for name, rate in (("slow", 1), ("fast", 2)):
        for seed in (1, 2):
            folders.append(make_run(learning_rate=rate, seed=seed))
            with open(folders[-1] / "hyperparams.yaml", "a") as settings:
                settings.write(f"{key}: {name}\n")
    systems = group(*folders)
    assert [system.name for system in systems] == ["slow", "fast"]
    assert [system.seeds for system in systems] == [[1, 2], [1, 2]]
    assert not {"system", "arm"} & systems[0].settings.keys()


def test_decoding_does_not_make_another_system(make_run):
    (system,) = group(make_run(beam_size=50), make_run(seed=2, beam_size=9))
    assert system.seeds == [1, 2]


def test_tells_steps_and_speed(make_run):
    (system,) = group(make_run(steps=400))
    assert (system.steps, system.training_s, system.steps_a_second) == (400, 100.0, 4.0)


def test_one_seed_twice_is_refused(make_run):
    first, second = make_run(), make_run()
    with pytest.raises(InputError, match=rf"{second}.*seed 1.*{first}"):
        group(first, second)


@pytest.mark.parametrize("name", ["result.json", "hyperparams.yaml", "metrics.jsonl"])
def test_missing_file_is_named(make_run, name):
    folder = make_run()
    (folder / name).unlink()
    with pytest.raises(InputError, match=f"{folder / name}: no such"):
        Run.from_folder(folder)


@pytest.mark.parametrize("content", ["{", "[]", '{"model": "a"}'])
def test_broken_result_is_named(make_run, content):
    folder = make_run()
    (folder / "result.json").write_text(content)
    with pytest.raises(InputError, match=r"result\.json"):
        Run.from_folder(folder)


@pytest.mark.parametrize("content", [None, "", "{", '{"id": "a"}\n'])
def test_missing_or_broken_transcripts_are_named(make_run, content):
    folder = make_run()
    path = folder / "transcripts_test_beam+lm.jsonl"
    path.unlink()
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match="transcripts_test_beam"):
        Run.from_folder(folder).read_transcripts("test", "beam+lm")
