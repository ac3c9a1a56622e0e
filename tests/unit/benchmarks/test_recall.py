"""The recall task, its systems, and what the program writes."""

import json

import pytest
import torch

from lact_modules.errors import InputError


@pytest.fixture
def recall(load_benchmark):
    return load_benchmark("recall")


def test_answers_stand_behind_the_gap_and_pairs_before_it(recall):
    task = recall.Recall(pairs=3, gap=8, length=30, num_values=5)
    tokens, answers = task.draw(64, torch.Generator().manual_seed(0))
    blank, part = task.num_tokens - 1, 11
    assert (tokens[:, part : 30 - part] == blank).all()
    for row, asked in zip(tokens.tolist(), answers.tolist(), strict=True):
        pairs = {
            key: row[place + 1] - task.num_values
            for place, key in enumerate(row[:part])
            if key < task.num_values
        }
        queries = {row[i]: value for i, value in enumerate(asked) if value >= 0}
        assert len(pairs) == 3
        assert queries == pairs
        assert all(value < 0 for value in asked[: 30 - part])


def test_more_pairs_than_places_are_refused(recall):
    with pytest.raises(InputError, match=r"6 pairs: .* places for 5"):
        recall.Recall(pairs=6, gap=8, length=28).draw(1, torch.Generator())


def test_a_token_may_last_for_several_frames(recall):
    task = recall.Recall(pairs=3, gap=8, length=30, num_values=5)
    once = task.draw(4, torch.Generator().manual_seed(0))
    thrice = task._replace(frames=3).draw(4, torch.Generator().manual_seed(0))
    for short, long in zip(once, thrice, strict=True):
        assert torch.equal(long.view(4, 30, 3), short[:, :, None].expand(-1, -1, 3))


def test_ctc_asks_for_answers_in_their_order_wherever_they_are(recall):
    task = recall.Recall(3, 8, 30, 5, frames=2, objective=recall.Objective.CTC)
    _, answers = task.draw(4, torch.Generator().manual_seed(0))
    blank = task.num_outputs - 1
    # a value in the first of its frames
    begins = answers.clone()
    begins[:, 1::2] = -100
    right = torch.where(begins < 0, blank, begins)

    def score(outputs):
        logits = 20 * torch.nn.functional.one_hot(outputs, task.num_outputs).float()
        loss, accuracy = task.score(logits, answers)
        return loss.item(), accuracy

    loss, accuracy = score(right)
    assert accuracy == 1
    assert loss < 0.1
    assert score(right.roll(-2, dims=1)) == pytest.approx((loss, 1), abs=1e-4)
    wrong, place = right.clone(), int((begins[0] >= 0).nonzero()[0])
    wrong[0, place] = (wrong[0, place] + 1) % task.num_values
    assert score(wrong)[1] == pytest.approx(11 / 12)
    assert score(torch.full_like(right, blank))[1] == 0


def test_an_aligned_training_asks_for_a_blank_where_there_is_no_answer(recall):
    objectives = recall.Objective
    task = recall.Recall(3, 8, 30, 5, frames=2, objective=objectives.ALIGNED)
    _, answers = task.draw(4, torch.Generator().manual_seed(0))
    right = answers.masked_fill(answers < 0, task.num_outputs - 1)
    logits = 20 * torch.nn.functional.one_hot(right, task.num_outputs).float()
    loss, accuracy = task.score(logits, answers)
    ctc = task._replace(objective=objectives.CTC)
    assert loss < 1e-6
    assert accuracy == ctc.score(logits, answers)[1] > 0.8
    # for CTC an answer may come anywhere, if the order is right
    late = logits.roll(-2, dims=1)
    assert task.score(late, answers)[0] > 1
    assert ctc.score(late, answers)[1] == accuracy
    both = task._replace(objective=objectives.ALIGNED_CTC)
    assert [both.stage(done) for done in (0.0, 0.49)] == [task, task]
    assert [both.stage(done) for done in (0.5, 1.0)] == [ctc, ctc]
    assert both.num_outputs == task.num_outputs


