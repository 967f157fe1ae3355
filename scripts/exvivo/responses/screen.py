"""From the responses of a screen to curves, scores and bands, as the configuration asks for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from exvivo.responses.fit import fit_curves
from exvivo.responses.scores import score
from exvivo.responses.uncertainty import Settings, uncertainty


def score_responses(
    responses: pd.DataFrame,
    scoring: Mapping[str, Any],
    *,
    contrasts: Mapping[str, Mapping[str, Any]] | None = None,
    reference: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Fit and score `responses` (`exvivo.tables.RESPONSES`) by the configuration's section `scoring`.

    `contrasts` are the controls by readout, `reference` the scores of healthy controls. Returns
    `exvivo.tables.CURVES`, the scores (`exvivo.responses.scores_schema`) and `exvivo.tables.BANDS`.
    """
    threshold = scoring["threshold"]
    curves = fit_curves(responses, scoring["method"])
    settings = Settings(**scoring["bootstrap"])
    intervals, bands = uncertainty(
        responses, contrasts=contrasts, settings=settings, threshold=threshold
    )
    how = {"threshold": threshold, "hit": scoring["hit"], "reference": reference}
    return curves, score(curves, responses, intervals=intervals, **how), bands
