"""Repeats of a sample and modalities of a screen against each other. Whom to believe is left to a person.

A side is one readout of one screen. A hit here is the published one (DSS_asym above the limit), so that a
comparison does not hang on the width of an interval; the headline rule's hits stand beside it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from exvivo.context.names import DrugNames
from exvivo.context.tables import MISMATCHES, PAIRED, REPEATS
from exvivo.quality.concordance import concordance
from exvivo.quality.rows import SCREEN
from exvivo.readouts.kinds import kind_of
from exvivo.responses.curve import PARAMETERS, evaluate
from exvivo.responses.fit import ALL_REPLICATES

REPEAT, MODALITY = "repeat", "modality"
DSS, CURVE = "dss", "curve"
_POINTS = 21  # of a curve, over the doses that both sides tested
_DOSES = ["min_concentration", "max_concentration"]
_KEY = ["key", "addon"]


@dataclass(frozen=True)
class Screened:
    """What is known of a finished screen: tables as their stages write them, `verdict` its JSON."""

    screen: str
    scores: pd.DataFrame
    curves: pd.DataFrame
    quality: pd.DataFrame
    verdict: Mapping[str, Any]

    @property
    def readouts(self) -> list[str]:
        """Readouts with scores, in order; the first is the headline."""
        return list(dict.fromkeys(self.scores["readout"]))

    def verdict_of(self, readout: str) -> str:
        """`pass` or `hold` of a readout by itself."""
        single = (self.verdict.get("readouts") or {}).get(readout, {})
        return str(single.get("verdict", "hold"))

    def metric(self, readout: str, *names: str) -> float:
        """The value over the screen of the first of `names` that the quality table has; NaN without."""
        own = self.quality[(self.quality["readout"] == readout) & (self.quality["scope"] == SCREEN)]
        for name in names:
            found = own.loc[own["metric"] == name, "value"]
            if len(found):
                return float(found.iloc[0])
        return float("nan")


Side = tuple[Screened, str]


def pairs_of(
    screen: Screened, repeats: Sequence[Screened], order: Sequence[str]
) -> list[tuple[str, Side, Side]]:
    """Pairs to compare: kind, first side, second side.

    `repeats` are other screens of the sample; of two screens the one that stands earlier in `order` goes
    first, so that both tell the same. Equal readouts are compared, or the headlines if none are equal.
    Readouts of one screen are compared where they measure by different means.
    """
    pairs: list[tuple[str, Side, Side]] = []
    for other in repeats:
        first, second = sorted((screen, other), key=lambda s: order.index(s.screen))
        common = [name for name in first.readouts if name in second.readouts]
        both = [(name, name) for name in common] or list(
            zip(first.readouts[:1], second.readouts[:1], strict=False)
        )
        pairs += [(_kind(a, b), (first, a), (second, b)) for a, b in both]
    pairs += [
        (MODALITY, (screen, a), (screen, b))
        for a, b in combinations(screen.readouts, 2)
        if _kind(a, b) == MODALITY
    ]
    return pairs


def _kind(a: str, b: str) -> str:
    return REPEAT if kind_of(a).modality == kind_of(b).modality else MODALITY


def compare(
    pairs: Sequence[tuple[str, Side, Side]], *, sample: str, names: DrugNames, hit: float = 10.0
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Compare each pair.

    Returns `REPEATS`, two rows per pair; `MISMATCHES`, a row per drug that is a hit on one side only, the
    largest difference first, with the quality of both sides; and `PAIRED`, a row per drug that both scored.
    """
    agreed: list[dict[str, Any]] = []
    differing, paired = [], []
    for kind, a, b in pairs:
        head = {"sample": sample, "kind": kind}
        head |= {
            "screen_a": a[0].screen,
            "readout_a": a[1],
            "screen_b": b[0].screen,
            "readout_b": b[1],
        }
        both = join_sides(a, b, names)
        fitted = _fitted(both)
        hits = [both[f"dss_{side}"] > hit for side in "ab"]
        counts = {
            "hits_a": int(hits[0].sum()),
            "hits_b": int(hits[1].sum()),
            "hits_both": int((hits[0] & hits[1]).sum()),
            "n_other_doses": int(both["other_doses"].sum()),
            "verdict_a": a[0].verdict_of(a[1]),
            "verdict_b": b[0].verdict_of(b[1]),
        }
        series = {
            DSS: (both["dss_a"], both["dss_b"]),
            CURVE: (fitted[0].ravel(), fitted[1].ravel()),
        }
        for level, (first, second) in series.items():
            found = concordance(first, second).record()
            if level == CURVE:  # the points of one curve are not independent: no interval
                found |= {"pearson_low": np.nan, "pearson_high": np.nan}
            agreed.append(head | {"level": level} | found | counts)
        joined = _with_quality(both, fitted, head, (a, b))
        one_side = joined[hits[0] != hits[1]]
        size = (one_side["dss_a"] - one_side["dss_b"]).abs()
        differing.append(one_side.loc[size.sort_values(ascending=False, kind="stable").index])
        paired.append(joined)
    repeats = pd.DataFrame(agreed, columns=REPEATS.names)
    integers = ["n", "hits_a", "hits_b", "hits_both", "n_other_doses"]
    repeats = repeats.astype(dict.fromkeys(integers, "int64"))
    return repeats, _gather(differing, MISMATCHES), _gather(paired, PAIRED)


