"""The tables of a Markdown page, as rows by column title.

So that a test can compare what a page written by hand says with what the code has. Cells are given
as they stand, without the white space around them. It knows pipes, and no other syntax of tables.
"""

from __future__ import annotations

Row = dict[str, str]


def read_tables(text: str, *titles: str) -> list[list[Row]]:
    """Return the tables whose first columns have these titles, in their order."""
    tables: list[list[Row]] = []
    head: list[str] | None = None
    for line in text.splitlines():
        if not line.startswith("|"):
            head = None
        elif head is None:
            head = _cells(line)
            if tuple(head[: len(titles)]) == titles:
                tables.append([])
        elif set(line) - set("|-") and tuple(head[: len(titles)]) == titles:
            tables[-1].append(dict(zip(head, _cells(line), strict=True)))
    return tables


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
