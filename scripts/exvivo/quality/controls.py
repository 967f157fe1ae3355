"""Metrics of the control wells, per plate and over the screen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from exvivo.quality import statistics
from exvivo.quality.rows import SCREEN, Sheet
from exvivo.quality.shift import shift

_MIN_WELLS = 3  # of each group, to compare medians


@dataclass(frozen=True)
class Held:
    """Held-out predictions of the controls of a trained readout: `values` has plate, well, value."""

    values: pd.DataFrame
    note: str = ""


def add_controls(
    sheet: Sheet,
    readout: str,
    wells: pd.DataFrame,
    held: Held | None,
    wanted: Sequence[str] = ("negative", "positive"),
) -> None:
    """Numbers and separation of the controls; of their number and scatter alone where one side is `wanted`.

    `wells` are the used wells of one readout with a column `side` (negative, positive or "") and the list of
    plates as categories of `plate`. With `held`, the Z' that counts is that of the held-out predictions,
    and the one of the readout itself stands beside it as in-sample.
    """
    own = wells[wells["side"] != ""]
    for plate, part in own.groupby("plate", observed=False):
        _add_counts(sheet, readout, str(plate), part, wanted)
        if len(wanted) < 2:
            _add_cv(sheet, readout, str(plate), sides(part, "value")[0])
            continue
        _add_separation(sheet, readout, str(plate), part, trained=held is not None)
    if len(wanted) < 2:
        return
    _add_z_prime(sheet, readout, SCREEN, own, "viability", trained=held is not None)
    if held is not None:
        _add_held_out(sheet, readout, own, held)


def add_solvent(sheet: Sheet, readout: str, wells: pd.DataFrame) -> None:
    """Negative controls against untreated wells: does the solvent itself act? Per plate and over the screen."""
    parts = [(str(plate), part) for plate, part in wells.groupby("plate", observed=False)]
    for scope, part in [*parts, (SCREEN, wells)]:
        solvent = part.loc[part["side"] == "negative", "viability"]
        untreated = part.loc[(part["role"] == "untreated") & (part["side"] == ""), "viability"]
        if min(len(solvent), len(untreated)) < _MIN_WELLS:
            continue
        _add_shift(sheet, readout, scope, untreated, solvent)


def _add_shift(
    sheet: Sheet, readout: str, scope: str, untreated: pd.Series, solvent: pd.Series
) -> None:
    """Difference of medians with its verdict; beside it estimates with 95 % intervals."""
    median = float(untreated.median() - solvent.median())
    found = shift(untreated, solvent)
    note = (
        f"untreated minus negative control {median:+.3f} (95 % {found.low:+.3f} to {found.high:+.3f}), "
        f"{len(untreated)} and {len(solvent)} wells"
    )
    sheet.add(readout, scope, "untreated_shift", abs(median), limit="untreated_shift", note=note)
    estimates = {"signed": found.value, "low": found.low, "high": found.high}
    for name, value in estimates.items():
        sheet.add(readout, scope, f"untreated_shift_{name}", value, note="Hodges–Lehmann")
    spread = statistics.robust_sd(solvent)
    in_sd = abs(median) / spread if spread > 0 else float("nan")
    sheet.add(
        readout, scope, "untreated_shift_in_sd", in_sd, note="robust sd of the negative control"
    )
    note = f"95 % {found.delta_low:+.2f} to {found.delta_high:+.2f}"
    sheet.add(readout, scope, "untreated_cliffs_delta", found.delta, note=note)


def _add_counts(
    sheet: Sheet, readout: str, plate: str, part: pd.DataFrame, wanted: Sequence[str]
) -> None:
    counts = [int((part["side"] == side).sum()) for side in wanted]
    note = ", ".join(f"{n} {side}" for n, side in zip(counts, wanted, strict=True))
    minimum = sheet.limits.get("min_controls", 2)
    sheet.require(readout, plate, "control_wells", min(counts), minimum, note=note)


def _add_separation(
    sheet: Sheet, readout: str, plate: str, part: pd.DataFrame, *, trained: bool
) -> None:
    negative, positive = sides(part, "value")
    _add_z_prime(sheet, readout, plate, part, "value", trained=trained)
    sheet.add(readout, plate, "ssmd", statistics.ssmd(negative, positive))
    ratio = statistics.signal_to_background(negative, positive)
    sheet.add(readout, plate, "signal_to_background", ratio)
    _add_cv(sheet, readout, plate, negative)


def _add_cv(sheet: Sheet, readout: str, plate: str, negative: np.ndarray) -> None:
    cv = statistics.coefficient_of_variation(negative)
    sheet.add(
        readout, plate, "control_cv", cv, limit="control_cv", note="negative control, percent"
    )


def _add_z_prime(
    sheet: Sheet, readout: str, scope: str, part: pd.DataFrame, column: str, *, trained: bool
) -> None:
    """Robust Z' with its verdict, or named in-sample and without one; the classical ones beside it.

    Over the screen it is taken of normalised wells, since a plate's own level does no harm.
    """
    negative, positive = sides(part, column)
    value = statistics.robust_z_prime(negative, positive)
    note = _few(negative, positive)
    if trained:
        note = "; ".join(filter(None, ["the model was trained on these wells", note]))
        sheet.add(readout, scope, "robust_z_prime_in_sample", value, note=note)
    else:
        sheet.add(readout, scope, "robust_z_prime", value, limit="robust_z_prime", note=note)
    for name in ("z_prime", "z_prime_fixsd"):
        classical = getattr(statistics, name)(negative, positive)
        label = f"{name}_in_sample" if trained else name
        sheet.add(readout, scope, label, classical, note=note)


def _add_held_out(sheet: Sheet, readout: str, own: pd.DataFrame, held: Held) -> None:
    """Robust Z' of held-out controls: the one that counts, per plate and over the screen."""
    known = held.values.dropna(subset=["value"])[["plate", "well", "value"]]
    known = known.rename(columns={"value": "held"})
    plates = own["plate"].cat.categories
    merged = own.astype({"plate": str}).merge(known, on=["plate", "well"], how="left")
    scaled = []
    for plate in map(str, plates):
        part = merged[merged["plate"] == plate]
        found, value, note = _held_out_of_plate(part)
        note = "; ".join(filter(None, [held.note, note]))
        _add_crossfit(sheet, readout, plate, value, note)
        scaled += [found] if found is not None else []
    lost = len(plates) - len(scaled)
    note = "; ".join(filter(None, [held.note, f"{lost} plate(s) without a scale" if lost else ""]))
    value = float("nan")
    if scaled and not lost:
        value = statistics.robust_z_prime(*sides(pd.concat(scaled), "held"))
    _add_crossfit(sheet, readout, SCREEN, value, note)


