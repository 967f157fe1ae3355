"""What no schema can say: how the sheets agree with each other and with the disk."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exvivo.errors import Problem
from exvivo.sheets.markers import EXPECTED, parse_markers
from exvivo.sheets.names import CELL_READOUTS, IMAGE_READOUTS, VIABILITY_READOUTS, suggest

if TYPE_CHECKING:
    from exvivo.sheets.registry import Record

FIRST_PHASE = "viability_phase1"

Records = dict[str, "list[Record] | None"]


def check_sheets(
    records: Records,
    config: dict[str, Any],
    root: Path,
    problems: list[Problem],
    *,
    layouts_must_exist: bool,
) -> None:
    """Add to `problems` every disagreement between the sheets.

    `records` holds the rows of plates, screens, samples and drugs (None for a sheet not given) that passed
    their schema; layouts' paths are relative to `root`.
    """
    # A row that its schema refused is told already: do not add "unknown screen" for each of its plates.
    whole = {name: not any(p.file == config[name] for p in problems) for name in records}
    for name, key in (
        ("plates", "plate"),
        ("screens", "screen"),
        ("samples", "sample"),
        ("drugs", "drug"),
    ):
        check_unique(records[name] or [], key, config[name], problems)
    plates, screens = records["plates"] or [], records["screens"] or []
    # A released screen is frozen: whatever its rows would need to be made again may be gone.
    released = {r.values["screen"] for r in screens if r.values["status"] == "released"}
    alive = [record for record in plates if record.values["screen"] not in released]
    working = [record for record in screens if record.values["screen"] not in released]
    _check_plates(alive, config, problems)
    if layouts_must_exist:
        _check_layouts(alive, config["plates"], root, problems)
    _check_references(working, config, root, problems)
    _check_paths(plates, config["plates"], problems)
    if whole["screens"]:
        known = {record.values["screen"]: record.values["kind"] for record in screens}
        for record in plates:
            _check_known(record, "screen", known, config["plates"], config["screens"], problems)
        for record in working:
            _check_screen(record, known, config["screens"], problems)
    if whole["plates"]:
        _check_plates_of_screens(plates, working, config, problems)
    _check_samples(records, config, problems, whole=whole["samples"])
    if problems == [] and not plates:
        problems.append(Problem(config["plates"], 0, "", "no rows", "at least one plate"))


def check_unique(records: list[Record], key: str, file: str, problems: list[Problem]) -> None:
    """Refuse an id given twice, also if only upper and lower case differ: some file systems ignore case."""
    first: dict[str, Record] = {}
    for record in records:
        earlier = first.setdefault(record.values[key].casefold(), record)
        if earlier is not record:
            found = f"{record.values[key]!r} again (first in row {earlier.line})"
            problems.append(
                Problem(file, record.line, key, found, "each id once, whatever its case")
            )


def _check_known(
    record: Record, column: str, known: Any, file: str, other: str, problems: list[Problem]
) -> None:
    value = record.values[column]
    if value and value not in known:
        found, expected = repr(value), f"one that {other} holds"
        problems.append(Problem(file, record.line, column, found, expected, suggest(value, known)))


def _check_layouts(plates: list[Record], file: str, root: Path, problems: list[Problem]) -> None:
    """Refuse layouts that are not there."""
    first: dict[str, Record] = {}
    for record in plates:
        first.setdefault(record.values["layout"], record)
    for layout, record in first.items():
        if not (root / layout).is_file():
            expected = "a file beside this sheet or in the working directory"
            problems.append(Problem(file, record.line, "layout", f"no file {layout!r}", expected))


def _check_references(
    screens: list[Record], config: dict[str, Any], root: Path, problems: list[Problem]
) -> None:
    named = [
        (config["screens"], record.line, column, record.values[column])
        for column in ("reference", "cohort")
        for record in screens
    ]
    named.append(("config", 0, "scoring.reference", config["scoring"]["reference"] or ""))
    named.append(("config", 0, "context.cohort", config["context"]["cohort"] or ""))
    for file, line, column, reference in named:
        if reference and not (root / reference).is_file():
            expected = "a file, relative to the working directory"
            problems.append(Problem(file, line, column, f"no file {reference!r}", expected))


def _check_plates(records: list[Record], config: dict[str, Any], problems: list[Problem]) -> None:
    file = config["plates"]
    for record in records:
        instrument, readout = record.values["instrument"], record.values["readout"]
        if instrument != "reader" and readout:
            expected = "nothing: only plates of instrument reader name their readout"
            problems.append(Problem(file, record.line, "readout", repr(readout), expected))
        elif readout in IMAGE_READOUTS:
            expected = f"a name other than {', '.join(IMAGE_READOUTS)}, which come from images"
            problems.append(Problem(file, record.line, "readout", repr(readout), expected))
        if instrument == "pattern" and config["imaging"]["pattern"] is None:
            expected = "another instrument, or imaging.pattern in the configuration"
            problems.append(Problem(file, record.line, "instrument", "'pattern'", expected))


def _check_paths(records: list[Record], file: str, problems: list[Problem]) -> None:
    """Refuse the same raw data twice; a reader's file may hold several plates and readouts."""
    first: dict[tuple[str, ...], Record] = {}
    for record in records:
        values = record.values
        key: tuple[str, ...] = (
            "/".join(p for p in re.split(r"[/\\]", values["path"]) if p not in ("", ".")),
        )
        if values["instrument"] == "reader":
            key += (values["layout_plate"], values["readout"])
        earlier = first.setdefault(key, record)
        if earlier is not record:
            found = f"{values['path']!r} again (first in row {earlier.line})"
            hint = "One plate with two ids would count its wells twice"
            problems.append(Problem(file, record.line, "path", found, "each plate once", hint))


