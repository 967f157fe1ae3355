"""Reading a table of scores back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from exvivo.errors import StoreError
from exvivo.responses.intervals import INTERVAL_TEXTS

SCORE_TEXT = (
    "screen",
    "readout",
    "treatment",
    "addon",
    "status",
    "reason",
    "rel_ic50_text",
    *INTERVAL_TEXTS,
)


# Verdicts with which drugs are ranked: the screen passed, or a person accepts what it failed.
RANKED = ("pass", "accepted")


def read_scores(path: Path | str) -> pd.DataFrame:
    """The table of scores: numbers as numbers, names as text (a drug may be called "NA" or "1E5").

    Missing texts are empty, missing `hit` columns False. `StoreError` if the file is damaged or lacks
    treatment, readout or dss_asym.
    """
    path = Path(path)
    try:
        header = pd.read_csv(path, sep="\t", nrows=0, encoding="utf-8").columns
        text = {name: str for name in SCORE_TEXT if name in header}
        missing = {name: [""] for name in header if name not in text}
        frame = pd.read_csv(path, sep="\t", dtype=text, keep_default_na=False, na_values=missing)
    except (OSError, ValueError, pd.errors.ParserError) as error:
        raise StoreError("cannot read the scores", found=str(error), where=path.name) from error
    lacking = [c for c in ("treatment", "readout", "dss_asym") if c not in frame.columns]
    if lacking:
        raise StoreError("the scores lack columns", found=f"no {lacking}", where=path.name)
    for name in ("hit", "hit_published"):
        told = (
            frame[name].astype(str).str.casefold() if name in frame else pd.Series("", frame.index)
        )
        frame[name] = (told == "true").astype(bool)
    for name in ("addon", "status", "reason"):
        frame[name] = frame.get(name, "")
    return frame


def is_ranked(verdict: Mapping[str, Any], readout: str) -> bool:
    """Whether drugs are ranked by a readout: neither the screen nor the readout by itself is on hold.

    `verdict` is verdict.json. A screen without a verdict is on hold; a readout without one of its own is judged
    by the screen's.
    """
    single = (verdict.get("readouts") or {}).get(readout) or {}
    return verdict.get("verdict") in RANKED and single.get("verdict", "pass") in RANKED


def final_hits(scores: pd.DataFrame, verdict: Mapping[str, Any]) -> pd.DataFrame:
    """Scores whose `hit` also heeds the screen's verdict (verdict.json): on hold, or unknown, nothing is a hit.

    `hit` of scores.tsv is what the drug's own curve and interval say; it stands there before anybody has
    judged the screen. Whoever shows or counts hits does it through this. A readout with a verdict of its own
    that holds it has no hits either.
    """
    passed = [is_ranked(verdict, name) for name in scores["readout"]]
    return scores.assign(
        hit=scores["hit"].astype(bool) & pd.Series(passed, scores.index, dtype=bool)
    )


def no_scores() -> pd.DataFrame:
    """A table of scores without rows."""
    numbers = pd.DataFrame({"dss_asym": pd.Series(dtype=float), "rank": pd.Series(dtype=float)})
    texts = pd.DataFrame({name: pd.Series(dtype=object) for name in SCORE_TEXT})
    return texts.join(numbers).assign(
        hit=pd.Series(dtype=bool), hit_published=pd.Series(dtype=bool)
    )
