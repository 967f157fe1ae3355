"""From the cells of a layout to wells with a role, a treatment and a dose in nM; every problem is collected.

Standard library only.
"""

from __future__ import annotations

import difflib
import logging
import re
from dataclasses import dataclass
from decimal import Decimal

from exvivo.errors import ExvivoError, Problem
from exvivo.sheets.cells import Content, Entry
from exvivo.sheets.names import parse_well, well_name
from exvivo.sheets.values import (
    ROLE_WORDS,
    ROLES,
    is_missing,
    is_volume_share,
    read_numbers,
    role_of,
    spoilt,
    squeeze,
    unit_factor,
)

logger = logging.getLogger(__name__)

# A dose is needed to fit a curve; controls may do without.
DOSED = ("treatment", "titration")
_WITHOUT_TREATMENT = ("empty", "untreated")
_DAMAGE_HINT = (
    "A spreadsheet program changed it, or the drug is known by a number only. Restore the name from its "
    "source, and set the column to text before opening the file again"
)
# In nM: a molecule in a swimming pool, and more than the 55 M of pure water.
_SMALLEST, _LARGEST = 1e-12, 1e11
_WHY_DOSE = "a number above 0, since the well has a treatment"


@dataclass
class Well:
    """One well of a layout. `concentration` is in nM; None stands for what is not given."""

    layout_plate: str
    well: str
    role: str
    well_type: str
    treatment: str
    concentration: float | None
    replicate: int | None
    addon: str
    sample: str
    line: int


def interpret(content: Content, name: str, problems: list[Problem]) -> list[Well]:
    """Return the sound wells of a layout in the order of the file; what is wrong is added to `problems`.

    `name` is how messages call the file.
    """
    reader = _Reader(content, name, problems)
    reader.check_columns()
    numbers = read_numbers([entry.text("concentration") for entry in content.entries])
    pairs = zip(content.entries, numbers, strict=True)
    return [well for well in (reader.read(*pair) for pair in pairs) if well is not None]


