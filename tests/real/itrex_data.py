"""The iTReX demo screens through the project's own readers, layouts and scoring."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from exvivo.readouts.reader import read_plate_reader
from exvivo.responses import build_responses, fit_curves, read_reference, score
from exvivo.sheets.layouts import read_layout
from exvivo.tables import CURVES, LAYOUT, RESPONSES, conform

# name: layout, read-outs, plates, name in the authors' tests, name in the tables made with their R code
DEMOS = {
    "metabolic": (
        "original/iTReX-Demo_MRA_LayoutAndReadouts_BT-40_ST04.xlsx",
        "original/iTReX-Demo_MRA_LayoutAndReadouts_BT-40_ST04.xlsx",
        "123",
        "mono_sample_BT-40_mra",
        "BT40_ST04",
    ),
    "imaging": (
        "original/iTReX-Demo_MRA_Layout-Imaging-1Plate_ST06.xlsx",
        "original/iTReX-Demo_MRA_Readout-Imaging_BT-40-V3-DS1_ST05.xlsx",
        "1",
        "mono_sample-sep_1xlsx_qc-mra",
        "IMG_BT40_V3_DS1_P1",
    ),
    "many missing": (
        "layout_imaging_3plates.csv",
        "original/iTReX-Demo_MRA_1ReadoutTxt_NA.zip",
        "123",
        "mono_sample-sep_ima-na_qc-mra",
        "",
    ),
    "flat": (
        "layout_imaging_3plates.csv",
        "original/iTReX-Demo_MRA_1ReadoutTxt_Flat.zip",
        "123",
        "mono_sample-sep_flat_qc-mra",
        "",
    ),
}


@dataclass
class Demo:
    responses: pd.DataFrame
    curves: pd.DataFrame
    scores: pd.DataFrame
    published: pd.Series  # DSS_asym by drug, from the authors' own tests
    oracle: str


def load_demo(folder: Path, name: str, layout_file: str = "") -> Demo:
    """Score a demo screen, perhaps with another layout; plate ids are the layout's own."""
    usual, readouts, plates, test, oracle = DEMOS[name]
    layout = read_layout(folder / (layout_file or usual))
    layout = layout.assign(plate=layout["layout_plate"])[LAYOUT.names]
    parts = [read_plate_reader(folder / readouts, plate, plate) for plate in plates]
    values = pd.concat(parts, ignore_index=True)
    responses = build_responses(layout, values, screen=name, readout_name="readout")
    conform(responses, RESPONSES, where=name)
    curves = fit_curves(responses)
    conform(curves, CURVES, where=name)
    reference = read_reference(folder / "reference_samples_controls_ST10.csv")
    scores = score(curves, responses, reference=reference)
    snapshots = pd.read_csv(folder / "expected_dss_asym_from_test_snapshots.csv")
    published = snapshots[snapshots["test"] == test].set_index("drug")["DSS_asym"]
    return Demo(responses, curves, scores.set_index("treatment"), published, oracle)
