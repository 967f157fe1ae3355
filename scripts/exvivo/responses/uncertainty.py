"""How sure the scores of a screen are: intervals, p-values against no effect, false discovery rates, bands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.readouts.kinds import kind_of
from exvivo.responses.bootstrap import BAND_POINTS, Intervals, Series, bootstrap
from exvivo.responses.curve import PARAMETERS, evaluate
from exvivo.responses.dss import Threshold
from exvivo.responses.fit import CURVE_ROLES, KEY, fit_curves
from exvivo.responses.flat import flat_p_values
from exvivo.responses.models import model_error
from exvivo.responses.network import DEGREES, network_error
from exvivo.responses.noise import LEVELS, Noise, estimate_noise, random_of
from exvivo.sheets.config import DEFAULT_CONTRAST
from exvivo.tables import BANDS

Array = NDArray[np.float64]

INTERVALS = ("dss_asym", "rel_ic50", "abs_ic50")
BY_WELLS = "dss_asym_low_wells"  # lower end of an interval without the network's own error
COLUMNS = [*(f"{name}_{end}" for name in INTERVALS for end in ("low", "high")), BY_WELLS]
_ENDS = {"dss_asym": "dss", "rel_ic50": "rel_ic50", "abs_ic50": "abs_ic50"}


@dataclass(frozen=True)
class Settings:
    """Section `scoring.bootstrap` of the configuration."""

    samples: int = 500
    level: float = 0.95
    seed: int = 0


@dataclass(frozen=True)
class _Noises:
    """What samples are drawn from: with `all` errors, without the network's own (`wells`), and `flat`, for the tests.

    Of the readout whose replicates are honest.
    """

    all: Noise
    wells: Noise
    flat: Noise


def uncertainty(
    responses: pd.DataFrame,
    *,
    contrasts: Mapping[str, Mapping[str, Any]] | None = None,
    settings: Settings | None = None,
    threshold: Threshold = "variable",
    models: pd.DataFrame | None = None,
    network: bool = True,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Intervals and tests of every drug of a screen, and bands of its curves.

    Args:
        responses: `exvivo.tables.RESPONSES`.
        contrasts: which wells are the controls, by readout; default: the roles of the layout.
        settings: samples, level and seed; the seed and a drug's own names decide its samples.
        threshold: activity threshold of the score.
        models: viability of the screen's wells by other models of its network: plate, well, fold, viability. They
            widen the intervals of readouts whose model was trained on the screen's controls.
        network: whether intervals of readouts that a network predicts hold what such networks get wrong
            (`exvivo.responses.network`).

    Returns:
        One row per treatment with screen, readout, treatment, addon, the columns `COLUMNS`, `p_value`,
        `q_value` (Benjamini and Hochberg 1995, over the drugs of a readout) and `basis`, what the scatter was
        taken from, or why there is none; numbers are missing where there is no curve or nothing to take the scatter from. An end of
        an IC50's interval is infinite where no dose reaches it, 0 where all do. `BY_WELLS` is the lower end of DSS_asym
        that the network's own error does not widen. And `exvivo.tables.BANDS`.

    """
    settings = settings or Settings()
    names = list(dict.fromkeys(responses["readout"]))
    # In an order of their own: where a well stands in the table must not decide what is drawn.
    responses = responses.sort_values(["plate", "well"], kind="stable", ignore_index=True)
    curves = fit_curves(responses, "robust", single=False)
    rows, bands = [], []
    for name in names:
        own = curves[curves["readout"] == name].reset_index(drop=True)
        wells = _used(responses, name)
        noises = _noise(responses, curves, name, contrasts or {}, models, network)
        found, drawn = _readout(own, wells, noises, settings, threshold, _lacking(responses, name))
        rows.append(found)
        bands.append(drawn)
    columns = ["screen", "readout", "treatment", "addon", *COLUMNS, "p_value", "q_value", "basis"]
    table = pd.concat(rows) if rows else pd.DataFrame(columns=columns)
    band = pd.concat(bands) if bands else BANDS.empty_table().to_pandas()
    return table[columns].reset_index(drop=True), band[BANDS.names].reset_index(drop=True)


def _lacking(responses: pd.DataFrame, readout: str) -> str:
    honest = kind_of(readout).honest_replicates
    if honest and honest not in set(responses["readout"]):
        return f"no interval: {honest}, whose replicates are honest, is not among the readouts"
    return "no interval: the wells show no scatter to take it from"


def _used(responses: pd.DataFrame, readout: str) -> pd.DataFrame:
    own = responses[(responses["readout"] == readout) & responses["used"].astype(bool)]
    return own.reset_index(drop=True)