class _Reader:
    """Reads the wells of one file; collects problems with the place of the cell."""

    def __init__(self, content: Content, name: str, problems: list[Problem]):
        self.content, self.name, self.problems = content, name, problems

    def report(self, entry: Entry, column: str, found: str, expected: str, hint: str = "") -> None:
        cell = entry.cells.get(column)
        line, label = (cell.line, cell.column) if cell else (entry.line, column)
        self.problems.append(Problem(self.name, line, label, found, expected, hint))

    def check_columns(self) -> None:
        columns = self.content.columns
        if not columns & {"role", "well_type"}:
            logger.warning(
                "%s has no column role: DMSO is taken for the negative control, wells without a treatment "
                "for empty, all others for treatments",
                self.name,
            )
        if self.content.unit and "unit" in columns:
            found = f"a column unit and the unit {self.content.unit} in a heading"
            self.problems.append(Problem(self.name, 0, "unit", found, "the unit in one of them"))

    def read(self, entry: Entry, number: Decimal | str | None) -> Well | None:
        before = len(self.problems)
        place = self.read_place(entry)
        treatment = self.read_treatment(entry)
        role = self.read_role(entry, treatment)
        replicate = self.read_replicate(entry)
        dose = None
        if role in _WITHOUT_TREATMENT:
            treatment = ""
        elif role is not None:
            dose = self.read_dose(entry, number, role)
        if role in DOSED and not treatment:
            expected = "the name of a drug, since the well is a treatment"
            self.report(entry, "treatment", "nothing", expected)
        if place is None or role is None or len(self.problems) > before:
            return None
        return Well(
            layout_plate=entry.text("plate") or "1",
            well=place,
            role=role,
            well_type=entry.text("well_type") or entry.text("role"),
            treatment=treatment,
            concentration=dose,
            replicate=replicate,
            addon="" if is_missing(entry.text("addon")) else entry.text("addon"),
            sample="" if is_missing(entry.text("sample")) else entry.text("sample"),
            line=entry.line,
        )

    def read_place(self, entry: Entry) -> str | None:
        """Return the well's name from `well`, or from row and column; where both are given they must agree."""
        given = {c: _unquoted(entry.text(c)) for c in ("well", "row", "column") if c in entry.cells}
        names = []
        for column, text in (
            ("well", given.get("well")),
            (
                "row",
                given["row"] + _whole(given["column"])
                if {"row", "column"} <= given.keys()
                else None,
            ),
        ):
            if text is None:
                continue
            try:
                names.append(well_name(*parse_well(text)))
            except ExvivoError:
                self.report(entry, column, repr(text), "a well from A01 to AF48")
                return None
        if not names:
            missing = next((c for c in ("row", "column") if c not in given), "well")
            self.report(entry, missing, "nothing", "the place of the well")
        elif len(set(names)) > 1:
            found = f"{names[0]}, but row and column say {names[1]}"
            self.report(entry, "well", found, "the same well in both")
        else:
            return names[0]
        return None

    def read_treatment(self, entry: Entry) -> str:
        cell = entry.cells.get("treatment")
        if cell is None or is_missing(cell.text):
            solvent = entry.text("solvent")
            return "" if is_missing(solvent) else solvent
        damage = spoilt(cell.text)
        if damage:
            found = f"{cell.text!r}, which is {damage}"
            self.report(entry, "treatment", found, "the name of a drug", _DAMAGE_HINT)
        if squeeze(cell.column) == "name":
            # iTReX strips these endings in files with its older column names.
            return re.sub(r"_(control|drug)$", "", cell.text)
        return cell.text

    def read_role(self, entry: Entry, treatment: str) -> str | None:
        column = next((c for c in ("role", "well_type") if c in self.content.columns), None)
        if column is None:
            if not treatment:
                return "empty"
            known = squeeze(treatment) in ("dmso", "untreated")
            return role_of(treatment) if known else "treatment"
        word = entry.text(column)
        if not word:
            if self.content.blocks and not treatment:
                return "empty"
            self.report(entry, column, "an empty cell", "a role")
            return None
        role = role_of(word)
        if role is None:
            hint = _role_hint(word)
            if column == "well_type" and not hint:
                return "other_control"
            expected = f"one of {', '.join(ROLES)}, or iTReX's words for them"
            self.report(entry, column, repr(word), expected, hint)
        return role

    def read_replicate(self, entry: Entry) -> int | None:
        text = entry.text("replicate")
        if is_missing(text):
            return None
        if not re.fullmatch(r"0*[1-9][0-9]{0,5}", text):
            self.report(entry, "replicate", repr(text), "a whole number from 1")
            return None
        return int(text)

    def read_dose(self, entry: Entry, number: Decimal | str | None, role: str) -> float | None:
        """Return the concentration in nM; None where there is none, or after reporting what is wrong."""
        dosed, unit = role in DOSED, entry.text("unit") or self.content.unit or "nM"
        factor = unit_factor(unit)
        if isinstance(number, str):
            found = f"{entry.text('concentration')!r}, which is {number}"
            expected = "one number, such as 1000 or 0.5, and its unit in the column unit"
            self.report(entry, "concentration", found, expected)
        elif number is None:
            if dosed:
                has = "concentration" in self.content.columns
                self.report(
                    entry, "concentration", "nothing" if has else "no such column", _WHY_DOSE
                )
        elif number < 0:
            self.report(entry, "concentration", str(number), "a number from 0")
        elif number == 0 and dosed:
            hint = "A well without the drug is a control: give it another role"
            self.report(entry, "concentration", "0", _WHY_DOSE, hint)
        elif factor is not None:
            # Twelve digits: a workbook's 0.30000000000000004 and 0.3 are the same dose.
            dose = float(f"{number * factor:.12g}")
            if number == 0 or _SMALLEST <= dose <= _LARGEST:
                return dose
            found = f"{entry.text('concentration')} {unit}"
            self.report(
                entry, "concentration", found, "what a solution can hold", "Is the unit right?"
            )
        elif not (is_volume_share(unit) and not dosed):
            self.report(entry, "unit", f"the unit {unit!r}", "pM, nM, µM (or uM), mM or M")
        return None


def _role_hint(word: str) -> str:
    """Return advice for a word that is nearly a role's, or for `control`, which does not say which."""
    if squeeze(word) in ("control", "controls", "ctrl", "con"):
        return "Which one: negative_control, positive_control or other_control?"
    # Short words differ too much by one letter; two letters exchanged are told by their anagram.
    anagrams = [known for known in ROLE_WORDS if sorted(known) == sorted(squeeze(word))]
    close = anagrams or difflib.get_close_matches(squeeze(word), ROLE_WORDS, n=1, cutoff=0.8)
    return f"Did you mean {ROLE_WORDS[close[0]]!r}?" if close else ""


def _unquoted(text: str) -> str:
    """Take off quotation marks that a program wrote to keep `03` from becoming 3, as in '"03"'."""
    return text.strip("\"' ")


def _whole(text: str) -> str:
    return re.sub(r"\.0+$", "", text)