def _gather(parts: Sequence[pd.DataFrame], schema: pa.Schema) -> pd.DataFrame:
    """All parts one below the other, with the columns of `schema`."""
    if not parts:
        return schema.empty_table().to_pandas()
    return pd.concat(parts, ignore_index=True)[schema.names]


def join_sides(a: Side, b: Side, names: DrugNames) -> pd.DataFrame:
    """Drugs that both sides scored, with the columns of each ending in _a and _b.

    Drugs are matched by name or synonym; one that a side holds twice is left out.
    """
    first, second = (_of_side(*side, names) for side in (a, b))
    both = first.merge(second, on=_KEY, suffixes=("_a", "_b"))
    both = both.rename(columns={"treatment_a": "treatment"})
    same = [np.isclose(both[f"{name}_a"], both[f"{name}_b"], rtol=1e-6) for name in _DOSES]
    return both.assign(other_doses=~(same[0] & same[1]))


def _of_side(screened: Screened, readout: str, names: DrugNames) -> pd.DataFrame:
    scores = screened.scores[screened.scores["readout"] == readout]
    scores = scores[scores["dss_asym"].notna()].copy()
    replicates = [c for c in scores.columns if str(c).startswith("dss_asym_rep")]
    for name in ("gof", "dss_asym_low", "dss_asym_high"):
        scores[name] = scores.get(name, np.nan)
    scores["replicates"] = [
        "; ".join(f"{value:.1f}" for value in row if value == value)
        for row in scores[replicates].to_numpy(dtype=float)
    ]
    scores["key"] = [names.key(name) for name in scores["treatment"]]
    curves = screened.curves
    curves = curves[
        (curves["readout"] == readout)
        & (curves["role"] == "treatment")
        & (curves["replicate"] == ALL_REPLICATES)
    ][["treatment", "addon", *PARAMETERS]]
    wanted = [
        "key",
        "treatment",
        "addon",
        "dss_asym",
        "dss_asym_low",
        "dss_asym_high",
        "hit",
        "gof",
    ]
    frame = scores[[*wanted, "status", "replicates", *_DOSES]].merge(
        curves, on=["treatment", "addon"], how="left"
    )
    frame = frame.rename(
        columns={"dss_asym": "dss", "dss_asym_low": "low", "dss_asym_high": "high"}
    )
    return frame[~frame.duplicated(_KEY, keep=False)]


def _fitted(both: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Fitted inhibition in percent of each side (drugs, points) at doses that both tested; NaN without."""
    low = np.log10(np.maximum(both["min_concentration_a"], both["min_concentration_b"]))
    high = np.log10(np.minimum(both["max_concentration_a"], both["max_concentration_b"]))
    x = np.linspace(low, high.where(high > low), _POINTS, axis=-1)
    return tuple(
        100.0 * evaluate(both[[f"{name}_{side}" for name in PARAMETERS]].to_numpy(dtype=float), x)
        for side in "ab"
    )


def _with_quality(
    both: pd.DataFrame,
    fitted: tuple[np.ndarray, np.ndarray],
    head: Mapping[str, str],
    sides: tuple[Side, Side],
) -> pd.DataFrame:
    """The joined sides with the difference of their curves, their intervals and their quality."""
    frame = both.assign(**head, curve_difference=np.abs(fitted[0] - fitted[1]).mean(axis=1))
    for letter, (screened, readout) in zip("ab", sides, strict=True):
        frame[f"dss_{letter}_low"] = frame[f"low_{letter}"]
        frame[f"dss_{letter}_high"] = frame[f"high_{letter}"]
        frame[f"z_prime_{letter}"] = screened.metric(
            readout, "robust_z_prime_crossfit", "robust_z_prime"
        )
        frame[f"replicate_pearson_{letter}"] = screened.metric(readout, "replicate_pearson")
        frame[f"verdict_{letter}"] = screened.verdict_of(readout)
    return frame
