"""Layouts as facilities and publications wrote them: read exactly, or refused for the right reason."""

import pandas as pd
import pytest

from exvivo.errors import SheetError
from exvivo.sheets import Plate, contrast_of, load_config
from exvivo.sheets.layouts import check_controls, contrast_wells, read_layout, screen_layout

IMAGING = {
    "treatment": 750,
    "negative_control": 30,
    "positive_control": 24,
    "other_control": 15,
    "titration": 60,
    "untreated": 45,
    "empty": 228,
}
METABOLIC = {
    "treatment": 750,
    "negative_control": 36,
    "positive_control": 15,
    "other_control": 30,
    "titration": 60,
    "untreated": 165,
    "empty": 96,
}
DEFAULT = contrast_of(load_config({}), "viability_phase2")


@pytest.fixture
def dose_response(real_data):
    return real_data / "dose_response"


@pytest.mark.parametrize(
    ("name", "roles"),
    [
        ("layout_imaging_3plates.csv", IMAGING),
        ("layout_metabolic_3plates.csv", METABOLIC),
        ("layout_and_readouts_BT-40_ST04.csv", METABOLIC),
        ("original/iTReX-Demo_MRA_LayoutAndReadouts_BT-40_ST04.xlsx", METABOLIC),
    ],
)
def test_itrex_layouts_have_the_published_numbers_of_wells(dose_response, name, roles):
    layout = read_layout(dose_response / name)
    assert layout["role"].value_counts().to_dict() == roles
    assert layout.groupby("layout_plate").size().to_dict() == {"1": 384, "2": 384, "3": 384}
    treated = layout[layout["role"] == "treatment"]
    assert treated["treatment"].nunique() == 75
    assert (treated.groupby("treatment")["concentration"].nunique() == 5).all()
    assert (treated.groupby(["treatment", "concentration"]).size() == 2).all()
    assert treated.groupby("layout_plate").size().to_dict() == {"1": 260, "2": 260, "3": 230}
    assert set(treated["replicate"]) == {1, 2}


def test_the_workbook_and_the_table_of_one_layout_agree(dose_response):
    table = read_layout(dose_response / "layout_imaging_1plate_ST06.csv")
    book = read_layout(
        dose_response / "original" / "iTReX-Demo_MRA_Layout-Imaging-1Plate_ST06.xlsx"
    )
    pd.testing.assert_frame_equal(table, book)


def test_every_cell_of_a_published_layout_arrives(dose_response):
    """An independent reading with pandas, column by column."""
    path = dose_response / "layout_imaging_3plates.csv"
    plain = pd.read_csv(path, dtype=str, keep_default_na=False)
    layout = read_layout(path)
    assert list(layout["well"]) == [
        f"{row}{int(column):02d}" for row, column in zip(plain["Row"], plain["Column"], strict=True)
    ]
    assert list(layout["treatment"]) == list(plain["Treatment"])
    assert list(layout["well_type"]) == list(plain["WellType"])
    assert list(layout["replicate"].astype(str)) == list(plain["Replicate"])
    doses = pd.to_numeric(plain["Concentration"])
    pd.testing.assert_series_equal(layout["concentration"], doses, check_names=False)


def test_control_wells_of_the_published_design(dose_response):
    plates = [
        Plate(f"P{n}", "S", "x", "imagexpress", "layout_imaging_3plates.csv", str(n))
        for n in (1, 2, 3)
    ]
    layout = screen_layout(plates, dose_response)
    assert len(layout) == 1152
    side = contrast_wells(layout, DEFAULT)
    first = layout[layout["plate"] == "P1"]
    negative = set(first.loc[side == "negative", "well"])
    positive = set(first.loc[side == "positive", "well"])
    assert negative == {"D05", "N07", "I08", "B09", "C12", "O13", "E15", "L17", "H19", "C20"}
    assert positive == {"M04", "G06", "F10", "N11", "J14", "B16", "O18", "K21"}
    assert check_controls(layout, DEFAULT, 8) == []
    assert len(check_controls(layout, DEFAULT, 9)) == 3
    contrast = DEFAULT | {"positive": {"treatment": "BzCl", "concentration": 100000}}
    assert (contrast_wells(layout, contrast) == "positive").sum() == 15


def test_the_wortmannin_plate(real_data):
    layout = read_layout(real_data / "plates" / "bbbc013_rows_A-D" / "layout.csv")
    assert layout["role"].value_counts().to_dict() == {
        "treatment": 36,
        "negative_control": 8,
        "positive_control": 4,
    }
    treated = layout[layout["role"] == "treatment"]
    assert set(treated["treatment"]) == {"Wortmannin"}
    assert sorted(treated["concentration"].unique())[:3] == [0.98, 1.95, 3.91]
    assert (treated.groupby("concentration")["replicate"].max() == 4).all()
    assert set(layout.loc[layout["role"] == "negative_control", "treatment"]) == {""}


def test_operetta_layouts_with_semicolons_and_with_quoted_columns(real_data):
    folder = real_data / "plates" / "operetta_cls"
    solvent = read_layout(folder / "drug_layout.csv").iloc[0]
    assert (solvent["well"], solvent["role"]) == ("C03", "negative_control")
    assert pd.isna(solvent["concentration"])  # 0.125 % has no value in nM
    drug = read_layout(folder / "drug_layout_utf8-dom.csv").iloc[0]
    assert (drug["well"], drug["treatment"], drug["concentration"]) == ("B03", "my_drug", 100)


def test_a_lincs_plate_map_is_read(real_data):
    layout = read_layout(real_data / "platemaps" / "platemaps" / "lincs_C-7161-01-LM6-001.txt")
    assert layout["role"].value_counts().to_dict() == {"treatment": 360, "negative_control": 24}
    assert layout["treatment"].str.startswith("BRD-").sum() == 360


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("if_screen/example_transferlist.csv", "'0.005+0.005', which is several concentrations"),
        ("platemaps/platemaps/JUMP-MOA_compound_platemap.tsv", "no such column"),
        ("platemaps/platemaps/cfret_fibrosis_plate_1.csv", "no such column"),
        ("platemaps/platemaps/lincs_barcode_platemap.csv", "row and column (or well)"),
        ("platemaps/platemaps/JUMP-MOA_compound_metadata.tsv", "row and column (or well)"),
        ("platemaps/cellHTS2/inst/KcViabSmall/Plateconf.txt", "cellHTS2"),
        ("platemaps/cellHTS2/inst/KcCellTiter/Plateconf.txt", "cellHTS2"),
        ("platemaps/cellHTS2/inst/KcViabSmall/Screenlog.txt", "role"),
        ("platemaps/cellHTS2/inst/KcViabSmall/FT01-G01.txt", "row and column (or well)"),
        (
            "dose_response/original/iTReX-Demo_MRA_Readout-Imaging_BT-40-V3-DS1_ST05.xlsx",
            "names the attribute",
        ),
    ],
)
def test_what_is_no_layout_or_cannot_be_scored_is_refused(real_data, path, words):
    with pytest.raises(SheetError) as caught:
        read_layout(real_data / path, name=path.rsplit("/", 1)[-1])
    assert words in str(caught.value)
    assert len(caught.value.problems) < 20


def test_every_other_plate_map_is_read_or_refused_in_words(real_data):
    paths = [
        p for p in (real_data / "platemaps").rglob("*") if p.suffix in (".txt", ".csv", ".tsv")
    ]
    assert len(paths) > 20
    for path in paths:
        try:
            layout = read_layout(path)
        except SheetError as error:
            assert error.problems
        else:
            assert len(layout)
