"""Dose-response fits measured: how many a second, and how close they come to published scores.

    python benchmarks/fits.py [--drugs 75 750 7500] [--rounds 3] [--data DIR] [--out benchmarks/fits.tsv]

A screen is `drugs` drugs × 5 doses × 2 replicates; each drug has three curves (all, and each replicate) of
four models. Processor seconds of the fastest round count (set OMP_NUM_THREADS=1). Beside it scipy's BFGS from
the same start values, one curve at a time, and for the robust fits scipy's bounded least_squares from the same
starts within the same bounds with the same loss (`largest`: by how much our loss exceeds scipy's at most, as a share of it).
With --data, the folder of the real data sets, the agreement with the authors' tables is added.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import least_squares, minimize

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "tests" / "unit"), str(REPOSITORY / "tests" / "real")]

from responses_data import curve_of, screen  # noqa: E402

from exvivo.files import replacing  # noqa: E402
from exvivo.responses import build_responses, fit_curves, score  # noqa: E402
from exvivo.responses.itrex import fit_itrex, objective, start_slope, start_values  # noqa: E402
from exvivo.responses.levenberg import predict  # noqa: E402
from exvivo.responses.robust import (  # noqa: E402
    SCALE,
    fit_model,
    free_parameters,
    limits,
    starts,
)


def fastest(rounds: int, work: Callable[[], object]) -> float:
    """Processor seconds of the fastest of some rounds: other load on the machine does not count."""
    seconds = []
    for _ in range(rounds):
        begin = time.process_time()
        work()
        seconds.append(time.process_time() - begin)
    return min(seconds)


def make(drugs: int) -> pd.DataFrame:
    """Responses of a screen of random sound curves with 8 % noise, on as many plates as it takes."""
    random = np.random.default_rng(0)
    curves = {
        f"d{i}": curve_of(
            random.uniform(0, 1.1), 10 ** random.uniform(0, 4), random.uniform(0.5, 4)
        )
        for i in range(drugs)
    }
    layout, readout = screen(curves, plates=-(-drugs // 140), noise=0.08)
    return build_responses(layout, readout, screen="S", readout_name="r")


def speed(drugs: int, rounds: int) -> list[dict]:
    """Curves a second of one screen: fits alone, and with scores."""
    responses = make(drugs)
    fitted = fastest(rounds, lambda: fit_curves(responses))
    curves = fit_curves(responses)
    scored = fastest(rounds, lambda: score(curves, responses))
    rows = [("fit", fitted), ("score", scored)]
    return [
        {
            "what": what,
            "drugs": drugs,
            "curves": 3 * drugs,
            "cpu_seconds": s,
            "curves_per_cpu_s": 3 * drugs / s,
        }
        for what, s in rows
    ]


def scipy_speed(curves: int = 30) -> dict:
    """The same four models by scipy's BFGS, one after the other."""
    responses = make(curves)
    treated = responses[responses["role"] == "treatment"]
    sets = [
        (np.log10(g["concentration"].to_numpy()), 1 - g["viability"].to_numpy())
        for _, g in treated.groupby("treatment")
    ]
    begin = time.process_time()
    for x, y in sets:
        for count in (5, 4, 3, 2):
            slope = start_slope(x[None], y[None])
            start = start_values(x[None], y[None], count, slope)[0]
            minimize(
                lambda p, x=x, y=y: objective(p, x, y), start, method="BFGS", options={"gtol": 1e-6}
            )
    batch = time.process_time() - begin
    return {
        "what": "scipy BFGS, one at a time",
        "drugs": curves,
        "curves": curves,
        "cpu_seconds": batch,
        "curves_per_cpu_s": curves / batch,
    }


def robust_beside_scipy(curves: int = 30) -> list[dict]:
    """Bounded robust fits of four and five parameters: ours, and scipy's multi-start."""
    responses = make(curves)
    treated = responses[responses["role"] == "treatment"]
    parts = [part for _, part in treated.groupby("treatment")]
    x = np.log10(np.stack([part["concentration"].to_numpy() for part in parts]))
    y = 1 - np.stack([part["viability"].to_numpy() for part in parts])
    rows = []
    for count in (4, 5):
        many = -(-750 // curves)
        wide = (np.tile(x, (many, 1)), np.tile(y, (many, 1)))
        own = fastest(1, lambda wide=wide, count=count: fit_model(*wide, count))
        begin = time.process_time()
        best = scipy_multistart(x, y, count)
        theirs = time.process_time() - begin
        worse = (fit_model(x, y, count)[1] / best - 1).max()
        for what, number, seconds in (
            (f"robust, {count} parameters", many * curves, own),
            (f"scipy least_squares, {count} parameters, same starts", curves, theirs),
        ):
            row = {"what": what, "drugs": number, "curves": number, "cpu_seconds": seconds}
            rows.append(row | {"curves_per_cpu_s": number / seconds, "largest": worse})
    return rows


def scipy_multistart(x: np.ndarray, y: np.ndarray, count: int) -> np.ndarray:
    """The best loss of each curve (P,) by scipy, one curve and one start after the other."""
    across, up = np.ascontiguousarray(x.T), np.ascontiguousarray(y.T)
    (low, high), free = limits(across, up), list(free_parameters(count))
    best = np.full(len(x), np.inf)
    for start in starts(across, up, count, (low, high), SCALE):
        for i in range(len(x)):
            one, ends = start[:, i].copy(), (low[free, i], high[free, i])

            def residuals(p, one=one, i=i):
                one[free] = p
                return predict(one[:, None], across[:, [i]])[:, 0] - up[:, i]

            begin = np.clip(one[free], ends[0] + 1e-9, ends[1] - 1e-9)
            found = least_squares(residuals, begin, bounds=ends, loss="soft_l1", f_scale=SCALE)
            best[i] = min(best[i], found.cost)
    return best


def agreement(data: Path) -> list[dict]:
    """Differences of DSS_asym from the authors' own tables."""
    from itrex_data import load_demo

    rows = []
    for name in ("metabolic", "imaging", "many missing"):
        demo = load_demo(data / "dose_response", name)
        expected = [("authors' tests", demo.published)]
        if name == "metabolic":
            table = pd.read_csv(data / "dose_response" / "therapy_parameters_BT-40_ST08.csv")
            expected.append(("published table", table.set_index("Drug.Name")["DSS_asym"]))
        for label, published in expected:
            both = pd.DataFrame({"a": demo.scores["dss_asym"], "b": published}).dropna()
            off = (both["a"] - both["b"]).abs()
            rows.append(
                {
                    "what": f"DSS_asym, {name} screen, {label}",
                    "drugs": len(both),
                    "median_difference": off.median(),
                    "quantile_90": off.quantile(0.9),
                    "largest": off.max(),
                    "pearson": both["a"].corr(both["b"]),
                    "hit_flips": int(((both["a"] > 10) != (both["b"] > 10)).sum()),
                }
            )
    return rows


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--drugs", type=int, nargs="+", default=[75, 750, 7500])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".tsv"))
    options = parser.parse_args()
    fit_itrex(np.zeros((1, 5)) + np.arange(5), np.linspace(0, 1, 5)[None])  # imports and caches
    rows = [row for drugs in options.drugs for row in speed(drugs, options.rounds)]
    rows.append(scipy_speed())
    rows += robust_beside_scipy()
    rows += agreement(options.data) if options.data else []
    table = pd.DataFrame(rows)
    with replacing(options.out) as partial:
        table.to_csv(partial, sep="\t", index=False, float_format="%.4g")
    print(table.to_string(index=False, float_format=lambda number: f"{number:.4g}"))


if __name__ == "__main__":
    main()
