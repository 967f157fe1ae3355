import datetime
from itertools import product

import numpy as np
import pandas as pd
import pytest
import xlsxwriter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exvivo.errors import ScoringError, SheetError
from exvivo.sheets import Plate, contrast_of, load_config
from exvivo.sheets.layouts import (
    COLUMNS,
    ROLES,
    check_controls,
    contrast_wells,
    read_layout,
    screen_layout,
    selection_digest,
)
from exvivo.sheets.names import row_letters, well_name
from exvivo.tables import LAYOUT, conform

HEADER = [
    "plate",
    "row",
    "column",
    "role",
    "treatment",
    "concentration",
    "unit",
    "replicate",
    "sample",
]
GOOD = [
    ["P1", "A", "1", "negative_control", "DMSO", "0", "nM", "", "BT-40"],
    ["P1", "A", "2", "positive_control", "Staurosporine", "250", "nM", "", "BT-40"],
    ["P1", "A", "3", "treatment", "Vemurafenib", "1", "uM", "1", "BT-40"],
    ["P1", "B", "3", "treatment", "Vemurafenib", "1000", "nM", "2", "BT-40"],
    ["P1", "C", "3", "treatment", "Trametinib", "0.1", "µM", "", "BT-40"],
    ["P1", "D", "3", "untreated", "", "", "", "", "BT-40"],
    ["P1", "E", "3", "empty", "", "", "", "", ""],
]
DEFAULT = contrast_of(load_config({}), "viability_phase2")


def write(path, rows, delimiter="\t"):
    path.write_text("\n".join(delimiter.join(row) for row in rows) + "\n", encoding="utf-8")
    return path


def write_xlsx(path, rows):
    with xlsxwriter.Workbook(path) as book:
        sheet = book.add_worksheet()
        date = book.add_format({"num_format": "dd-mmm"})
        for (i, row), j in product(enumerate(rows), range(len(rows[0]))):
            if isinstance(row[j], datetime.date):
                sheet.write_datetime(i, j, row[j], date)
            elif row[j] != "":
                sheet.write(i, j, row[j])
    return path


@pytest.fixture
def table(tmp_path):
    """Write rows as a layout, with the header before them, and read it."""
    return lambda rows, header=HEADER: read_layout(
        write(tmp_path / "layout.tsv", [header, *rows]), name="layout.tsv"
    )


def refused(function, *arguments):
    with pytest.raises(SheetError) as caught:
        function(*arguments)
    return caught.value.problems


def test_a_good_layout(table):
    layout = table(GOOD)
    assert list(layout.columns) == COLUMNS
    assert list(layout["well"]) == ["A01", "A02", "A03", "B03", "C03", "D03", "E03"]
    assert list(layout["concentration"][:5]) == [0, 250, 1000, 1000, 100]
    assert layout["concentration"][5:].isna().all()
    assert list(layout["replicate"]) == [1, 1, 1, 2, 1, 1, 1]
    assert set(layout["sample"]) == {"BT-40", ""}
    conform(layout.assign(plate="x"), LAYOUT, where="test")


def test_files_with_other_delimiters_and_workbooks_say_the_same(table, tmp_path):
    expected = table(GOOD)
    for delimiter in ";,":
        path = write(tmp_path / "layout.csv", [HEADER, *GOOD], delimiter)
        pd.testing.assert_frame_equal(read_layout(path), expected)
    typed = [
        [*row[:2], int(row[2]), *row[3:5], float(row[5]) if row[5] else "", *row[6:]]
        for row in GOOD
    ]
    path = write_xlsx(tmp_path / "layout.xlsx", [HEADER, *typed])
    pd.testing.assert_frame_equal(read_layout(path), expected)


@pytest.mark.parametrize(
    "heading",
    [
        "concentration_uM",
        "Concentration (µM)",
        "Dose [uM]",
        "AssayConc_uM",
        "conc uM",
        "Conc. (umol/l)",
    ],
)
def test_a_unit_in_the_heading(table, heading):
    layout = table([["B2", "treatment", "X1", "0.3"]], ["well", "role", "drug", heading])
    assert layout["concentration"][0] == 300


