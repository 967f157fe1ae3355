"""A screen whose cells were called by marker and by morphology: the two against each other, and healthy against cancer.

A fraction hides two things: a marker that a drug takes away from living cells, and a drug that kills healthy cells as well. So
every drug stands here with both fractions and with the numbers of cancer and of healthy cells.
"""

from __future__ import annotations

from dataclasses import dataclass

from exvivo.figures.scatter import Dot, correlation, scatter
from exvivo.figures.svg import Figure
from exvivo.figures.volcano import Effect, volcano
from exvivo.figures.waterfall import drug_name
from exvivo.figures.words import fixed, known
from exvivo.report.context import Context, Drug, drugs_of, readout_name
from exvivo.report.solvent import has_auc
from exvivo.responses.scores import AUC_HIT, AUC_P

HIT, P = AUC_HIT, AUC_P
KILLS = 0.5  # AUC of a count from which a drug takes cells (ours): a quarter of them at each of two concentrations
MARKER, CANCER, HEALTHY, ALL = "marker_fraction", "cancer_count", "healthy_count", "total_count"
MORPHOLOGY = ("morphology_fraction", "morphology_fraction_resnet")
_LOSES = "loses the marker, not the cells"
_UNSEEN = "seen by morphology alone"
_BOTH = "kills healthy cells as well"
_ALONE = "violet: a hit by one of the two alone"
_GONE = "violet: healthy cells are gone as well"
_HIDDEN = "kills cancer and healthy cells alike: the fraction does not show it"


@dataclass(frozen=True)
class Score:
    """The AUC of a drug in one readout and its p-value; either may be missing (NaN)."""

    auc: float
    p: float

    @property
    def hit(self) -> bool:
        """Whether it is on target."""
        return known(self.auc) and known(self.p) and self.auc > HIT and self.p < P

    @property
    def kills(self) -> bool:
        """Of a count: whether cells are gone."""
        return known(self.auc) and known(self.p) and self.auc > KILLS and self.p < P


@dataclass(frozen=True)
class Line:
    """One drug of the table, texts as shown; `note` says what a person should look at."""

    key: str
    name: str
    values: list[str]
    note: str


@dataclass(frozen=True)
class Morphology:
    """The section's content; `reason` says why there is none."""

    morphology: str
    columns: list[str]
    figures: list[Figure]
    captions: list[str]
    lines: list[Line]
    drugs: int
    reason: str = ""

    @property
    def disagree(self) -> int:
        """Drugs with something to look at."""
        return sum(bool(line.note) for line in self.lines)


def morphology(context: Context) -> Morphology | None:
    """The section; None for a screen without a marker's and a network's fraction of cancer cells."""
    scores = context.inputs.scores
    names = scores["readout"].unique() if "auc" in scores else ()
    shown = {name for name in names if has_auc(context, name, scores)}
    own = next((name for name in MORPHOLOGY if name in shown), "")
    if not own or MARKER not in shown:
        return None
    names = [own, MARKER, *(n for n in (CANCER, HEALTHY, ALL) if n in shown)]
    columns = [readout_name(name) for name in names]
    if context.held:
        reason = "the screen is on hold, so no score is shown"
        return Morphology(readout_name(own), columns, [], [], [], 0, reason)
    tables = {name: _scores(context, name) for name in names}
    drugs = [d for d in tables[own] if d in tables[MARKER]]
    figures, captions = _figures(context, own, tables, drugs)
    lines = [_line(context, drug, tables, own) for drug in drugs]
    lines.sort(key=lambda line: (not line.note, line.name.casefold()))
    return Morphology(readout_name(own), columns, figures, captions, lines, len(drugs))


def note_of(morphology: Score, marker: Score, cancer: Score | None, healthy: Score | None) -> str:
    """What the readouts say of a drug when they do not say the same; empty where they agree."""
    words = []
    if marker.hit and not morphology.hit:
        gone = cancer is not None and cancer.kills
        words.append("a hit by the marker alone" if gone else _LOSES)
    if morphology.hit and not marker.hit:
        words.append(_UNSEEN)
    if cancer is not None and healthy is not None and healthy.kills:
        words.append(_HIDDEN if cancer.kills and not morphology.hit else _BOTH)
    return "; ".join(words)


def _scores(context: Context, readout: str) -> dict[Drug, Score]:
    frame = context.inputs.scores
    frame = frame[frame["readout"] == readout]
    values = zip(drugs_of(frame), frame["auc"], frame["auc_p_value"], strict=True)
    return {drug: Score(float(auc), float(p)) for drug, auc, p in values}


def _line(context: Context, drug: Drug, tables: dict[str, dict[Drug, Score]], own: str) -> Line:
    found = {name: table[drug] for name, table in tables.items() if drug in table}
    note = note_of(found[own], found[MARKER], found.get(CANCER), found.get(HEALTHY))
    values = [fixed(found[name].auc, 2) if name in found else "–" for name in tables]
    return Line(context.keys.get(drug, ""), drug_name(*drug), values, note)


def _figures(
    context: Context, own: str, tables: dict[str, dict[Drug, Score]], drugs: list[Drug]
) -> tuple[list[Figure], list[str]]:
    figures, captions = [], []
    pairs = [(MARKER, own, "Marker against morphology")]
    if CANCER in tables and HEALTHY in tables:
        pairs.append((HEALTHY, CANCER, "Healthy against cancer cells"))
    for across, up, title in pairs:
        dots = _dots(context, tables, across, up, drugs)
        if not dots:
            continue
        limit = HIT if up == own else KILLS
        figures.append(
            scatter(
                dots, title=title, x_title=f"AUC, {readout_name(across)}",
                y_title=f"AUC, {readout_name(up)}", limit=limit, diagonal=True,
            )
        )  # fmt: skip
        purple = _ALONE if up == own else _GONE
        captions.append(f"{len(dots)} drugs; {purple}. {correlation(dots)}".strip(". "))
    effects = [
        Effect(drug_name(*d), s.auc, s.p, s.hit, context.keys.get(d, ""))
        for d, s in tables[own].items()
        if known(s.auc) and known(s.p)
    ]
    if effects:
        how = {"limit": HIT, "p_limit": P, "x_title": f"AUC, {readout_name(own)}"}
        figures.append(volcano(effects, title="Effect and chance", **how))
        captions.append(f"{sum(e.hit for e in effects)} of {len(effects)} drugs on target")
    return figures, captions


def _dots(
    context: Context,
    tables: dict[str, dict[Drug, Score]],
    across: str,
    up: str,
    drugs: list[Drug],
) -> list[Dot]:
    dots = []
    for drug in drugs:
        x, y = tables[across].get(drug), tables[up].get(drug)
        if x is None or y is None or not (known(x.auc) and known(y.auc)):
            continue
        if across == MARKER:
            differ, both = x.hit != y.hit, x.hit and y.hit
        else:
            differ, both = x.kills, y.kills
        kind = "mismatch" if differ else "hit" if both else ""
        told = f"{drug_name(*drug)}: {fixed(y.auc, 2)} and {fixed(x.auc, 2)}"
        dots.append(Dot(x.auc, y.auc, told, kind, context.keys.get(drug, "")))
    return dots
