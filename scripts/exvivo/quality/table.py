"""The quality table that iTReX shows: raw readouts by plate and well type."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from exvivo.quality.controls import sides
from exvivo.quality.statistics import coefficient_of_variation, robust_z_prime, z_prime_fixsd
from exvivo.readouts.flags import UNUSABLE, reasons
from exvivo.sheets.config import DEFAULT_CONTRAST
from exvivo.sheets.layouts import contrast_wells

_ROWS = {
    "mean": lambda values: values.mean(),
    "SD": lambda values: values.std(ddof=1),
    "CV": coefficient_of_variation,
}


def qc_table(
    responses: pd.DataFrame, contrast: Mapping[str, Mapping[str, Any]] | None = None
) -> pd.DataFrame:
    """Mean, SD, CV (percent) and Z' of one readout, as iTReX tabulates them.

    Args:
        responses: `exvivo.tables.RESPONSES` of one screen and readout.
        contrast: its controls; default: the roles.

    Returns:
        Index `<plate>_mean`, `_SD`, `_CV`, `_zprime` (sqrt of summed variances), `_zprime_r` (robust) for
        each plate, then `screen_zprime`, `screen_zprime_r` over all raw values; one column per well type in
        the layout's words, in alphabetical order. Z' is the same in all columns.

    """
    frame = responses.assign(side=contrast_wells(responses, contrast or DEFAULT_CONTRAST))
    broken = frame["flag"].map(lambda text: not UNUSABLE.isdisjoint(reasons(text))).astype(bool)
    frame = frame[frame["value"].notna() & (frame["role"] != "excluded") & ~broken]
    types = sorted(frame["well_type"].unique(), key=lambda word: (word.casefold(), word))
    table: dict[str, dict[str, float]] = {}
    for plate, part in frame.groupby("plate", sort=False):
        values = part.groupby("well_type")["value"]
        for name, statistic in _ROWS.items():
            table[f"{plate}_{name}"] = values.apply(statistic).reindex(types).to_dict()
        table |= _z_primes(str(plate), part, types)
    table |= _z_primes("screen", frame, types)
    return pd.DataFrame.from_dict(table, orient="index", columns=types)


def _z_primes(scope: str, part: pd.DataFrame, types: list[str]) -> dict[str, dict[str, float]]:
    controls = sides(part, "value")
    return {
        f"{scope}_zprime": dict.fromkeys(types, z_prime_fixsd(*controls)),
        f"{scope}_zprime_r": dict.fromkeys(types, robust_z_prime(*controls)),
    }
