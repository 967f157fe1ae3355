"""How long a screen took, from the last change of its raw files to its report."""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable
from pathlib import Path

from exvivo.files import write_text
from exvivo.plates.cache import ScanCache
from exvivo.sheets import Plate

COLUMNS = ("screen", "arrived", "reported", "hours", "night")
_SKEW_SECONDS = 3600  # a file's time further ahead is an instrument's wrong clock


def arrival(plates: Iterable[Plate], results: Path) -> float | None:
    """When the last raw file of a screen changed as the scan saw it, in seconds since 1970; None if not known.

    The time of the directory entry counts as well as that of the content: a copy that keeps the original's
    times arrives when it is written here.
    """
    latest, now = 0, time.time_ns() + int(_SKEW_SECONDS * 1e9)
    for plate in plates:
        cache = ScanCache("")
        cache.load_files(results / plate.plate)
        for folder in cache.listings.values():
            for stat in folder.files.values():
                latest = max([latest, *(t for t in (stat.mtime_ns, stat.ctime_ns) if t < now)])
    return latest / 1e9 if latest else None


def record(path: Path, night: str, screens: dict[str, tuple[float, float]]) -> dict[str, float]:
    """Add a row for each screen whose raw files are newer than at its last row; return hours by screen.

    `screens`: arrival and report in seconds since 1970. A report made again of the same raw files is no turnaround.
    """
    rows = _read(path)
    last = {row["screen"]: row["arrived"] for row in rows}
    hours = {}
    for screen, (arrived, reported) in screens.items():
        if last.get(screen) == stamp(arrived):
            continue
        hours[screen] = round((reported - arrived) / 3600, 2)
        values = (screen, stamp(arrived), stamp(reported), f"{hours[screen]:.2f}", night)
        rows.append(dict(zip(COLUMNS, values, strict=True)))
    if hours:
        lines = ["\t".join(COLUMNS), *("\t".join(row[c] for c in COLUMNS) for row in rows)]
        write_text(path, "\n".join(lines) + "\n")
    return hours


def stamp(seconds: float) -> str:
    """A point in time as UTC, to the second."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _read(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))