def test_itrex_columns_and_words(table):
    header = [
        "Plate",
        "Row",
        "Column",
        "Sample",
        "WellType",
        "Treatment",
        "Concentration",
        "Replicate",
        "AddOn",
        "Readout",
    ]
    words = [
        "neg",
        "pos",
        "therapy",
        "TRC",
        "untreated",
        "empty",
        "BzCl",
        "STS",
        "exclude",
        "myControl",
    ]
    rows = [
        ["1", "A", str(i + 1), "", word, "X1", "10.0", "1", "", "17"]
        for i, word in enumerate(words)
    ]
    layout = table(rows, header)
    assert list(layout["role"]) == [
        "negative_control",
        "positive_control",
        "treatment",
        "titration",
        "untreated",
        "empty",
        "other_control",
        "other_control",
        "excluded",
        "other_control",
    ]
    assert list(layout["well_type"]) == words
    assert list(layout["treatment"][4:6]) == ["", ""]


def test_older_itrex_columns_lose_their_endings(table):
    header = [
        "fileName",
        "rowID",
        "colID",
        "sampleID",
        "wellType",
        "name",
        "concentration",
        "batch",
        "add_on",
        "value",
    ]
    rows = [
        ["1", "A", "1", "", "sample", "Vemurafenib_drug", "10", "1", "", "5"],
        ["1", "A", "2", "", "TRcontrol", "Staurosporine_control", "10", "2", "", "5"],
    ]
    layout = table(rows, header)
    assert list(layout["treatment"]) == ["Vemurafenib", "Staurosporine"]
    assert list(layout["role"]) == ["treatment", "titration"]
    assert list(layout["replicate"]) == [1, 2]


def test_columns_written_in_quotes_to_keep_their_zero(tmp_path):
    path = tmp_path / "layout.csv"
    path.write_text('\ufeffrow,col,drug,concentration,unit,extra\nB,"""03""",my_drug,0.1,um,x\n')
    layout = read_layout(path)
    assert layout["well"][0] == "B03"
    assert layout["concentration"][0] == 100


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None
)
@given(
    st.lists(st.decimals(min_value="0.001", max_value="99999", places=3), min_size=1, max_size=8)
)
def test_decimal_commas_in_a_semicolon_file(tmp_path, doses):
    cells = ["0,5", *(str(dose).replace(".", ",") for dose in doses)]
    rows = [["A", str(i + 1), "treatment", "X1", cell] for i, cell in enumerate(cells)]
    header = ["row", "column", "role", "treatment", "concentration"]
    layout = read_layout(write(tmp_path / "layout.csv", [header, *rows], ";"))
    assert list(layout["concentration"]) == [0.5, *map(float, doses)]


def test_a_file_without_roles_takes_them_from_the_treatments(table, caplog):
    rows = [["A1", "DMSO", "0.1", "%"], ["A2", "X1", "5", "nM"], ["A3", "", "", ""]]
    layout = table(rows, ["well", "drug", "concentration", "unit"])
    assert list(layout["role"]) == ["negative_control", "treatment", "empty"]
    assert np.isnan(layout["concentration"][0])
    assert "no column role" in caplog.text


def test_missing_replicates_are_numbered_by_plate_column_and_row(table):
    rows = [["2", "A1"], ["1", "A2"], ["1", "B1"], ["1", "A1"]]
    rows = [[*row, "treatment", "X1", "5"] for row in rows]
    layout = table(rows, ["plate", "well", "role", "treatment", "concentration"])
    numbers = dict(zip(layout["layout_plate"] + layout["well"], layout["replicate"], strict=True))
    assert numbers == {"2A01": 1, "1A01": 2, "1B01": 3, "1A02": 4}


def test_given_replicates_stay_and_missing_ones_follow(table):
    rows = [["A1", "3"], ["A2", ""], ["A3", ""]]
    rows = [[well, "treatment", "X1", "5", number] for well, number in rows]
    layout = table(rows, ["well", "role", "treatment", "concentration", "replicate"])
    assert list(layout["replicate"]) == [3, 4, 5]


