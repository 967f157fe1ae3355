"""Exports of iTReX's own demo screens against what iTReX itself wrote."""

from __future__ import annotations

import zipfile

import numpy as np
import pandas as pd
import pytest
from itrex_data import load_demo
from python_calamine import CalamineWorkbook

from exvivo.exports import itrex
from exvivo.exports.build import export_screen
from exvivo.exports.screen import Screen
from exvivo.readouts.reader import read_plate_reader
from exvivo.sheets.layouts import read_layout
from exvivo.tables import LAYOUT


def read_workbook(path) -> pd.DataFrame:
    """First worksheet as a table; empty cells are missing."""
    rows = CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()
    return pd.DataFrame(rows[1:], columns=rows[0]).replace("", np.nan).infer_objects()


@pytest.fixture(scope="module")
def folder(real_data):
    return real_data / "dose_response"


@pytest.fixture(scope="module")
def screen(folder) -> Screen:
    demo = load_demo(folder, "metabolic")
    layout = read_layout(folder / "original/iTReX-Demo_MRA_LayoutAndReadouts_BT-40_ST04.xlsx")
    layout = layout.assign(plate=layout["layout_plate"])[LAYOUT.names]
    renamed = [t.assign(readout="metabolic") for t in (demo.responses, demo.curves)]
    scores = demo.scores.reset_index().assign(readout="metabolic")
    return Screen("BT-40", layout, *renamed, scores)


@pytest.fixture(scope="module")
def out(screen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("export")
    export_screen(screen, ["itrex"], folder)
    return folder


def test_the_workbook_has_the_columns_drugs_and_order_of_itrex(folder, out):
    expected = pd.read_csv(folder / "therapy_parameters_BT-40_ST08.csv")
    found = read_workbook(out / "Met-BT-40" / "Met-BT-40_mono.xlsx")
    assert list(found.columns) == list(expected.columns)
    assert len(found.columns) == 25
    assert list(found["Drug.Name"]) == list(expected["Drug.Name"])
    assert list(found["Drug.ID"]) == list(expected["Drug.ID"])
    assert set(found["analysis"]) == {"Met-BT-40"}
    for name in ("MIN.Conc.tested.nM", "MAX.Conc.tested.nM", "controlDSS", "controlDSS_adj"):
        np.testing.assert_allclose(found[name].astype(float), expected[name].astype(float))


def test_its_numbers_are_those_of_itrex_within_what_a_fit_allows(folder, out):
    expected = pd.read_csv(folder / "therapy_parameters_BT-40_ST08.csv")
    found = read_workbook(out / "Met-BT-40" / "Met-BT-40_mono.xlsx")
    for name in ("DSS_asym", "DSS_asym_adj", "sDSS_asym", "sDSS_asym_adj"):
        difference = (found[name] - expected[name]).abs()
        assert difference.notna().all(), name
        assert difference.median() < 0.02 and difference.quantile(0.9) < 0.3, name
        assert found[name].corr(expected[name]) > 0.999, name
    assert ((found["DSS_asym"] > 10) != (expected["DSS_asym"] > 10)).sum() <= 2
    for name in ("abs_IC25", "abs_IC50", "abs_IC75", "rel_IC50"):
        both = pd.DataFrame({"f": found[name].astype(float), "e": expected[name].astype(float)})
        assert (both["f"].isna() != both["e"].isna()).sum() <= 2, name  # a fit's last digits decide
        ratio = np.log10(both["f"] / both["e"]).abs().dropna()
        assert ratio.median() < 0.01 and ratio.quantile(0.9) < 0.05, name
    for name in ("Imin", "Imax", *(f"PI{i}" for i in range(1, 6))):
        difference = (found[name] - expected[name]).abs()
        assert difference.median() < 0.05 and difference.quantile(0.9) < 1, name
    assert (found["GOF"] - expected["GOF"]).abs().median() < 1e-4


def test_normalised_values_are_those_of_itrex(folder, out):
    expected = pd.read_csv(folder / "expected_itrex_normalised_viability.csv")
    expected = expected[expected["sample"] == "BT40_ST04"]
    found = pd.read_csv(out / "Met-BT-40/pre_process/Met-BT-40_screenData.csv")
    keys = ["Plate", "Row", "Column"]
    value = next(c for c in expected.columns if c.casefold().startswith(("norm", "viab")))
    expected = expected.rename(columns={value: "theirs"}).astype({"Plate": int})
    both = found.merge(expected[[*keys, "theirs"]], on=keys)
    both = both[both["WellType"].isin(["therapy", "neg", "pos"]) & both["theirs"].notna()]
    assert len(both) > 700
    np.testing.assert_allclose(both["normVal"], both["theirs"], atol=1e-9)


def test_the_files_written_for_itrex_are_read_back_as_they_were(folder, out, screen):
    source = folder / "original/iTReX-Demo_MRA_LayoutAndReadouts_BT-40_ST04.xlsx"
    written = out / "input" / "Met-BT-40_layout_and_readouts.xlsx"
    ours, theirs = read_workbook(written), read_workbook(source)
    assert list(ours.columns) == list(theirs.columns)
    assert len(ours) == len(theirs) == 1152
    keys = ["Plate", "Row", "Column"]
    theirs, ours = (t.astype({"Plate": int, "Column": int}) for t in (theirs, ours))
    both = theirs.merge(ours, on=keys, suffixes=("", "_ours"))
    assert len(both) == 1152
    treated = both[both["WellType"].isin(["therapy", "neg", "pos", "TRC"])]
    assert (treated["WellType"] == treated["WellType_ours"]).all()
    assert (treated["Treatment"] == treated["Treatment_ours"]).all()
    np.testing.assert_allclose(treated["Concentration"], treated["Concentration_ours"])
    np.testing.assert_allclose(both["Readout"].astype(float), both["Readout_ours"].astype(float))
    for number, plate in enumerate("123", 1):
        text = read_plate_reader(out / f"input/Met-BT-40/Met-BT-40_{number}.txt", plate, plate)
        table = read_plate_reader(source, plate, plate)
        values = table.set_index("well")["value"]
        assert text.set_index("well")["value"].reindex(values.index).equals(values)


def test_a_matrix_has_the_shape_of_itrex_s_own(folder, out):
    with zipfile.ZipFile(folder / "original/iTReX-Demo_MRA_1ReadoutTxt_NA.zip") as archive:
        theirs = archive.read("BT-40_V1_DS1_NA_1.txt").decode().splitlines()
    ours = (out / "input/Met-BT-40/Met-BT-40_1.txt").read_text().splitlines()
    assert [len(line.split("\t")) for line in ours] == [len(line.split("\t")) for line in theirs]
    assert [line[0] for line in ours[1:]] == [line[0] for line in theirs[1:]]


def test_quality_table_has_the_z_primes_of_itrex(folder, screen):
    expected = pd.read_csv(folder / "expected_itrex_qc.csv").astype({"plate": str})
    expected = expected[expected["sample"] == "BT40_ST04"].set_index("plate")
    table = itrex.quality(itrex.screen_data(screen, "metabolic"), "x").set_index("rn")
    for plate in "123":
        row = expected.loc[plate]
        assert table.loc[f"{plate}_zprime", "neg"] == pytest.approx(row["zprime_fixsd"], abs=1e-9)
        assert table.loc[f"{plate}_zprime_r", "neg"] == pytest.approx(
            row["zprime_robust"], abs=1e-9
        )
        assert table.loc[f"{plate}_mean", "pos"] == pytest.approx(row["mean_pos"])
        assert table.loc[f"{plate}_SD", "neg"] == pytest.approx(row["sd_neg"])
