"""How often intervals hold the truth, and how often drugs without effect are found. Writes intervals.tsv.

    python benchmarks/intervals.py [--first 1000] [--screens 16] [--null 60] [--samples 300]

Made-up responses: screens of 24 drugs, five doses in duplicate. For coverage a third of the drugs has no effect, a third
a partial and a third a strong one, normal scatter of 10 %, six controls of each side. Screens without effect: scatter of
8 %, normal or Student's t with three degrees of freedom. `share`: of intervals that hold the truth; of p-values below 0.05; of screens with
any q-value below 0.05; `mean_error` of the score. Nothing was chosen on seeds from 1000 on.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "tests" / "unit")]

from responses_data import mixed_drugs, screen  # noqa: E402

from exvivo.files import replacing  # noqa: E402
from exvivo.responses import Settings, build_responses, fit_curves, score, uncertainty  # noqa: E402
from exvivo.responses.dss import dss_asym  # noqa: E402

NONE = (0.0, 0.0, 2.0, 1.0, 1.0)
DRUGS = 24
DESIGNS = {
    "4 controls on one plate": {"controls": 4, "plates": 1},
    "6 controls on each of three plates": {"controls": 6, "plates": 3},
    "8 controls on one plate": {"controls": 8, "plates": 1},
}


def responses_of(drugs: dict[str, tuple[float, ...]], seed: int, **design: float) -> pd.DataFrame:
    """Responses of one made-up screen."""
    layout, readout = screen(drugs, seed=seed, **design)
    return build_responses(layout, readout, screen=f"S{seed}", readout_name="r")


def coverage(seed: int, samples: int) -> pd.DataFrame:
    """For each drug its kind, whether its intervals hold the truth (missing without one), and the score's error."""
    truth = mixed_drugs(np.random.default_rng(seed), DRUGS)
    responses = responses_of(truth, seed, noise=0.1, controls=6)
    intervals, _ = uncertainty(responses, settings=Settings(samples=samples))
    found = score(fit_curves(responses), responses, intervals=intervals)
    curves = np.array([truth[name] for name in found["treatment"]])
    true = dss_asym(curves, np.zeros(len(curves)), np.full(len(curves), 4.0))
    raw = intervals.set_index("treatment").loc[found["treatment"]]
    ic50 = 10 ** curves[:, 2]
    kind = found["treatment"].str.split().str[0]
    return pd.DataFrame(
        {
            "kind": kind,
            "dss": held(found["dss_asym_low"], true, found["dss_asym_high"]),
            "ic50": held(raw["rel_ic50_low"], ic50, raw["rel_ic50_high"]),
            "error": found["dss_asym"].to_numpy() - true,
        }
    )


def held(low: pd.Series, true: np.ndarray, high: pd.Series) -> np.ndarray:
    """Whether each interval holds the truth."""
    return (low.to_numpy() <= true + 1e-9) & (high.to_numpy() >= true - 1e-9)


def coverages(first: int, screens: int, samples: int) -> Iterator[dict]:
    """Rows of coverage by kind of drug."""
    found = pd.concat([coverage(seed, samples) for seed in range(first, first + screens)])
    for kind in ("inactive", "partial", "strong", "all"):
        own = found if kind == "all" else found[found["kind"] == kind]
        yield {
            "what": f"DSS_asym, {kind}: interval holds the truth",
            "units": len(own),
            "share": own["dss"].mean(),
            "mean_error": own["error"].mean(),
        }
        if kind in ("partial", "strong"):
            told = f"rel_ic50, {kind}: interval holds the truth"
            yield {"what": told, "units": len(own), "share": own["ic50"].mean()}


def nulls(first: int, screens: int) -> Iterator[dict]:
    """Rows of false positives in screens without any effect."""
    for name, design in DESIGNS.items():
        for scatter, tails in (("normal", np.inf), ("t3", 3.0)):
            p, q = [], []
            for seed in range(first, first + screens):
                drugs = {f"d{i}": NONE for i in range(DRUGS)}
                responses = responses_of(drugs, seed, noise=0.08, tails=tails, **design)
                found, _ = uncertainty(responses, settings=Settings(samples=2))
                p += list(found["p_value"])
                q.append(bool((found["q_value"] < 0.05).any()))
            case = f"no effect, {scatter} scatter, {name}"
            yield {
                "what": f"{case}: p < 0.05",
                "units": len(p),
                "share": np.mean(np.array(p) < 0.05),
            }
            yield {
                "what": f"{case}: screens with any q < 0.05",
                "units": len(q),
                "share": np.mean(q),
            }


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--first", type=int, default=1000)
    parser.add_argument("--screens", type=int, default=16)
    parser.add_argument("--null", type=int, default=60)
    parser.add_argument("--samples", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path(__file__).with_suffix(".tsv"))
    options = parser.parse_args()
    rows = []
    for row in coverages(options.first, options.screens, options.samples):
        rows.append(row)
        print(row, flush=True)
    for row in nulls(options.first, options.null):
        rows.append(row)
        print(row, flush=True)
    with replacing(options.out) as partial:
        table = pd.DataFrame(rows)
        table.to_csv(partial, sep="\t", index=False, float_format="%.3f", lineterminator="\n")


if __name__ == "__main__":
    main()
