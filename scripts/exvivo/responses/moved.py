"""Which scores are other ones in another table of the same screen."""

from __future__ import annotations

import numpy as np
import pandas as pd

from exvivo.responses.scores import DRUG

KEY = [name for name in DRUG if name != "screen"]
_PAIRED = ("dss_asym", "rank", "hit", "status")
MOVED = [*KEY, "change", *(f"{name}_{when}" for name in _PAIRED for when in ("before", "after"))]
_SAME = 1e-9  # DSS units: what a TSV may lose


def moved_scores(before: pd.DataFrame, after: pd.DataFrame) -> pd.DataFrame:
    """Rows of `MOVED`, largest change of DSS_asym first; `change` is moved, new or gone."""
    columns = [*KEY, *_PAIRED]
    both = before.reindex(columns=columns).merge(
        after.reindex(columns=columns),
        on=KEY,
        how="outer",
        suffixes=("_before", "_after"),
        indicator="change",
    )
    names = {"left_only": "gone", "right_only": "new", "both": "moved"}
    both["change"] = both["change"].astype(str).map(names)
    delta = both["dss_asym_after"] - both["dss_asym_before"]
    lost = both["dss_asym_after"].isna() != both["dss_asym_before"].isna()
    other = [both[f"{n}_before"].ne(both[f"{n}_after"]) for n in ("hit", "status")]
    keep = (delta.abs() > _SAME) | lost | other[0] | other[1] | (both["change"] != "moved")
    order = np.argsort(-delta.abs().fillna(np.inf).to_numpy(), kind="stable")
    return both.iloc[order][keep.to_numpy()[order]][MOVED].reset_index(drop=True)
