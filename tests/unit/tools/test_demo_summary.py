import json
from pathlib import Path

from rich.console import Console

from tools.demo_summary import main, suggest, summarize


def test_scores_stand_side_by_side():
    scores = {"cer": 1.0, "num_utterances": 160, "wer_interval": (3.0, 5.5)}
    decodings = {
        "greedy": {**scores, "wer": 8.125, "rtf": 0.01},
        "beam+lm": {**scores, "wer": 4.0, "rtf": 0.02},
    }
    result = {
        "model": "lact_demo",
        "parameters": 1_540_000,
        "training_wall_s": 150,
        "metrics": {"test": decodings},
    }
    console = Console(width=100)
    with console.capture() as capture:
        console.print(summarize(result))
    text = capture.get()
    assert "1.5 M parameters, trained in 2.5 min" in text
    greedy, beam = (line for line in text.splitlines() if "160" in line)
    assert "greedy" in greedy and "8.12" in greedy and "100" in greedy
    assert "beam+lm" in beam and "4.00" in beam and "50" in beam


def test_a_model_is_suggested_for_what_it_can():
    run = Path("runs/demo")
    assert "transcribe --model runs/demo FILE" in suggest(run, streams=False)[0]
    assert "make demo-streaming" in suggest(run, streams=False)[1]
    stream, serve = suggest(run, streams=True)
    assert "stream --model runs/demo FILE" in stream
    assert serve.endswith("serve --model runs/demo")


def test_paths_and_commands_are_not_broken_between_lines(tmp_path, monkeypatch, capsys):
    run = tmp_path / "runs" / ("a_long_name" * 10)
    run.mkdir(parents=True)
    result = {"model": "m", "parameters": 0, "training_wall_s": 0, "metrics": {}}
    (run / "result.json").write_text(json.dumps(result))
    monkeypatch.setattr("sys.argv", ["demo_summary", str(run)])
    main()
    lines = capsys.readouterr().out.splitlines()
    assert any(line.endswith(f"{run}/wer_test.txt") for line in lines)
    assert any(line.endswith(f"--model {run} FILE...") for line in lines)
