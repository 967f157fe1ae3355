"""Is this screen good enough to be ranked? All metrics, and the verdict that follows from the gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from exvivo.quality.accepted import accept, accepted_lines
from exvivo.quality.agreement import add_modalities, add_replicates, add_titration
from exvivo.quality.controls import Held, add_controls, add_solvent
from exvivo.quality.placement import add_placement
from exvivo.quality.rows import SCREEN, Sheet
from exvivo.quality.seen import add_well_flags
from exvivo.quality.spatial import add_spatial
from exvivo.quality.uniformity import add_uniformity
from exvivo.readouts.flags import reasons as flag_reasons
from exvivo.readouts.kinds import kind_of
from exvivo.responses.normalise import UNUSED_ROLES
from exvivo.sheets import load_config
from exvivo.sheets.config import DEFAULT_CONTRAST
from exvivo.sheets.layouts import contrast_wells

READY = "ready"
_TRAINING = {
    ("train", "loss"): "train_loss",
    ("train", "accuracy"): "train_accuracy",
    ("train", "auroc"): "train_auroc",
    ("validation", "loss"): "validation_loss",
    ("validation", "accuracy"): "validation_accuracy",
    ("validation", "auroc"): "validation_auroc",
}


def assess(
    responses: pd.DataFrame,
    scores: pd.DataFrame,
    curves: pd.DataFrame,
    *,
    admission: Mapping[str, Any] | None,
    flags: pd.DataFrame | None = None,
    placement: Mapping[str, Any] | None = None,
    histories: Mapping[str, pd.DataFrame] | None = None,
    crossfit: pd.DataFrame | None = None,
    headline: str = "",
    limits: Mapping[str, Any] | None = None,
    hit: float = 10.0,
    contrasts: Mapping[str, Mapping[str, Any]] | None = None,
    screen: str = "",
    accepted: Sequence[Mapping[str, str]] = (),
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Judge a screen.

    Args:
        responses: `exvivo.tables.RESPONSES` of all readouts.
        scores: as from `exvivo.responses.score`.
        curves: `exvivo.tables.CURVES`.
        admission: the screen's admission: `verdict` (ready, waiting, refused) and `reasons`.
        flags: `exvivo.tables.WELL_FLAGS` of the screen.
        placement: evidence on the layout of each plate, from `exvivo.placement.examine`.
        histories: training histories by phase (`phase2`): epoch, split, loss, accuracy, auroc.
        crossfit: held-out predictions of the controls, `exvivo.tables.READOUT`. Readouts of models that were
            trained on the screen's controls are judged by them, and fail without.
        headline: the readout whose gates count for the screen; default: the first of `responses`.
        limits: section `quality` of the configuration; default: its defaults.
        hit: DSS_asym above which a drug is a hit, for comparing modalities.
        contrasts: by readout; default: the roles of the layout.
        screen: the screen's id; default: that of `responses`.
        accepted: failed checks that a person accepts (`exvivo.sheets.decisions.acceptances`).

    Returns:
        `exvivo.tables.QUALITY`, and the verdict: `verdict` (pass, hold; accepted where nothing but what a person
        accepted would hold it), `reasons`, `headline`, `readouts` with verdict and reasons of each readout by
        itself; where there is any, `accepted` the lines that were, `provisional` what a screen goes on without,
        `placement` with status and sentence of each plate whose layout was tested.

    """
    names = list(dict.fromkeys(responses["readout"]))
    headline = headline or (names[0] if names else "")
    screen = screen or (str(responses["screen"].iloc[0]) if len(responses) else "")
    sheet = Sheet(screen, limits if limits is not None else load_config({})["quality"])
    ready = _add_admission(sheet, admission)
    add_well_flags(sheet, flags)
    if ready and headline not in names:
        reason = f"there are no responses of {headline}" if headline else "there are no responses"
        sheet.hold("headline_measured", False, [reason])
    placed = add_placement(sheet, placement)
    for name in names:
        one = _Readout(responses, scores, curves, name, contrasts or {})
        _add_readout(sheet, one, crossfit)
    _add_mismatches(sheet, scores, names, hit)
    _add_training(sheet, histories or {}, names)
    provisional = list((admission or {}).get("provisional") or [])
    if provisional:
        sheet.remark("plates_missing", len(admission["missing"]), "; ".join(provisional))
    accept(sheet, accepted)
    told = {"provisional": provisional, "placement": placed}
    verdict = _verdict(sheet, names, headline) | {k: v for k, v in told.items() if v}
    return sheet.frame(headline), verdict