def _held_out_of_plate(part: pd.DataFrame) -> tuple[pd.DataFrame | None, float, str]:
    """Controls of a plate on the scale of its held-out medians, their robust Z', and what is to be said."""
    seen = part.dropna(subset=["held"])
    negative, positive = sides(seen, "held")
    missing = len(part) - len(seen)
    notes = [f"{missing} control(s) without a held-out prediction" if missing else ""]
    if not len(negative) or not len(positive):
        return None, float("nan"), "; ".join([*filter(None, notes), "no held-out controls"])
    notes.append(_few(negative, positive))
    window = np.median(negative) - np.median(positive)
    if not window > 0:
        # The output has a direction: controls that changed sides are far apart and quite wrong.
        notes.append("held-out controls do not lie on their own sides")
        return None, float("nan"), "; ".join(filter(None, notes))
    value = statistics.robust_z_prime(negative, positive)
    scaled = seen.assign(held=(seen["held"] - np.median(positive)) / window)
    return scaled, value, "; ".join(filter(None, notes))


def _add_crossfit(sheet: Sheet, readout: str, scope: str, value: float, note: str) -> None:
    sheet.add(readout, scope, "robust_z_prime_crossfit", value, limit="robust_z_prime", note=note)


def sides(part: pd.DataFrame, column: str) -> tuple[np.ndarray, np.ndarray]:
    """Values of the negative and of the positive controls."""
    return tuple(
        part.loc[part["side"] == side, column].to_numpy(dtype=float)
        for side in ("negative", "positive")
    )


def _few(negative: np.ndarray, positive: np.ndarray) -> str:
    """Says so where medians of so few wells mean little."""
    few = min(len(negative), len(positive))
    return f"only {len(negative)} negative and {len(positive)} positive wells" if few < 4 else ""
