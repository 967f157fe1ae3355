"""Names planted in every place of a facility, and every byte of what a run writes searched for them."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from planted import SCREENS, leaks, make_facility
from runs import Workflow

pytestmark = [pytest.mark.slow, pytest.mark.soak]


@pytest.fixture(scope="module", params=["refuse", "pseudonymise"])
def night(request, repository, tmp_path_factory):
    """The facility after one night under a policy."""
    run = Workflow(repository, tmp_path_factory.mktemp(request.param))
    run.policy = request.param
    make_facility(run.work, request.param)
    run.log = run.snakemake()
    return run


def admission(run, screen):
    return json.loads(run.result(f"plates/{screen}_P1/admission.json").read_text())


def test_no_byte_of_any_output_names_a_person(night):
    said = (night.log.stdout, night.log.stderr)
    assert leaks(night.result(""), night.work / "logs", texts=said) == []
    assert leaks(night.work / ".snakemake") == []


def test_logs_and_results_hold_no_absolute_path_of_raw_data(night):
    for folder in ("results", "logs"):
        for path in (night.work / folder).rglob("*"):
            if path.suffix in (".log", ".json", ".tsv", ".html"):
                assert str(night.work.parent) not in path.read_text(), path.name


def test_each_place_has_its_verdict(night):
    cohort = pd.read_csv(night.result("cohort/screens.tsv"), sep="\t").set_index("screen")
    column = 1 if night.policy == "refuse" else 2
    expected = {screen: told[column] for screen, told in SCREENS.items()}
    assert cohort["verdict"].to_dict() == expected, cohort["reasons"].to_dict()


def test_a_refusal_says_where_and_of_what_kind_and_what_to_do(night):
    if night.policy == "refuse":
        for screen, place in (
            ("S02", "folder 'ZStep_"),
            ("S03", "column path"),
            ("S06", "column path"),
        ):
            reason = admission(night, screen)["reasons"][0]
            assert reason["code"] == "personal_data" and "name of a person" in reason["found"]
            assert place in reason["where"] and "pseudonym" in reason["hint"]
    report = night.result("screens/S04/report.html").read_text()
    assert "the name of a person (not shown)" in report and "S04.tsv" in report


def test_personal_values_that_stay_in_the_raw_data_are_noted(night):
    codes = {reason["code"]: reason for reason in admission(night, "S01")["reasons"]}
    found = codes["personal_data_in_raw"]["found"]
    for place in (
        "tag Artist",
        "tag HostComputer",
        "tag 270",
        "tag 33432",
        "tag 65000",
        ".htd",
        ".xml",
    ):
        assert place in found
    assert "personal_data_in_raw" in [r["code"] for r in admission(night, "S07")["reasons"]]
    layout = json.loads(night.result("screens/S01/admission.json").read_text())
    assert any("workbook's properties" in note for note in layout["notes"])


def test_another_night_has_nothing_to_do(night):
    assert night.planned() == {}
