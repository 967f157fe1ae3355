"""Marker against morphology in the report, and drugs across samples: what was planted is what a person reads."""

import xml.etree.ElementTree as ElementTree

import numpy as np
import pandas as pd
import pytest

from exvivo.cohort.charts import CHART
from exvivo.cohort.load import CohortScreen
from exvivo.cohort.page import build_cohort_page
from exvivo.cohort.responses import (
    class_similarity,
    cohort_responses,
    compare_similarities,
    response_map,
    top_significance,
)
from exvivo.context.tables import MISMATCHES, REPEATS
from exvivo.figures.clustered import Side, clustered, colour, level
from exvivo.figures.volcano import Effect, volcano
from exvivo.report.build import build_report
from exvivo.report.context import Context
from exvivo.report.images import thumbnails
from exvivo.report.inputs import read_inputs
from exvivo.report.morphology import Score, morphology, note_of
from exvivo.simulate.cells import CellDesign
from exvivo.simulate.cells.design import draw_drugs, draw_samples
from exvivo.simulate.cells.wells import effects
from page_reader import Page
from report_screen import make_screen

SURE, CHANCE = 1e-6, 0.6
# AUC of morphology, marker, cancer cells, healthy cells, all cells; on target where the p-value is small.
KINDS = {
    "selective": (0.9, 0.8, 1.2, 0.1, 0.7),
    "strips": (0.02, 0.8, 0.05, 0.02, 0.03),
    "kills all": (0.03, 0.02, 1.4, 1.35, 1.4),
    "unseen": (0.7, 0.05, 0.9, 0.1, 0.5),
    "inert": (0.01, -0.02, 0.02, 0.0, 0.01),
}
READOUTS = ("morphology_fraction", "marker_fraction", "cancer_count", "healthy_count", "total_count")  # fmt: skip


@pytest.fixture(scope="module")
def screen(tmp_path_factory):
    made = make_screen(
        tmp_path_factory.mktemp("cells"),
        readouts=("viability_phase2",),
        image_side=0,
        shape=(16, 24),
    )
    with_cells(made)
    return made


def with_cells(made) -> None:
    """Add the readouts of cells to a screen's scores: its drugs are of the kinds in turn."""
    base = made.scores[made.scores["readout"] == made.scores["readout"].iloc[0]]
    parts = [made.scores.assign(auc=np.nan, auc_p_value=np.nan)]
    for place, readout in enumerate(READOUTS):
        auc = [list(KINDS.values())[n % len(KINDS)][place] for n in range(len(base))]
        p = [SURE if abs(a) > 0.1 else CHANCE for a in auc]
        parts.append(base.assign(readout=readout, auc=auc, auc_p_value=p, dss_asym=np.nan))
    scores = pd.concat(parts, ignore_index=True)
    scores.to_csv(made.folder / "scores.tsv", sep="\t", index=False)


def context_of(made, **changes) -> Context:
    arguments = made.arguments(**changes)
    names = ("screen", "folder", "plates_root", "headline", "sample", "network", "scoring")
    inputs = read_inputs(
        **{name: arguments[name] for name in names},
        records=None, histories=None, crossfit=None, drugs=None, repeats=None, decisions=[], contrasts={}, settings={},
    )  # fmt: skip
    return Context(inputs, thumbnails([], wells=0))


def test_what_a_person_should_look_at():
    found = [Score(auc, SURE if abs(auc) > 0.1 else CHANCE) for auc in (0.9, 0.02, 1.4)]
    high, none, gone = found
    assert note_of(high, high, gone, none) == ""
    assert "loses the marker" in note_of(none, high, none, none)
    assert note_of(none, high, gone, none) == "a hit by the marker alone"
    assert "morphology alone" in note_of(high, none, gone, none)
    assert "the fraction does not show it" in note_of(none, none, gone, gone)
    assert "healthy cells as well" in note_of(high, high, gone, gone)
    assert note_of(Score(np.nan, np.nan), Score(0.5, np.nan), None, None) == ""


