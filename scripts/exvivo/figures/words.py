"""Numbers and doses in words: what a person reads in figures, tables and tooltips."""

from __future__ import annotations

import math

_UNITS = ((1e6, "mM"), (1e3, "µM"), (1.0, "nM"), (1e-3, "pM"))
MISSING = "–"


def known(value: object) -> bool:
    """Whether `value` is a finite number."""
    try:
        return value is not None and math.isfinite(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False


def fixed(value: object, digits: int = 1) -> str:
    """`value` with so many decimals and a true minus sign; a dash if it is missing."""
    if not known(value):
        return MISSING
    text = f"{float(value):.{digits}f}"  # type: ignore[arg-type]
    if float(text) == 0:
        text = text.lstrip("-")
    return text.replace("-", "−")


def percent(fraction: object, digits: int = 0) -> str:
    """A fraction as "83 %"; a dash if it is missing."""
    return f"{fixed(100 * float(fraction), digits)} %" if known(fraction) else MISSING  # type: ignore[arg-type]


def figures(value: object, digits: int = 3) -> str:
    """`value` with so many significant figures, without exponent or trailing zeros."""
    if not known(value):
        return MISSING
    value = float(value)  # type: ignore[arg-type]
    if value == 0:
        return "0"
    decimals = max(digits - 1 - math.floor(math.log10(abs(value))), 0)
    text = f"{value:,.{decimals}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−").replace(",", "\u202f")


def dose(nanomolar: object) -> str:
    """A concentration in nM, written in the unit that keeps it short: "2.5 µM"; a dash if missing."""
    if not known(nanomolar):
        return MISSING
    value = float(nanomolar)  # type: ignore[arg-type]
    if value == 0:
        return "0 nM"
    size, unit = next(((s, u) for s, u in _UNITS if abs(value) >= s * 0.9995), _UNITS[-1])
    return f"{figures(value / size)} {unit}"


def count(number: int, noun: str, plural: str = "") -> str:
    """ "1 plate", "3 plates"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}".replace(",", "\u202f")


def listed(words: list[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"
