"""Print what ``make demo`` reached, from the files that its steps wrote."""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def summarize(result: dict[str, Any]) -> Table:
    """Put the scores of a run's decodings side by side.

    Arguments
    ---------
    result : dict[str, Any]
        Contents of a ``result.json``.

    Returns
    -------
    Table
        A row for each split and decoding.
    """
    minutes = (result["training_wall_s"] or 0) / 60
    title = (
        f"{result['model']}: {result['parameters'] / 1e6:.1f} M parameters, "
        f"trained in {minutes:.1f} min"
    )
    table = Table("split", "decoding", title=title, title_justify="left")
    for heading in ("WER %", "95 %", "CER %", "utterances", "x real time"):
        table.add_column(heading, justify="right")
    for split, decodings in result["metrics"].items():
        for decoding, scores in decodings.items():
            low, high = scores["wer_interval"]
            table.add_row(
                *(split, decoding, f"{scores['wer']:.2f}", f"{low:.2f} - {high:.2f}"),
                f"{scores['cer']:.2f}",
                str(scores["num_utterances"]),
                f"{1 / scores['rtf']:.0f}",
            )
    return table


def suggest(run: Path, streams: bool) -> list[str]:
    """Suggest what to try with the model.

    Arguments
    ---------
    run : Path
        Output folder of the demonstration.
    streams : bool
        Whether it is a streaming model.

    Returns
    -------
    list[str]
        A line each.

    Example
    -------
    >>> suggest(Path("runs/demo"), streams=False)[1]
    'stream and serve need a streaming model: make demo-streaming'
    """
    program = f"try it: .venv/bin/lact-asr {{}} --model {run}"
    if streams:
        return [program.format("stream") + " FILE", program.format("serve")]
    return [
        program.format("transcribe") + " FILE...",
        "stream and serve need a streaming model: make demo-streaming",
        "change what is trained: docs/changing_recipes.md, docs/extending.md",
    ]


def main() -> None:
    """Print the table and where to look further."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="output folder of the demonstration")
    parser.add_argument(
        "--streams", action="store_true", help="it is a streaming model"
    )
    options = parser.parse_args()
    run = options.run
    console = Console()
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    console.print(summarize(result))
    places = f"learning curves: {run}/plots    alignments: {run}/wer_test.txt"
    lines = [places, *suggest(run, options.streams)]
    # whole commands and paths, to be copied, however narrow the terminal
    console.print("\n".join(lines), markup=False, soft_wrap=True)


if __name__ == "__main__":
    main()
