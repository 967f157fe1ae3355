import numpy as np
import pandas as pd
import pytest

from exvivo.effects import MOST, weigh
from exvivo.errors import ScoringError
from exvivo.inspection.accepted import accept_holds
from exvivo.inspection.flags import excluded_wells, flag, flags_frame
from exvivo.inspection.judge import join_flags
from exvivo.quality.accepted import accept, accepted_lines
from exvivo.quality.rows import SCREEN, Sheet
from exvivo.responses.screen import score_responses, screen_responses
from exvivo.sheets.config import DEFAULT_CONTRAST, load_config
from exvivo.sheets.decisions import Decision, acceptances, well_rows

DOSES = (1, 10, 100, 1000, 10000)
LIMITS = load_config({})["quality"]
SCORING = load_config({})["scoring"]


def decision(name, action, plate="P1", well="", readout="", value=""):
    reason = f"a reason of its own for {name}"
    return Decision(name, "S", plate, well, readout, action, value, "AB", "2026-11-25", reason)


def made_layout():
    """Controls in row A, drug X (kills) in B and drug Y (weak) in C, two replicates of five doses."""
    rows = [
        ("A", 1 + i, "negative_control" if i % 2 else "positive_control", "", np.nan, 1)
        for i in range(8)
    ]
    for row, drug in (("B", "X"), ("C", "Y")):
        rows += [
            (row, 1 + i, "treatment", drug, float(DOSES[i // 2]), i % 2 + 1) for i in range(10)
        ]
    rows.append(("D", 1, "empty", "", np.nan, 1))
    frame = pd.DataFrame(
        rows, columns=["row", "column", "role", "treatment", "concentration", "replicate"]
    )
    frame["well"] = [f"{r}{c:02d}" for r, c in zip(frame["row"], frame["column"], strict=True)]
    fixed = {"plate": "P1", "layout_plate": "1", "well_type": "", "addon": "", "sample": ""}
    return frame.drop(columns=["row", "column"]).assign(**fixed)


LAYOUT = made_layout()


def values():
    """A readout: 1 alive, 0 dead; X kills from 100 nM on, and its well B06 was lost to an air bubble."""
    alive = np.where(LAYOUT["role"] == "positive_control", 0.0, 1.0)
    alive[(LAYOUT["treatment"] == "X") & (LAYOUT["concentration"] >= 100)] = 0.1
    alive[(LAYOUT["treatment"] == "Y") & (LAYOUT["concentration"] >= 1000)] = 0.6
    alive[LAYOUT["well"] == "B06"] = 1.4
    alive = alive + 0.01 * np.sin(np.arange(len(alive)))
    return LAYOUT[["plate", "well"]].assign(value=alive, flag="")


def score(contrasts, excluded):
    how = {"screen": "S", "plates_of": {"r": ["P1"]}, "contrasts": contrasts}
    responses = screen_responses(LAYOUT, {"r": values()}, excluded=excluded, **how)
    return score_responses(responses, SCORING, contrasts=contrasts)[1]


def run(*decisions, flags=(), verdict=None):
    joined = join_flags([flags_frame(flags)], LAYOUT, well_rows(decisions))
    joined = accept_holds(joined, acceptances(decisions))
    contrasts = {"r": DEFAULT_CONTRAST}
    found = score(contrasts, excluded_wells(joined))
    return weigh(
        decisions,
        score=score,
        scores=found,
        flags=joined,
        layout=LAYOUT,
        contrasts=contrasts,
        verdict=verdict or {},
    )


def test_a_bad_well_left_out_raises_the_score_it_had_spoilt():
    (row,), moved = run(decision("D1", "exclude_well", well="B06"))
    assert row["changes"] and row["moved"] == 1 and row["effect"].startswith("moves 1 of 2 scores")
    (drug,) = moved.to_dict("records")
    assert (drug["decision"], drug["treatment"]) == ("D1", "X")
    assert drug["dss_asym_after"] > drug["dss_asym_before"]


def test_each_decision_is_weighed_beside_the_others_and_all_together():
    one = decision("D1", "exclude_well", well="B06")
    two = decision("D2", "exclude_well", well="C10")
    rows, moved = run(one, two)
    assert [row["decision"] for row in rows] == ["D1", "D2", "all"]
    by = {name: set(part["treatment"]) for name, part in moved.groupby("decision")}
    assert by["D1"] == {"X"} and by["all"] == {"X", "Y"}


def test_a_control_left_out_moves_every_score():
    rows, _ = run(decision("D1", "exclude_well", well="A01"))
    assert rows[0]["moved"] == 2


def test_an_excluded_well_is_taken_in_again():
    seen = flag("P1", "B06", "fibre", "exclude", "there is a fibre")
    (row,), moved = run(decision("D1", "include_well", well="B06"), flags=[seen])
    assert row["moved"] == 1 and moved["dss_asym_after"][0] < moved["dss_asym_before"][0]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (decision("D1", "exclude_well", well="H12"), "the layout has no well H12"),
        (decision("D1", "exclude_well", well="D01"), "this well is empty"),
        (decision("D1", "include_well", well="B06"), "no check excludes this well"),
        (
            decision(
                "D1", "set_contrast", plate="", readout="r", value="negative: negative_control"
            ),
            "changes no score",
        ),
        (decision("D1", "accept_screen", plate="", value="scored_drugs"), "no such check holds"),
        (decision("D1", "accept_plate"), "no such check holds"),
    ],
)
def test_what_changes_nothing_is_told(given, told):
    (row,), moved = run(given)
    assert told in row["effect"] and not row["changes"] and len(moved) == 0


def test_a_screen_that_needs_a_decision_to_be_scored_says_so():
    def fails(contrasts, excluded):
        raise ScoringError("no control")

    found = score({"r": DEFAULT_CONTRAST}, {})
    given = decision("D1", "set_contrast", readout="r", value="positive: X @ 10000")
    rows, _ = weigh(
        [given],
        score=fails,
        scores=found,
        flags=flags_frame([]),
        layout=LAYOUT,
        contrasts={"r": DEFAULT_CONTRAST},
        verdict={},
    )
    assert rows[0]["effect"] == "without it the screen could not be scored"


def test_very_many_decisions_are_weighed_together():
    many = [decision(f"D{i}", "exclude_well", well=f"B{1 + i % 10:02d}") for i in range(MOST + 1)]
    rows, moved = run(*many)
    assert "weighed together" in rows[0]["effect"] and set(moved["decision"]) == {"all"}


def test_holding_flags_of_an_accepted_plate_only_warn_and_name_who():
    rows = [
        flag(p, "B02", c, "hold", "bad")
        for p, c in (("P1", "novel"), ("P1", "fibre"), ("P2", "novel"))
    ]
    accepted = acceptances([decision("D1", "accept_plate", value="novel")])
    found = accept_holds(flags_frame(rows), accepted)
    assert found["consequence"].tolist() == ["warn", "hold", "hold"]
    assert "accepted: decision D1 by AB on 2026-11-25" in found["text"][0]
    everything = accept_holds(flags_frame(rows), acceptances([decision("D1", "accept_plate")]))
    assert everything["consequence"].tolist() == ["warn", "warn", "hold"]


def failing():
    """A sheet that is held by a plate, by the screen, and by files."""
    sheet = Sheet("S", LIMITS)
    sheet.add("r", "P1", "robust_z_prime", -1.0, limit="robust_z_prime")
    sheet.add("r", "P2", "robust_z_prime", -1.0, limit="robust_z_prime")
    sheet.add("r", SCREEN, "scored_drugs", 0.1, limit="scored_drugs")
    return sheet


def test_only_what_is_named_is_accepted():
    sheet = failing()
    accept(sheet, acceptances([decision("D1", "accept_plate")]))
    assert len(sheet.failures("r")) == 2
    accept(sheet, acceptances([decision("D2", "accept_screen", plate="", value="robust_z_prime")]))
    assert len(sheet.failures("r")) == 2  # no failed line of the screen has that name
    accept(sheet, acceptances([decision("D3", "accept_screen", plate="", value="scored_drugs")]))
    assert len(sheet.failures("r")) == 1
    assert [line["decision"] for line in accepted_lines(sheet)] == ["D1", "D3"]
    frame = sheet.frame("r")
    assert frame["verdict"].tolist() == ["fail"] * 3 and frame["gate"].tolist() == [
        False,
        True,
        False,
    ]
    assert "accepted: decision D1 by AB" in frame["note"][0]


@pytest.mark.parametrize("value", ["plates_ready", "headline_measured"])
def test_files_that_are_not_whole_cannot_be_accepted(value):
    sheet = Sheet("S", LIMITS)
    sheet.hold(value, False, ["plate P1 is refused: 9 of 10 wells are damaged"])
    accept(sheet, acceptances([decision("D1", "accept_screen", plate="", value=value)]))
    assert sheet.failures("r") == ["plate P1 is refused: 9 of 10 wells are damaged"]


def test_another_reason_to_hold_can_be_accepted_and_its_reasons_go():
    sheet = Sheet("S", LIMITS)
    sheet.hold("hold_novel", False, ["plate P1, well B02: neither alive nor dead"])
    accept(sheet, acceptances([decision("D1", "accept_screen", plate="", value="hold_novel")]))
    assert sheet.failures("r") == []
