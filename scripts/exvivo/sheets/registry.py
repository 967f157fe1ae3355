"""The sheets of a facility: plates, screens, samples and drugs, read at DAG time.

Standard library and the schemas only, since every job of a workflow reads them again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from exvivo.errors import Problem, SheetError
from exvivo.privacy.policy import use
from exvivo.sheets.checks import check_sheets, check_unique, readout_of, split_names
from exvivo.sheets.decisions import Decision, build_decision, check_decisions
from exvivo.sheets.names import suggest
from exvivo.sheets.personal import personal_cell
from exvivo.sheets.problems import collapse
from exvivo.sheets.schema import column_validator, describe, read_schema
from exvivo.sheets.text import Row, read_rows

_MEANT = ("path",)  # a raw plate's path refuses its own plate, at the scan, and stops no other


@dataclass(frozen=True)
class Plate:
    """A row of plates.tsv. `path` is relative to `data_root`, `layout` to the working directory (posix).

    `readout` is what a plate-reader file holds (`metabolic` where the sheet says nothing), else empty.
    """

    plate: str
    screen: str
    path: str
    instrument: str
    layout: str
    layout_plate: str = ""
    readout: str = ""


@dataclass(frozen=True)
class Screen:
    """A row of screens.tsv; what is not given is an empty text or tuple. `readouts[0]` is the headline."""

    screen: str
    kind: str
    training_screen: str = ""
    sample: str = ""
    network: str = ""
    readouts: tuple[str, ...] = ()
    reference: str = ""
    status: str = "open"
    cohort: str = ""
    incomplete: str = "wait"


@dataclass(frozen=True)
class Sheets:
    """All sheets, in their own order. `folder` gives a plate's raw data, `plates_of` a screen's plates.

    `frozen`: for each screen with a release that is not being revised, the folder of that release.
    """

    plates: dict[str, Plate]
    screens: dict[str, Screen]
    samples: dict[str, dict[str, str]] = field(default_factory=dict)
    drugs: dict[str, dict[str, str]] = field(default_factory=dict)
    data_root: Path = Path()
    frozen: Mapping[str, str] = field(default_factory=dict)
    decisions: tuple[Decision, ...] = ()

    def decisions_of(self, screen: str) -> list[Decision]:
        """What people decided about a screen, in the order of their sheet."""
        return [decision for decision in self.decisions if decision.screen == screen]

    @cached_property
    def _by_screen(self) -> dict[str, list[Plate]]:
        groups: dict[str, list[Plate]] = {screen: [] for screen in self.screens}
        for plate in self.plates.values():
            groups[plate.screen].append(plate)
        return groups

    @cached_property
    def by_sample(self) -> dict[str, list[str]]:
        """Drug screens of each sample, in order: open ones, and released ones with their signed copy."""
        groups: dict[str, list[str]] = {}
        for screen in self.screens.values():
            if screen.kind == "drug" and (screen.status == "open" or screen.screen in self.frozen):
                groups.setdefault(screen.sample, []).append(screen.screen)
        return groups

    def plates_of(self, screen: str) -> list[Plate]:
        """Return the plates of a screen in the order of plates.tsv; `KeyError` for an unknown screen."""
        return list(self._by_screen[screen])

    def folder(self, plate: str) -> Path:
        """Return where the raw data of a plate lie: `data_root` joined with its path."""
        return self.data_root / self.plates[plate].path


@dataclass(frozen=True)
class Record:
    """A row of a sheet that passed its schema: line and values, defaults filled in."""

    line: int
    values: dict[str, str]


def read_sheets(
    config: dict[str, Any],
    root: Path,
    *,
    layouts_must_exist: bool = True,
    frozen: Mapping[str, str] | None = None,
) -> Sheets:
    """Read and check all sheets that a configuration names.

    `config` comes from `load_config`; `root` is the directory that its paths are relative to (Snakemake's
    working directory). A layout file that is not there is a problem of the sheet, unless
    `layouts_must_exist` is false: then `screen_layout` reports it, and it holds one screen only. Raises
    `SheetError` with all problems of all sheets at once.

    `frozen` are the screens with a release (`exvivo.release.folder.frozen_screens`): they have status
    `released` whatever the sheet says, so that an edit of the sheet alone cannot have them made again.
    """
    use(config["privacy"], root)
    problems: list[Problem] = []
    frozen = frozen or {}
    records = {
        name: read_sheet(root / config[name], name, config[name], problems)
        if config[name]
        else None
        for name in ("plates", "screens", "samples", "drugs")
    }
    plates = _localise(records["plates"] or [], root, config["plates"])
    records["plates"] = plates
    records["screens"] = [_freeze(record, frozen) for record in records["screens"] or []]
    check_sheets(records, config, root, problems, layouts_must_exist=layouts_must_exist)
    decisions = _decisions(records, config, root, problems)
    if problems:
        raise SheetError(collapse(problems))
    return Sheets(
        plates={r.values["plate"]: _build_plate(r) for r in plates},
        screens={r.values["screen"]: _build_screen(r) for r in records["screens"] or []},
        samples={r.values["sample"]: r.values for r in records["samples"] or []},
        drugs={r.values["drug"]: r.values for r in records["drugs"] or []},
        data_root=root / config["data_root"],
        frozen=frozen,
        decisions=tuple(build_decision(record) for record in decisions),
    )


def read_sheet(path: Path, schema: str, name: str, problems: list[Problem]) -> list[Record]:
    """Read one sheet and check it cell by cell against `schema`; what is wrong is added to `problems`.

    `name` is how messages call the file. A row with a problem is left out of what is returned.
    """
    try:
        rows = [row for row in read_rows(path, name) if not row.cells[0].startswith("#")]
    except SheetError as error:
        problems.extend(error.problems)
        return []
    if not rows:
        problems.append(Problem(name, 0, "", "only comments", "a header and at least one row"))
        return []
    header, *body = rows
    columns = check_header(header, schema, name, problems)
    records = []
    for row in body:
        before = len(problems)
        values = _check_row(row, columns, schema, name, problems)
        if len(problems) == before:
            records.append(Record(row.line, values))
    return records


def read_drug_rows(path: Path) -> list[dict[str, str]]:
    """Rows of drugs.tsv alone; `SheetError` with everything that is wrong in it."""
    problems: list[Problem] = []
    rows = [record.values for record in read_sheet(path, "drugs", path.name, problems)]
    if problems:
        raise SheetError(collapse(problems))
    return rows


def check_header(header: Row, schema: str, name: str, problems: list[Problem]) -> list[str]:
    """Check a header for unknown, doubled and missing columns; return the column of each cell ("" if none)."""
    known = read_schema(schema)["properties"]
    columns: list[str] = []
    for cell in header.cells:
        if cell and cell not in known:
            expected = f"one of {', '.join(known)}"
            problems.append(
                Problem(
                    name, header.line, cell, "an unknown column", expected, suggest(cell, known)
                )
            )
        elif cell and cell in columns:
            problems.append(Problem(name, header.line, cell, "the column twice", "it once"))
        columns.append(cell if cell in known else "")
    problems += [
        Problem(name, header.line, column, "no such column", "this column")
        for column in read_schema(schema)["required"]
        if column not in columns
    ]
    return columns


def _check_row(
    row: Row, columns: list[str], schema: str, name: str, problems: list[Problem]
) -> dict[str, str]:
    given: dict[str, str] = {}
    for index, cell in enumerate(row.cells):
        if cell and index >= len(columns):
            found, expected = f"{len(row.cells)} cells", f"{len(columns)}, as in the header"
            problems.append(Problem(name, row.line, "", found, expected))
            return {}
        if cell and columns[index]:
            given[columns[index]] = cell
    content = read_schema(schema)
    problems += [
        Problem(name, row.line, column, "an empty cell", "a value")
        for column in content["required"]
        if column not in given and column in columns
    ]
    for column, cell in given.items():
        personal = [] if column in _MEANT else personal_cell(cell, name, row.line, column)
        problems.extend(personal or _check_cell(cell, column, schema, name, row.line))
    return {
        column: given.get(column, node.get("default", ""))
        for column, node in content["properties"].items()
    }


def _check_cell(cell: str, column: str, schema: str, name: str, line: int) -> list[Problem]:
    return [
        Problem(name, line, column, repr(cell), expected, hint)
        for expected, hint in _faults(cell, column, schema)
    ]


@lru_cache(maxsize=100_000)
def _faults(cell: str, column: str, schema: str) -> tuple[tuple[str, str], ...]:
    """What is expected of a cell that its schema refuses, with a hint; most cells of a sheet repeat."""
    node = read_schema(schema)["properties"][column]
    hint = suggest(cell, node["enum"]) if "enum" in node else ""
    errors = column_validator(schema, column).iter_errors(cell)
    return tuple((finding.expected, hint) for error in errors for finding in describe(error))


def _localise(records: list[Record], root: Path, sheet: str) -> list[Record]:
    """Give layouts' paths relative to `root`: beside the sheet first, else as written."""
    places: dict[str, str] = {}
    for written in {record.values["layout"] for record in records}:
        beside = str(PurePosixPath(sheet).parent / written.replace("\\", "/"))
        other = not (root / beside).is_file() and (root / written).is_file()
        places[written] = written if other else beside
    return [
        Record(record.line, record.values | {"layout": places[record.values["layout"]]})
        for record in records
    ]


def _decisions(
    records: dict[str, list[Record] | None],
    config: dict[str, Any],
    root: Path,
    problems: list[Problem],
) -> list[Record]:
    file = config["decisions"]
    if not file:
        return []
    found = read_sheet(root / file, "decisions", file, problems)
    check_unique(found, "decision", file, problems)
    plates = {r.values["plate"]: r.values["screen"] for r in records["plates"] or []}
    screens = {r.values["screen"]: r.values for r in records["screens"] or []}
    check_decisions(found, plates, screens, file, problems)
    return found


def _freeze(record: Record, frozen: Mapping[str, str]) -> Record:
    released = record.values["screen"] in frozen
    return Record(record.line, record.values | {"status": "released"}) if released else record


def _build_plate(record: Record) -> Plate:
    reader = record.values["instrument"] == "reader"
    return Plate(**record.values | {"readout": readout_of(record.values) if reader else ""})


def _build_screen(record: Record) -> Screen:
    values = record.values | {"readouts": split_names(record.values["readouts"])}
    return Screen(**values)