def _noise(
    responses: pd.DataFrame,
    curves: pd.DataFrame,
    readout: str,
    contrasts: Mapping[str, Any],
    models: pd.DataFrame | None,
    network: bool,
) -> _Noises | None:
    """What samples of `readout` are drawn from; None where nothing is known of its scatter."""
    basis = kind_of(readout).honest_replicates or readout
    wells = _used(responses, basis)
    if not len(wells):
        return None
    fits = curves[(curves["readout"] == basis) & curves["status"].isin(["ok", "inverted"])]
    columns = [*KEY[2:], *PARAMETERS, "n_parameters"]
    joined = wells.merge(fits[columns], on=KEY[2:], how="left")
    parameters = joined[list(PARAMETERS)].to_numpy(dtype=float)
    is_curve = joined["role"].isin(CURVE_ROLES) & joined["n_parameters"].notna()
    with np.errstate(divide="ignore"):
        x = np.log10(joined["concentration"].where(is_curve, 1.0).to_numpy(dtype=float))
    fitted = np.where(is_curve, evaluate(parameters, x[:, None])[:, 0], np.nan)
    free = joined["n_parameters"].fillna(0).to_numpy(dtype=float)
    contrast = contrasts.get(basis) or DEFAULT_CONTRAST
    noise = estimate_noise(wells, fitted, free, contrast, basis)
    null = estimate_noise(wells, fitted, free, contrast, basis, without_effect=True)
    if noise is None or null is None:
        return None
    kind, errors = kind_of(readout), []
    if models is not None and kind.trained_on_controls:
        between = model_error(wells, fitted, models)
        errors += [between] if between else []
    by_wells = noise.with_errors(errors)
    if network and kind.training:
        errors.append((network_error(LEVELS), np.full(len(LEVELS), DEGREES)))
        return _Noises(noise.with_errors(errors), by_wells, null)
    return _Noises(by_wells, by_wells, null)


def _readout(
    curves: pd.DataFrame,
    wells: pd.DataFrame,
    noises: _Noises | None,
    settings: Settings,
    threshold: Threshold,
    lacking: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows of the treatments, and bands of treatments and titrations, of one readout."""
    fitted = curves["status"].isin(["ok", "inverted"]) & (noises is not None)
    rows = curves[fitted].to_dict("records")
    parts = dict(list(wells.groupby(KEY[2:])))
    points = [_points(parts[tuple(row[name] for name in KEY[2:])]) for row in rows]
    found: list[Intervals] = []
    lows: list[float] = []
    p_values: dict[int, float] = {}
    if noises is not None and rows:
        first = rows[0]
        seed = _seed(settings.seed, first["screen"], first["readout"])
        series = [_series(row, x, plates) for row, (x, _, plates) in zip(rows, points, strict=True)]
        how = {"samples": settings.samples, "level": settings.level, "threshold": threshold}
        found = bootstrap(series, noises.all, seed=seed, **how)
        same = noises.wells is noises.all
        plain = found if same else bootstrap(series, noises.wells, seed=seed, **how)
        lows = [float(one.dss[0]) for one in plain]
        treated = [i for i, row in enumerate(rows) if row["role"] == "treatment"]
        tested = flat_p_values([points[i] for i in treated], noises.flat, seed=seed)
        p_values = dict(zip(treated, tested, strict=True))
    table = pd.DataFrame(
        [
            {**_row(row, one, p_values.get(i)), BY_WELLS: low}
            for i, (row, one, low) in enumerate(zip(rows, found, lows, strict=True))
        ]
    )
    names = ["screen", "readout", "treatment", "addon"]
    treatments = curves.loc[curves["role"] == "treatment", names]
    numbers = [*COLUMNS, "p_value"]
    if len(table):
        table = treatments.merge(
            table[table["role"] == "treatment"].drop(columns="role"), on=names, how="left"
        )
    else:
        table = treatments.assign(**dict.fromkeys(numbers, np.nan))
    table["q_value"] = false_discovery_rates(table["p_value"].to_numpy(dtype=float))
    table["basis"] = noises.all.basis if noises is not None else lacking
    bands = [_band(row, one) for row, one in zip(rows, found, strict=True)]
    return table, pd.concat(bands) if bands else BANDS.empty_table().to_pandas()


def _seed(seed: int, screen: str, readout: str) -> int:
    return int(random_of(seed, screen, readout).integers(2**62))


def _points(wells: pd.DataFrame) -> tuple[Array, Array, NDArray[np.object_]]:
    """log10 doses, inhibition and plates of a drug's used wells, in an order of their own.

    A well's place in the table must not decide its scatter.
    """
    wells = wells.sort_values(["concentration", "replicate", "plate", "well"])
    x = np.log10(wells["concentration"].to_numpy(dtype=float))
    y = 1.0 - wells["viability"].to_numpy(dtype=float)
    return x, y, wells["plate"].to_numpy(dtype=object)


def _series(row: dict[str, Any], x: Array, plates: NDArray[np.object_]) -> Series:
    names = tuple(str(row[name]) for name in KEY[2:])
    parameters = np.array([row[name] for name in PARAMETERS], dtype=float)
    return Series(names, x, plates, parameters, int(row["n_parameters"]))


def _row(row: dict[str, Any], one: Intervals, p_value: float | None) -> dict[str, Any]:
    ends = {
        f"{name}_{end}": float(getattr(one, _ENDS[name])[i])
        for name in INTERVALS
        for i, end in enumerate(("low", "high"))
    }
    return {**{name: row[name] for name in KEY}, **ends, "p_value": p_value}


def _band(row: dict[str, Any], one: Intervals) -> pd.DataFrame:
    doses = np.logspace(
        np.log10(row["min_concentration"]), np.log10(row["max_concentration"]), BAND_POINTS
    )
    low, high = one.band
    band = pd.DataFrame({"concentration": doses, "low": low, "high": high})
    return band.assign(**{name: row[name] for name in KEY})


def false_discovery_rates(p_values: Array) -> Array:
    """Adjusted p-values of Benjamini and Hochberg (1995); missing ones stay missing and do not count."""
    from scipy.stats import false_discovery_control  # slow to import, and reports never need it

    adjusted = np.full(len(p_values), np.nan)
    known = np.isfinite(p_values)
    if known.any():
        adjusted[known] = false_discovery_control(p_values[known])
    return adjusted
