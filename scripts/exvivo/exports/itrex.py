"""Tables as iTReX writes and reads them (specification: viability route, sections 1.3, 2, 11, 20).

Numbers are the published ones: an IC50 outside the tested doses stays a number here, and here alone.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from exvivo.exports.screen import Screen
from exvivo.quality.statistics import (
    coefficient_of_variation,
    robust_z_prime,
    z_prime_fixsd,
)
from exvivo.sheets.names import FORMATS, parse_well, row_letters, well_name

# iTReX's column → ours. PI columns follow DSS_asym.
_BEFORE = {
    "abs_IC25": "abs_ic25", "abs_IC75": "abs_ic75", "abs_IC50": "abs_ic50", "rel_IC50": "rel_ic50",
    "Slope": "slope", "Imin": "imin", "Imax": "imax", "MIN.Conc.tested.nM": "min_concentration",
    "MAX.Conc.tested.nM": "max_concentration", "DSS_asym": "dss_asym",
}  # fmt: skip
_AFTER = {
    "GOF": "gof", "Amin": "a_min", "DSS_asym_adj": "dss_asym_adj", "controlDSS": "control_dss",
    "sDSS_asym": "sdss_asym", "controlDSS_adj": "control_dss_adj", "sDSS_asym_adj": "sdss_asym_adj",
}  # fmt: skip
DOSES = 5  # that iTReX asks for; further ones follow as PI6, …
_ROLES = {
    "negative_control": "neg",
    "positive_control": "pos",
    "treatment": "therapy",
    "titration": "TRC",
    "untreated": "untreated",
    "empty": "empty",
    "excluded": "exclude",
}
SHORT = {
    "mean_of_stack": "MoS",
    "metabolic": "Met",
    "viability_phase1": "iT1",
    "viability_phase2": "iT2",
    "viability_phase3": "iT3",
}
LAYOUT_COLUMNS = ["Plate", "Row", "Column", "Sample", "WellType", "Treatment", "Concentration", "Replicate", "AddOn"]  # fmt: skip


def sample_name(screen: Screen, readout: str) -> str:
    """iTReX's name of a screen's readout, such as `iT2-S01`: a readout is a sample of its own there."""
    return f"{SHORT.get(readout, readout)}-{screen.name}"


def mono(scores: pd.DataFrame, analysis: str) -> pd.DataFrame:
    """The 25 columns of `_mono.xlsx`: drugs in alphabetical order whatever the case, doses in nM.

    `scores` of one readout; drugs without a curve have a name and no number.
    """
    return _therapies(scores[scores["addon"] == ""], analysis, lambda row: row["treatment"])


def combo(scores: pd.DataFrame, analysis: str) -> pd.DataFrame:
    """As `mono`, for combinations; ours: named `treatment + addon`."""
    return _therapies(scores[scores["addon"] != ""], analysis, _combination)


def effects(scores: pd.DataFrame) -> pd.DataFrame:
    """`_CRA.xlsx`: what each combination adds: inhibition at each dose and DSS_asym, minus those of the drug alone."""
    alone = scores[scores["addon"] == ""].set_index("treatment")
    names = _inhibitions(scores)
    rows = []
    for row in scores[scores["addon"] != ""].to_dict("records"):
        other = alone.loc[row["treatment"]] if row["treatment"] in alone.index else {}
        parts = {
            f"d{name.upper()}": row.get(name, np.nan) - other.get(name, np.nan) for name in names
        }
        dss = row["dss_asym"] - other.get("dss_asym", np.nan)
        rows.append({"Drug.Name": _combination(row), **parts, "dcDSS_asym": dss})
    columns = ["Drug.Name", *(f"d{name.upper()}" for name in names), "dcDSS_asym"]
    return _alphabetical(pd.DataFrame(rows, columns=columns))


def _combination(row: dict) -> str:
    return f"{row['treatment']} + {row['addon']}"


def _inhibitions(scores: pd.DataFrame) -> list[str]:
    more = [c for c in scores.columns if c.startswith("pi") and c[2:].isdigit()]
    count = max([DOSES, *(int(name[2:]) for name in more)])
    return [f"pi{number}" for number in range(1, count + 1)]


def _therapies(scores: pd.DataFrame, analysis: str, name: Callable[[dict], str]) -> pd.DataFrame:
    table = pd.DataFrame(
        {"Drug.Name": [name(row) for row in scores.to_dict("records")]}, dtype=object
    )
    inhibitions = {column.upper(): column for column in _inhibitions(scores)}
    for theirs, ours in {**_BEFORE, **inhibitions, **_AFTER}.items():
        table[theirs] = scores[ours].to_numpy() if ours in scores else np.nan
    table = _alphabetical(table)
    table.insert(0, "Drug.ID", range(1, len(table) + 1))
    return table.assign(analysis=analysis)


def _alphabetical(table: pd.DataFrame) -> pd.DataFrame:
    order = sorted(range(len(table)), key=lambda i: (table["Drug.Name"].iloc[i].casefold(), table["Drug.Name"].iloc[i]))  # fmt: skip
    return table.iloc[order].reset_index(drop=True)


def screen_data(screen: Screen, readout: str) -> pd.DataFrame:
    """`…screenData.csv`: the layout, every well of every plate, with Readout, PlateDisplayName and normVal.

    Plates are numbered as iTReX asks for. Wells that the layout does not name are `empty`; wells that count
    nowhere have no Readout, so that iTReX drops them too.
    """
    parts = [_plate(screen, readout, plate, n) for n, plate in enumerate(screen.plates(readout), 1)]
    return (
        pd.concat(parts, ignore_index=True)
        if parts
        else pd.DataFrame(columns=[*LAYOUT_COLUMNS, "Readout"])
    )


def _plate(screen: Screen, readout: str, plate: str, number: int) -> pd.DataFrame:
    wells = screen.wells(readout)
    known = wells[wells["plate"] == plate].set_index("well")
    rows, columns = _format(known.index, screen.layout.loc[screen.layout["plate"] == plate, "well"])
    every = [well_name(row, column) for row in range(rows) for column in range(columns)]
    full = known.reindex(every)
    kinds = [_well_type(row) for row in full.to_dict("records")]
    used = full["used"].fillna(False).astype(bool) | full["role"].isin(["empty"])
    treated = ~pd.Series(kinds, index=full.index).isin(["empty", "untreated"])
    return pd.DataFrame(
        {
            "Plate": number,
            "Row": [row_letters(parse_well(well)[0]) for well in every],
            "Column": [parse_well(well)[1] + 1 for well in every],
            "Sample": sample_name(screen, readout),
            "WellType": kinds,
            "Treatment": full["treatment"].fillna("").where(treated, "").to_numpy(),
            "Concentration": full["concentration"].where(treated).to_numpy(dtype=float),
            "Replicate": full["replicate"].fillna(1).astype(int).to_numpy(),
            "AddOn": full["addon"].fillna("").to_numpy(),
            "Readout": _scaled(full["value"].where(used), readout),
            "PlateDisplayName": plate,
            "normVal": full["viability"].where(used).to_numpy(dtype=float),
        }
    )


def _scaled(values: pd.Series, readout: str) -> np.ndarray:
    """As iTRADE writes them: a probability as a whole number of thousandths, other readouts as they are."""
    numbers = values.to_numpy(dtype=float)
    return np.round(1000 * numbers) if readout.startswith("viability_phase") else numbers


def _well_type(row: dict) -> str:
    """iTReX's word: the readout's contrast is neg and pos; another control keeps the layout's own word."""
    if row["side"] in ("negative", "positive"):
        return {"negative": "neg", "positive": "pos"}[row["side"]]
    role = row["role"] if isinstance(row["role"], str) else "empty"
    if role in ("negative_control", "positive_control", "other_control"):
        word = row["well_type"] or role
        return word if word not in _ROLES.values() else role
    return _ROLES[role]


