"""Versioned references: what each drug did in a named set of finished screens.

A reference is a TSV file of its own that nothing rewrites (DESIGN.md, section 4). It begins with what it is
made from (`# screen: id, digest of its scores, readouts on hold`), has the columns of an iTReX reference
(Drug.Name, mean_DSS, mean_DSS_adj) with n, spread and quantiles beside them, and in `scores` every single
score in the order of the screens, so that a screen can be compared with all the others but itself.
`exvivo.responses.reference` reads it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from exvivo.context.names import DrugNames
from exvivo.errors import ScoringError
from exvivo.quality.statistics import robust_sd

QUANTILES = (5, 25, 75, 95)
SCORES = ("DSS", "DSS_adj")
_DOSES = ("min_concentration", "max_concentration")


@dataclass(frozen=True)
class Source:
    """A finished screen: its scores, the digest of their file, and the readouts that are on hold."""

    screen: str
    scores: pd.DataFrame
    digest: str
    held: frozenset[str] = frozenset()


def build_reference(sources: Sequence[Source], names: DrugNames) -> pd.DataFrame:
    """Gather the scores of single drugs in finished screens, per readout and drug.

    Readouts on hold, combinations, curves without a score and drugs that a screen holds twice under two
    names are left out. Scores depend on the tested doses: of several dose ranges of one drug the commonest
    counts (of equally common ones the wider), and `n_other_doses` tells how many screens had another.
    `ScoringError` if nothing is left.
    """
    screens = [source.screen for source in sources]
    if len(set(screens)) < len(screens):
        raise ScoringError(
            "a screen is named twice", expected="each once", found=", ".join(screens)
        )
    parts = [_usable(source, names) for source in sources]
    joined = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    if not len(joined):
        raise ScoringError(
            "there is nothing to make a reference from",
            expected="at least one finished screen that passed",
            found=f"no score in {len(sources)} screen(s)",
            hint="run the screens first, or name others",
        )
    order = {name: i for i, name in enumerate(dict.fromkeys(joined["readout"]))}
    groups = sorted(joined.groupby(["readout", "key"]), key=lambda g: (order[g[0][0]], g[0][1]))
    return pd.DataFrame([_row(part, screens) for _, part in groups])


def _usable(source: Source, names: DrugNames) -> pd.DataFrame:
    scores = source.scores
    own = scores[
        (scores["addon"] == "") & scores["dss_asym"].notna() & ~scores["readout"].isin(source.held)
    ]
    frame = own[["readout", "treatment", "dss_asym", "dss_asym_adj", *_DOSES]].assign(
        key=[names.key(name) for name in own["treatment"]],
        drug=[names.canonical(name) or name for name in own["treatment"]],
        screen=source.screen,
    )
    return frame[~frame.duplicated(["readout", "key"], keep=False)]


def _row(part: pd.DataFrame, screens: Sequence[str]) -> dict[str, object]:
    """One line of the file from all scores of a drug by one readout."""
    ranges = part.groupby(list(_DOSES), sort=True).size()
    widths = [high / low for low, high in ranges.index]
    best = max(range(len(ranges)), key=lambda i: (ranges.iloc[i], widths[i], -ranges.index[i][0]))
    low, high = ranges.index[best]
    same = part[(part[_DOSES[0]] == low) & (part[_DOSES[1]] == high)]
    row: dict[str, object] = {
        "readout": same["readout"].iloc[0],
        "Drug.Name": same["drug"].iloc[0],
        "n": len(same),
    }
    for name, column in zip(SCORES, ("dss_asym", "dss_asym_adj"), strict=True):
        values = same[column].to_numpy(dtype=float)
        several = len(values) > 1
        row |= {
            f"mean_{name}": values.mean(),
            f"sd_{name}": values.std(ddof=1) if several else np.nan,
            f"median_{name}": np.median(values),
            f"mad_{name}": robust_sd(values) if several else np.nan,
        } | {f"q{q:02d}_{name}": np.quantile(values, q / 100) for q in QUANTILES}
    by_screen = dict(zip(same["screen"], same["dss_asym"], strict=True))
    single = ";".join(f"{by_screen[s]:.4f}" if s in by_screen else "" for s in screens)
    return row | dict(zip(_DOSES, (low, high), strict=True)) | {
        "n_other_doses": len(part) - len(same),
        "scores": single,
    }  # fmt: skip


def reference_text(name: str, sources: Sequence[Source], table: pd.DataFrame) -> str:
    """The text of a reference file: equal bytes for equal screens."""
    lines = [f"# exvivo reference: {name}"]
    for source in sources:
        held = ",".join(sorted(source.held)) or "-"
        lines.append(f"# screen: {source.screen} {source.digest} on hold: {held}")
    numbers = table.select_dtypes("number").columns
    shown = table.assign(**{name: table[name].map(_plain) for name in numbers})
    return "\n".join(lines) + "\n" + shown.to_csv(sep="\t", index=False, lineterminator="\n")


def _plain(value: float) -> str:
    """A number without exponent, which sheets refuse; empty where it is missing."""
    return "" if value != value else f"{value:.8f}".rstrip("0").rstrip(".")
