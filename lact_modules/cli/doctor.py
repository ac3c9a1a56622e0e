"""``lact-asr doctor``: check the environment, data and a model."""

from pathlib import Path
from typing import Annotated

import typer

from lact_modules.cli.terminal.output import print_table

_COLORS = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    data: Annotated[
        Path | None,
        typer.Option(
            help="Corpus in LibriSpeech's layout, a split of it, or a manifest.",
            metavar="FOLDER",
        ),
    ] = None,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Training run or export, whose vocabulary must cover the data.",
            metavar="DIR",
        ),
    ] = None,
) -> None:
    """Check the environment, a corpus and a model; exit code 2 if something fails."""
    from rich.table import Table
    from rich.text import Text

    from lact_modules.cli.checks import check_environment, check_model
    from lact_modules.cli.data_checks import check_data

    findings = list(check_environment())
    if model is not None:
        findings.append(check_model(model))
    if data is not None:
        findings.extend(check_data(data, model))
    table = Table("", "status", "found", "advice", box=None, pad_edge=False)
    for finding in findings:
        # brackets in a path or an advice are no markup
        status = Text(finding.status, style=_COLORS[finding.status])
        table.add_row(
            finding.subject, status, Text(finding.detail), Text(finding.advice)
        )
    print_table(table)
    if any(finding.status == "fail" for finding in findings):
        raise typer.Exit(2)