class _Readout:
    """One readout's part of the tables: `wells` the used ones with their side, `all_wells` with the rest."""

    def __init__(
        self,
        responses: pd.DataFrame,
        scores: pd.DataFrame,
        curves: pd.DataFrame,
        name: str,
        contrasts: Mapping[str, Any],
    ) -> None:
        self.tables = (responses, scores, curves, contrasts)
        self.name = name
        self.kind = kind_of(name)
        own = responses[responses["readout"] == name]
        own = own.assign(side=contrast_wells(own, contrasts.get(name) or DEFAULT_CONTRAST))
        # Categories keep plates without a single used well in view: they must fail, not vanish.
        own["plate"] = pd.Categorical(own["plate"], categories=list(dict.fromkeys(own["plate"])))
        self.all_wells = own
        self.wells = own[own["used"].astype(bool)]
        contrast = contrasts.get(name) or DEFAULT_CONTRAST
        self.sides = tuple(side for side in ("negative", "positive") if contrast[side])
        self.scores = scores[scores["readout"] == name]
        self.curves = curves[curves["readout"] == name]

    def sibling(self, name: str) -> _Readout:
        return _Readout(*self.tables[:3], name, self.tables[3])


def _add_mismatches(sheet: Sheet, scores: pd.DataFrame, names: list[str], hit: float) -> None:
    """Hits of different modalities against each other, each pair once; called when the gates are known."""
    for first, second in combinations(names, 2):
        if kind_of(first).modality != kind_of(second).modality:
            held = [name for name in (first, second) if sheet.failures(name)]
            add_modalities(sheet, scores, first, second, hit, held)


def _add_admission(sheet: Sheet, admission: Mapping[str, Any] | None) -> bool:
    """The plates' own verdict; without one, nothing is known, and the screen is on hold."""
    verdict = str(admission.get("verdict")) if admission else "unknown"
    reasons = [str(reason) for reason in (admission or {}).get("reasons") or []]
    if verdict != READY and not reasons:
        reasons = [
            f"whether the screen is ready is {verdict}"
            if not admission
            else f"the screen is {verdict}"
        ]
    sheet.hold("plates_ready", verdict == READY, reasons)
    return verdict == READY


def _add_readout(sheet: Sheet, one: _Readout, crossfit: pd.DataFrame | None) -> None:
    add_controls(sheet, one.name, one.wells, _held(one, crossfit), one.sides)
    add_solvent(sheet, one.name, one.wells)
    idle = one.scores[one.scores["dss_asym"] == 0]
    inactive = set(zip(idle["treatment"], idle["addon"], strict=True))
    add_uniformity(sheet, one.name, one.wells, inactive)
    add_spatial(sheet, one.name, one.wells, one.curves)
    _add_wells(sheet, one)
    _add_drugs(sheet, one)
    base = one.kind.honest_replicates
    honest = None
    if base:
        sibling = one.sibling(base)
        honest = (base, sibling.wells, sibling.scores)
    add_replicates(sheet, one.name, one.wells, one.scores, honest=honest)
    add_titration(sheet, one.name, one.wells, one.curves)