def test_the_section_tells_the_kinds_apart(screen):
    found = morphology(context_of(screen))
    names = {drug: list(KINDS)[n % len(KINDS)] for n, drug in enumerate(screen.drugs)}
    for line in found.lines:
        kind = names[line.name]
        assert bool(line.note) == (kind in ("strips", "kills all", "unseen"))
        assert line.values == [f"{v:.2f}".replace("-", "−") for v in KINDS[kind]]
    assert found.disagree == sum(k in ("strips", "kills all", "unseen") for k in names.values())
    assert [bool(line.note) for line in found.lines] == sorted((bool(x.note) for x in found.lines), reverse=True)  # fmt: skip
    assert len(found.figures) == 3 and all(f.interactive for f in found.figures)
    first = ElementTree.fromstring(found.figures[0].standalone())
    dots = [e.get("class") for e in first.iter() if (e.get("class") or "").startswith("dot")]
    assert len(dots) == len(screen.drugs)
    assert dots.count("dot mismatch") == sum(k in ("strips", "unseen") for k in names.values())


def test_the_page_has_the_section_and_a_screen_without_cells_has_none(screen, tmp_path):
    arguments = screen.arguments(out=tmp_path / "report.html")
    build_report(**arguments)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "Marker and morphology" in page and "loses the marker, not the cells" in page
    assert Page(page)
    bare = make_screen(tmp_path / "bare", readouts=("viability_phase2",), image_side=0, drugs=4)
    assert morphology(context_of(bare)) is None


def test_a_held_screen_shows_no_score(tmp_path):
    held = make_screen(tmp_path, readouts=("viability_phase2",), image_side=0, held=True, drugs=5)
    with_cells(held)
    found = morphology(context_of(held))
    assert "on hold" in found.reason and not found.lines and not found.figures


def test_volcano_names_hits_and_holds_its_axis():
    drawn = [Effect(f"Drug {n}", 0.1 * n, 10.0**-n, hit=n > 5) for n in range(10)]
    figure = volcano([*drawn, Effect("sure", 1.2, 0.0, hit=True)], title="t", x_title="AUC", limit=0.1, p_limit=0.05)  # fmt: skip
    root = ElementTree.fromstring(figure.standalone())
    heights = [float(e.get("cy")) for e in root.iter() if (e.get("class") or "").startswith("dot")]
    assert len(heights) == 11 and min(heights) >= 30
    assert "5 hits" in figure.text
    with pytest.raises(ValueError, match="nothing to draw"):
        volcano([], title="t", x_title="x", limit=0.1, p_limit=0.05)


# -- across samples ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cohort():
    """Scores of a simulated cohort: true effects and some noise, for morphology, marker and chance."""
    design = CellDesign(samples=12, drugs=16)
    samples, drugs = draw_samples(design, 2), draw_drugs(design)
    truth = effects(samples, drugs, design)
    auc = truth.groupby(["sample", "drug"], sort=False)["effect"].sum().reset_index()
    rng, parts = np.random.default_rng(0), []
    for readout, share in (("morphology_fraction", 1.0), ("random_fraction", 0.0)):
        value = share * auc["effect"] + rng.normal(0, 0.04, len(auc))
        p = np.where(value > 0.12, 1e-5, 0.4)
        own = {"sample": auc["sample"], "treatment": auc["drug"], "auc": value, "auc_p_value": p}
        parts.append(pd.DataFrame(own).assign(readout=readout))
    diagnoses = {s.sample: s.diagnosis for s in samples}
    classes = {d.name: f"{d.group} {d.diagnosis}" if d.kind == "selective" else "" for d in drugs}
    return pd.concat(parts, ignore_index=True), diagnoses, classes


