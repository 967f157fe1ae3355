"""What must hold between the wells of one layout.

Standard library only.
"""

from __future__ import annotations

import re
from collections import Counter

from exvivo.errors import Problem
from exvivo.sheets.interpret import Well
from exvivo.sheets.names import FORMATS, parse_well
from exvivo.sheets.values import spelling


def check_wells(
    wells: list[Well],
    declared: int | None,
    pseudonym_pattern: str,
    name: str,
    problems: list[Problem],
) -> None:
    """Add to `problems`: wells given twice, names in two spellings, several samples, wells off the plate.

    `declared` is the plate format (number of wells) that the file names, None if it names none. Samples must
    match `pseudonym_pattern`.
    """
    _check_duplicates(wells, name, problems)
    _check_spellings(wells, name, problems)
    _check_samples(wells, pseudonym_pattern, name, problems)
    _check_format(wells, declared, name, problems)


def _check_duplicates(wells: list[Well], name: str, problems: list[Problem]) -> None:
    first: dict[tuple[str, str], Well] = {}
    for well in wells:
        earlier = first.setdefault((well.layout_plate, well.well), well)
        if earlier is not well:
            found = f"{well.well} of plate {well.layout_plate} again (first in row {earlier.line})"
            problems.append(Problem(name, well.line, "well", found, "each well once"))


def _check_spellings(wells: list[Well], name: str, problems: list[Problem]) -> None:
    """Refuse names that differ only by case, spaces, hyphens or underscores: one drug, or a slip."""
    spellings: dict[str, dict[str, list[int]]] = {}
    for well in wells:
        if well.treatment:
            lines = spellings.setdefault(spelling(well.treatment), {})
            lines.setdefault(well.treatment, []).append(well.line)
    for variants in spellings.values():
        common, *others = sorted(variants, key=lambda text: -len(variants[text]))
        for other in others:
            found = f"{other!r} in {len(variants[other])} well(s)"
            expected = f"one spelling; {len(variants[common])} well(s) say {common!r}"
            problems.append(
                Problem(
                    name, variants[other][0], "treatment", found, expected, "Which one is right?"
                )
            )


def _check_samples(wells: list[Well], pattern: str, name: str, problems: list[Problem]) -> None:
    samples: dict[str, dict[str, int]] = {}
    for well in wells:
        if well.sample:
            samples.setdefault(well.layout_plate, {}).setdefault(well.sample, well.line)
    for plate, lines in samples.items():
        # Never the samples themselves: one may be the name of a person, and this goes to a log.
        for sample, line in lines.items():
            if not re.search(pattern, sample):
                found = f"a text of {len(sample)} characters (not shown: it may be a name)"
                expected = f"a pseudonym that matches pseudonym_pattern {pattern}"
                problems.append(Problem(name, line, "sample", found, expected))
        if len(lines) > 1:
            found = f"{len(lines)} samples on plate {plate}"
            expected = "one sample per plate: several are not supported yet"
            problems.append(Problem(name, max(lines.values()), "sample", found, expected))


def _check_format(
    wells: list[Well], declared: int | None, name: str, problems: list[Problem]
) -> None:
    """Refuse wells off the plate: off what the file declares, or a few beside a full smaller plate."""
    places = [parse_well(well.well) for well in wells]
    size = declared or _likely_format(wells, places)
    if size is None:
        return
    rows, columns = FORMATS[size]
    hint = (
        "" if declared else "If they are right, begin the file with a line such as '# format: 384'"
    )
    for well, (row, column) in zip(wells, places, strict=True):
        if row >= rows or column >= columns:
            expected = f"a well of a {size}-well plate ({rows} rows, {columns} columns)"
            problems.append(Problem(name, well.line, "well", repr(well.well), expected, hint))


def _likely_format(wells: list[Well], places: list[tuple[int, int]]) -> int | None:
    """Return the format that holds at least 95 % of the wells and is three quarters full on some plate."""
    for size, (rows, columns) in FORMATS.items():
        inside = [
            well.layout_plate
            for well, (row, column) in zip(wells, places, strict=True)
            if row < rows and column < columns
        ]
        fullest = max(Counter(inside).values(), default=0)
        if len(inside) >= 0.95 * len(wells) and fullest >= 0.75 * size:
            return size
    return None