def _format(*wells: pd.Index | pd.Series) -> tuple[int, int]:
    """Rows and columns of the smallest plate that holds all `wells`."""
    places = [parse_well(well) for group in wells for well in group]
    rows, columns = (max(axis) + 1 for axis in zip(*places, strict=True))
    return next((r, c) for _, (r, c) in sorted(FORMATS.items()) if rows <= r and columns <= c)


def matrix_text(data: pd.DataFrame) -> str:
    """One plate's readout as a text that iTReX reads: tabs, column numbers, row letters, NA for no value."""
    wide = data.pivot(index="Row", columns="Column", values="Readout")
    wide = wide.loc[list(dict.fromkeys(data["Row"]))]
    lines = ["\t".join(["", *map(str, wide.columns)])]
    for letter, values in zip(wide.index, wide.to_numpy(dtype=float), strict=True):
        lines.append(
            "\t".join([letter, *(f"{v:.10g}" if np.isfinite(v) else "NA" for v in values)])
        )
    return "\n".join(lines) + "\n"


def quality(data: pd.DataFrame, analysis: str) -> pd.DataFrame:
    """The QC table: per plate mean, SD, CV and both Z′ of the raw readout by kind of well, then those of the screen."""
    kinds = sorted(set(data["WellType"]), key=str.casefold)
    rows: list[dict[str, object]] = []
    for plate, own in data.groupby("Plate", sort=True):
        groups = {kind: own.loc[own["WellType"] == kind, "Readout"].dropna() for kind in kinds}
        rows.append({"rn": f"{plate}_mean"} | {k: v.mean() for k, v in groups.items()})
        rows.append({"rn": f"{plate}_SD"} | {k: v.std() for k, v in groups.items()})
        rows.append(
            {"rn": f"{plate}_CV"} | {k: coefficient_of_variation(v) for k, v in groups.items()}
        )
        rows += _z_primes(f"{plate}_", own)
    rows += _z_primes("screen_", data)
    return pd.DataFrame(rows, columns=["rn", *kinds]).assign(analysis=analysis)


def _z_primes(prefix: str, data: pd.DataFrame) -> list[dict[str, object]]:
    """In the column of the negative controls, which iTReX's table has them in too (ours where it differs)."""
    sides = [data.loc[data["WellType"] == kind, "Readout"].dropna() for kind in ("neg", "pos")]
    return [
        {"rn": f"{prefix}zprime", "neg": z_prime_fixsd(*sides)},
        {"rn": f"{prefix}zprime_r", "neg": robust_z_prime(*sides)},
    ]
