"""Reports of real screens of readout files alone: a full metabolic one, and one plate of imaging readouts."""

import pandas as pd
import pytest

from exvivo import tables
from exvivo.files import write_json
from exvivo.quality import assess
from exvivo.readouts.reader import read_plate_reader
from exvivo.report.build import build_report
from exvivo.responses import build_responses, fit_curves, score, scores_schema
from exvivo.sheets import Plate
from exvivo.sheets.layouts import screen_layout
from page_reader import Page


def report_of(
    folder, layout_file, readout_file, layout_plates, readout
) -> tuple[Page, pd.DataFrame]:
    """Score a screen of plate-reader files and open its report."""
    plates = [
        Plate(f"P{p}", "S", str(readout_file), "reader", str(layout_file), p, readout)
        for p in layout_plates
    ]
    layout = screen_layout(plates, folder)
    values = pd.concat([read_plate_reader(readout_file, p.layout_plate, p.plate) for p in plates])
    responses = build_responses(layout, values, screen="S", readout_name=readout)
    curves = fit_curves(responses, "itrex")
    scores = score(curves, responses)
    quality, verdict = assess(responses, scores, curves, admission={"verdict": "ready"})
    where = folder / "screen"
    tables.write_table(layout, where / "layout.parquet", tables.LAYOUT)
    tables.write_table(responses, where / "responses.parquet", tables.RESPONSES)
    tables.write_table(curves, where / "curves.parquet", tables.CURVES)
    tables.write_table(scores, where / "scores.tsv", scores_schema(scores.columns))
    tables.write_table(quality, where / "quality.tsv", tables.QUALITY)
    write_json(where / "verdict.json", verdict)
    write_json(where / "admission.json", {"verdict": "ready", "reasons": []})
    out = where / "report.html"
    build_report(screen="S", folder=where, plates_root=folder / "plates", out=out, headline=readout)
    return Page(out.read_text()), scores


@pytest.fixture(scope="module")
def metabolic(real_data, tmp_path_factory):
    source = real_data / "dose_response" / "layout_and_readouts_BT-40_ST04.csv"
    return report_of(
        tmp_path_factory.mktemp("metabolic"), source, source, ("1", "2", "3"), "metabolic"
    )


def test_every_drug_with_its_published_score(metabolic, real_data):
    page, _ = metabolic
    published = pd.read_csv(real_data / "dose_response" / "therapy_parameters_BT-40_ST08.csv")
    rows = page.find("table", id_="ranked")[0].find("tbody")[0].find("tr")
    shown = {r.find("bdi")[0].text: float(r.find(class_="score")[0].text) for r in rows}
    assert set(shown) == set(published["Drug.Name"])
    difference = published.set_index("Drug.Name")["DSS_asym"] - pd.Series(shown)
    assert difference.abs().median() < 0.06  # the page rounds to one decimal


def test_sections_that_need_images_say_why_they_are_empty(metabolic):
    page, scores = metabolic
    assert "readout files alone" in page.section("training").text
    assert not page.find("image")
    assert len(page.section("curves").find("article", class_="card")) >= len(scores)
    assert len(page.section("plates").find("article", class_="plate")) == 3
