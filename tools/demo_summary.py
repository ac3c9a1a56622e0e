"""Print what ``make demo`` reached, from the files that its steps wrote."""

import argparse
import json
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

DECODINGS = {"greedy": "greedy.json", "beam 50 + trigram": "beam_lm.json"}


def summarize(run: Path) -> Table:
    """Put the scores of a demonstration run side by side.

    Arguments
    ---------
    run : Path
        Output folder with ``result.json``, ``greedy.json`` and ``beam_lm.json``.

    Returns
    -------
    Table
        A row for each decoding.
    """
    result = _read(run / "result.json")
    minutes = (result["training_wall_s"] or 0) / 60
    title = (
        f"{result['model']}: {result['parameters'] / 1e6:.1f} M parameters, "
        f"trained in {minutes:.1f} min"
    )
    table = Table("decoding", title=title, title_justify="left")
    for heading in ("WER %", "CER %", "utterances", "x real time"):
        table.add_column(heading, justify="right")
    for decoding, name in DECODINGS.items():
        scores = _read(run / name)
        table.add_row(
            decoding,
            f"{scores['wer']:.2f}",
            f"{scores['cer']:.2f}",
            str(scores["n_utterances"]),
            f"{1 / scores['rtf']:.0f}",
        )
    return table


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    """Print the table and where to look further."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path, help="output folder of the demonstration")
    run = parser.parse_args().run
    console = Console()
    console.print(summarize(run))
    console.print(f"learning curves: {run}/plots    alignments: {run}/wer_test.txt")
    console.print(
        f"try it: .venv/bin/lact-asr transcribe --model {run} FILE...", markup=False
    )


if __name__ == "__main__":
    main()
