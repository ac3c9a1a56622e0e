import json

import numpy
import pytest
import soundfile

from lact_modules.data.manifest.manifest import Utterance, write_manifest


@pytest.fixture
def evaluate(lact_asr, trained_run):
    def run(*arguments):
        return lact_asr("evaluate", "--model", trained_run, *arguments)

    return run


def test_scores_and_transcripts(evaluate, lact_asr, trained_run, split, tmp_path):
    output = tmp_path / "scores.json"
    finished = evaluate("--data", split, "--json", output)
    assert finished.code == 0
    scores = json.loads(output.read_text())
    assert f"{scores['wer']:.2f}" in finished.out
    assert (scores["n_utterances"], scores["n_words"]) == (3, 6)
    edits = scores["substitutions"] + scores["insertions"] + scores["deletions"]
    assert scores["wer"] == pytest.approx(100 * edits / 6)
    low, high = scores["wer_interval"]
    assert low <= scores["wer"] <= high
    assert scores["rtf"] == pytest.approx(scores["wall_s"] / scores["audio_s"])
    assert scores["cer"] > 0
    lines = lact_asr("transcribe", "--model", trained_run, split).out.splitlines()
    assert [(u["id"], u["ref"], u["hyp"]) for u in scores["utterances"]] == [
        (f"7-1-000{index}", "A B", line.split("\t")[1])
        for index, line in enumerate(lines)
    ]


def test_scores_on_stdout_are_alone_there(evaluate, split):
    finished = evaluate("--data", split, "--json", "-")
    assert finished.code == 0
    assert f"{json.loads(finished.out)['wer']:.2f}" in finished.err


def test_a_manifest_may_cut_files(evaluate, audio_folder, tmp_path):
    path = str(audio_folder / "noise-3.flac")
    whole = Utterance("whole", path, "A", duration=0.0)
    part = Utterance("part", path, "A", duration=0.2, offset=0.1)
    write_manifest(tmp_path / "test.jsonl", [whole, part])
    output = tmp_path / "scores.json"
    finished = evaluate("--data", tmp_path / "test.jsonl", "--json", output)
    assert finished.code == 0
    scores = json.loads(output.read_text())
    assert scores["audio_s"] == pytest.approx(0.5 + 0.2)
    assert [u["id"] for u in scores["utterances"]] == ["whole", "part"]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl"])
def test_forms_of_a_manifest_have_one_score(evaluate, split, tmp_path, ending):
    rows = [("wav", "wrd")]
    rows += [(f"test/7/1/7-1-000{index}.flac", "A B") for index in range(3)]
    mark = "\t" if ending == ".tsv" else ","
    lines = [mark.join(row) for row in rows]
    if ending == ".jsonl":
        lines = [json.dumps(dict(zip(rows[0], row, strict=True))) for row in rows[1:]]
    table = tmp_path / f"table{ending}"
    table.write_text("\n".join(lines) + "\n")
    scores = []
    for data in (split, table):
        assert evaluate("--data", data, "--json", tmp_path / "scores.json").code == 0
        scores.append(json.loads((tmp_path / "scores.json").read_text()))
    assert scores[0]["utterances"] == scores[1]["utterances"]
    assert scores[0]["wer"] == scores[1]["wer"]


def test_unusable_utterances_are_counted_apart(evaluate, split, tmp_path):
    (split / "7" / "1" / "7-1-0001.flac").write_bytes(b"not audio")
    output = tmp_path / "scores.json"
    finished = evaluate("--data", split, "--json", output)
    assert finished.code == 2
    assert "not transcribed: 7-1-0001: " in finished.err
    scores = json.loads(output.read_text())
    assert (scores["n_utterances"], scores["n_failed"]) == (2, 1)
    assert "WER" in finished.out


def test_nothing_is_written_where_nothing_could_be_read(evaluate, tmp_path):
    utterance = Utterance("a", str(tmp_path / "missing.wav"), "A", 1.0)
    write_manifest(tmp_path / "test.jsonl", [utterance])
    output = tmp_path / "scores.json"
    finished = evaluate("--data", tmp_path / "test.jsonl", "--json", output)
    assert (finished.code, finished.out) == (2, "")
    assert "not one utterance" in finished.err
    assert not output.exists()


def test_faults_of_the_user(evaluate, split, tmp_path):
    (tmp_path / "empty").mkdir()
    for data in (tmp_path / "empty", tmp_path / "missing.jsonl"):
        finished = evaluate("--data", data)
        assert (finished.code, finished.out) == (2, "")
        assert str(data) in finished.err
    file = tmp_path / "file"
    file.touch()
    finished = evaluate("--data", split, "--json", file / "out.json")
    assert finished.code == 2
    assert "its folder cannot be made" in finished.err