# What is changed in GOOD: row, column, new text; and the line, column and words of the problem.
BAD = [
    (2, "column", "2", 4, "well", "A02 of plate P1 again (first in row 3)"),
    (2, "row", "AG", 4, "row", "A01 to AF48"),
    (2, "column", "0", 4, "row", "A01 to AF48"),
    (2, "column", "49", 4, "row", "A01 to AF48"),
    (2, "column", "x", 4, "row", "'Ax'"),
    (2, "column", "", 4, "column", "the place of the well"),
    (2, "role", "", 4, "role", "an empty cell"),
    (2, "role", "treatmnt", 4, "role", "Did you mean 'treatment'?"),
    (2, "role", "treamtent", 4, "role", "Did you mean 'treatment'?"),
    (2, "role", "pso", 4, "role", "Did you mean 'positive_control'?"),
    (2, "role", "control", 4, "role", "Which one"),
    (2, "role", "BzCl", 4, "role", "negative_control, positive_control"),
    (2, "treatment", "", 4, "treatment", "the name of a drug"),
    (2, "treatment", "2024-03-01", 4, "treatment", "a date"),
    (2, "treatment", "1-Mar", 4, "treatment", "a date"),
    (2, "treatment", "01.03.2024", 4, "treatment", "a date"),
    (2, "treatment", "1E+05", 4, "treatment", "E-notation"),
    (2, "treatment", "45000", 4, "treatment", "a number"),
    (2, "treatment", "#NAME?", 4, "treatment", "an error"),
    (4, "treatment", "vemurafenib", 6, "treatment", "one spelling; 2 well(s) say 'Vemurafenib'"),
    (4, "treatment", "Vemu-rafenib", 6, "treatment", "Which one is right?"),
    (2, "concentration", "", 4, "concentration", "a number above 0"),
    (2, "concentration", "NA", 4, "concentration", "found nothing"),
    (2, "concentration", "0", 4, "concentration", "is a control"),
    (2, "concentration", "-1", 4, "concentration", "found -1"),
    (2, "concentration", "ten", 4, "concentration", "not a number"),
    (2, "concentration", "0,5", 4, "concentration", "also has decimal points"),
    (2, "concentration", "10 uM", 4, "concentration", "unit in the same cell"),
    (2, "concentration", "0.005+0.005", 4, "concentration", "combination"),
    (2, "concentration", "1E+12", 4, "concentration", "Is the unit right?"),
    (0, "concentration", "x", 2, "concentration", "not a number"),
    (2, "unit", "mg/ml", 4, "unit", "pM, nM, µM (or uM), mM or M"),
    (2, "unit", "%", 4, "unit", "the unit '%'"),
    (2, "replicate", "0", 4, "replicate", "a whole number from 1"),
    (2, "replicate", "1.5", 4, "replicate", "a whole number from 1"),
    (2, "replicate", "A", 4, "replicate", "a whole number from 1"),
    (2, "sample", "BT-41", 4, "sample", "2 samples on plate P1"),
    (2, "sample", "Jane Doe", 4, "sample", "a text of 8 characters (not shown"),
]


@pytest.mark.parametrize(("index", "column", "text", "line", "where", "words"), BAD)
def test_bad_cells_are_refused_with_place_and_reason(
    table, index, column, text, line, where, words
):
    rows = [list(row) for row in GOOD]
    rows[index][HEADER.index(column)] = text
    problems = refused(table, rows)
    told = [p for p in problems if p.row == line and p.column == where and words in str(p)]
    assert told, "\n".join(map(str, problems))
    assert told[0].file == "layout.tsv"


def test_a_name_in_the_sample_column_is_not_repeated(table):
    rows = [[*row[:-1], "Jane Doe"] for row in GOOD]
    assert "Jane" not in str(refused(table, rows))


def test_all_problems_of_a_layout_come_together(table):
    rows = [list(row) for row in GOOD]
    rows[1][3], rows[2][4], rows[3][5], rows[4][6] = "pox", "1-Mar", "-3", "g"
    columns = {(p.row, p.column) for p in refused(table, rows)}
    assert columns >= {(3, "role"), (4, "treatment"), (5, "concentration"), (6, "unit")}


@pytest.mark.parametrize(
    ("header", "words"),
    [
        (["well", "rol", "treatment", "concentration"], "Did you mean 'role'?"),
        (["well", "role", "treatment", "concentraton"], "Did you mean 'concentration'?"),
        (["well", "role", "drug", "compound"], "two columns for treatment: 'drug' and 'compound'"),
        (["site", "role", "treatment", "concentration"], "row and column (or well)"),
        (["well", "site", "cells", "concentration"], "also has role"),
    ],
)
def test_bad_headers(table, header, words):
    problems = refused(table, [["A1", "treatment", "X1", "5"]], header)
    assert problems[0].row == 1
    assert words in str(problems[0])


