"""The sections "In context" and "Repeats", and the badges beside ranked drugs."""

from __future__ import annotations

import pandas as pd
import pytest
from context_made import DRUG_ROWS, with_context

from exvivo.report.build import build_report
from page_reader import Page
from report_screen import Screen, make_screen


def drugs_sheet(folder) -> str:
    columns = ["drug", "synonyms", "class", "target", "expected_for", "max_plasma_nM"]
    rows = ["\t".join(row[c] for c in columns) for row in DRUG_ROWS]
    path = folder / "drugs.tsv"
    path.write_text("\n".join(["\t".join(columns), *rows]) + "\n")
    return str(path)


@pytest.fixture(scope="module")
def screen(tmp_path_factory) -> Screen:
    made = make_screen(tmp_path_factory.mktemp("background"), drugs=20, shape=(16, 24), readouts=("viability_phase2", "mean_of_stack"), image_side=0)  # fmt: skip
    with_context(made)
    return made


@pytest.fixture(scope="module")
def page(screen) -> Page:
    arguments = screen.arguments(
        drugs=drugs_sheet(screen.root), repeats=screen.folder / "repeats.tsv"
    )
    build_report(**arguments)
    return Page((screen.folder / "report.html").read_text())


def cells(page: Page, table: str) -> dict[str, list[str]]:
    """Rows of a table of the section by drug."""
    rows = [
        row
        for found in page.find("table", class_=table)
        for row in found.find("tbody")[0].find("tr")
    ]
    return {
        row.find("th")[0].text.strip(): [c.text.strip() for c in row.find("td")] for row in rows
    }


def test_expected_drugs_are_listed_with_what_was_found(page):
    found = cells(page, "expected-drugs")
    assert found["Trametinib"][1] == "hit" and found["Binimetinib"][1] == "not tested"
    assert "3 of 3 expected drugs with a score are hits" in page.section("background").text


def test_plasma_levels_are_told_and_not_extrapolated(page):
    found = cells(page, "in-context")
    assert found["Vemurafenib"][-3:-1] == ["126 µM, above all doses", "102 % at highest dose"]
    assert found["Selumetinib"][-3] == "1.5 nM"
    assert "below all doses" in found["Larotrectinib"][-3]


def test_percentiles_and_healthy_controls_stand_in_the_table(screen, page):
    context = pd.read_csv(screen.folder / "context.tsv", sep="\t")
    row = context[
        (context["readout"] == screen.headline) & (context["treatment"] == "Trametinib")
    ].iloc[0]
    shown = cells(page, "in-context")["Trametinib"]
    assert shown[3] == f"{row['cohort_percentile']:.0f}" and "(n = 6)" in shown[2]
    assert f"of {row['cohort_n']}" in shown[4] and row["cohort_n"] == 12
    assert "cohort-1" in page.section("background").text


def test_badges_stand_beside_the_drug_and_name_no_inactive_one(page):
    rows = page.find("table", id_="ranked")[0].find("tbody")[0].find("tr")
    badges = {
        row.find("bdi")[0].text: [b.text for b in row.find("span", class_="badge")] for row in rows
    }
    assert "expected" in badges["Trametinib"]
    assert any(
        word.startswith("tops ") and word.endswith(" % of screens") for word in badges["Trametinib"]
    )
    hits = {row.find("bdi")[0].text for row in rows if "is-hit" in row.attributes.get("class", "")}
    assert all(words in ([], ["expected"]) for drug, words in badges.items() if drug not in hits)


def test_repeats_are_told_without_a_verdict(page):
    section = page.section("repeats")
    assert "DEMO_V2_DS1" in section.text and "for a person to decide" in section.text
    assert len(section.find("svg")) == 4 and "Concordance (Lin)" in section.text


def test_a_held_screen_shows_no_score(tmp_path):
    held = make_screen(
        tmp_path, drugs=12, readouts=("viability_phase2",), held=True, shape=(16, 24), image_side=0
    )
    with_context(held)
    build_report(**held.arguments(repeats=held.folder / "repeats.tsv"))
    page = Page((held.folder / "report.html").read_text())
    for name in ("background", "repeats"):
        assert "on hold, so no score is shown" in page.section(name).text
        assert not page.section(name).find("table")
    assert not page.find("span", class_="badge")


def test_without_references_the_section_is_short(tmp_path):
    plain = make_screen(tmp_path, drugs=6, readouts=("viability_phase2",), image_side=0)
    build_report(**plain.arguments())
    page = Page((plain.folder / "report.html").read_text())
    assert not [s for s in page.find("section") if s.attributes["id"] == "repeats"]
    assert "scores stand by themselves" in page.section("background").text
