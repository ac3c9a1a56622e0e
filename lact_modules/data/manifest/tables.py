"""Tables of utterances: CSV and TSV with a line of column names."""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lact_modules.data.manifest.columns import REQUIRED, find_columns, missing_columns
from lact_modules.errors import InputError

if TYPE_CHECKING:
    from _csv import Reader

# the first counts where several would do
_DELIMITERS = (",", ";", "\t")
# what Excel writes before the line of column names
_DECLARED_DELIMITER = re.compile(r'"?sep=(.)"?\r?\n', re.I)


def read_table(
    path: str | Path, text: str, required: Sequence[str] = REQUIRED
) -> Iterator[tuple[int, dict[str, str]]]:
    """Read rows, each with the number of its last line, and its cells by column.

    Commas part the cells and quotes are as in RFC 4180, or else semicolons or tabs, by
    what parts the column names. In a ``.tsv``, perhaps packed, tabs do, and a quote is
    a character like others. Empty rows are skipped. Raises InputError for lacking or
    double columns, a row with more cells than the table columns, or quotes that are not
    closed.
    """
    path = Path(path)
    if path.name.lower().removesuffix(".gz").endswith(".tsv"):
        stream = io.StringIO(text, newline="")
        rows = csv.reader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
    else:
        rows = _read_quoted(text)
    try:
        columns = _read_columns(path, rows, required)
        for cells in rows:
            if any(map(str.strip, cells)):
                _check_cells(f"{path}:{rows.line_num}", cells, columns)
                yield rows.line_num, dict(zip(columns, cells, strict=False))
    except csv.Error as error:
        raise InputError(
            f"{path}:{rows.line_num}: not a row of a table ({error})"
        ) from error


def _read_quoted(text: str) -> "Reader":
    """Read cells that may be quoted, with whatever parts the column names."""
    declared = _DECLARED_DELIMITER.match(text)
    first_line = text.partition("\n")[0]
    delimiter = declared[1] if declared else max(_DELIMITERS, key=first_line.count)
    # a quote that is not closed would swallow the rows behind it
    rows = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        skipinitialspace=True,
        strict=True,
    )
    if declared:
        next(rows)
    return rows


def _read_columns(path: Path, rows: "Reader", required: Sequence[str]) -> list[str]:
    columns: list[str] = next(
        (cells for cells in rows if any(map(str.strip, cells))), []
    )
    try:
        missing = missing_columns(columns, required)
    except InputError as error:
        raise InputError(f"{path}:{rows.line_num}: {error}") from error
    if missing:
        raise InputError(
            f"{path}:{rows.line_num}: no column {' and no '.join(missing)}; the table "
            f"has: {', '.join(columns) or 'nothing'}"
        )
    return columns


def _check_cells(place: str, cells: list[str], columns: list[str]) -> None:
    if len(cells) > len(columns):
        raise InputError(f"{place}: more cells than the table has columns")
    fields, times = find_columns(columns)
    wanted = {name: field for field, name in fields.items()}
    wanted |= {name: time.field for name, time in times.items()}
    for name in columns[len(cells) :]:
        if name in wanted:
            raise InputError(
                f"{place}: not a manifest line ({wanted[name]} is missing: the row "
                f"ends before its column {name!r}); give all rows as many cells"
            )