def test_innocent_other_columns_are_left_out(table, caplog):
    caplog.set_level("INFO")
    header = ["well", "role", "treatment", "concentration", "cell_type", "gfp_file"]
    assert len(table([["A1", "treatment", "X1", "5", "T", "x.tif"]], header)) == 1
    assert "columns not read: cell_type, gfp_file" in caplog.text


def test_well_and_row_must_agree(table):
    header = ["well", "row", "column", "role"]
    assert table([["B03", "B", "3", "empty"]], header)["well"][0] == "B03"
    (problem,) = refused(table, [["B03", "B", "4", "empty"]], header)
    assert "B03, but row and column say B04" in str(problem)


def test_two_units_are_refused(table):
    header = ["well", "role", "treatment", "concentration_uM", "unit"]
    (problem,) = refused(table, [["A1", "treatment", "X1", "5", "nM"]], header)
    assert "the unit in one of them" in str(problem)


def test_a_date_cell_of_a_workbook_is_refused(tmp_path):
    rows = [["well", "role", "treatment", "concentration"]]
    rows += [["A1", "treatment", datetime.date(2024, 9, 2), 5], ["A2", "treatment", "SEPT2", 5]]
    (problem,) = refused(read_layout, write_xlsx(tmp_path / "x.xlsx", rows))
    assert (problem.row, problem.column) == (2, "treatment")
    assert "'2024-09-02', which is a date" in str(problem)


def test_equal_doses_of_a_workbook_are_equal(tmp_path):
    rows = [["well", "role", "treatment", "concentration_uM"]]
    rows += [["A1", "treatment", "X1", 0.1 + 0.2], ["A2", "treatment", "X1", 0.3]]
    layout = read_layout(write_xlsx(tmp_path / "x.xlsx", rows))
    assert list(layout["concentration"]) == [300, 300]
    assert list(layout["replicate"]) == [1, 2]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "an empty file"),
        (b"# format: 100\nwell\trole\nA1\tempty\n", "one of 6, 12, 24, 48, 96, 384, 1536"),
        (b"# only\n", "only comments"),
        (b"well\trole\n", "a row per well"),
        (b"well\trole\nA1\tempty\tx\n", "3 cells"),
        (b"Wells:\t96\nPlates:\t1\nPlate\tWell\tContent\n", "cellHTS2"),
        (b" \t1\t2\t3\nA\t0\t0\t0\n", "names the attribute"),
    ],
)
def test_files_that_are_no_layout(tmp_path, content, words):
    path = tmp_path / "layout.tsv"
    path.write_bytes(content)
    assert words in str(refused(read_layout, path)[0])


def test_missing_and_broken_workbooks(tmp_path):
    assert "no such file" in str(refused(read_layout, tmp_path / "none.xlsx")[0])
    (tmp_path / "broken.xlsx").write_bytes(b"PK\x03\x04")
    assert "no workbook" in str(refused(read_layout, tmp_path / "broken.xlsx")[0])


def full_plate(rows=8, columns=12):
    return [[well_name(r, c), "empty"] for r, c in product(range(rows), range(columns))]


def test_a_well_beside_a_full_plate_is_refused(table):
    (problem,) = refused(table, [*full_plate(), ["A13", "empty"]], ["well", "role"])
    assert (problem.row, problem.column) == (98, "well")
    assert "a well of a 96-well plate" in str(problem)
    assert "# format: 384" in problem.hint


def test_the_format_can_be_declared(tmp_path):
    rows = [["well", "role"], *full_plate(), ["A13", "empty"]]
    assert len(read_layout(write(tmp_path / "x.tsv", [["# format: 384"], *rows]))) == 97
    (problem,) = refused(read_layout, write(tmp_path / "x.tsv", [["# format: 96"], *rows]))
    assert problem.row == 99


def test_sparse_layouts_of_large_plates_are_not_mistaken(table):
    rows = [["A1", "empty"], ["P24", "empty"], ["AF48", "empty"]]
    assert len(table(rows, ["well", "role"])) == 3


def block(title, cells, rows, columns, delimiter="\t"):
    lines = [title, delimiter.join(["", *map(str, range(1, columns + 1))])]
    for r in range(rows):
        values = [str(cells(r, c)) for c in range(columns)]
        lines.append(delimiter.join([row_letters(r), *values]))
    return "\n".join(lines) + "\n\n"


