"""Exports: what other programs read, and drugs' names that are hostile to all of them."""

from __future__ import annotations

import csv
import json
import re
import zipfile

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from python_calamine import CalamineWorkbook

from exvivo import targets
from exvivo.errors import ScoringError, SheetError
from exvivo.exports import breeze, itrex
from exvivo.exports.build import HELD, export_file, export_screen
from exvivo.exports.names import safe_names
from exvivo.exports.profiles import profiles
from exvivo.exports.screen import Screen, read_screen
from exvivo.exports.workbook import write_workbook
from exvivo.files import write_json
from exvivo.responses import build_responses, fit_curves, score, scores_schema
from exvivo.sheets.layouts import read_layout
from exvivo.tables import CURVES, LAYOUT, READOUT, RESPONSES, write_table

HOSTILE = (
    '=HYPERLINK("http://example.org","click")', "+1 drug", "-2+3 cmd", "@SUM(A1:A9)", "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "../../etc/passwd", "..\\..\\boot.ini", "a/b", "CON", "nul.txt",
    "L" * 500, "💊 drug 🧬", 'quo"te', "it's", "A\u202eGPJ.exe", "Ünïcödé", "{{ 7*7 }}", "%s %(x)s $HOME `id`", "drug;rm", "NA-1",
)  # fmt: skip
DOSES = (1, 10, 100, 1000, 10000)


def layout_text(drugs, addon="") -> str:
    """A layout with controls and each drug at five doses twice, as a TSV that may hold any name."""
    rows = [["well", "role", "treatment", "concentration_nM", "addon"]]
    places = [f"{row}{column:02d}" for row in "BCDEFGHIJKLMNO" for column in range(2, 24)]
    wells = iter(places)
    rows += [[next(wells), "negative_control", "DMSO", "", ""] for _ in range(6)]
    rows += [[next(wells), "positive_control", "STS", "250", ""] for _ in range(6)]
    for drug in drugs:
        rows += [[next(wells), "treatment", drug, dose, addon] for dose in DOSES for _ in (0, 1)]
    return rows


def write_layout(path, rows):
    with path.open("w", newline="", encoding="utf-8") as handle:
        csv.writer(handle, delimiter="\t").writerows(rows)
    return path


def score_layout(layout, plate="S01_P1", readout="metabolic", scale=1.0):
    """Responses, curves and scores of made-up values: each drug's own IC50."""
    layout = layout.assign(plate=plate)[LAYOUT.names]
    mid = {name: 1.5 + i % 3 for i, name in enumerate(dict.fromkeys(layout["treatment"]))}
    value = [
        {"negative_control": 1.0, "positive_control": 0.0}.get(
            r.role, 1 / (1 + 10 ** (np.log10(r.concentration or 1) - mid[r.treatment]))
        )
        for r in layout.itertuples()
    ]
    value = scale * (np.array(value) + 0.01 * np.sin(np.arange(len(layout))))
    readouts = pd.DataFrame({"plate": plate, "well": layout["well"], "value": value, "flag": ""})
    responses = build_responses(layout, readouts[READOUT.names], screen="S01", readout_name=readout)
    curves = fit_curves(responses)
    return layout, responses, curves, score(curves, responses)


def write_screen(folder, tables, verdict="pass", reasons=(), **more):
    folder.mkdir(parents=True, exist_ok=True)
    layout, responses, curves, scores = tables
    write_table(layout, folder / "layout.parquet", LAYOUT)
    write_table(responses, folder / "responses.parquet", RESPONSES)
    write_table(curves, folder / "curves.parquet", CURVES)
    write_table(scores, folder / "scores.tsv", scores_schema(scores.columns))
    write_json(folder / "verdict.json", {"verdict": verdict, "reasons": list(reasons), **more})
    return folder


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> Screen:
    """From a sheet on disk through layout, scores and files: every hostile name."""
    folder = tmp_path_factory.mktemp("hostile")
    layout = read_layout(write_layout(folder / "layout.tsv", layout_text(HOSTILE)))
    return read_screen(write_screen(folder / "S01", score_layout(layout)), "S01")


