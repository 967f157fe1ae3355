import pytest

from exvivo.errors import SheetError
from exvivo.sheets import load_config, read_sheets
from exvivo.sheets.config import DEFAULT_CONTRAST
from exvivo.sheets.decisions import (
    acceptances,
    decided_contrasts,
    well_rows,
)

HEADER = "decision\tscreen\tplate\twell\treadout\taction\tvalue\tinitials\tdate\treason\n"
GOOD = "D1\tS1\tP1\tb2\t\texclude_well\t\tAB\t2026-11-25\tair bubble over the spheroid\n"


@pytest.fixture
def read(tmp_path):
    """Sheets of two screens and a training screen, with these decisions."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config/layout.tsv").write_text("row\tcolumn\trole\n")
    (tmp_path / "config/plates.tsv").write_text(
        "plate\tscreen\tpath\tinstrument\tlayout\n"
        "P1\tS1\tp1\timagexpress\tlayout.tsv\nP2\tS2\tp2\timagexpress\tlayout.tsv\nT\tT1\tt\timagexpress\tlayout.tsv\n"
    )
    (tmp_path / "config/screens.tsv").write_text(
        "screen\tkind\treadouts\nT1\ttraining\t\nS1\tdrug\tmean_of_stack\nS2\tdrug\tmean_of_stack\n"
    )

    def read(rows):
        (tmp_path / "config/decisions.tsv").write_text(HEADER + rows)
        config = load_config({"decisions": "config/decisions.tsv"})
        return read_sheets(config, tmp_path)

    return read


def test_no_sheet_no_decision(tmp_path, read):
    read(GOOD)
    assert read_sheets(load_config({}), tmp_path).decisions == ()


def test_decisions_belong_to_their_screen(read):
    sheets = read(
        GOOD + "D2\tS2\t\t\t\taccept_screen\tscored_drugs\tCD\t2026-01-02\tfew drugs were wanted\n"
    )
    (mine,) = sheets.decisions_of("S1")
    assert (mine.decision, mine.plate, mine.well) == ("D1", "P1", "B02")
    assert well_rows([mine]) == [
        {
            "plate": "P1",
            "well": "B02",
            "consequence": "exclude",
            "text": "decision D1 by AB on 2026-11-25: air bubble over the spheroid",
        }
    ]
    assert well_rows(sheets.decisions_of("S2")) == []
    (accepted,) = acceptances(sheets.decisions_of("S2"))
    assert (accepted["action"], accepted["value"]) == ("accept_screen", "scored_drugs")


BAD = {
    "D2\tS9\tP1\tB02\t\texclude_well\t\tAB\t2026-11-25\tno such screen here\n": ("screen", "'S9'"),
    "D2\tT1\tT\tB02\t\texclude_well\t\tAB\t2026-11-25\ta training screen\n": (
        "screen",
        "a training screen",
    ),
    "D2\tS1\tP2\tB02\t\texclude_well\t\tAB\t2026-11-25\tplate of another screen\n": (
        "plate",
        "'P2'",
    ),
    "D2\tS1\tP1\t\t\texclude_well\t\tAB\t2026-11-25\twhich well is it\n": ("well", "nothing"),
    "D2\tS1\tP1\tB2\t\texclude_well\tx\tAB\t2026-11-25\ta value says nothing\n": ("value", "'x'"),
    "D2\tS1\tP1\tBB\t\texclude_well\t\tAB\t2026-11-25\tnot a well at all\n": ("well", "'BB'"),
    "D2\tS1\tP1\tZZ99\t\texclude_well\t\tAB\t2026-11-25\ta well beyond all plates\n": (
        "well",
        "'ZZ99'",
    ),
    "D2\tS1\t\t\tmetabolic\tset_contrast\tpositive: BzCl\tAB\t2026-11-25\tnot its readout\n": (
        "readout",
        "'metabolic'",
    ),
    "D2\tS1\t\t\tmean_of_stack\tset_contrast\tBzCl\tAB\t2026-11-25\twhich side is it\n": (
        "value",
        "'BzCl'",
    ),
    "D2\tS1\t\t\tmean_of_stack\tset_contrast\tpositive: empty\tAB\t2026-11-25\tempty wells are none\n": (
        "value",
        "'positive: empty'",
    ),
    "D2\tS1\t\t\t\taccept_screen\t\tAB\t2026-11-25\twhich check is it\n": ("value", "nothing"),
    "D2\tS1\tP1\tB2\t\texclude_well\t\tAnna Berg\t2026-11-25\ta name is not wanted\n": (
        "initials",
        "the name of a person (not shown)",
    ),
    "D2\tS1\tP1\tB2\t\texclude_well\t\tAB\t2026-02-30\tno such day\n": ("date", "'2026-02-30'"),
    "D2\tS1\tP1\tB2\t\texclude_well\t\tAB\t2026-11-25\tshort\n": ("reason", "'short'"),
    "D1\tS1\tP1\tB3\t\texclude_well\t\tAB\t2026-11-25\tthe id again\n": ("decision", "'D1' again"),
    "all\tS1\tP1\tB3\t\texclude_well\t\tAB\t2026-11-25\tan id that is taken\n": (
        "decision",
        "'all'",
    ),
    "D2\tS1\tP1\tB3\t\tdelete_well\t\tAB\t2026-11-25\tno such action\n": (
        "action",
        "'delete_well'",
    ),
}


@pytest.mark.parametrize("row", BAD)
def test_each_fault_has_its_place(read, row):
    with pytest.raises(SheetError) as error:
        read(GOOD + row)
    column, found = BAD[row]
    (problem,) = error.value.problems
    assert (problem.row, problem.column) == (3, column) and found in problem.found


def test_all_faults_are_listed_at_once(read):
    rows = [row.replace("D2", f"E{i}") for i, row in enumerate(BAD)]
    with pytest.raises(SheetError) as error:
        read(GOOD + "".join(rows))
    assert {problem.row for problem in error.value.problems} == set(range(3, 3 + len(BAD)))


@pytest.mark.parametrize(
    ("value", "side", "expected"),
    [
        ("negative: untreated", "negative", ("untreated", None, None)),
        ("positive:BzCl @ 100000", "positive", (None, "BzCl", 100000.0)),
        ("positive: Drug @ home", "positive", (None, "Drug @ home", None)),
        ("positive: STS @ 2.5e2", "positive", (None, "STS", 250.0)),
        ("negative: =cmd|' /C calc'!A0", "negative", (None, "=cmd|' /C calc'!A0", None)),
    ],
)
def test_a_contrast_is_said_in_words(read, value, side, expected):
    row = f"D1\tS1\t\t\tmean_of_stack\tset_contrast\t{value}\tAB\t2026-11-25\tother controls are meant\n"
    sheets = read(row)
    names = {"mean_of_stack": DEFAULT_CONTRAST, "metabolic": DEFAULT_CONTRAST}
    found = decided_contrasts(names, sheets.decisions_of("S1"))
    assert tuple(found["mean_of_stack"][side].values()) == expected
    other = "positive" if side == "negative" else "negative"
    assert found["mean_of_stack"][other] == DEFAULT_CONTRAST[other]
    assert found["metabolic"] == DEFAULT_CONTRAST
    assert DEFAULT_CONTRAST["positive"]["role"] == "positive_control"  # not written into
