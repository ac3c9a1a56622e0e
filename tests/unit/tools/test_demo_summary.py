import json

from rich.console import Console

from tools.demo_summary import summarize


def test_scores_stand_side_by_side(tmp_path):
    result = {"model": "lact_demo", "parameters": 1_540_000, "training_wall_s": 150}
    (tmp_path / "result.json").write_text(json.dumps(result))
    for name, wer in (("greedy.json", 8.125), ("beam_lm.json", 4.0)):
        scores = {"wer": wer, "cer": 1.0, "n_utterances": 160, "rtf": 0.01}
        (tmp_path / name).write_text(json.dumps(scores))
    console = Console(width=100)
    with console.capture() as capture:
        console.print(summarize(tmp_path))
    text = capture.get()
    assert "1.5 M parameters, trained in 2.5 min" in text
    greedy, beam = (line for line in text.splitlines() if "160" in line)
    assert "greedy" in greedy and "8.12" in greedy and "100" in greedy
    assert "beam 50 + trigram" in beam and "4.00" in beam