def test_every_system_is_trained_and_written(recall, tmp_path, monkeypatch):
    monkeypatch.setattr(recall, "NUM_TESTED", 8)
    small = dict(pairs="2", gaps="8", lengths="24", values=4, d_model=16)
    # the tests' own threads stay as they are
    threads = torch.get_num_threads()
    recall.main(
        **small, seeds=2, steps=2, batch_size=4, threads=threads, output=tmp_path
    )
    report = json.loads((tmp_path / "result.json").read_text())
    assert [row["system"] for row in report["recall"]] == list(recall.SYSTEMS)
    for row in report["recall"]:
        assert row["steps"] == [2, 2]
        assert len(row["accuracy_by_seed"]) == 2
        assert {name: row[name] for name in ("pairs", "gap", "length")} == {
            "pairs": 2,
            "gap": 8,
            "length": 24,
        }
    assert (report["study"], report["dataset"]) == ("recall", "recall")
    assert report["hardware"]


SMALL = dict(gaps="8", lengths="24", values=4, d_model=16, steps=2, batch_size=4)


def test_a_study_continues_where_it_was_stopped(recall, tmp_path, monkeypatch):
    monkeypatch.setattr(recall, "NUM_TESTED", 8)
    trained, train = [], recall.train

    def note(model, task, **settings):
        trained.append((task.pairs, settings["seed"]))
        return train(model, task, **settings)

    monkeypatch.setattr(recall, "train", note)

    def go_on(folder="a", **options):
        trained.clear()
        options = {**SMALL, "threads": torch.get_num_threads(), **options}
        recall.main(**options, output=tmp_path / folder)
        report = json.loads((tmp_path / folder / "result.json").read_text())
        return {(row["system"], row["pairs"]): row for row in report["recall"]}

    first = go_on(systems="window", pairs="2", seeds=1)
    go_on(systems="window;Muon, down", pairs="2", seeds=2)
    assert trained == [(2, 2), (2, 1), (2, 2)]
    # fewer seeds and other tasks take nothing away
    rows = go_on(systems="window", pairs="1,2", seeds=1)
    assert trained == [(1, 1)]
    found = rows["window", 2]["accuracy_by_seed"]
    assert found[:1] == first["window", 2]["accuracy_by_seed"]
    assert rows["window", 2]["accuracy"] == pytest.approx(sum(found) / 2)
    assert rows.keys() == {("window", 2), ("Muon, down", 2), ("window", 1)}
    at_once = go_on(folder="b", systems="window", pairs="2", seeds=2)
    assert found == at_once["window", 2]["accuracy_by_seed"]
    with pytest.raises(InputError, match=r"found with max_steps 2, .*another --output"):
        go_on(systems="window", pairs="2", seeds=3, steps=3)


def test_a_study_from_before_ctc_continues(recall, tmp_path, monkeypatch):
    monkeypatch.setattr(recall, "NUM_TESTED", 8)
    options = {**SMALL, "pairs": "2", "systems": "window"}
    options |= {"threads": torch.get_num_threads(), "output": tmp_path}
    recall.main(**options, seeds=1)
    path = tmp_path / "result.json"
    report = json.loads(path.read_text())
    for name in ("frames", "objective"):
        del report["recall"][0][name]
    path.write_text(json.dumps(report))
    recall.main(**options, seeds=2, objectives="frames,aligned,ctc, aligned-ctc")
    rows = json.loads(path.read_text())["recall"]
    assert [(row["objective"], len(row["steps"])) for row in rows] == [
        (objective, 2) for objective in ("frames", "aligned", "ctc", "aligned-ctc")
    ]


@pytest.mark.parametrize("content", ["{", "[]", '{"study": "latency"}'])
def test_results_of_something_else_are_left_alone(recall, tmp_path, content):
    (tmp_path / "result.json").write_text(content)
    with pytest.raises(InputError, match=r"result.json: no results of this program"):
        recall.main(**SMALL, pairs="2", systems="window", output=tmp_path)
    assert (tmp_path / "result.json").read_text() == content


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"systems": "window;Muno"}, "--systems: 'Muno' is none of window; "),
        ({"pairs": "4,x"}, "--pairs 4,x: give whole numbers"),
        ({"pairs": "99"}, "99 pairs"),
        ({"pairs": "8,0"}, "0 pairs, 1 frames: expected at least one each"),
        ({"frames": "0", "objectives": "ctc"}, "8 pairs, 0 frames: expected"),
        (
            {"objectives": "ctc,rnnt"},
            "--objectives ctc,rnnt: give some of frames, aligned, ctc",
        ),
    ],
)
def test_faults_are_named_before_anything_is_trained(
    recall, tmp_path, options, message
):
    with pytest.raises(InputError, match=message):
        recall.main(**options, output=tmp_path / "study")
    assert not (tmp_path / "study").exists()