@pytest.mark.parametrize(("rows", "columns"), [(8, 12), (16, 24), (32, 48)])
@pytest.mark.parametrize("delimiter", ["\t", ";", ","])
def test_blocks_say_the_same_as_rows(tmp_path, rows, columns, delimiter):
    def role(r, c):
        return "" if c == 0 else "neg" if c == 1 else "therapy"

    def treatment(r, c):
        return "" if c == 0 else "DMSO" if c == 1 else f"X{r}-{c // 2}"

    def dose(r, c):
        return "" if c < 2 else 10 ** (c % 3)

    path = tmp_path / "blocks.csv"
    path.write_text(
        block("role", role, rows, columns, delimiter)
        + block("treatment", treatment, rows, columns, delimiter)
        + block("concentration_uM", dose, rows, columns, delimiter)
    )
    long = [
        [well_name(r, c), role(r, c) or "empty", treatment(r, c), str(dose(r, c)), "uM"]
        for r, c in product(range(rows), range(columns))
    ]
    header = ["well", "role", "treatment", "concentration", "unit"]
    expected = read_layout(write(tmp_path / "long.tsv", [header, *long]))
    layout = read_layout(path)
    different = ["well_type"]  # an empty cell has no word
    pd.testing.assert_frame_equal(layout.drop(columns=different), expected.drop(columns=different))


def test_blocks_of_several_plates(tmp_path):
    path = tmp_path / "blocks.tsv"
    path.write_text(
        "".join(
            block(f"plate: P{p}; {name}", cell, 8, 12)
            for p in (1, 2)
            for name, cell in (
                ("role", lambda r, c: "treatment" if r == c else ""),
                ("treatment", lambda r, c, p=p: f"X{p}" if r == c else ""),
                ("concentration", lambda r, c: 5 if r == c else ""),
            )
        )
    )
    layout = read_layout(path)
    assert len(layout) == 192
    treated = layout[layout["role"] == "treatment"]
    assert treated.groupby("layout_plate")["treatment"].unique().map(list).to_dict() == {
        "P1": ["X1"],
        "P2": ["X2"],
    }


def empty(r, c):
    return "empty"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (block("role", empty, 7, 12), "a block of 7 rows and 12 columns"),
        (block("role", empty, 8, 11), "a block of 8 rows and 11 columns"),
        (block("roles", empty, 8, 12), "the name of an attribute above each block"),
        (block("role", empty, 8, 12) * 2, "each attribute once per plate"),
        (block("role", empty, 8, 12) + block("treatment", empty, 16, 24), "16×24"),
        (block("plate: 1; role", empty, 8, 12) + block("role", empty, 8, 12), "without a plate"),
    ],
)
def test_bad_blocks(tmp_path, text, words):
    path = tmp_path / "blocks.tsv"
    path.write_text(text)
    problems = refused(read_layout, path)
    assert words in str(problems[0])


def test_a_bad_cell_in_a_block_has_its_place(tmp_path):
    path = tmp_path / "blocks.tsv"
    bad = block("role", lambda r, c: "treatmnt" if (r, c) == (2, 4) else "empty", 8, 12)
    path.write_text(bad)
    (problem,) = refused(read_layout, path)
    assert (problem.row, problem.column) == (5, "5 of block role")


@pytest.fixture
def screen(tmp_path):
    """A layout of two plates and the plates of a screen that use it."""
    rows = [["plate", "well", "role", "treatment", "concentration"]]
    for plate in "12":
        rows += [[plate, f"A{c}", "neg", "DMSO", "0"] for c in (1, 2)]
        rows += [[plate, f"B{c}", "pos", "Staurosporine", "250"] for c in (1, 2)]
        rows += [[plate, f"C{c}", "therapy", f"X{plate}", str(c)] for c in (1, 2, 3)]
        rows += [[plate, f"D{c}", "therapy", f"X{plate}", str(c)] for c in (1, 2, 3)]
    write(tmp_path / "a.tsv", rows)
    plates = [Plate(f"S1_P{n}", "S1", "x", "imagexpress", "a.tsv", n) for n in "12"]
    return tmp_path, plates


