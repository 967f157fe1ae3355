"""Concentrations in words that people use."""

from __future__ import annotations

import math

_UNITS = ((1e6, "mM"), (1e3, "µM"), (1.0, "nM"), (1e-3, "pM"), (1e-6, "fM"))


def concentration_text(nanomolar: float) -> str:
    """`nanomolar` with three digits and the unit that suits it: 12.3 nM, 1.5 µM, 100 mM; "" if missing."""
    if math.isnan(nanomolar):
        return ""
    rounded = float(f"{nanomolar:.3g}")
    factor, unit = next((u for u in _UNITS if rounded >= u[0]), _UNITS[-1])
    return f"{float(f'{rounded / factor:.3g}'):g} {unit}"


def ic50_text(status: str, ic50: float, lowest: float, highest: float) -> str:
    """An IC50 as a report may say it: never a number outside the tested doses.

    `ic50`, `lowest` and `highest` in nM. "" where there is no IC50 (no fit, or inhibition falls with dose).
    """
    if status != "ok" or math.isnan(ic50):
        return ""
    if ic50 > highest:
        return f"> {concentration_text(highest)}"
    if ic50 < lowest:
        return f"< {concentration_text(lowest)}"
    return concentration_text(ic50)