def readout_of(values: dict[str, str]) -> str:
    """Return the readout that a reader plate's file holds: what its row says, else `metabolic`."""
    return values["readout"] or "metabolic"


def _check_screen(
    record: Record, known: dict[str, str], file: str, problems: list[Problem]
) -> None:
    values, line = record.values, record.line
    _check_known(record, "training_screen", known, file, file, problems)
    if values["kind"] == "training":
        for column in ("training_screen", "readouts", "network"):
            if values[column]:
                expected = "nothing: a training screen has only controls, and each network that a drug screen names learns from it"
                problems.append(Problem(file, line, column, repr(values[column]), expected))
        return
    if known.get(values["training_screen"]) == "drug":
        found = f"{values['training_screen']!r}, which is of kind drug"
        problems.append(Problem(file, line, "training_screen", found, "a screen of kind training"))
    readouts = split_names(values["readouts"])
    if not readouts:
        expected = f"at least one readout, such as {', '.join(IMAGE_READOUTS)} or metabolic"
        problems.append(Problem(file, line, "readouts", "nothing", expected))
    problems += [
        Problem(file, line, "readouts", f"{readout!r} twice", "each readout once")
        for readout in sorted({r for r in readouts if readouts.count(r) > 1})
    ]
    learned = [readout for readout in readouts if readout in VIABILITY_READOUTS]
    # Without a training screen phase II starts from ImageNet itself (Berker et al. 2022, Fig. 5).
    needs = (("network", learned), ("training_screen", [r for r in learned if r == FIRST_PHASE]))
    for column, readouts in needs:
        if readouts and not values[column]:
            expected = f"a value, since {readouts[0]} needs it"
            problems.append(Problem(file, line, column, "nothing", expected))


def split_names(cell: str) -> tuple[str, ...]:
    """Return the names in a cell, separated by commas, semicolons or spaces."""
    return tuple(part for part in re.split(r"[,;\s]+", cell) if part)


def _check_plates_of_screens(
    plates: list[Record], screens: list[Record], config: dict[str, Any], problems: list[Problem]
) -> None:
    groups: dict[str, list[Record]] = {}
    for record in plates:
        groups.setdefault(record.values["screen"], []).append(record)
    readers = {readout_of(r.values) for r in plates if r.values["instrument"] == "reader"}
    for record in screens:
        own = groups.get(record.values["screen"], [])
        if not own:
            found, expected = (
                repr(record.values["screen"]),
                f"a screen with a plate in {config['plates']}",
            )
            problems.append(Problem(config["screens"], record.line, "screen", found, expected))
        elif record.values["kind"] == "drug":
            _check_readouts(record, own, readers, config, problems)
        else:
            _check_training_plates(own, config["plates"], problems)


