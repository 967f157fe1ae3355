"""Column `markers` of samples.tsv, where a screen of single cells needs more than words: which channel, which class."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ENTRY = re.compile(
    r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*) *\( *(?P<channel>[^()]+?) *\) *: *(?P<means>cancer|healthy)"
)
RESERVED = ("DAPI", "BF")  # channels that every screen of cells has
EXPECTED = "entries such as CD34 (FITC): cancer; CD3 (TRITC): healthy"


@dataclass(frozen=True)
class CellMarker:
    """A stain of cells: `name`, `channel` of the instrument, and what it `means`: cancer or healthy."""

    name: str
    channel: str
    means: str


def parse_markers(cell: str) -> list[CellMarker] | None:
    """The markers of a sample, in order; None where the cell holds anything but such entries."""
    found = []
    for part in filter(None, (part.strip() for part in cell.split(";"))):
        match = _ENTRY.fullmatch(part)
        if match is None or match["name"] in RESERVED:
            return None
        found.append(CellMarker(match["name"], match["channel"], match["means"]))
    names = [marker.name.casefold() for marker in found]
    return found if found and len(set(names)) == len(names) else None
