"""Cells of sheets and layouts that name a person: refused, since what they say would be carried into results.

Never replaced: a drug by a pseudonym would be a wrong result, and a sheet is the facility's own to mend.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from exvivo.errors import Problem
from exvivo.privacy.policy import current


def personal_cell(cell: str, file: str, line: int, column: str = "") -> list[Problem]:
    """The problem of a cell with a personal value; none for any other. The value is not told."""
    told = _told(current().signature, cell) if cell else ""
    if not told:
        return []
    hint = "Write a pseudonym in its place; what is no name can be written in another way"
    return [Problem(file, line, column, f"{told} (not shown)", "no personal data", hint)]


def personal_cells(cells: Iterable[str], file: str, line: int) -> list[Problem]:
    """The problems of a row; the column is told by its number."""
    return [
        problem
        for number, cell in enumerate(cells, start=1)
        for problem in personal_cell(cell, file, line, f"{number}")
    ]


@lru_cache(maxsize=100_000)
def _told(signature: str, cell: str) -> str:
    """What the policy of this signature finds in a cell; most cells repeat."""
    return current().told(cell)