@pytest.fixture(scope="module")
def exported(hostile, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    export_screen(hostile, ("itrex", "breeze", "profiles"), out)
    return out


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Screen:
    folder = tmp_path_factory.mktemp("plain")
    layout = read_layout(write_layout(folder / "a.tsv", layout_text(("zeta", "Alpha", "beta"))))
    return Screen("S01", *score_layout(layout))


def rows_of(path) -> list[list]:
    return CalamineWorkbook.from_path(str(path)).get_sheet_by_index(0).to_python()


def column(path, name):
    header, *rows = rows_of(path)
    return [row[header.index(name)] for row in rows]


def test_hostile_names_go_through_layout_and_scores_letter_by_letter(hostile):
    assert set(hostile.scores["treatment"]) == set(HOSTILE)
    assert set(hostile.responses["treatment"]) >= set(HOSTILE)


@pytest.mark.parametrize(
    ("path", "name"),
    [("Met-S01/Met-S01_mono.xlsx", "Drug.Name"), ("Met-S01/Original_DSS2_Met-S01.xlsx", "DRUG_NAME"),
     ("Met-S01/Met-S01_signals.xlsx", "DRUG_NAME"), ("input/Met-S01_layout.xlsx", "Treatment")],
)  # fmt: skip
def test_hostile_names_are_texts_in_workbooks_and_never_formulas(exported, path, name):
    assert set(column(exported / path, name)) >= set(HOSTILE)
    with zipfile.ZipFile(exported / path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
    assert "<f>" not in sheet and "hyperlink" not in sheet.casefold()


def test_hostile_names_are_whole_in_tables_for_programs(exported):
    data = pd.read_csv(
        exported / "Met-S01/pre_process/Met-S01_screenData.csv", keep_default_na=False
    )
    assert set(data["Treatment"]) >= set(HOSTILE)
    table = pd.read_parquet(exported / "S01_profiles.parquet")
    assert set(table["Metadata_Treatment"]) >= set(HOSTILE)


def test_every_hostile_drug_has_a_figure_of_its_own_within_the_folder(exported):
    figures = list((exported / "Met-S01/dose_response_curves").iterdir())
    assert len(figures) == len(HOSTILE)
    outside = [p for p in exported.rglob("*") if not p.resolve().is_relative_to(exported.resolve())]
    assert outside == []
    for figure in figures:
        assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*\.svg", figure.name)
        assert len(figure.name) < 100 and "<script" not in figure.read_text()


@pytest.mark.parametrize("name", ["a\0b", "12", "1e5", "2024-03-01"])
def test_names_that_a_spreadsheet_has_spoilt_or_that_are_binary_are_refused(tmp_path, name):
    path = tmp_path / "layout.tsv"
    rows = layout_text([name])
    path.write_text("\n".join("\t".join(map(str, row)) for row in rows))
    with pytest.raises(SheetError):
        read_layout(path)


def test_names_that_differ_in_case_alone_are_refused(tmp_path):
    with pytest.raises(SheetError, match="one spelling"):
        read_layout(write_layout(tmp_path / "layout.tsv", layout_text(("Drug", "DRUG"))))


def test_file_names_are_unique_whatever_the_case_and_the_same_each_time():
    names = [
        "Drug",
        "drug",
        "DRUG",
        "a/b",
        "a:b",
        "CON",
        "con",
        "aux.txt",
        "",
        ".",
        "..",
        "💊",
        "🧬",
        "x" * 300,
        "x" * 301,
        "Ä",
        "A",
    ]
    files = safe_names(names)
    assert len({f.casefold() for f in files.values()}) == len(names)
    assert all(re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,80}", f) for f in files.values())
    assert not {"con", "aux.txt"} & {f.casefold() for f in files.values()}
    assert safe_names(["a/b"])["a/b"] == files["a/b"]
    assert safe_names(["Cisplatin"]) == {"Cisplatin": "Cisplatin"}


def test_workbooks_write_texts_as_texts_and_missing_values_as_nothing(tmp_path):
    table = pd.DataFrame({"a": ["=1+1", "http://x.org", "7", None], "b": [1.5, np.nan, np.inf, 2]})
    write_workbook(tmp_path / "t.xlsx", {"one": table})
    assert rows_of(tmp_path / "t.xlsx")[1:] == [
        ["=1+1", 1.5],
        ["http://x.org", ""],
        ["7", ""],
        ["", 2.0],
    ]
    first = (tmp_path / "t.xlsx").read_bytes()
    write_workbook(tmp_path / "t.xlsx", {"one": table})
    assert (tmp_path / "t.xlsx").read_bytes() == first
    with pytest.raises(ValueError, match="does not fit into a cell"):
        write_workbook(tmp_path / "t.xlsx", {"one": pd.DataFrame({"a": ["x" * 40_000]})})


def test_mono_is_alphabetical_and_keeps_the_published_numbers(plain):
    table = itrex.mono(plain.scores, "S01")
    assert list(table["Drug.Name"]) == ["Alpha", "beta", "zeta"]
    assert (
        list(table.columns[:3]) == ["Drug.ID", "Drug.Name", "abs_IC25"] and len(table.columns) == 25
    )
    own = plain.scores.set_index("treatment")
    assert list(table["rel_IC50"]) == list(own.loc[table["Drug.Name"], "rel_ic50"])


def test_further_columns_of_scores_change_no_export(plain):
    more = plain.scores.assign(dss_asym_low=1.0, p_value=0.5, pi_odd="x", q_value=0.1)
    pd.testing.assert_frame_equal(itrex.mono(more, "x"), itrex.mono(plain.scores, "x"))


def test_combinations_have_their_own_tables(tmp_path):
    rows = layout_text(("Drug",)) + [
        [f"K{2 + i:02d}", "treatment", "Drug", dose, "Helper"] for i, dose in enumerate(DOSES * 2)
    ]
    layout = read_layout(write_layout(tmp_path / "layout.tsv", rows))
    screen = Screen("S01", *score_layout(layout))
    scores = screen.scores.set_index("addon")
    effects = itrex.effects(screen.scores).iloc[0]
    assert effects["Drug.Name"] == "Drug + Helper"
    assert effects["dcDSS_asym"] == pytest.approx(
        scores.loc["Helper", "dss_asym"] - scores.loc["", "dss_asym"]
    )
    assert effects["dPI3"] == pytest.approx(scores.loc["Helper", "pi3"] - scores.loc["", "pi3"])
    export_screen(screen, ["itrex"], tmp_path / "out")
    assert column(tmp_path / "out/Met-S01/Met-S01_combo.xlsx", "Drug.Name") == ["Drug + Helper"]
    assert column(tmp_path / "out/Met-S01/Met-S01_mono.xlsx", "Drug.Name") == ["Drug"]
    assert (tmp_path / "out/Heatmap_data/combo/Met-S01_CRA.xlsx").is_file()


def test_a_probability_is_written_in_thousandths_and_a_missing_value_as_na(plain):
    layout, *_ = plain.layout, None
    tables = score_layout(
        layout.drop(columns="plate").assign(layout_plate="1"), readout="viability_phase2"
    )
    data = itrex.screen_data(Screen("S01", *tables), "viability_phase2")
    lines = itrex.matrix_text(data).splitlines()
    assert len(lines) == 17 and lines[0].split("\t")[1:] == [str(i) for i in range(1, 25)]
    assert lines[1].split("\t")[1:] == ["NA"] * 24
    values = [v for line in lines[1:] for v in line.split("\t")[1:] if v != "NA"]
    assert len(values) == len(tables[1]) and all(re.fullmatch(r"-?\d+", v) for v in values)


def test_contrast_decides_what_is_neg_and_pos(plain):
    contrast = {"metabolic": {"negative": {"role": "negative_control"}, "positive": {"treatment": "zeta", "concentration": 10000}}}  # fmt: skip
    screen = Screen("S01", plain.layout, plain.responses, plain.curves, plain.scores, contrast)
    data = itrex.screen_data(screen, "metabolic")
    assert set(data.loc[data["WellType"] == "pos", "Treatment"]) == {"zeta"}
    assert "positive_control" in set(data["WellType"])


def test_breeze_has_its_columns_and_no_ic50_outside_the_tested_doses(plain):
    scores = plain.scores.copy()
    scores.loc[0, "rel_ic50"] = 1e9
    table = breeze.results(
        Screen("S01", plain.layout, plain.responses, plain.curves, scores), "metabolic"
    )
    assert list(table.columns) == [
        "ID", "DRUG_NAME", "ANALYSIS_NAME", "IC50", "SLOPE", "MAX", "MIN", "Min.Conc.tested", "Max.Conc.tested",
        "IC50_std_error", "D1", "D2", "D3", "D4", "D5", "GRAPH", "DSS", "sDSS", "SE_of_estimate", "AUC",
    ]  # fmt: skip
    assert np.isnan(table["IC50"].iloc[0]) and table["IC50"].iloc[1:].between(1, 10_000).all()
    signals = breeze.signals(plain, "metabolic")
    assert list(signals.columns) == ["WELL", "PLATE", "DRUG_NAME", "CONCENTRATION", "SCREEN_NAME", "WELL_SIGNAL"]  # fmt: skip
    assert (signals["DRUG_NAME"] == "negative_control").sum() == 6
    assert breeze.inhibitions(plain, "metabolic")["PERCENT_INHIBITION"].between(-10, 110).all()


def test_profiles_have_a_row_per_well_and_metadata_columns(plain):
    features = pd.DataFrame(
        {"plate": "S01_P1", "well": ["B02", "B02", "B03"], "f0000": [1.0, 3.0, 5.0]}
    )
    screen = Screen(
        "S01", plain.layout, plain.responses, plain.curves, plain.scores, {}, features, 2
    )
    table = profiles(screen)
    assert len(table) == len(plain.layout)
    first = table.set_index("Metadata_Well").loc["B02"]
    assert (first["phase2_f0000"], first["Metadata_Treatment"]) == (2.0, "DMSO")
    numbers = [c for c in table.columns if not c.startswith("Metadata_")]
    assert numbers == ["readout_metabolic", "viability_metabolic", "phase2_f0000"]
    assert table["viability_metabolic"].notna().all() and table["phase2_f0000"].notna().sum() == 2


def test_a_screen_on_hold_is_not_exported_and_says_why(plain, tmp_path):
    tables = (plain.layout, plain.responses, plain.curves, plain.scores)
    screen = read_screen(write_screen(tmp_path / "S01", tables, "hold", ["Z′ is 0.1"]), "S01")
    with pytest.raises(ScoringError, match="on hold") as caught:
        export_screen(screen, ["itrex"], tmp_path / "out")
    assert "Z′ is 0.1" in str(caught.value) and not (tmp_path / "out").exists()
    export_file(screen, tmp_path / "itrex.zip")
    with zipfile.ZipFile(tmp_path / "itrex.zip") as archive:
        assert archive.namelist() == [HELD] and "Z′ is 0.1" in archive.read(HELD).decode()
    export_file(screen, tmp_path / "profiles.parquet")
    table = pq.read_table(tmp_path / "profiles.parquet")
    assert table.num_rows == 0 and "Z′ is 0.1" in table.schema.metadata[b"on_hold"].decode()


def test_an_accepted_screen_is_exported_without_a_readout_that_is_on_hold(plain, tmp_path):
    layout = plain.layout
    other = score_layout(layout, readout="mean_of_stack")
    tables = (
        layout,
        *(pd.concat([a, b]) for a, b in zip(
            (plain.responses, plain.curves, plain.scores), other[1:], strict=True
        )),
    )  # fmt: skip
    readouts = {
        "metabolic": {"verdict": "accepted", "reasons": []},
        "mean_of_stack": {"verdict": "hold", "reasons": ["Z′ is -2"]},
    }
    folder = write_screen(tmp_path / "S01", tables, "accepted", readouts=readouts)
    screen = read_screen(folder, "S01")
    hits = screen.scores.groupby("readout")["hit"].sum()
    assert hits["metabolic"] > 0 and hits["mean_of_stack"] == 0
    export_screen(screen, ["itrex"], tmp_path / "out")
    assert (tmp_path / "out/Met-S01/Met-S01_mono.xlsx").is_file()
    assert not list((tmp_path / "out").glob("MoS*"))
    assert "Z′ is -2" in (tmp_path / "out" / HELD).read_text()
    export_file(screen, tmp_path / "profiles.parquet")
    table = pq.read_table(tmp_path / "profiles.parquet")
    assert table.num_rows == len(layout) and "viability_metabolic" in table.column_names
    assert "viability_mean_of_stack" not in table.column_names
    assert "Z′ is -2" in table.schema.metadata[b"on_hold"].decode()


def test_equal_screens_make_equal_zips(plain, tmp_path):
    for name in ("a", "b"):
        export_file(plain, tmp_path / name / "itrex.zip")
    assert (tmp_path / "a/itrex.zip").read_bytes() == (tmp_path / "b/itrex.zip").read_bytes()


def test_the_configuration_says_which_exports_are_made(tmp_path):
    from exvivo.sheets import load_config
    from exvivo.sheets.registry import Screen as Row
    from exvivo.sheets.registry import Sheets

    sheets = Sheets({}, {"S01": Row("S01", "drug"), "T01": Row("T01", "training")})
    assert targets.export_files(sheets, load_config({})) == []
    wanted = targets.export_files(sheets, load_config({"exports": ["itrex", "profiles"]}))
    assert wanted == [f"results/screens/S01/exports/{f}" for f in ("itrex.zip", "profiles.parquet")]


def test_the_command_writes_a_folder(plain, tmp_path, monkeypatch, capsys):
    from exvivo.cli import main

    for name, text in {
        "config/config.yaml": "{}\n",
        "config/plates.tsv": "plate\tscreen\tpath\tinstrument\tlayout\nS01_P1\tS01\tr/a.txt\treader\tl.tsv\n",
        "config/screens.tsv": "screen\tkind\treadouts\nS01\tdrug\tmetabolic\n",
        "config/l.tsv": "x\n",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    tables = (plain.layout, plain.responses, plain.curves, plain.scores)
    write_screen(tmp_path / "results/screens/S01", tables)
    monkeypatch.chdir(tmp_path)
    assert main(["export", "S01", "--format", "breeze", "--out", "out"]) == 0
    assert "3 files" in capsys.readouterr().out
    assert main(["export", "S09", "--out", "out"]) == 1
    assert json.dumps("no such screen")[1:-1] in capsys.readouterr().err
