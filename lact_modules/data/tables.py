"""Tables of utterances: CSV and TSV with a line of column names."""

import csv
from collections.abc import Iterator
from pathlib import Path

from lact_modules.data.columns import missing_columns
from lact_modules.errors import InputError


def read_table(path: str | Path) -> Iterator[tuple[int, dict[str, str]]]:
    r"""Read a table row by row.

    Arguments
    ---------
    path : str | Path
        UTF-8; commas between the cells and quotes as in RFC 4180, or tabs if the name
        ends in ``.tsv``, where a quote is a character like others.

    Yields
    ------
    tuple[int, dict[str, str]]
        Number of the row's last line, and its cells by column, without those that the
        row lacks.

    Raises
    ------
    InputError
        If there is no column for audio or text, a row has more cells than the table
        columns, or the file is not such a table.

    Example
    -------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "train.tsv"
    >>> _ = path.write_text("path\tsentence\na.mp3\tHe said \"no\n")
    >>> list(read_table(path))
    [(2, {'path': 'a.mp3', 'sentence': 'He said "no'})]
    """
    path = Path(path)
    try:
        with open(path, encoding="utf-8-sig", newline="") as stream:
            if path.suffix.lower() == ".tsv":
                rows = csv.DictReader(stream, delimiter="\t", quoting=csv.QUOTE_NONE)
            else:
                rows = csv.DictReader(stream, skipinitialspace=True)
            columns = rows.fieldnames or []
            if missing := missing_columns(columns):
                raise InputError(
                    f"{path}: no column {' and no '.join(missing)}; the table has: "
                    f"{', '.join(columns) or 'nothing'}"
                )
            for row in rows:
                # where the table ends, DictReader puts further cells under None
                if None in row:
                    raise InputError(
                        f"{path}:{rows.line_num}: more cells than the table has columns"
                    )
                cells = {name: cell for name, cell in row.items() if cell is not None}
                yield rows.line_num, cells
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a table in UTF-8 ({error})") from error
