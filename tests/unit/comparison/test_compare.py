import json

import pytest

from lact_modules.comparison.compare import compare
from lact_modules.comparison.runs import Run, group_runs
from lact_modules.errors import InputError


def group(*folders):
    return group_runs(map(Run.from_folder, folders))


def test_finds_the_better_system_and_how_sure_that_is(systems):
    greedy, beam = compare(systems).trials
    assert (greedy.split, greedy.decoding, beam.decoding) == (
        *("test", "greedy"),
        "beam+lm",
    )
    assert (greedy.num_utterances, greedy.num_words) == (40, 200)
    better, worse = greedy.scores
    assert better.wer < worse.wer
    assert better.wer == pytest.approx(sum(better.wers.values()) / 2)
    for score in greedy.scores:
        assert score.wers.keys() == {1, 2}
        for low, high in (score.seed_interval, score.utterance_interval):
            assert low <= score.wer <= high
    difference = greedy.differences["lact_demo", "conformer_demo"]
    assert difference.wer == pytest.approx(worse.wer - better.wer)
    assert difference.interval[0] > 0
    assert difference.p_value < 0.01


def test_tells_the_settings_that_differ(systems):
    assert compare(systems).settings == {
        "encoder.mixer": {
            "lact_demo": "!name:lact_modules.layers.LaCTMixer",
            "conformer_demo": "!name:lact_modules.layers.AttentionMixer",
        }
    }


def test_order_of_the_utterances_does_not_matter(make_run):
    first, second = make_run(), make_run("other")
    expected = compare(group(first, second)).trials[0].scores
    path = second / "transcripts_test.jsonl"
    path.write_text("".join(reversed(path.read_text().splitlines(keepends=True))))
    assert compare(group(first, second)).trials[0].scores == expected


def test_compares_on_the_splits_that_all_have(make_run):
    systems = group(make_run(splits=["a", "b"]), make_run("other", splits=["b", "c"]))
    assert {trial.split for trial in compare(systems).trials} == {"b"}
    with pytest.raises(InputError, match=r"other.*'a'"):
        compare(systems, ["a"])


def test_without_a_common_split_nothing_can_be_compared(make_run):
    systems = group(make_run(splits=["a"]), make_run("other", splits=["b"]))
    with pytest.raises(InputError, match="tested on a"):
        compare(systems)


def test_other_test_data_is_refused(make_run):
    other = make_run("other", texts=lambda split: ["ONE TWO"] * 40)
    with pytest.raises(InputError, match=f"{other}: other utterances"):
        compare(group(make_run(), other))


def test_transcripts_of_another_test_are_refused(make_run):
    folder = make_run()
    result = json.loads((folder / "result.json").read_text())
    result["metrics"]["test"]["greedy"]["wer"] += 1
    (folder / "result.json").write_text(json.dumps(result))
    with pytest.raises(InputError, match=f"{folder}: .*test_only"):
        compare(group(folder))
