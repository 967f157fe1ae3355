import json
import math

import pandas as pd
import pytest

from exvivo.release.compare import UNKNOWN, Snapshot, compare, differences
from exvivo.release.render import as_json, as_text, as_tsv, printable
from exvivo.responses.moved import moved_scores

NAN = float("nan")
RECORD = {
    "exvivo": "0.1",
    "software": {"numpy": "2.0"},
    "code": {"exvivo.responses.fit": "a" * 64, "exvivo.wells.store": "b" * 64},
    "settings": {"scoring.hit": 10, "admission.settle_minutes": 30},
    "sheet": {"readouts": ["mean_of_stack"], "network": ""},
    "sample": {},
    "plates": {"P1": {"fingerprint": "c" * 64, "admission": "d" * 64, "path": "p1"}},
    "layout": "e" * 64,
    "reference": {},
    "decisions": [],
    "models": {"phase2": {"sha256": "f" * 64, "seed": 0, "torch": "2.13"}},
}


def scores(*rows):
    columns = ["readout", "treatment", "addon", "dss_asym", "rank", "hit", "status"]
    return pd.DataFrame([("r", name, "", *rest) for name, *rest in rows], columns=columns)


BEFORE = scores(
    ("A", 30.0, 1.0, True, "ok"), ("B", 9.0, 2.0, False, "ok"), ("C", NAN, NAN, False, "failed")
)


def changed(**changes):
    return json.loads(json.dumps(RECORD)) | changes


def state(name, table=BEFORE, record=RECORD, verdict="pass"):
    return Snapshot(name, table, {"verdict": verdict}, record)


def test_equal_states_differ_in_nothing():
    found = compare(state("v1"), state("current"))
    assert len(found.moved) == 0 and found.causes == []
    assert "Nothing differs" in as_text(found, "S1")


def test_scores_move_and_hits_change():
    after = scores(
        ("A", 29.5, 2.0, True, "ok"), ("B", 31.0, 1.0, True, "ok"), ("C", NAN, NAN, False, "failed")
    )
    moved = moved_scores(BEFORE, after)
    assert moved["treatment"].tolist() == ["B", "A"]  # the largest change first
    assert moved["dss_asym_after"].tolist() == [31.0, 29.5]
    assert moved["hit_before"].tolist() == [False, True]
    text = as_text(compare(state("v1"), state("v2", after)), "S1")
    assert "2 of 3 scores moved, 1 hits changed" in text
    assert "B: 9.00 → 31.00 (+22.00), now a hit" in text and "A: 30.00 → 29.50 (-0.50)" in text


def test_new_gone_and_lost_scores_are_told():
    after = scores(
        ("A", NAN, NAN, False, "failed"), ("B", 9.0, 1.0, False, "ok"), ("D", 1.0, 2.0, False, "ok")
    )
    moved = moved_scores(BEFORE, after).set_index("treatment")
    assert moved["change"].to_dict() == {"A": "moved", "C": "gone", "D": "new"}
    text = as_text(compare(state("v1"), state("v2", after)), "S1")
    assert "A: 30.00 → –, no longer a hit, curve ok → failed" in text
    assert "D: – → 1.00 (new)" in text and "C: – → – (gone)" in text


def test_last_digits_of_a_table_are_no_change():
    assert len(moved_scores(BEFORE, BEFORE.assign(dss_asym=BEFORE["dss_asym"] + 1e-12))) == 0


@pytest.mark.parametrize(
    ("after", "kind", "what", "values"),
    [
        (
            changed(settings=RECORD["settings"] | {"scoring.hit": 12}),
            "setting",
            "scoring.hit",
            ("10", "12"),
        ),
        (
            changed(code=RECORD["code"] | {"exvivo.responses.fit": "0" * 64}),
            "code",
            "exvivo.responses.fit",
            ("a" * 12, "0" * 12),
        ),
        (
            changed(code={"exvivo.wells.store": "b" * 64}),
            "code",
            "exvivo.responses.fit",
            ("a" * 12, ""),
        ),
        (changed(exvivo="0.2"), "code", "exvivo", ("0.1", "0.2")),
        (changed(layout="0" * 64), "layout", "layout", ("e" * 12, "0" * 12)),
        (changed(plates={}), "input", "plate P1", ("in the screen", "")),
        (
            changed(plates={"P1": RECORD["plates"]["P1"] | {"fingerprint": "0" * 64}}),
            "input",
            "plate P1: fingerprint",
            ("c" * 12, "0" * 12),
        ),
        (
            changed(models={"phase2": RECORD["models"]["phase2"] | {"sha256": "0" * 64}}),
            "model",
            "phase2: sha256",
            ("f" * 12, "0" * 12),
        ),
        (changed(reference={"healthy.tsv": "0" * 64}), "reference", "healthy.tsv", ("", "0" * 12)),
        (changed(software={"numpy": "2.1"}), "software", "numpy", ("2.0", "2.1")),
        (
            changed(sheet=RECORD["sheet"] | {"readouts": ["a", "b"]}),
            "setting",
            "screens.tsv: readouts",
            ("mean_of_stack", "a, b"),
        ),
        (
            changed(decisions=[{"decision": "D1", "action": "exclude_well"}]),
            "decision",
            "D1",
            ("", "decision D1, action exclude_well"),
        ),
    ],
)
def test_each_difference_has_its_cause(after, kind, what, values):
    (cause,) = differences(RECORD, after)
    assert (cause.kind, cause.what, (cause.before, cause.after)) == (kind, what, values)


def test_a_model_that_is_the_same_is_no_cause_whatever_its_record_says():
    models = {"phase2": RECORD["models"]["phase2"] | {"torch": "2.14"}}
    assert list(differences(RECORD, changed(models=models))) == []


def test_scores_that_move_without_a_known_reason_say_so():
    after = state("v2", BEFORE.assign(dss_asym=[1.0, 2.0, NAN]))
    (cause,) = compare(state("v1"), after).causes
    assert cause.kind == UNKNOWN
    assert [c.kind for c in compare(state("v1"), state("v2", verdict="hold")).causes] == [UNKNOWN]


def test_json_and_tsv_hold_all_of_it():
    many = scores(*((f"D{i}", float(i), 1.0, i > 10, "ok") for i in range(40)))
    found = compare(state("v1", many), state("v2", many.assign(dss_asym=many["dss_asym"] + 1)))
    content = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert len(content["moved"]) == 40 and content["verdicts"] == ["pass", "pass"]
    lines = as_tsv(found).splitlines()
    assert len(lines) == 41 and lines[0].split("\t")[:4] == [
        "readout",
        "treatment",
        "addon",
        "change",
    ]
    assert "and 20 more" in as_text(found, "S1")


def test_a_missing_score_is_null_in_json():
    after = scores(("A", NAN, NAN, False, "failed"))
    content = as_json(compare(state("v1"), state("v2", after)))
    row = next(row for row in content["moved"] if row["treatment"] == "A")
    assert row["dss_asym_after"] is None and math.isclose(row["dss_asym_before"], 30)


def test_hostile_drug_names_do_not_reach_the_terminal():
    name = "\x1b[31mred\nline\u202e" + "L" * 500
    before = BEFORE.assign(treatment=[name, "B", "C"])
    text = as_text(compare(state("v1", before), state("v2")), "S1")
    assert "\x1b" not in text and "\u202e" not in text
    assert all(len(line) < 300 for line in text.splitlines())
    assert printable("a\tb") == "a·b"
