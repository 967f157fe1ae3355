"""The report of a screen whose readouts have no second control: scores side by side, disagreement, nothing on hold."""

import pandas as pd
import pytest

from exvivo.report.context import Context
from exvivo.report.images import Thumbnails
from exvivo.report.inputs import Inputs
from exvivo.report.ranking import ranking
from exvivo.report.solvent import solvent
from exvivo.report.verdict import verdict

AUC = {  # drug: marker, morphology, all cells
    "selective": (0.6, 0.7, 0.4),
    "stripper": (1.0, 0.02, 0.01),
    "killer": (0.05, 0.04, 1.3),
    "idle": (0.01, -0.02, 0.03),
}
READOUTS = ("marker_fraction", "morphology_fraction", "total_count")


def inputs(word="pass", held=()):
    rows = [
        {"screen": "S", "readout": name, "treatment": drug, "addon": "", "status": "no_curve",
         "reason": "2 dose(s) measured", "dss_asym": float("nan"), "auc": values[i],
         "auc_p_value": 0.001 if values[i] > 0.1 else 0.4, "auc_q_value": 0.02, "hit": values[i] > 0.1,
         "hit_published": values[i] > 0.1, "rank": 1.0}
        for i, name in enumerate(READOUTS)
        for drug, values in AUC.items()
    ]  # fmt: skip
    scores = pd.DataFrame(rows)
    scores["rank"] = scores.groupby("readout")["auc"].rank(ascending=False)
    wells = [
        {"screen": "S", "readout": name, "plate": "P1", "well": f"A{n:02d}", "role": "treatment",
         "treatment": drug, "concentration": 1000.0, "replicate": 1, "addon": "", "value": 1.0,
         "viability": 1.0, "flag": "", "used": True, "well_type": ""}
        for name in READOUTS
        for n, drug in enumerate(AUC, start=1)
    ]  # fmt: skip
    single = {name: {"verdict": "hold" if name in held else "pass"} for name in READOUTS}
    said = {
        "verdict": word,
        "readouts": single,
        "reasons": ["a gate failed"] if word == "hold" else [],
    }
    quality = pd.DataFrame(
        columns=[
            "screen",
            "readout",
            "scope",
            "metric",
            "value",
            "limit",
            "verdict",
            "gate",
            "note",
        ]
    )
    return Inputs(
        "S",
        "marker_fraction",
        verdict=said,
        scores=scores,
        responses=pd.DataFrame(wells),
        quality=quality,
    )


@pytest.fixture
def context():
    return Context(inputs(), Thumbnails({}))


def test_every_drug_stands_with_all_readouts_the_strongest_first(context):
    found = solvent(context)
    assert [row.name for row in found.rows] == ["stripper", "selective", "killer", "idle"]
    stripper, selective, killer, idle = found.rows
    assert [cell.auc for cell in selective.cells] == ["0.60", "0.70", "0.40"]
    assert [cell.hit for cell in stripper.cells] == [True, False, False]
    assert [cell.hit for cell in killer.cells] == [False, False, True]
    assert stripper.remark == killer.remark == "a hit in 1 of 3"
    assert selective.remark == idle.remark == ""
    assert stripper.cells[0].test == "p 0.001, q 0.020"


def test_the_headline_is_drawn_against_each_other_readout(context):
    figures = solvent(context).figures
    assert len(figures) == 2 and "DML" in figures[0].text


def test_drugs_are_ranked_by_auc_where_there_are_no_curves(context):
    found = ranking(context)
    assert found.by_auc and [(row.name, row.rank) for row in found.rows][:2] == [
        ("stripper", "1"),
        ("selective", "2"),
    ]
    first = found.rows[0]
    assert (first.auc, first.auc_test, first.share) == ("1.00", "= 0.001", 1.0)
    assert not found.curves and first.flags == []  # that there is none needs no remark in every row
    assert verdict(context).hits == 2


def test_on_hold_no_score_is_shown():
    found = solvent(Context(inputs("hold"), Thumbnails({})))
    assert found.rows == [] and "on hold" in found.reason


def test_a_readout_that_is_held_by_itself_is_left_out():
    found = solvent(Context(inputs(held=("total_count",)), Thumbnails({})))
    assert len(found.readouts) == 2


def test_a_screen_with_two_controls_has_no_such_section():
    given = inputs()
    assert (
        solvent(
            Context(
                given.__class__("S", "x", scores=given.scores.drop(columns="auc")), Thumbnails({})
            )
        )
        is None
    )