def test_a_screen_has_each_well_of_its_plates_once(screen):
    root, plates = screen
    layout = screen_layout(plates, root)
    conform(layout, LAYOUT, where="test")
    assert len(layout) == 20
    assert not layout.duplicated(["plate", "well"]).any()
    assert list(layout["plate"].unique()) == ["S1_P1", "S1_P2"]
    assert list(layout["well"][:5]) == ["A01", "B01", "C01", "D01", "A02"]
    assert (layout["plate"].str[-1] == layout["layout_plate"]).all()
    controls = layout[layout["role"] == "negative_control"]
    assert list(controls["replicate"]) == [1, 2, 3, 4]


def test_replicate_plates_of_one_layout_count_on(screen):
    root, plates = screen
    twice = [plates[0], Plate("S1_P1b", "S1", "y", "imagexpress", "a.tsv", "1")]
    layout = screen_layout(twice, root)
    first = layout[(layout["treatment"] == "X1") & (layout["concentration"] == 1)]
    assert list(first["replicate"]) == [1, 2, 3, 4]


def test_missing_layout_plates_and_files_are_told_together(screen):
    root, plates = screen
    others = [
        Plate("S1_P3", "S1", "x", "imagexpress", "a.tsv", "3"),
        Plate("S1_P4", "S1", "x", "imagexpress", "a.tsv", ""),
        Plate("S1_P5", "S1", "x", "imagexpress", "none.tsv", "1"),
    ]
    problems = refused(screen_layout, [*plates, *others], root)
    assert [problem.file for problem in problems] == ["a.tsv", "a.tsv", "none.tsv"]
    assert "no plate '3'; expected plate S1_P3 to be one of 1, 2" in str(problems[0])
    assert "several plates, and none is named" in str(problems[1])
    assert "no such file" in str(problems[2])


def test_the_only_plate_of_a_layout_needs_no_name(tmp_path):
    write(tmp_path / "a.tsv", [HEADER, *GOOD])
    layout = screen_layout([Plate("S1_P1", "S1", "x", "imagexpress", "a.tsv", "")], tmp_path)
    assert set(layout["layout_plate"]) == {"P1"}


def test_one_sample_per_screen(tmp_path):
    header = ["plate", "well", "role", "sample"]
    write(tmp_path / "a.tsv", [header, ["1", "A1", "neg", "BT-40"], ["2", "A1", "neg", "BT-41"]])
    plates = [Plate(f"P{n}", "S", "x", "imagexpress", "a.tsv", n) for n in "12"]
    (problem,) = refused(screen_layout, plates, tmp_path)
    assert "2 samples; expected one sample in all plates" in str(problem)


def test_a_screen_without_plates_is_refused(tmp_path):
    assert "no plates" in str(refused(screen_layout, [], tmp_path)[0])


def test_the_default_contrast_is_by_role(screen):
    root, plates = screen
    layout = screen_layout(plates, root)
    side = contrast_wells(layout, DEFAULT)
    assert side.value_counts().to_dict() == {"": 12, "negative": 4, "positive": 4}
    assert set(layout.loc[side == "positive", "treatment"]) == {"Staurosporine"}


def test_a_contrast_by_treatment_and_concentration(screen):
    root, plates = screen
    layout = screen_layout(plates, root)
    layout.loc[layout["well"] == "D02", "role"] = "excluded"
    contrast = {
        "negative": {"treatment": "DMSO"},
        "positive": {"treatment": "X1", "concentration": 2},
    }
    side = contrast_wells(layout, contrast)
    assert list(layout.loc[side == "positive", "well"]) == ["C02"]


def test_overlapping_sides_are_refused(screen):
    root, plates = screen
    contrast = {"negative": {"treatment": "DMSO"}, "positive": {"role": "negative_control"}}
    with pytest.raises(ScoringError, match="A01"):
        contrast_wells(screen_layout(plates, root), contrast)


def test_missing_controls_are_told_per_plate_and_side(screen):
    root, plates = screen
    layout = screen_layout(plates, root)
    assert check_controls(layout, DEFAULT, 2) == []
    lacking = layout[~((layout["plate"] == "S1_P2") & (layout["role"] == "positive_control"))]
    (problem,) = check_controls(lacking, DEFAULT, 2)
    assert "0 positive control well(s) on plate S1_P2" in str(problem)
    contrast = DEFAULT | {"positive": {"treatment": "Staurosporin", "concentration": 250}}
    problems = check_controls(layout, contrast, 2)
    assert [problem.hint for problem in problems] == ["Did you mean 'Staurosporine'?"] * 2
    assert "treatment Staurosporin, concentration 250" in str(problems[0])


