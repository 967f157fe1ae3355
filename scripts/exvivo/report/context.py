"""What all sections share: the inputs, the images, the keys that link a drug's figures, roles in words."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

import pandas as pd

from exvivo.figures.waterfall import drug_name
from exvivo.figures.words import known
from exvivo.report.images import Thumbnails
from exvivo.report.inputs import Inputs
from exvivo.responses.read import RANKED
from exvivo.sheets.config import DEFAULT_CONTRAST
from exvivo.sheets.layouts import contrast_wells

ROLES = {
    "negative_control": "negative control",
    "positive_control": "positive control",
    "treatment": "drug",
    "titration": "titration control",
    "untreated": "untreated",
    "other_control": "other control",
    "empty": "empty",
    "excluded": "excluded in the layout",
}
READOUTS = {
    "mean_of_stack": "mean of stack",
    "viability_phase1": "viability, phase I",
    "viability_phase2": "viability, phase II",
    "viability_phase3": "viability, phase III",
    "metabolic": "metabolic activity",
    "total_count": "all cells (number)",
    "marker_fraction": "marker, cancer fraction (IF %)",
    "marker_count": "marker, cancer cells (IF #)",
    "marker_healthy_count": "marker, healthy cells (number)",
    "morphology_fraction": "morphology, cancer fraction (DML %)",
    "morphology_fraction_resnet": "morphology by ResNet (DML %)",
    "cancer_count": "morphology, cancer cells (number)",
    "healthy_count": "morphology, healthy cells (number)",
    "random_fraction": "exchanged labels (chance)",
}
Drug = tuple[str, str]


def readout_name(readout: str) -> str:
    """A readout as a person calls it."""
    return READOUTS.get(readout, readout.replace("_", " "))


def natural(name: str) -> tuple[object, ...]:
    """Sort key that ignores case and puts drug-2 before drug-10."""
    parts = re.split(r"(\d+)", name.casefold())
    return tuple((0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts), name


@dataclass
class Context:
    """Everything a section may use; `shown` collects the wells whose image stands in the page itself."""

    inputs: Inputs
    images: Thumbnails
    shown: set[str] = field(default_factory=set)

    @cached_property
    def held(self) -> bool:
        """Whether the screen ranks nothing: it failed its gate, or nobody said that it passed."""
        return str(self.inputs.verdict.get("verdict", "")).casefold() not in RANKED

    @cached_property
    def scores(self) -> pd.DataFrame:
        """Scores of the headline readout, with each drug's key."""
        scores = self.inputs.scores
        mine = scores[scores["readout"] == self.inputs.headline].copy()
        mine["key"] = [self.keys.get(drug, "") for drug in drugs_of(mine)]
        return mine

    @cached_property
    def by_auc(self) -> bool:
        """Whether the headline readout has no second control: its drugs are ranked by AUC against the solvent."""
        return "auc" in self.scores and bool(self.scores["auc"].notna().any())

    @cached_property
    def keys(self) -> dict[Drug, str]:
        """An id in the page for each drug, by name and not by rank."""
        responses = self.inputs.responses
        of_wells = responses[responses["role"] == "treatment"]
        every = {*drugs_of(self.inputs.scores), *drugs_of(of_wells)}
        ordered = sorted(every, key=lambda drug: natural(drug_name(*drug)))
        return {drug: f"drug-{i}" for i, drug in enumerate(ordered, start=1)}

    def by_drug(self, role: str) -> dict[Drug, pd.DataFrame]:
        """Responses of the headline readout by drug: of the role `treatment` or `titration`."""
        mine = self.inputs.of(self.inputs.headline)
        mine = mine[mine["role"] == role]
        groups: dict[Drug, list[int]] = {}
        for place, drug in enumerate(drugs_of(mine)):
            groups.setdefault(drug, []).append(place)
        return {drug: mine.iloc[places] for drug, places in groups.items()}

    @cached_property
    def responses(self) -> pd.DataFrame:
        """Responses of the headline readout with `side`: "negative", "positive" or "" in its contrast."""
        mine = self.inputs.of(self.inputs.headline)
        return mine.assign(side=self.sides(mine, self.inputs.headline))

    def sides(self, frame: pd.DataFrame, readout: str) -> list[str]:
        """The side of a readout's contrast that each row belongs to; "" for neither."""
        given = self.inputs.contrasts.get(readout) or {}
        contrast = given.get("contrast", given) or DEFAULT_CONTRAST
        return list(contrast_wells(frame, contrast)) if len(frame) else []

    def image(self, plate: str, well: str, *, place: bool = True) -> str:
        """Data URI of a well, or empty; with `place` the well counts as shown in the page."""
        key = f"{plate}/{well}"
        uri = self.images.uris.get(key, "")
        if uri and place:
            self.shown.add(key)
        return uri


def drugs_of(frame: pd.DataFrame) -> list[Drug]:
    """(treatment, addon) of each row, as texts."""
    addons = frame["addon"] if "addon" in frame else [""] * len(frame)
    return [(text(t), text(a)) for t, a in zip(frame["treatment"], addons, strict=True)]


def text(value: object) -> str:
    """A cell as text; empty where it is missing."""
    return "" if value is None or value != value else str(value)


def flags_text(flag: object) -> str:
    """Flags of a well as words: "not_measured;dim" is "not measured; dim"."""
    parts = [part.strip().replace("_", " ") for part in text(flag).split(";")]
    return "; ".join(part for part in parts if part)


def spoken(words: object) -> str:
    """A text of another stage with readouts called as a person calls them."""
    told = text(words)
    for name in sorted(READOUTS, key=len, reverse=True):  # one name may begin another
        told = told.replace(name, READOUTS[name])
    return told


def limit_text(limit: object) -> str:
    """A limit as a person writes it: ">= 0.4" is "≥ 0.4"."""
    return text(limit).replace(">=", "≥").replace("<=", "≤")


def reason_text(reason: object) -> str:
    """A reason as one sentence; stages give a text or a record with found, expected, where and hint."""
    if isinstance(reason, dict):
        found = (
            reason.get("found") or reason.get("reason") or reason.get("text") or reason.get("note")
        )
        head = str(reason.get("code", "")).replace("_", " ").capitalize()
        parts = [": ".join(str(p) for p in (reason.get("where"), head) if p)]
        parts.append(str(found) if found else "")
        parts.append(f"expected {reason['expected']}" if reason.get("expected") else "")
        words = "; ".join(part for part in parts if part)
        hint = str(reason.get("hint") or "")
        words = f"{words}. {hint[:1].upper()}{hint[1:]}" if hint else words
    else:
        words = str(reason).strip()
    words = spoken(words).replace("Z′ crossfit", "Z′ (cross-fitted)")
    return words if words.endswith((".", "!", "?", "…")) else words + "."


def number(value: object) -> float | None:
    """A cell as a finite number, or None."""
    return float(value) if known(value) else None  # type: ignore[arg-type]


def names(words: Iterable[str]) -> list[str]:
    """Distinct words in order."""
    return list(dict.fromkeys(words))
