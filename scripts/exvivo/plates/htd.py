"""The .HTD file that MetaXpress writes beside a plate: which wells, sites, waves and planes were asked for."""

from __future__ import annotations

import csv
from pathlib import Path

from exvivo.errors import PlateError
from exvivo.plates.base import Expectation
from exvivo.sheets.names import well_name

MAX_BYTES = 1_000_000  # a real one has 2 kB
Values = dict[str, list[str]]


def read_htd(path: Path, *, source: str) -> Expectation:
    """Read a .HTD file.

    The file says nothing per wave about planes or time points: a wave that was taken as a single plane or
    as a projection only looks as the others do, so `planes` is that of a full stack.

    Raises `PlateError` if the file cannot be read or lacks the keys for wells, sites and waves.
    """
    values = _read_values(path, source)
    rows, columns = _number(values, "YWells", source), _number(values, "XWells", source)
    if rows > 32 or columns > 48:
        raise _damaged(source, f"{rows} × {columns} wells", "at most 32 × 48, a 1,536-well plate")
    wells = [
        well_name(row, column)
        for row in range(rows)
        for column, taken in enumerate(_flags(values, f"WellsSelection{row + 1}", columns, source))
        if taken
    ]
    sites = _sites(values, source)
    waves = _number(values, "NWavelengths", source) if _true(values, "Waves", True) else 1
    steps = _number(values, "ZSteps", source, 0) if _true(values, "ZSeries", False) else 0
    channels = tuple(str(wave + 1) for wave in range(waves))
    names = {c: values[f"WaveName{c}"][0] for c in channels if values.get(f"WaveName{c}")}
    return Expectation(
        source=source,
        wells=tuple(wells),
        fields=len(sites[0]),
        field_numberings=sites,
        channels=channels,
        planes=max(1, steps),
        channel_names=names,
        time_points=_number(values, "TimePoints", source, 1),
    )


def _read_values(path: Path, source: str) -> Values:
    try:
        with path.open("rb") as handle:
            content = handle.read(MAX_BYTES + 1)
    except OSError as error:
        raise _damaged(source, f"{error.strerror}", "a readable file") from error
    if len(content) > MAX_BYTES:
        raise _damaged(source, f"more than {MAX_BYTES:,} bytes", "a text file of a few kilobytes")
    # Descriptions come in the code page of the instrument's computer; the keys are ASCII.
    lines = content.decode("latin-1").replace("\0", "").splitlines()
    rows = csv.reader(lines, skipinitialspace=True)
    values: Values = {}
    try:
        for row in rows:
            if row and row[0].strip():
                values.setdefault(row[0].strip(), [cell.strip() for cell in row[1:]])
    except csv.Error as error:
        raise _damaged(source, str(error), "lines of comma-separated values") from error
    return values


def _sites(values: Values, source: str) -> tuple[tuple[int, ...], ...]:
    """Return the ways in which the selected sites may be numbered, the usual one first.

    Sites are counted over the selected ones (Bio-Formats reads them so); some plates keep the position in
    the grid, and some count from zero.
    """
    if not _true(values, "Sites", False):
        return ((1,), (0,))
    columns, rows = _number(values, "XSites", source), _number(values, "YSites", source)
    taken: list[bool] = []
    for row in range(rows):
        taken += _flags(values, f"SiteSelection{row + 1}", columns, source)
    grid = tuple(index + 1 for index, flag in enumerate(taken) if flag)
    if not grid:
        raise _damaged(source, "no site is TRUE", "at least one selected site")
    counted = tuple(range(1, len(grid) + 1))
    return counted, grid, tuple(range(len(grid)))


def _flags(values: Values, key: str, count: int, source: str) -> list[bool]:
    cells = [cell.upper() for cell in values.get(key, [])]
    if len(cells) < count or not set(cells) <= {"TRUE", "FALSE", ""}:
        raise _damaged(
            source, f"{key}: {len(cells)} values", f"{key} with {count} times TRUE or FALSE"
        )
    return [cell == "TRUE" for cell in cells[:count]]


def _number(values: Values, key: str, source: str, default: int | None = None) -> int:
    cells = values.get(key)
    if not cells and default is not None:
        return default
    if not cells or not cells[0].isdecimal() or not 0 <= int(cells[0]) <= 10_000:
        raise _damaged(
            source, f"{key}: {cells[0] if cells else 'missing'!r}", f"{key} with a whole number"
        )
    return int(cells[0])


def _true(values: Values, key: str, default: bool) -> bool:
    cells = values.get(key)
    return cells[0].upper() == "TRUE" if cells else default


def _damaged(source: str, found: str, expected: str) -> PlateError:
    return PlateError(
        "this .HTD file cannot be used",
        expected=expected,
        found=found,
        where=source,
        hint="copy it again from the instrument; without any .HTD file the plate is judged by itself",
    )
