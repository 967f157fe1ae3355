"""The report's section on wells that are flagged by their images."""

import pytest

from exvivo import tables
from exvivo.inspection.flags import DECISION, EXCLUDE, HOLD, INCLUDE, WARN, flag, flags_frame
from exvivo.report.build import build_report
from page_reader import Page
from report_screen import make_screen


@pytest.fixture
def screen(tmp_path):
    return make_screen(tmp_path, drugs=6, shape=(8, 12), plates=2)


def report(screen, rows):
    if rows is not None:
        path = screen.folder / "well_flags.parquet"
        tables.write_table(flags_frame(rows), path, tables.WELL_FLAGS)
    build_report(**screen.arguments())
    return Page((screen.folder / "report.html").read_text())


def wells(screen, role="treatment"):
    own = screen.responses
    own = own[(own["readout"] == screen.headline) & (own["plate"] == "PL1") & own["value"].notna()]
    return list(own.loc[own["role"] == role, "well"])


def test_a_flagged_well_stands_beside_one_without_a_flag(screen):
    first, second = wells(screen)[:2]
    rows = [
        flag("PL1", first, "fibre", EXCLUDE, "something is long & <thin>", value=31.25, limit=12.0),
        flag(
            "PL1",
            second,
            "novel",
            WARN,
            "it looks like neither",
            source="network",
            value=7.0,
            limit=6.0,
        ),
    ]
    section = report(screen, rows).section("seen")
    table = section.find("table", class_="findings")[0]
    cells = [cell.text.strip() for cell in table.find("td")]
    assert "left out of fits, quality and training" in cells[5]
    assert (cells[3], cells[4]) == ("31.2", "12") or cells[3].startswith("31")
    assert "<thin>" in cells[2]
    shown = [image.attributes["data-w"] for image in table.find("img")]
    assert shown[0] == f"PL1/{first}"
    assert shown[1] not in (f"PL1/{first}", f"PL1/{second}")
    assert "2 wells are flagged, 1 left out" in section.text
    assert section.text.index("Fibre") < section.text.index("Like neither control")


def test_holds_come_first_and_a_persons_decision_is_honoured(screen):
    first, second = wells(screen)[:2]
    rows = [
        flag("PL1", first, "dust", EXCLUDE, "dusty", value=9.0, limit=5.0),
        flag("PL1", second, "saturated", HOLD, "too bright", value=0.1, limit=0.01),
        flag("PL1", first, DECISION, INCLUDE, "looked at, fine", source=DECISION),
    ]
    text = report(screen, rows).section("seen").text
    assert text.index("Saturated") < text.index("Dust")
    assert "kept by decision of a person" in text and "holds the screen" in text


def test_many_wells_of_one_check_are_named_not_shown(screen):
    rows = [
        flag("PL1", w, "empty", WARN, "nothing there", value=0.0, limit=0.1)
        for w in wells(screen)[:15]
    ]
    section = report(screen, rows).section("seen")
    assert len(section.find("table", class_="findings")[0].find("tr")) == 13
    assert "Further wells: PL1" in section.text


def test_without_flags_the_section_says_so(screen):
    assert "No well of this screen is flagged" in report(screen, []).section("seen").text


def test_where_nobody_looked_the_section_says_so(screen):
    assert "nobody looked" in report(screen, None).section("seen").text