def test_each_step_is_scored_apart(evaluate, split, lm, tmp_path):
    output = tmp_path / "scores.json"
    search = ("--beam-size", 8, "--lm", lm, "--lm-weight", 2, "--rescore", lm)
    data = ("--data", split, "--json", output)
    finished = evaluate(*data, *search, "--each-step")
    assert finished.code == 0
    scores = json.loads(output.read_text())
    steps = scores["steps"]
    assert list(steps) == ["greedy", "beam", "beam+lm", "rescored"]
    for name, step in steps.items():
        assert f"{step['wer']:.2f}" in finished.out
        assert f" {name} " in finished.out
        assert step["rtf"] == pytest.approx(step["wall_s"] / scores["audio_s"])
        if name == "greedy":
            assert step["oracle_wer"] is None
        else:
            assert step["oracle_wer"] <= step["wer"]
    assert scores["wer"] == steps["rescored"]["wer"]
    assert steps["beam+lm"]["oracle_wer"] == steps["rescored"]["oracle_wer"]
    alone = {"greedy": (), "beam+lm": search[:6], "rescored": search}
    for name, options in alone.items():
        assert evaluate(*data, *options).code == 0
        one = json.loads(output.read_text())
        assert one["steps"] == {}
        for key in ("wer", "wer_interval", "cer", "deletions"):
            assert one[key] == steps[name][key]
    assert one["utterances"] == scores["utterances"]


def test_oracle_of_the_n_best(evaluate, split, tmp_path):
    output = tmp_path / "scores.json"
    options = ("--data", split, "--json", output, "--beam-size", 20)
    for num_best in (1, 5, 20):
        assert evaluate(*options, "--num-best", num_best).code == 0
        scores = json.loads(output.read_text())
        oracle = scores["oracle_wer"]
        assert (oracle is None) == (num_best == 1)
        assert oracle is None or oracle <= scores["wer"]


def test_scores_have_the_latency(evaluate, lact_asr, trained_run, split, tmp_path):
    output = tmp_path / "scores.json"
    data = ("--data", split, "--json", output)
    scores = {}
    for name, options in (
        ("whole", ()),
        ("chunks", ("--chunk", 0.33, "--left", 1)),
        ("each step", ("--chunk", 0.32, "--left", 1, "--each-step")),
        ("one chunk", ("--chunk", 9)),
    ):
        finished = evaluate(*data, *options)
        assert finished.code == 0
        scores[name] = json.loads(output.read_text())
        latency = scores[name]["chunk_s"], scores[name]["left_s"]
        if name == "whole":
            assert latency == (None, None)
            assert "chunks" not in finished.out
        elif name == "one chunk":
            assert latency == (9.0, 5.12)
        else:
            # in whole frames
            assert latency == (0.32, 1.0)
            assert "chunks of 0.32 s, left context 1 s" in finished.out
    command = ("transcribe", "--model", trained_run, split, "--chunk", 0.32)
    lines = lact_asr(*command, "--left", 1).out.splitlines()
    texts = [line.split("\t")[1] for line in lines]
    assert [u["hyp"] for u in scores["chunks"]["utterances"]] == texts
    assert scores["each step"]["utterances"] == scores["chunks"]["utterances"]
    assert scores["one chunk"]["utterances"] == scores["whole"]["utterances"]
    assert scores["chunks"]["utterances"] != scores["whole"]["utterances"]


def test_options_that_do_not_fit(evaluate, split, lm, tmp_path):
    for options, fault in (
        (("--rescore", lm), "lm.arpa: needs beam search"),
        (("--rescore", tmp_path / "none", "--beam-size", 5), "no such language model"),
        (("--ctc-weight", 0.5), "ctc_weight: not an option of the CTC search"),
        (("--search", "attention"), "the model has no decoder"),
        (("--left", 1), "left 1.0 s: needs a chunk"),
    ):
        finished = evaluate("--data", split, *options)
        assert (finished.code, finished.out) == (2, "")
        assert fault in finished.err


def test_another_number_of_checkpoints(
    evaluate, lact_asr, trained_run, split, tmp_path
):
    texts_by_count = {}
    for num in (1, 2, 3):
        output = tmp_path / f"{num}.json"
        evaluate("--data", split, "--avg-checkpoints", num, "--json", output)
        texts = [each["hyp"] for each in json.loads(output.read_text())["utterances"]]
        options = ["--model", trained_run, "--avg-checkpoints", num]
        lines = lact_asr("transcribe", *options, split).out.splitlines()
        assert [line.split("\t")[1] for line in lines] == texts
        texts_by_count[num] = texts
    assert len({str(texts) for texts in texts_by_count.values()}) > 1


def test_an_export_has_no_checkpoints_to_average(
    lact_asr, trained_run, split, tmp_path
):
    lact_asr("export", trained_run, tmp_path / "export")
    options = ["--model", tmp_path / "export", "--avg-checkpoints", 2]
    for command in (["evaluate", "--data", split], ["transcribe", split]):
        finished = lact_asr(*command, *options)
        assert finished.code == 2
        assert finished.err.count("\n") == 1
        assert "--avg-checkpoints" in finished.err


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_scores_have_the_precision(evaluate, split, tmp_path, precision):
    output = tmp_path / "scores.json"
    options = ("--device", "cpu", "--precision", precision)
    assert evaluate("--data", split, "--json", output, *options).code == 0
    assert json.loads(output.read_text())["precision"] == precision


