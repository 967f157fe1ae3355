"""What a run found against what is true, readout by readout."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from exvivo.errors import StoreError
from exvivo.responses.read import read_scores


@dataclass(frozen=True)
class Agreement:
    """One readout of a simulated screen.

    Attributes: `screen`, `readout`; `drugs` and true `hits` in it; `spearman` of true and found DSS_asym
    over all drugs, where a drug without a score counts as 0; `precision` and `recall` of the hits, and of
    those by the published rule; `coverage`, the share of intervals that hold the true score, missing where
    there is no interval.
    """

    screen: str
    readout: str
    drugs: int
    hits: int
    spearman: float
    precision: float
    recall: float
    published_precision: float = float("nan")
    published_recall: float = float("nan")
    coverage: float = float("nan")


def compare_screens(folder: Path | str) -> list[Agreement]:
    """Compare all scores below `folder`/results with `folder`/truth/drugs.tsv.

    Raises `StoreError` if there is no truth, or a drug of the truth has no row in the scores.
    """
    folder = Path(folder)
    path = folder / "truth" / "drugs.tsv"
    if not path.is_file():
        raise StoreError(
            "there is no truth to compare with",
            expected="a screen made by `exvivo simulate`",
            found=f"no {path.name}",
            where=str(path.parent),
        )
    truth = pd.read_csv(path, sep="\t", dtype={"screen": str, "drug": str})
    found = []
    for screen, drugs in truth.groupby("screen", sort=False):
        scores = read_scores(folder / "results" / "screens" / screen / "scores.tsv")
        for readout, rows in scores.groupby("readout", sort=False):
            found.append(_agreement(str(screen), str(readout), drugs, rows))
    return found


def _agreement(screen: str, readout: str, truth: pd.DataFrame, rows: pd.DataFrame) -> Agreement:
    rows = rows.set_index("treatment")
    lacking = sorted(set(truth["drug"]) - set(rows.index))
    if lacking:
        raise StoreError(
            "the scores lack drugs",
            expected=f"{len(truth)} drugs",
            found=f"none of {lacking}",
            where=screen,
        )
    score = rows["dss_asym"].reindex(truth["drug"]).fillna(0.0).to_numpy(dtype=float)
    hit = rows["hit"].reindex(truth["drug"]).to_numpy(dtype=bool)
    true_hit = truth["hit"].to_numpy(dtype=bool)
    published = rows["hit_published"].reindex(truth["drug"]).to_numpy(dtype=bool)
    true_score = truth["dss_asym"].to_numpy(dtype=float)
    return Agreement(
        screen,
        readout,
        len(truth),
        int(true_hit.sum()),
        spearman(true_score, score),
        *_precision_recall(hit, true_hit),
        *_precision_recall(published, true_hit),
        _coverage(rows.reindex(truth["drug"]), true_score),
    )


def _precision_recall(hit: np.ndarray, true: np.ndarray) -> tuple[float, float]:
    both = int((hit & true).sum())
    precision = both / hit.sum() if hit.any() else 0.0
    return precision, both / true.sum() if true.any() else float("nan")


def _coverage(rows: pd.DataFrame, true: np.ndarray) -> float:
    """Share of the drugs with an interval whose true score lies within it."""
    if "dss_asym_low" not in rows or rows["dss_asym_low"].isna().all():
        return float("nan")
    low, high = (rows[f"dss_asym_{end}"].to_numpy(dtype=float) for end in ("low", "high"))
    known = np.isfinite(low)
    within = (low <= true + 1e-9) & (high >= true - 1e-9)
    return float(within[known].mean())


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Spearman's rank correlation with mean ranks for ties; 0 if one of the two is constant."""
    ranks = [pd.Series(values).rank().to_numpy() for values in (first, second)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0
    return float(np.corrcoef(*ranks)[0, 1])


def render(found: list[Agreement]) -> str:
    """A table for a terminal."""
    lines = [
        f"{'readout':<20}{'Spearman':>10}{'precision':>11}{'recall':>8}{'published hits':>18}{'coverage':>10}"
        "   (true against found DSS)"
    ]
    lines += [
        f"{a.readout:<20}{a.spearman:>10.2f}{a.precision:>11.2f}{a.recall:>8.2f}"
        f"{f'{a.published_precision:.2f} / {a.published_recall:.2f}':>18}{a.coverage:>10.2f}"
        for a in found
    ]
    for screen in dict.fromkeys(a.screen for a in found):
        first = next(a for a in found if a.screen == screen)
        lines.insert(0, f"{screen}: {first.drugs} drugs, {first.hits} true hits")
        lines.append(f"report: results/screens/{screen}/report.html")
    return "\n".join(lines)
