"""Made-up layouts and readouts whose curves are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from exvivo.responses.curve import evaluate
from exvivo.sheets.names import well_name
from exvivo.tables import LAYOUT, READOUT

DOSES = (1.0, 10.0, 100.0, 1000.0, 10000.0)
# bottom, top, x_mid (log10 nM), slope, asymmetry
CURVE = (0.0, 0.9, 2.0, 1.0, 1.0)


def curve_of(top: float = 0.9, ic50: float = 100.0, slope: float = 1.0) -> tuple[float, ...]:
    return (0.0, top, np.log10(ic50), slope, 1.0)


def screen(
    drugs: dict[str, Sequence[float]],
    *,
    plates: int = 1,
    doses: Sequence[float] = DOSES,
    replicates: int = 2,
    controls: int = 8,
    negative: float = 1000.0,
    positive: float = 200.0,
    noise: float = 0.0,
    tails: float = np.inf,
    seed: int = 0,
    titration: Sequence[float] | None = None,
    addon: str = "",
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Layout and readout of 32 × 48 plates that each hold all controls and their share of the drugs.

    `drugs` maps names to the parameters of their curves; `noise` is a standard deviation in viability,
    `tails` the degrees of freedom of its Student's t.
    """
    names = list(drugs)
    rows, values = [], []
    random = np.random.default_rng(seed)
    for p in range(plates):
        entries = [("negative_control", "DMSO", 0.0, i + 1, "", 1.0) for i in range(controls)]
        entries += [("positive_control", "STS", 250.0, i + 1, "", 0.0) for i in range(controls)]
        entries += [("untreated", "", np.nan, i + 1, "", 1.0) for i in range(controls)]
        entries += [("empty", "", np.nan, 1, "", np.nan)]
        if titration is not None:
            entries += [
                ("titration", "STS", dose, r + 1, "", 1 - _inhibition(titration, dose))
                for dose in doses
                for r in range(replicates)
            ]
        for name in names[p::plates]:
            entries += [
                ("treatment", name, dose, r + 1, addon, 1 - _inhibition(drugs[name], dose))
                for dose in doses
                for r in range(replicates)
            ]
        for i, (role, treatment, dose, replicate, extra, viability) in enumerate(entries):
            well = well_name(i % 32, i // 32)
            rows.append(
                (f"P{p + 1}", str(p + 1), well, role, role, treatment, dose, replicate, extra)
            )
            seen = viability + noise * _deviate(random, tails)
            values.append((f"P{p + 1}", well, positive + (negative - positive) * seen, ""))
    layout = pd.DataFrame(rows, columns=LAYOUT.names[:-1]).assign(sample="S1")
    return layout, pd.DataFrame(values, columns=READOUT.names)


def _deviate(random: np.random.Generator, tails: float) -> float:
    """One number of variance 1."""
    if np.isinf(tails):
        return float(random.standard_normal())
    return float(random.standard_t(tails) / np.sqrt(tails / (tails - 2)))


def mixed_drugs(random: np.random.Generator, count: int) -> dict[str, tuple[float, ...]]:
    """Curves of drugs without effect ("inactive 0"), with a partial and with a strong one, in turn."""
    drugs = {}
    for i in range(count):
        kind = ("inactive", "partial", "strong")[i % 3]
        top = {
            "inactive": 0.0,
            "partial": random.uniform(0.3, 0.8),
            "strong": random.uniform(0.85, 1),
        }
        middle = random.uniform(1.5, 3.5) if kind == "partial" else random.uniform(0.5, 2.5)
        drugs[f"{kind} {i}"] = (0.0, top[kind], middle, random.uniform(0.7, 2.5), 1.0)
    return drugs


def _inhibition(parameters: Sequence[float], dose: float) -> float:
    return float(evaluate(np.array(parameters, dtype=float), [np.log10(dose)])[0])