def _check_training_plates(own: list[Record], file: str, problems: list[Problem]) -> None:
    for plate in own:
        if plate.values["instrument"] == "reader":
            expected = "an imaging instrument, since its screen is of kind training"
            problems.append(Problem(file, plate.line, "instrument", "'reader'", expected))


def _check_readouts(
    screen: Record,
    own: list[Record],
    readers: set[str],
    config: dict[str, Any],
    problems: list[Problem],
) -> None:
    """Check that each readout of a screen has plates to come from, and each reader plate a readout."""
    file, readouts = config["screens"], split_names(screen.values["readouts"])
    imaged = any(plate.values["instrument"] != "reader" for plate in own)
    read = {readout_of(p.values) for p in own if p.values["instrument"] == "reader"}
    for readout in readouts:
        image = readout in IMAGE_READOUTS
        if not image and readout not in readers | {"metabolic"}:
            known = sorted({*IMAGE_READOUTS, "metabolic", *readers})
            found, expected = repr(readout), "one of " + ", ".join(known)
            hint = suggest(readout, known)
        elif (image and not imaged) or (not image and readout not in read):
            kind = (
                "imaging plate" if image else f"plate of instrument reader with readout {readout}"
            )
            found, expected, hint = (
                f"{readout!r} without plates",
                f"at least one {kind} in this screen",
                "",
            )
        else:
            continue
        problems.append(Problem(file, screen.line, "readouts", found, expected, hint))
    for plate in own:
        if plate.values["instrument"] == "reader" and readout_of(plate.values) not in readouts:
            found = f"{readout_of(plate.values)!r}, which its screen does not list"
            expected = f"one of the screen's readouts ({', '.join(readouts) or 'none'})"
            problems.append(Problem(config["plates"], plate.line, "readout", found, expected))


def _check_samples(
    records: Records, config: dict[str, Any], problems: list[Problem], *, whole: bool
) -> None:
    pattern = re.compile(config["pseudonym_pattern"])
    for name, column in (("screens", "sample"), ("samples", "sample"), ("samples", "patient")):
        for record in records[name] or []:
            value = record.values[column]
            if value and not pattern.search(value):
                # Never the text itself: it may be the name of a person, and this goes to a log.
                found = f"a text of {len(value)} characters (not shown: it may be a name)"
                expected = f"a pseudonym that matches pseudonym_pattern {pattern.pattern}"
                problems.append(Problem(config[name], record.line, column, found, expected))
    if whole:
        _check_markers(records, config, problems)
    if records["samples"] is not None and whole:
        known = {record.values["sample"] for record in records["samples"]}
        for record in records["screens"] or []:
            if record.values["sample"] and record.values["sample"] not in known:
                found, expected = "a sample without a row", f"one that {config['samples']} holds"
                problems.append(Problem(config["screens"], record.line, "sample", found, expected))


def _check_markers(records: Records, config: dict[str, Any], problems: list[Problem]) -> None:
    """Readouts that call cells need the markers of the screen's sample, with channel and meaning."""
    rows = {record.values["sample"]: record for record in records["samples"] or []}
    file, said = config["samples"] or "config", set()
    for screen in records["screens"] or []:
        named = split_names(screen.values["readouts"])
        needing = [name for name in named if name in CELL_READOUTS and name != "total_count"]
        sample = screen.values["sample"]
        if screen.values["status"] == "released" or not needing or sample in said:
            continue
        record = rows.get(sample)
        if record is None or parse_markers(record.values["markers"]) is None:
            said.add(sample)
            found = repr(record.values["markers"]) if record else "no row for the screen's sample"
            hint = f"{needing[0]} of screen {screen.values['screen']} needs them"
            line = record.line if record else 0
            problems.append(Problem(file, line, "markers", found, EXPECTED, hint))
