import json

import pandas as pd
import pytest

from exvivo.provisional import set_aside
from exvivo.readiness import check_plates

COLUMNS = ["plate", "well", "role", "treatment", "addon"]


def plates(tmp_path, **verdicts):
    paths = []
    for plate, verdict in verdicts.items():
        path = tmp_path / plate / "admission.json"
        path.parent.mkdir()
        reasons = [] if verdict == "admitted" else [{"found": "3 of 9 files", "level": verdict}]
        path.write_text(json.dumps({"verdict": verdict, "reasons": reasons}))
        paths.append(path)
    return paths


def screen(paths, policy, plates_of, headline="phase2"):
    result = check_plates(paths, incomplete=policy)
    rows = [
        ("P1", "B02", "treatment", "A", ""),
        ("P1", "B03", "treatment", "B", ""),
        ("P1", "B04", "negative_control", "DMSO", ""),
    ]
    rows += [
        ("P2", "B02", "treatment", "B", ""),
        ("P2", "B03", "treatment", "C", "X"),
        ("R1", "B02", "treatment", "A", ""),
    ]
    result.layout = pd.DataFrame(rows, columns=COLUMNS)
    set_aside(result, plates_of, headline)
    return result


PLATES_OF = {"phase2": ["P1", "P2"], "metabolic": ["R1"]}


def test_waiting_is_the_default(tmp_path):
    result = check_plates(plates(tmp_path, P1="admitted", P2="arriving"))
    assert result.verdict == "waiting" and result.missing == {}


@pytest.mark.parametrize(
    ("verdict", "words"), [("arriving", "still arriving"), ("refused", "refused")]
)
def test_what_is_admitted_goes_on_and_the_rest_is_named(tmp_path, verdict, words):
    paths = plates(tmp_path, P1="admitted", P2=verdict, R1="admitted")
    result = screen(paths, "score_admitted", PLATES_OF)
    assert (result.verdict, result.reasons) == ("ready", [])
    assert set(result.layout["plate"]) == {"P1", "R1"}
    assert result.provisional == [
        f"plate P2 is not in it: it is {words}: 3 of 9 files",
        "phase2: without 1 of 3 drugs (C + X)",
        "phase2: fewer wells of 1 of 3 drugs (B)",
    ]
    assert result.to_json()["missing"] == {"P2": f"it is {words}: 3 of 9 files"}


def test_a_late_readout_is_left_out_as_a_whole(tmp_path):
    result = screen(
        plates(tmp_path, P1="admitted", P2="admitted", R1="arriving"), "score_admitted", PLATES_OF
    )
    assert result.verdict == "ready" and "metabolic is missing as a whole" in result.provisional


def test_without_its_headline_a_screen_waits(tmp_path):
    paths = plates(tmp_path, P1="refused", P2="arriving", R1="admitted")
    result = screen(paths, "score_admitted", PLATES_OF)
    assert (result.verdict, result.reasons) == ("waiting", ["no plate of phase2 is admitted yet"])


def test_without_any_plate_the_policy_changes_nothing(tmp_path):
    paths = plates(tmp_path, P1="refused", P2="arriving")
    result = screen(paths, "score_admitted", PLATES_OF)
    assert result.verdict == "refused" and len(result.reasons) == 2 and result.missing == {}


def test_a_whole_screen_is_not_provisional(tmp_path):
    result = screen(
        plates(tmp_path, P1="admitted", P2="admitted", R1="admitted"), "score_admitted", PLATES_OF
    )
    assert result.provisional == [] and set(result.layout["plate"]) == {"P1", "P2", "R1"}