def _held(one: _Readout, crossfit: pd.DataFrame | None) -> Held | None:
    if not one.kind.trained_on_controls:
        return None
    if crossfit is None or not len(crossfit):
        nothing = pd.DataFrame({"plate": [], "well": [], "value": []}).astype(
            {"plate": str, "well": str, "value": float}
        )
        return Held(nothing, "there are no held-out predictions")
    return Held(crossfit)


def _add_wells(sheet: Sheet, one: _Readout) -> None:
    """Wells that should have a value and have none, and values that the model cannot have been taught."""
    wanted = one.all_wells[~one.all_wells["role"].isin(UNUSED_ROLES)]
    flags = one.all_wells["flag"].map(flag_reasons)
    parts = [(str(plate), part) for plate, part in wanted.groupby("plate", observed=False)]
    for scope, part in [*parts, (SCREEN, wanted)]:
        unused = int((~part["used"].astype(bool)).sum())
        share = unused / len(part) if len(part) else float("nan")
        note = f"{unused} of {len(part)} wells"
        sheet.add(one.name, scope, "missing_wells", share, limit="missing_wells", note=note)
    strange = int(flags.map(lambda found: "not_in_layout" in found).sum())
    if strange:
        sheet.add(one.name, SCREEN, "wells_not_in_layout", strange, note="measured, but not used")
    if one.kind.training:
        outside = int(flags[one.wells.index].map(lambda found: "out_of_range" in found).sum())
        share = outside / len(one.wells) if len(one.wells) else float("nan")
        note = f"{outside} of {len(one.wells)} wells lie outside what training can produce"
        sheet.add(
            one.name, SCREEN, "wells_out_of_range", share, limit="wells_out_of_range", note=note
        )


def _add_drugs(sheet: Sheet, one: _Readout) -> None:
    """Share of drugs with a score, and of curves that fall the wrong way."""
    status = one.scores["status"]
    has_score = status.isin(["ok", "inverted"])
    if "auc" in one.scores:
        has_score |= one.scores["auc"].notna()
    scored = int(has_score.sum())
    share = scored / len(status) if len(status) else float("nan")
    lost = one.scores.loc[~has_score, "treatment"]
    note = f"{scored} of {len(status)} drugs" + (
        f"; without: {', '.join(lost)}" if len(lost) else ""
    )
    sheet.add(one.name, SCREEN, "scored_drugs", share, limit="scored_drugs", note=note)
    inverted = float((status == "inverted").mean()) if len(status) else float("nan")
    sheet.add(one.name, SCREEN, "inverted_curves", inverted, note="share of drugs")


def _add_training(sheet: Sheet, histories: Mapping[str, pd.DataFrame], names: list[str]) -> None:
    """Loss, accuracy and AUROC of the last epoch; limits where they were published for."""
    for name in names:
        kind = kind_of(name)
        history = histories.get(kind.training)
        if not kind.training or history is None or not len(history):
            continue
        last = history[history["epoch"] == history["epoch"].max()]
        note = f"{kind.training}, epoch {int(history['epoch'].max())}"
        for (split, column), metric in _TRAINING.items():
            row = last[last["split"] == split]
            value = row[column].iloc[0] if len(row) else None
            if value is None or pd.isna(value):
                continue
            limit = metric if kind.published_limits else ""
            sheet.add(name, SCREEN, metric, float(value), limit=limit, note=note)


def _verdict(sheet: Sheet, names: list[str], headline: str) -> dict[str, Any]:
    single = {}
    for name in names:
        failed = sheet.failures(name)
        single[name] = {"verdict": "hold" if failed else "pass", "reasons": failed}
    failed, lines = sheet.failures(headline), accepted_lines(sheet)
    own = [line for line in lines if line["readout"] in ("", headline)]
    return {
        "verdict": "hold" if failed else ("accepted" if own else "pass"),
        "reasons": failed,
        "headline": headline,
        "readouts": single,
        **({"accepted": lines} if lines else {}),
    }