@pytest.mark.parametrize("options", [(), ("--chunk", 0.64), ("--beam-size", 4)])
def test_errors_of_long_recordings_are_reported_by_minute(
    lact_asr, streaming_run, tmp_path, options
):
    rng = numpy.random.default_rng(0)
    path = tmp_path / "long.flac"
    # bursts: the model outputs little for a steady sound
    loudness = numpy.abs(numpy.sin(numpy.arange(130 * 16000) / 3000))
    soundfile.write(path, 0.1 * loudness * rng.standard_normal(130 * 16000), 16000)
    model = ("--model", streaming_run, *options)
    line = lact_asr("transcribe", path, *model, "--format", "json").out
    words = json.loads(line)["words"]
    places = [[i for i, w in enumerate(words) if w["start"] // 60 == m] for m in (0, 1)]
    texts = [word["word"] for word in words]
    # in the second minute a word is another, and one is too many
    texts[places[1][10]] = "X"
    del texts[places[1][20]]
    # so many words that some must have been missed in the last minute
    texts += ["Y"] * 3
    write_manifest(
        tmp_path / "test.jsonl", [Utterance("long", str(path), " ".join(texts), 0.0)]
    )
    output = tmp_path / "scores.json"
    arguments = ("--data", tmp_path / "test.jsonl", *model, "--json", output)
    finished = lact_asr("evaluate", *arguments)
    assert finished.code == 0
    scores = json.loads(output.read_text())
    names = ("substitutions", "insertions", "deletions", "n_words")
    found = [[row[name] for name in names] for row in scores["minutes"]]
    num_words = [len(places[0]), len(places[1]) - 1]
    assert found[:2] == [[0, 0, 0, num_words[0]], [1, 1, 0, num_words[1]]]
    assert found[2] == [0, 0, 3, scores["n_words"] - sum(num_words)]
    assert numpy.sum(found, axis=0).tolist() == [scores[name] for name in names]
    rows = [line.split() for line in finished.out.splitlines()]
    assert [
        str(cell) for cell in (2, 1, f"{200 / num_words[1]:.2f}", *found[1])
    ] in rows


def test_short_recordings_have_no_minutes(evaluate, split, tmp_path):
    output = tmp_path / "scores.json"
    finished = evaluate("--data", split, "--json", output)
    assert json.loads(output.read_text())["minutes"] == []
    assert "minute" not in finished.out


def test_a_large_data_set_is_scored_by_part(
    evaluate, lact_asr, trained_run, split, tmp_path
):
    (split / "7" / "1" / "7-1-0001.flac").write_bytes(b"not audio")
    files = sorted(split.glob("*/*/*.flac"))
    rows = [Utterance(file.stem, str(file), "A B", 0.0) for file in files]
    long = tmp_path / "long.wav"
    soundfile.write(long, numpy.random.default_rng(0).normal(0, 0.1, 520_000), 8000)
    rows.append(Utterance("long", str(long), "A B A", 65.0))
    data, output = tmp_path / "test.jsonl", tmp_path / "scores.json"
    write_manifest(data, rows)
    options = "--data", data, "--beam-size", 2, "--json", output

    def score(*more):
        finished = evaluate(*options, *more)
        assert finished.code == 2
        assert "7-1-0001.flac: cannot be read" in finished.err
        scores = json.loads(output.read_text())
        # the clock's, and where there are parts a list's only text is left
        for key in ("wall_s", "rtf", "oracle_wer"):
            del scores[key]
        return scores, finished.err

    whole, _ = score()
    assert (whole["n_utterances"], whole["n_failed"]) == (3, 1)
    assert len(whole["minutes"]) == 2
    parts = tmp_path / "parts"
    by_part = "--output", parts, "--part-size", 2
    assert score(*by_part)[0] == whole
    (parts / "part-000001.jsonl").unlink()
    scores, printed = score(*by_part)
    assert scores == whole
    assert "2 parts, 1 from before" in printed

    # what transcribe has written is scored without the model
    other = tmp_path / "other"
    transcribe = "transcribe", "--model", trained_run, "--manifest", data
    by_part = "--output", other, "--part-size", 2
    assert lact_asr(*transcribe, *by_part, "--beam-size", 2).code == 2
    scores, printed = score(*by_part)
    assert scores == whole
    assert "2 parts, 2 from before" in printed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--engine", "ray"], "--output: give a folder"),
        (["--part-size", 2], "--output: give a folder"),
        (["--output", "parts", "--workers", 2], "--workers: give --engine ray"),
        (["--output", "parts", "--each-step"], "--each-step: parts are of one search"),
    ],
)
def test_parts_that_cannot_be_scored(evaluate, split, options, message):
    finished = evaluate("--data", split, *options)
    assert (finished.code, finished.out) == (2, "")
    assert message in finished.err