@pytest.mark.parametrize("kind", ["phase1", "phase2", "phase3"])
def test_the_digest_ignores_names_doses_and_order(screen, kind):
    root, plates = screen
    layout = screen_layout(plates, root)
    renamed = layout.assign(
        treatment=layout["treatment"].replace("X1", "Y1"), concentration=layout["concentration"] * 2
    )
    digest = selection_digest(layout, kind)
    assert selection_digest(renamed, kind) == digest
    assert selection_digest(layout.sample(frac=1, random_state=1), kind, DEFAULT) == digest


def test_the_digest_sees_what_training_sees(screen):
    root, plates = screen
    layout = screen_layout(plates, root)
    moved = layout.copy()
    moved.loc[moved["well"] == "A01", "role"] = "excluded"
    swapped = layout.copy()
    swapped.loc[swapped["well"] == "D03", "concentration"] = 2
    digests = {kind: selection_digest(layout, kind) for kind in ("phase2", "phase3")}
    assert selection_digest(moved, "phase2") != digests["phase2"]
    assert selection_digest(swapped, "phase2") == digests["phase2"]
    assert selection_digest(swapped, "phase3") != digests["phase3"]
    with pytest.raises(ScoringError, match="phase4"):
        selection_digest(layout, "phase4")


def test_the_shipped_layouts_are_valid(repository):
    example = read_layout(repository / "config" / "layouts" / "example.tsv")
    doses = example[example["role"] == "treatment"].groupby("treatment")["concentration"].nunique()
    assert (doses >= 3).all()
    controls = read_layout(repository / "config" / "layouts" / "example_controls.csv")
    assert controls["role"].value_counts().to_dict() == {
        "empty": 36,
        "negative_control": 30,
        "positive_control": 30,
    }


def test_blocks_in_a_workbook(tmp_path):
    rows = [["treatment", *[""] * 12], ["", *range(1, 13)]]
    rows += [[letter, *["X1"] * 12] for letter in "ABCDEFGH"]
    rows += [[""] * 13, ["concentration_uM", *[""] * 12], ["", *range(1, 13)]]
    rows += [[letter, *[0.5] * 12] for letter in "ABCDEFGH"]
    layout = read_layout(write_xlsx(tmp_path / "blocks.xlsx", rows))
    assert len(layout) == 96
    assert set(layout["role"]) == {"treatment"}
    assert set(layout["concentration"]) == {500}


ROWS = st.tuples(
    st.sampled_from(["A1", "a02", "B3", "P24", "AF48", "A1", "x", ""]),
    st.sampled_from(["neg", "pos", "therapy", "therapy", "TRC", "empty", "untreated", "pox", ""]),
    st.sampled_from(["X1", "X1", "DMSO", "x-1", "X2", "5-FU", "1-Mar", "NA", ""]),
    st.sampled_from(["5", "5", "10", "1.5", "0,5", "1,000", "0", "-1", "1e5", "nan", ""]),
    st.sampled_from(["nM", "nM", "uM", "", "%", "g"]),
    st.sampled_from(["", "1", "2", "1.5"]),
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=100, deadline=None
)
@given(st.lists(ROWS, min_size=1, max_size=3), st.sampled_from("\t;,"))
def test_any_table_is_refused_in_words_or_read_soundly(tmp_path, rows, delimiter):
    header = ["well", "role", "treatment", "concentration", "unit", "replicate"]
    rows = [[f'"{cell}"' for cell in row] for row in rows]
    path = write(tmp_path / "any.csv", [header, *rows], delimiter)
    try:
        layout = read_layout(path)
    except SheetError as error:
        assert all(problem.found and problem.expected for problem in error.problems)
        return
    assert len(layout) == len(rows)
    assert not layout.duplicated(["layout_plate", "well"]).any()
    assert set(layout["role"]) <= set(ROLES)
    assert (layout["replicate"] >= 1).all()
    dosed = layout[layout["role"].isin(["treatment", "titration"])]
    assert (dosed["treatment"] != "").all()
    assert (dosed["concentration"] > 0).all()
    assert np.isfinite(dosed["concentration"]).all()
