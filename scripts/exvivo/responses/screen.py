"""From the readouts of a screen to responses, curves, scores and bands: what a run does, and what weighing a decision
repeats."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from exvivo.readouts.kinds import kind_of
from exvivo.responses.fit import fit_curves
from exvivo.responses.normalise import build_responses
from exvivo.responses.relative import relative_scores
from exvivo.responses.scores import score
from exvivo.responses.uncertainty import Settings, uncertainty
from exvivo.tables import RESPONSES

log = logging.getLogger(__name__)


def screen_responses(
    layout: pd.DataFrame,
    readouts: Mapping[str, pd.DataFrame],
    *,
    screen: str,
    contrasts: Mapping[str, Any],
    plates_of: Mapping[str, Sequence[str]],
    excluded: Mapping[tuple[str, str], Sequence[str]],
) -> pd.DataFrame:
    """Normalise all readouts of a screen; `exvivo.tables.RESPONSES`.

    Args:
        layout: `exvivo.tables.LAYOUT` of the plates that are there; a readout none of whose plates is there is
            left out.
        readouts: `exvivo.tables.READOUT` by name, in the order they are scored.
        screen: the screen's id.
        contrasts: by readout.
        plates_of: the plates of each readout.
        excluded: as from `exvivo.inspection.flags.excluded_wells`.

    """
    parts = []
    for name, values in readouts.items():
        own = layout[layout["plate"].isin(plates_of[name])]
        if not len(own):
            log.warning("%s: none of its plates is there", name)
            continue
        values = values[values["plate"].isin(own["plate"])]
        log.info("%s: %d wells on %d plates", name, len(values), own["plate"].nunique())
        how = {"screen": screen, "readout_name": name, "contrast": contrasts[name]}
        parts.append(build_responses(own, values, excluded=excluded, **how))
    return pd.concat(parts) if parts else RESPONSES.empty_table().to_pandas()


def model_responses(
    layout: pd.DataFrame,
    folds: Sequence[pd.DataFrame],
    *,
    screen: str,
    contrasts: Mapping[str, Any],
    plates_of: Mapping[str, Sequence[str]],
    excluded: Mapping[tuple[str, str], Sequence[str]],
) -> pd.DataFrame | None:
    """What other models say of a screen's wells, each normalised by its own controls: plate, well, fold, viability.

    `folds` are tables of `exvivo.tables.FOLDS`, none or one, the other arguments those of `screen_responses`. None
    where there is nothing.
    """
    basis = next((n for n in contrasts if kind_of(n).trained_on_controls), None)
    parts = {
        f"fold {n}": own.assign(flag="") for table in folds for n, own in table.groupby("fold")
    }
    if basis is None or not parts:
        return None
    how = {
        "contrasts": dict.fromkeys(parts, contrasts[basis]),
        "plates_of": dict.fromkeys(parts, plates_of[basis]),
    }
    found = screen_responses(layout, parts, screen=screen, excluded=excluded, **how)
    found = found[found["used"].astype(bool)]
    number = found["readout"].str.removeprefix("fold ").astype(int)
    return found.assign(fold=number)[["plate", "well", "fold", "viability"]]


def score_responses(
    responses: pd.DataFrame,
    scoring: Mapping[str, Any],
    *,
    contrasts: Mapping[str, Mapping[str, Any]] | None = None,
    reference: pd.DataFrame | None = None,
    models: pd.DataFrame | None = None,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Fit and score `responses` (`exvivo.tables.RESPONSES`) by the configuration's section `scoring`.

    `contrasts` are the controls by readout, `reference` the scores of healthy controls, `models` as from
    `model_responses`. Returns
    `exvivo.tables.CURVES`, the scores (`exvivo.responses.scores_schema`) and `exvivo.tables.BANDS`.
    """
    threshold = scoring["threshold"]
    curves = fit_curves(responses, scoring["method"])
    settings = Settings(**scoring["bootstrap"])
    known = {"models": models, "network": scoring["network_error"]}
    intervals, bands = uncertainty(
        responses, contrasts=contrasts, settings=settings, threshold=threshold, **known
    )
    how = {"threshold": threshold, "hit": scoring["hit"], "reference": reference}
    how["relative"] = relative_scores(responses, contrasts or {})
    return curves, score(curves, responses, intervals=intervals, **how), bands
