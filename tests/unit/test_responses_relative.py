"""Scores relative to the solvent: the worked example, and what a missing well must not do."""

import numpy as np
import pandas as pd
import pytest

from exvivo.errors import ScoringError
from exvivo.quality import assess
from exvivo.responses.relative import auc_scores, relative_to_solvent
from exvivo.responses.screen import score_responses, screen_responses
from exvivo.sheets import load_config

DMSO = [0.60, 0.62, 0.58]
ONE, TEN = [0.48, 0.54], [0.24, 0.30, 0.18]


def wells(solvent=DMSO, one=ONE, ten=TEN, plate="P1"):
    values = [*solvent, *one, *ten]
    concentrations = [np.nan] * len(solvent) + [1000.0] * len(one) + [10000.0] * len(ten)
    frame = pd.DataFrame({"plate": plate, "value": values, "concentration": concentrations})
    frame["negative"] = frame["concentration"].isna()
    frame["treatment"] = np.where(frame["negative"], "DMSO", "drug")
    return frame.assign(addon="")


def scored(frame, **options):
    return auc_scores(frame.assign(rcf=relative_to_solvent(frame, **options))).iloc[0]


def test_the_worked_example():
    frame = wells()
    rcf = relative_to_solvent(frame)
    assert rcf[3:].tolist() == pytest.approx([0.8, 0.9, 0.4, 0.5, 0.3])
    row = scored(frame)
    assert row["auc"] == pytest.approx(0.75)
    assert row[["t", "df", "p_value"]].tolist() == pytest.approx(
        [2.70997335, 6, 0.03510732], rel=1e-6
    )


def test_a_plate_with_enough_solvent_wells_is_its_own_reference():
    one = wells([0.4] * 4, plate="P1")
    other = wells([0.8] * 4, plate="P2")
    rcf = relative_to_solvent(pd.concat([one, other], ignore_index=True))
    assert rcf[:4].tolist() == [1] * 4 and rcf[4] == pytest.approx(0.48 / 0.4)
    assert rcf[len(one) + 4] == pytest.approx(0.48 / 0.8)


def test_a_plate_with_too_few_takes_the_sample():
    one = wells([0.4] * 3, plate="P1")
    other = wells([0.8] * 5, plate="P2")
    rcf = relative_to_solvent(pd.concat([one, other], ignore_index=True))
    overall = (3 * 0.4 + 5 * 0.8) / 8
    assert rcf[0] == pytest.approx(0.4 / overall) and rcf[len(one)] == pytest.approx(1)


@pytest.mark.parametrize("solvent", [[], [0.0, 0.0, 0.0, 0.0], [np.nan] * 4])
def test_without_a_reference_there_is_no_number(solvent):
    frame = wells(solvent)
    assert relative_to_solvent(frame).isna().all()
    assert np.isnan(scored(frame)["auc"])


def test_a_missing_replicate_is_left_out_and_a_missing_concentration_leaves_no_score():
    assert scored(wells(one=[0.48, np.nan]))["auc"] == pytest.approx(0.2 + 0.6)
    assert np.isnan(scored(wells(one=[np.nan, np.nan]))["auc"])


@pytest.mark.parametrize("doses", [1, 3, 7])
def test_any_number_of_concentrations(doses):
    frame = wells(one=[], ten=[])
    more = [
        wells(solvent=[], one=[0.3], ten=[]).assign(concentration=10.0**d) for d in range(doses)
    ]
    row = scored(pd.concat([frame, *more], ignore_index=True))
    assert row["n_doses"] == doses and row["auc"] == pytest.approx(doses * 0.5)


def test_combinations_are_drugs_of_their_own():
    frame = pd.concat([wells(), wells(solvent=[]).assign(addon="other")], ignore_index=True)
    table = auc_scores(frame.assign(rcf=relative_to_solvent(frame)))
    assert table["addon"].tolist() == ["", "other"]


