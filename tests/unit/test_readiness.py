import json

import pandas as pd
import pytest

from exvivo.readiness import add_layout, check_contrasts, check_plates, check_wells
from exvivo.sheets import Plate
from exvivo.sheets.config import DEFAULT_CONTRAST

ADMITTED = {"verdict": "admitted", "reasons": []}
HEADER = "plate\trow\tcolumn\trole\ttreatment\tconcentration\n"


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


@pytest.fixture
def admission(tmp_path):
    def make(plate, verdict="admitted", found="", expected=""):
        reasons = (
            [{"code": "x", "level": verdict, "found": found, "expected": expected}] if found else []
        )
        return write(tmp_path / plate / "admission.json", {"verdict": verdict, "reasons": reasons})

    return make


@pytest.fixture
def done(tmp_path):
    def make(plate, verdict="admitted", reason="", damaged=None):
        content = {"plate": plate, "verdict": verdict, "reason": reason, "damaged": damaged or {}}
        return write(tmp_path / plate / "wells.done.json", content)

    return make


def layout(tmp_path, text, name="layout.tsv"):
    write(tmp_path / name, HEADER + text)
    return Plate("P1", "S1", "p1", "imagexpress", name, "1")


CONTROLS = "1\tA\t1\tnegative_control\tDMSO\t\n1\tA\t2\tpositive_control\tSTS\t250\n1\tA\t3\ttreatment\tX\t10\n"


def test_all_plates_admitted_is_ready(admission, done):
    result = check_plates([admission("P1"), admission("P2")], [done("P1"), done("P2")])
    assert (result.verdict, result.reasons, result.notes) == ("ready", [], [])


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (("admitted", "arriving"), "waiting"),
        (("refused", "arriving"), "refused"),
        (("arriving", "refused"), "refused"),
    ],
)
def test_worst_plate_decides_and_each_has_its_reason(admission, verdicts, expected):
    paths = [
        admission(f"P{i}", v, found=f"because {i}", expected="all") for i, v in enumerate(verdicts)
    ]
    result = check_plates(paths)
    assert result.verdict == expected
    for number, verdict in enumerate(verdicts):
        said = [
            r
            for r in result.reasons
            if f"plate P{number}" in r and f"because {number}; expected all" in r
        ]
        assert bool(said) == (verdict != "admitted")


def test_a_plate_refused_while_decoding_is_refused(admission, done):
    result = check_plates([admission("P1")], [done("P1", "refused", "9 of 10 wells are damaged")])
    assert result.verdict == "refused"
    assert "9 of 10 wells are damaged" in result.reasons[0]


def test_damaged_wells_are_noted_by_name(admission, done):
    result = check_plates([admission("P1")], [done("P1", damaged={"B02": "truncated"})])
    assert result.verdict == "ready"
    assert result.notes == ["plate P1: left out as damaged: B02 (truncated)"]


def test_a_faulty_layout_refuses_with_its_place(tmp_path, admission):
    result = check_plates([admission("P1")])
    add_layout(result, [layout(tmp_path, CONTROLS + "1\tA\t3\ttreatment\tY\t10\n")], tmp_path)
    assert result.verdict == "refused"
    assert "layout.tsv" in result.reasons[0] and "A03" in result.reasons[0]
    assert len(result.layout) == 0 and "plate" in result.layout


def test_wells_that_do_not_match_are_noted_both_ways(tmp_path, admission, done):
    result = check_plates([admission("P1")], [done("P1", damaged={"A01": "copy"})])
    add_layout(result, [layout(tmp_path, CONTROLS)], tmp_path)
    check_wells(result, {"P1": pd.DataFrame({"well": ["A02", "B07"]})})
    assert result.notes[1:] == [
        "plate P1: in the layout, but not measured: A03",
        "plate P1: measured, but not in the layout: B07",
    ]
    assert result.verdict == "ready"


def test_a_damaged_control_does_not_count(tmp_path, admission, done):
    contrasts, plates = {"viability_phase2": DEFAULT_CONTRAST}, {"viability_phase2": ["P1"]}
    result = check_plates([admission("P1")], [done("P1")])
    add_layout(result, [layout(tmp_path, CONTROLS)], tmp_path)
    check_contrasts(result, contrasts, plates, 1)
    assert result.verdict == "ready"
    result = check_plates([admission("P1")], [done("P1", damaged={"A01": "copy"})])
    add_layout(result, [layout(tmp_path, CONTROLS)], tmp_path)
    check_contrasts(result, contrasts, plates, 1)
    assert result.verdict == "refused"
    assert "0 negative control well(s) on plate P1" in result.reasons[0]


def test_equal_reasons_of_several_readouts_are_said_once(tmp_path, admission, done):
    result = check_plates([admission("P1")], [done("P1")])
    add_layout(result, [layout(tmp_path, CONTROLS)], tmp_path)
    names = ("viability_phase2", "viability_phase3")
    check_contrasts(
        result, dict.fromkeys(names, DEFAULT_CONTRAST), {name: ["P1"] for name in names}, 2
    )
    assert len(result.reasons) == 2  # too few negative, too few positive