def test_samples_group_by_diagnosis_and_drugs_by_class(cohort):
    scores, diagnoses, classes = cohort
    found = response_map(scores, "morphology_fraction", diagnoses, classes)
    assert found.values.shape == (12, 16)
    assert found.by_diagnosis.p < 0.05 and found.by_diagnosis.p_permuted < 0.05
    assert found.by_class.leaves == 4
    chance = response_map(scores, "random_fraction", diagnoses, classes)
    assert chance.by_diagnosis.p_permuted > found.by_diagnosis.p_permuted
    root = ElementTree.fromstring(found.figure().standalone())
    text = [e.text for e in root.iter() if e.tag.endswith("text")]
    assert set(found.samples) <= set(text) and set(found.drugs) <= set(text)
    assert text.index(found.samples[found.sample_tree.order[0]]) < text.index(found.samples[found.sample_tree.order[-1]])  # fmt: skip


def test_the_facilitys_page_shows_map_tests_and_significance(cohort, tmp_path):
    scores, diagnoses, classes = cohort
    screens = [
        CohortScreen(
            f"CELL {sample}", sample, verdict="pass", headline="morphology_fraction",
            relative=own.assign(addon=""),
        )
        for sample, own in scores.groupby("sample", sort=False)
    ]  # fmt: skip
    screens.append(CohortScreen("HELD", "S099", relative=screens[0].relative))
    found = cohort_responses(screens, diagnoses, classes)
    assert "share the diagnosis" in found.grouping[0] and "share the class" in found.grouping[1]
    assert len(found.significance) == 2 and all(len(v) == 3 for _, v in found.significance)
    assert "S099" not in found.figure.standalone()
    assert cohort_responses(screens[:1], diagnoses, classes) is None
    tables = [SCHEMA.empty_table().to_pandas() for SCHEMA in (CHART, REPEATS, MISMATCHES)]
    how = {"diagnoses": diagnoses, "classes": classes}
    build_cohort_page(screens, *tables, tmp_path / "page.html", **how)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "Drugs and samples, by their cells" in page and "Mean significance" in page
    build_cohort_page(screens[:1], *tables, tmp_path / "one.html", **how)
    assert "by their cells" not in (tmp_path / "one.html").read_text(encoding="utf-8")


def test_strongest_responses_and_similarity_within_classes(cohort):
    scores, _, classes = cohort
    top = top_significance(scores, (1, 4)).set_index(["readout", "strongest"])["mean"]
    assert top["morphology_fraction", 1] == pytest.approx(5)
    assert top["random_fraction", 4] < top["morphology_fraction", 4]
    own, chance = (class_similarity(scores, r, classes) for r in ("morphology_fraction", "random_fraction"))  # fmt: skip
    assert own["same"].sum() == 2 and len(own) == 6
    assert own.loc[own["same"], "r"].mean() > 0.9 > own.loc[~own["same"], "r"].mean()
    first, second, _ = compare_similarities(own, chance)
    assert first > second


def test_heat_map_with_missing_values_and_trees():
    values = np.array([[1.0, np.nan, -0.5], [0.2, 0.0, 2.0]])
    rows = Side(["S1", "S2"], ["AML", ""], [1, 0], np.array([[0, 1, 0.4, 2]]))
    columns = Side(["a", "b", "c"], [], [2, 0, 1], np.empty((0, 4)))
    figure = clustered(values, rows, columns, limit=1.0, value_name="AUC")
    root = ElementTree.fromstring(figure.standalone())
    strokes = [e.get("stroke") for e in root.iter() if e.get("stroke")]
    assert colour(12) in strokes and colour(-6) in strokes
    assert level(5.0, 1.0) == 12 and level(-0.04, 1.0) == 0
    assert sum((e.get("class") or "") == "untested" for e in root.iter()) == 1
    with pytest.raises(ValueError, match="nothing to draw"):
        clustered(np.empty((0, 0)), rows, columns, limit=1.0, value_name="AUC")
