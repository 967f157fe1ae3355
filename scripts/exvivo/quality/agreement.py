"""Agreement: of replicates, of a titration with its doses, of one modality with another."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from exvivo.quality.rows import SCREEN, Sheet
from exvivo.responses.fit import ALL_REPLICATES

DRUG = ["treatment", "addon"]
_METHODS = ("pearson", "spearman")


def correlate(pairs: list[tuple[np.ndarray, np.ndarray]], method: str) -> float:
    """Mean correlation of pairs of series, without what is missing in either; NaN where none is defined."""
    found = []
    for first, second in pairs:
        frame = pd.DataFrame({"a": first, "b": second}).dropna()
        if len(frame) < 3:
            continue
        if method == "spearman":
            frame = frame.rank()
        if frame["a"].nunique() > 1 and frame["b"].nunique() > 1:
            found.append(float(np.corrcoef(frame["a"], frame["b"])[0, 1]))
    return float(np.mean(found)) if found else float("nan")


def replicate_pairs(wells: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """Viability of the wells of two replicates at the same drug and dose, for each two replicates."""
    treated = wells[wells["role"] == "treatment"]
    wide = treated.pivot_table(
        index=[*DRUG, "concentration"], columns="replicate", values="viability", aggfunc="mean"
    )
    return [(wide[a].to_numpy(), wide[b].to_numpy()) for a, b in combinations(wide.columns, 2)]


def replicate_score_pairs(scores: pd.DataFrame) -> list[tuple[np.ndarray, np.ndarray]]:
    """DSS_asym of each drug by two replicates, for each two replicates."""
    names = [name for name in scores.columns if name.startswith("dss_asym_rep")]
    return [(scores[a].to_numpy(), scores[b].to_numpy()) for a, b in combinations(names, 2)]


def add_replicates(
    sheet: Sheet,
    readout: str,
    wells: pd.DataFrame,
    scores: pd.DataFrame,
    *,
    honest: tuple[str, pd.DataFrame, pd.DataFrame] | None,
) -> None:
    """Correlation of replicates: viability of wells, and DSS_asym of drugs.

    `honest` is (name, wells, scores) of the readout to judge instead, where this one's model has learnt each
    replicate from the other; its own correlations then stand beside it as optimistic. None: judge its own.
    """
    own = (readout, wells, scores)
    name, judged_wells, judged_scores = own if honest is None else honest
    note = "" if honest is None else f"taken from {name}, whose model has not seen the replicates"
    if honest is not None and not len(judged_wells):
        note = f"{name}, whose model has not seen the replicates, is not among the readouts"
    levels = {
        "replicate": replicate_pairs(judged_wells),
        "replicate_dss": replicate_score_pairs(judged_scores),
    }
    for level, pairs in levels.items():
        count = note or f"{len(pairs)} pair(s) of replicates"
        for method in _METHODS:
            metric = f"{level}_{method}"
            value = correlate(pairs, method)
            sheet.add(readout, SCREEN, metric, value, limit=metric, note=count)
    if honest is not None:
        for method in _METHODS:
            value = correlate(replicate_pairs(wells), method)
            words = "optimistic: the model was trained on exchanged replicates"
            sheet.add(readout, SCREEN, f"replicate_{method}_optimistic", value, note=words)


def add_titration(sheet: Sheet, readout: str, wells: pd.DataFrame, curves: pd.DataFrame) -> None:
    """Whether inhibition rises with the dose of each titrated control, and how well its curve fits."""
    for drug, part in wells[wells["role"] == "titration"].groupby(DRUG):
        name = " + ".join(filter(None, drug))
        pair = (part["concentration"].to_numpy(), 1.0 - part["viability"].to_numpy())
        value = correlate([pair], "spearman")
        note = f"{name}: {len(part)} wells, {part['concentration'].nunique()} doses"
        metric = "titration_spearman"
        sheet.add(readout, SCREEN, metric, value, limit=metric, note=note)
        fit = curves[
            (curves["role"] == "titration")
            & (curves["replicate"] == ALL_REPLICATES)
            & (curves["treatment"] == drug[0])
            & (curves["addon"] == drug[1])
        ]
        if len(fit):
            status = str(fit["status"].iloc[0])
            words = name if status == "ok" else f"{name}: {status}, {fit['reason'].iloc[0]}"
            sheet.add(readout, SCREEN, "titration_gof", float(fit["gof"].iloc[0]), note=words)


def modality_mismatches(
    scores: pd.DataFrame, first: str, second: str, hit: float = 10.0
) -> pd.DataFrame:
    """Drugs that are a hit (DSS_asym > `hit`) in one of two readouts and not in the other.

    Returns treatment, addon, dss_first, dss_second, hit_in (the readout's name), largest difference first.
    Drugs without a score in either are left out.
    """
    both = _both(scores, first, second)
    one, other = both["dss_first"] > hit, both["dss_second"] > hit
    both["hit_in"] = np.where(one, first, second)
    found = both[one != other]
    order = (found["dss_first"] - found["dss_second"]).abs().sort_values(ascending=False).index
    return found.loc[order].reset_index(drop=True)


def add_modalities(
    sheet: Sheet, scores: pd.DataFrame, first: str, second: str, hit: float, held: Sequence[str]
) -> None:
    """Share of drugs that only one of two modalities calls a hit, and the correlation of their scores.

    If one of them is `held` by its own gates the comparison only informs.
    """
    both = _both(scores, first, second)
    found = modality_mismatches(scores, first, second, hit)
    share = len(found) / len(both) if len(both) else float("nan")
    named = ", ".join(f"{row.treatment} ({row.hit_in})" for row in found.itertuples())
    against = f"against {second}" + (f" ({', '.join(held)} on hold)" if held else "")
    note = f"{against}: {len(found)} of {len(both)} drugs" + (f": {named}" if named else "")
    limit = "" if held else "modality_mismatch"
    sheet.add(first, SCREEN, "modality_mismatch", share, limit=limit, note=note)
    pair = (both["dss_first"].to_numpy(), both["dss_second"].to_numpy())
    sheet.add(first, SCREEN, "modality_dss_pearson", correlate([pair], "pearson"), note=against)


def _both(scores: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    parts = [
        scores.loc[scores["readout"] == name, [*DRUG, "dss_asym"]].rename(
            columns={"dss_asym": f"dss_{label}"}
        )
        for name, label in ((first, "first"), (second, "second"))
    ]
    return parts[0].merge(parts[1], on=DRUG).dropna().reset_index(drop=True)
