"""Scores relative to the solvent: the worked example, and what a missing well must not do."""

import numpy as np
import pandas as pd
import pytest

from exvivo.responses.relative import auc_scores, relative_to_solvent

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
