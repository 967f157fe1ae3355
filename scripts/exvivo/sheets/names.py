"""Names of wells, plates and readouts: the words that sheets, layouts and file names share.

Standard library only: imported at DAG time and by instrument readers.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from exvivo.errors import ExvivoError

# Letters and digits, joined by single dots, hyphens or underscores: safe in file names, in Snakemake
# wildcards and in shells.
ID_PATTERN = r"^[A-Za-z0-9]+([._-][A-Za-z0-9]+)*$"

# Rows and columns of the usual plates, smallest first (ANSI/SLAS formats).
FORMATS: dict[int, tuple[int, int]] = {
    6: (2, 3),
    12: (3, 4),
    24: (4, 6),
    48: (6, 8),
    96: (8, 12),
    384: (16, 24),
    1536: (32, 48),
}

NETWORKS = ("vgg19", "vgg16", "resnet50", "efficientnet_lite0", "small")
INSTRUMENTS = ("imagexpress", "operetta", "pattern", "reader")
VIABILITY_READOUTS = ("viability_phase1", "viability_phase2", "viability_phase3")
# They count single cells; only total_count needs no marker of the sample.
CELL_READOUTS = (
    "total_count",
    "marker_count",
    "marker_healthy_count",
    "marker_fraction",
    "morphology_fraction",
    "morphology_fraction_resnet",
    "cancer_count",
    "healthy_count",
    "random_fraction",
)
IMAGE_READOUTS = ("mean_of_stack", *VIABILITY_READOUTS, *CELL_READOUTS)

_WELL = re.compile(r"([A-Za-z]{1,2})0*([1-9][0-9]?)")


def parse_well(name: str) -> tuple[int, int]:
    """Return the 0-based row and column of a well name.

    Accepts `B2`, `b02`, `B002` and the two-letter rows of 1,536-well plates (`AA07`), with spaces around.
    Raises `ExvivoError` for anything else, also for a well beyond AF48, the last of a 1,536-well plate.
    """
    match = _WELL.fullmatch(name.strip())
    row, column = (row_index(match[1]), int(match[2]) - 1) if match else (-1, -1)
    if not (0 <= row < 32 and 0 <= column < 48):
        raise ExvivoError(
            "this is not a well", expected="a name from A01 to AF48, such as B02", found=repr(name)
        )
    return row, column


def well_name(row: int, column: int) -> str:
    """Return the name of the well at 0-based `row` and `column`: (1, 1) is `B02`, (26, 6) is `AA07`."""
    return f"{row_letters(row)}{column + 1:02d}"


def row_index(letters: str) -> int:
    """Return the 0-based row of row letters: `A` is 0, `Z` 25, `AA` 26. Case does not matter."""
    index = 0
    for letter in letters.upper():
        index = index * 26 + ord(letter) - ord("A") + 1
    return index - 1


def row_letters(row: int) -> str:
    """Return the letters of the 0-based `row`: 0 is `A`, 25 `Z`, 26 `AA`."""
    letters = ""
    row += 1
    while row:
        row, digit = divmod(row - 1, 26)
        letters = chr(ord("A") + digit) + letters
    return letters


def suggest(word: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Return "Did you mean …?" for the closest of `known` words, or an empty text."""
    by_key = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), by_key, n=1, cutoff=cutoff)
    return f"Did you mean {by_key[close[0]]!r}?" if close else ""
