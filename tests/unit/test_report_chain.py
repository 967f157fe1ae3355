"""The report from what scoring, quality and training really write, not from tables made up for it."""

import pandas as pd
import pytest

from exvivo import tables
from exvivo.files import write_json
from exvivo.quality import assess
from exvivo.report.build import build_report
from exvivo.responses import build_responses, fit_curves, score, scores_schema
from page_reader import Page
from report_screen import READOUTS, Screen, make_screen

SPLITS = (("train", ""), ("validation", "validation_"))


def long_history(wide: pd.DataFrame) -> pd.DataFrame:
    """A history as training writes it: a row per epoch and split."""
    parts = [
        wide[["epoch", *(p + m for m in ("loss", "accuracy", "auroc"))]]
        .set_axis(["epoch", "loss", "accuracy", "auroc"], axis=1)
        .assign(split=split, images=9)
        for split, p in SPLITS
    ]
    return pd.concat(parts).sort_values(["epoch", "split"])


def rescore(screen: Screen, *, spoil: bool = False) -> tuple[pd.DataFrame, dict]:
    """Replace the made-up responses, curves, scores, quality and verdict by those of the library."""
    layout = tables.read_table(screen.folder / "layout.parquet", tables.LAYOUT)
    made_up, parts = screen.responses, []
    for name in dict.fromkeys(made_up["readout"]):
        readout = made_up.loc[made_up["readout"] == name, tables.READOUT.names].copy()
        if spoil:
            controls = made_up.loc[readout.index, "role"].str.endswith("control")
            readout.loc[controls, "value"] = 0.5 + 0.01 * (readout.loc[controls].index % 7)
        parts.append(build_responses(layout, readout, screen=screen.name, readout_name=name))
    responses = pd.concat(parts, ignore_index=True)
    curves = fit_curves(responses, "itrex")
    scores = score(curves, responses)
    crossfit = responses[responses["readout"] == "viability_phase2"]
    crossfit = crossfit[crossfit["role"].isin(["negative_control", "positive_control"])]
    crossfit = crossfit[tables.READOUT.names].assign(flag="fold 1")
    models = screen.folder / screen.network
    histories = {}
    for phase in ("phase1", "phase2"):
        path = models / f"{phase}_history.tsv"
        histories[phase] = long_history(pd.read_csv(path, sep="\t"))
        histories[phase].to_csv(path, sep="\t", index=False)
    quality, verdict = assess(
        responses, scores, curves, admission={"verdict": "ready"}, histories=histories, crossfit=crossfit
    )  # fmt: skip
    tables.write_table(responses, screen.folder / "responses.parquet", tables.RESPONSES)
    tables.write_table(curves, screen.folder / "curves.parquet", tables.CURVES)
    tables.write_table(scores, screen.folder / "scores.tsv", scores_schema(scores.columns))
    tables.write_table(crossfit, models / "crossfit.parquet", tables.READOUT)
    tables.write_table(quality, screen.folder / "quality.tsv", tables.QUALITY)
    write_json(screen.folder / "verdict.json", verdict)
    screen.responses, screen.scores = responses, scores
    return quality, verdict


@pytest.fixture(scope="module")
def screen(tmp_path_factory) -> Screen:
    folder = tmp_path_factory.mktemp("chain")
    return make_screen(folder, shape=(16, 24), drugs=20, readouts=READOUTS, image_side=24)


def test_scores_and_quality_of_the_library_are_shown_whole(screen):
    quality, verdict = rescore(screen)
    assert verdict["verdict"] == "pass", verdict
    build_report(**screen.arguments())
    page = Page((screen.folder / "report.html").read_text())
    own = screen.scores[screen.scores["readout"] == screen.headline]
    shown = [e.text for e in page.find("table", id_="ranked")[0].find("bdi")]
    assert sorted(shown) == sorted(own["treatment"])
    scored = own.dropna(subset="dss_asym")
    ranked = scored.sort_values("rank")["treatment"].tolist()
    assert shown[:5] == ranked[:5]
    assert (
        len(page.section("curves").find("path", class_="curve")) == len(scored) + 1
    )  # and titration
    assert len(page.section("training").find("svg")) == 8
    metrics = page.section("quality").find("table", class_="checks")
    rows = [row for table in metrics for row in table.find("tbody")[0].find("tr")]
    expected = quality.groupby("readout")["metric"].nunique().sum()
    assert len(rows) == expected
    assert not [row for row in rows if not row.find("th")[0].text.strip()]


def test_controls_that_do_not_come_apart_hold_the_screen(screen, tmp_path):
    spoiled = make_screen(tmp_path, shape=(16, 24), drugs=12, readouts=READOUTS[:2], image_side=0)
    _, verdict = rescore(spoiled, spoil=True)
    assert verdict["verdict"] == "hold"
    build_report(**spoiled.arguments())
    page = Page((spoiled.folder / "report.html").read_text())
    assert not page.find("svg", class_="waterfall")
    text = page.section("verdict").text
    assert "On hold" in text
    assert "robust Z′" in text
    assert "viability_phase3" not in text
