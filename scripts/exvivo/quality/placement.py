"""The layout truth test as a gate: which arrangement fits, by how much, and what is to be done about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exvivo.quality.rows import Sheet

FITS, OTHER, UNKNOWN = "fits", "another arrangement", "cannot tell"
MARGIN = 4.0  # nats; see docs/quality.md for how often chance reaches it


@dataclass(frozen=True)
class Placement:
    """What is to be thought of one plate.

    Attributes: `status` fits, another arrangement or cannot tell; `given`, `best` rows of the evidence; `margin`
    evidence as given minus that of the best other arrangement, in nats; `rival` its row; `sentence`.
    """

    plate: str
    status: str
    given: Mapping[str, Any]
    rival: Mapping[str, Any] | None
    margin: float
    sentence: str


def judge_placement(plate: str, found: Mapping[str, Any], margin: float = MARGIN) -> Placement:
    """Decide on one plate of `exvivo.placement.examine`.

    Another arrangement is believed if its evidence exceeds that of the layout as given by `margin`, and a
    layout is believed if its evidence exceeds none at all by as much; else nobody can tell.
    """
    given, *others = found["arrangements"]
    rival = max(others, key=lambda row: row["evidence"], default=None)
    lead = given["evidence"] - (rival["evidence"] if rival else 0.0)
    if rival is not None and -lead >= margin:
        return Placement(plate, OTHER, given, rival, lead, _found(plate, given, rival))
    if given["evidence"] >= margin:
        words = f"fits its layout as given, by {given['evidence']:.0f} nats"
        if rival is not None:
            words += f"; next, {_which(rival)}, by {rival['evidence']:.0f}"
        if lead < margin and rival is not None:
            words += ", which is too close to be excluded"
        if alike := ", ".join(found.get("alike", [])):
            words += f"; the layout of {alike} differs in names of drugs alone, which nothing here can tell"
        return Placement(plate, FITS, given, rival, lead, words)
    words = (
        "cannot tell whether the wells fit the layout: nothing in it explains them"
        f" ({given['evidence']:.1f} nats, {margin:g} are needed)"
    )
    return Placement(plate, UNKNOWN, given, rival, lead, words)


def add_placement(
    sheet: Sheet, found: Mapping[str, Mapping[str, Any]] | None
) -> dict[str, dict[str, str]]:
    """A line per plate, and the gate: plates that fit another arrangement hold the screen.

    Returns `status` and `sentence` by plate, for the verdict.
    """
    if found is None:
        return {}
    limits = sheet.limits.get("layout_truth") or {}
    margin = float(limits.get("margin", MARGIN))
    judged = [judge_placement(plate, entry, margin) for plate, entry in found.items()]
    for one in judged:
        sheet.add("", one.plate, "layout_margin", one.margin, note=one.sentence)
    wrong = [one.sentence for one in judged if one.status == OTHER]
    if limits.get("gate", True):
        sheet.hold("layout_truth", not wrong, wrong)
    return {one.plate: {"status": one.status, "sentence": one.sentence} for one in judged}


def _found(plate: str, given: Mapping[str, Any], rival: Mapping[str, Any]) -> str:
    """The sentence on a plate that fits another arrangement."""
    which = _which(rival)
    text = f"plate {plate} fits {which}"
    if rival["controls"]:
        text += f": {rival['correct']} of {rival['controls']} controls as predicted, against "
        text += (
            f"{given['correct']} of {given['controls']} as given"
            if given["controls"]
            else "none measured as given"
        )
    text += f" (evidence {rival['evidence']:.0f} against {given['evidence']:.0f} nats)"
    if rival["plate"]:
        mend = "exchange the plates' folders in plates.tsv or their names in the layout"
    elif rival["kind"] in ("controls", "columns"):
        mend = "mend the controls in the layout"
    else:
        mend = "mend the layout, or the well names of the images"
    return f"{text}; {mend}, then run again"


def _which(row: Mapping[str, Any]) -> str:
    if row["plate"]:
        return f"the layout of plate {row['plate']}"
    return f"its layout {row['words']}"