# -- readouts without a second control, through the shared path ------------------------------------

SOLVENT = {"negative": {"role": "negative_control", "treatment": None, "concentration": None}}
SOLVENT["positive"] = None


def one_sided(values=(DMSO, ONE, TEN), other=(0.6, 0.6, 0.6, 0.6, 0.6)):
    """Layout and readout of two drugs at two doses: the worked example, and one that does nothing."""
    solvent, one, ten = values
    rows = [("negative_control", "DMSO", np.nan, v) for v in solvent]
    rows += [("treatment", "drug", 1000.0, v) for v in one]
    rows += [("treatment", "drug", 10000.0, v) for v in ten]
    doses = (1000.0, 1000.0, 10000.0, 10000.0, 10000.0)
    rows += [("treatment", "idle", dose, v) for dose, v in zip(doses, other, strict=True)]
    layout = pd.DataFrame(
        [
            {"plate": "P1", "layout_plate": "1", "well": f"A{i:02d}", "role": role, "well_type": "",
             "treatment": drug, "concentration": dose, "replicate": 1, "addon": "", "sample": ""}
            for i, (role, drug, dose, _) in enumerate(rows, start=1)
        ]
    )  # fmt: skip
    layout["replicate"] = (
        layout.groupby(["treatment", "concentration"], dropna=False).cumcount() + 1
    )
    readout = pd.DataFrame({"plate": "P1", "well": layout["well"], "value": [r[3] for r in rows]})
    return layout, readout.assign(flag="")


def scores_of(layout, readout):
    how = {"screen": "S", "contrasts": {"marker_fraction": SOLVENT}, "excluded": {}}
    responses = screen_responses(
        layout, {"marker_fraction": readout}, plates_of={"marker_fraction": ["P1"]}, **how
    )
    scoring = load_config({})["scoring"] | {"bootstrap": {"samples": 50, "level": 0.95, "seed": 0}}
    curves, table, _ = score_responses(responses, scoring, contrasts=how["contrasts"])
    return responses, curves, table.set_index("treatment")


def test_the_worked_example_through_the_whole_path():
    responses, curves, table = scores_of(*one_sided())
    assert responses["viability"].iloc[3:8].tolist() == pytest.approx([0.8, 0.9, 0.4, 0.5, 0.3])
    assert table.loc["drug", "auc"] == pytest.approx(0.75)
    assert table.loc["drug", "auc_p_value"] == pytest.approx(0.03510732, rel=1e-6)
    assert table.loc["drug", "hit"] and not table.loc["idle", "hit"]
    assert table.loc["drug", "rank"] == 1 and table.loc["idle", "auc"] == pytest.approx(0)
    assert set(curves["status"]) == {"no_curve"}  # two doses make no curve


def test_a_dose_without_a_value_leaves_no_score():
    layout, readout = one_sided()
    readout.loc[3:4, "value"] = np.nan
    _, _, table = scores_of(layout, readout)
    assert np.isnan(table.loc["drug", "auc"]) and not table.loc["drug", "hit"]


def test_a_plate_without_solvent_wells_is_refused():
    layout, readout = one_sided()
    layout.loc[layout["role"] == "negative_control", "role"] = "untreated"
    with pytest.raises(ScoringError, match="no negative control well"):
        scores_of(layout, readout)


def test_quality_asks_for_solvent_wells_and_for_scores_not_for_curves():
    layout, readout = one_sided()
    responses, curves, table = scores_of(layout, readout)
    quality, verdict = assess(
        responses,
        table.reset_index(),
        curves,
        admission={"verdict": "ready", "reasons": []},
        contrasts={"marker_fraction": SOLVENT},
        headline="marker_fraction",
    )
    lines = quality.set_index("metric")["value"]
    assert verdict["verdict"] == "pass", verdict["reasons"]
    assert lines["scored_drugs"] == 1 and "robust_z_prime" not in lines
