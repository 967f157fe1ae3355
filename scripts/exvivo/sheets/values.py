"""The cells of layouts: roles, units, numbers, and names that a spreadsheet program has spoilt.

Standard library only. Every function says in words what is wrong; none guesses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from decimal import Decimal

ROLES = (
    "negative_control",
    "positive_control",
    "treatment",
    "titration",
    "untreated",
    "other_control",
    "empty",
    "excluded",
)

# Words that layouts use, without case, spaces, hyphens and underscores. iTReX: neg, pos, therapy, TRC,
# untreated, empty, exclude; its older files say sample, treatment and TRcontrol.
ROLE_WORDS = {
    **{role.replace("_", ""): role for role in ROLES},
    "neg": "negative_control",
    "negative": "negative_control",
    "negcon": "negative_control",
    "negcontrol": "negative_control",
    "dmso": "negative_control",
    "vehicle": "negative_control",
    "pos": "positive_control",
    "positive": "positive_control",
    "poscon": "positive_control",
    "poscontrol": "positive_control",
    "therapy": "treatment",
    "sample": "treatment",
    "compound": "treatment",
    "cpd": "treatment",
    "drug": "treatment",
    "trt": "treatment",
    "trc": "titration",
    "trcontrol": "titration",
    "blank": "empty",
    "exclude": "excluded",
}

# Factors to nM. Without case: nM, nm and NM are all nanomolar, since lengths do not occur here.
UNITS = {
    "pm": Decimal("0.001"),
    "nm": Decimal(1),
    "µm": Decimal(1000),
    "mm": Decimal(1_000_000),
    "m": Decimal(1_000_000_000),
}

_MONTHS = (
    r"(jan|feb|mar|mär|mrz|apr|may|mai|jun|jul|aug|sep|sept|oct|okt|nov|dec|dez|january|february|march|"
    r"april|june|july|august|september|october|november|december|januar|februar|märz|juni|juli|oktober|"
    r"dezember|janv|févr|mars|avr|juin|juil|août|déc|ene|abr|ago|dic|gen|mag|giu|lug|set|ott)\.?"
)
_YEAR = r"(\d{2}|(19|20)\d{2})"
_DATES = [
    re.compile(pattern)
    for pattern in (
        r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([ t]\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?)?",  # 2024-03-01
        rf"\d{{1,2}}[-/.]\d{{1,2}}[-/.]{_YEAR}",  # 01.03.2024, 3/1/24
        r"\d{1,2}[/.]\d{1,2}\.?",  # 01.03. and 3/1; 1.03 is taken for a number first
        rf"\d{{1,2}}[-/. ]+{_MONTHS}([-/. ]+{_YEAR})?",  # 1-Mar, 1. Mrz 2024
        rf"{_MONTHS}[-/. ]+\d{{1,2}}(,? {_YEAR})?",  # Mar-01, March 1, 2024
        rf"{_MONTHS}[-/. ]+{_YEAR}",  # Mar-2024; three digits are a drug's (APR-246)
        r"(\d{4}年)?\d{1,2}月\d{1,2}日",
        r"\d{1,2}:\d{2}(:\d{2})?",  # a time
    )
]
_EXPONENT = re.compile(r"[+-]?\d+([.,]\d+)?e[+-]?\d+")
_PLAIN = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)")
_POINT = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_COMMA = re.compile(r"[+-]?(\d+,\d*|,\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+", re.ASCII)
_WITH_UNIT = re.compile(r"[+-]?[\d.,]+\s*[a-zµμ%/]+", re.IGNORECASE)
# How sheets write "nothing here".
_MISSING = {"", "na", "n/a", "nan", "none", "null", "-", "–", "."}


def squeeze(word: str) -> str:
    """Return `word` without case, spaces, hyphens and underscores: how words are looked up."""
    return re.sub(r"[\s_-]+", "", unicodedata.normalize("NFKC", word).casefold())


def spelling(name: str) -> str:
    """Return what two spellings of one drug share: no case and no separators, except between digits.

    `5-FU` and `5 fu` are one drug; `X1-11` and `X11-1` are two.
    """
    text = re.sub(r"(?<=\d)[\s_-]+(?=\d)", "|", unicodedata.normalize("NFKC", name).casefold())
    return re.sub(r"[\s_-]+", "", text)


def clean(cell: str) -> str:
    """Return a cell as NFC text without spaces around, zero-width characters and hard spaces."""
    text = unicodedata.normalize("NFC", cell.replace("\u00a0", " "))
    return re.sub(r"[\u200b-\u200d\ufeff]", "", text).strip()


def is_missing(cell: str) -> bool:
    """Tell whether a cell says that there is nothing: empty, NA, n/a, NaN, none, null or a dash."""
    return cell.casefold() in _MISSING


def role_of(word: str) -> str | None:
    """Return the role that a word of a layout means, or None for a word that is not in the table."""
    return ROLE_WORDS.get(squeeze(word))


def unit_factor(word: str) -> Decimal | None:
    """Return the factor from a unit to nM, or None for an unknown one.

    Known are pM, nM, µM (also uM, with either sign for micro), mM, M and the same as mol/l.
    """
    text = unicodedata.normalize("NFKC", word.strip()).casefold().replace("μ", "µ")
    text = re.sub(r"(ol)?(/l|ar)$", "", text) if text.endswith(("ol/l", "olar")) else text
    return UNITS.get("µm" if text == "um" else text)


def is_volume_share(unit: str) -> bool:
    """Tell whether a unit is a share of volume (%, % v/v), as solvents have; it has no value in nM."""
    return re.fullmatch(r"(vol\.?)?\s*%\s*(\(?v/v\)?|vol\.?)?", unit.casefold()) is not None


def spoilt(name: str) -> str | None:
    """Return what a spreadsheet program has made of a drug's name, or None for a name that looks sound.

    Told are dates and times in the usual forms, numbers (also with exponent) and error values. A drug
    whose real name is a number has to be given a letter.
    """
    text = name.casefold().strip()
    if _EXPONENT.fullmatch(text):
        return "a number in E-notation"
    if re.fullmatch(r"\d{1,2}\.\d{1,2}\.", text):
        return "a date"
    if _PLAIN.fullmatch(text):
        return "a number"
    if any(pattern.fullmatch(text) for pattern in _DATES):
        return "a date or time"
    if re.fullmatch(
        r"#(n/a|ref!|name\?|value!|div/0!|num!|null!|wert!|bezug!|nv|#+)|true|false", text
    ):
        return "an error or a truth value of a spreadsheet program"
    return None


def read_numbers(cells: Sequence[str]) -> list[Decimal | str | None]:
    """Read a column of numbers; per cell the number, None if nothing is there, or what is wrong in words.

    Decimal points or decimal commas, but not both in one column. `1,000` alone could be one or a thousand
    and is refused, unless other cells of the column show that the comma is decimal (`0,5`).
    """
    point = any("." in cell and _POINT.fullmatch(cell) for cell in cells)
    comma = any(_COMMA.fullmatch(cell) and not _THOUSANDS.fullmatch(cell) for cell in cells)
    return [
        None if is_missing(cell) else _read_number(cell, point=point, comma=comma) for cell in cells
    ]


def _read_number(cell: str, *, point: bool, comma: bool) -> Decimal | str:
    if _POINT.fullmatch(cell):
        return Decimal(cell)
    if _COMMA.fullmatch(cell) or _THOUSANDS.fullmatch(cell):
        if point:
            return "a comma in a column that also has decimal points"
        if comma and _COMMA.fullmatch(cell):
            return Decimal(cell.replace(",", "."))
        return "a comma that could be decimal or mark thousands"
    if "." in cell and "," in cell:
        return "thousands separators"
    if "+" in cell[1:]:
        return "several concentrations in one cell (a combination), which exvivo does not score yet"
    if _WITH_UNIT.fullmatch(cell):
        return "a number with its unit in the same cell"
    return "not a number"
