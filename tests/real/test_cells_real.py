"""Real cells, measured one by one: translocation by wortmannin (BBBC013), mitosis in a field of human cells (ExampleHuman)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from exvivo.markers import fit_mixture
from exvivo.responses.fit import fit_curves
from exvivo.segmentation import Outlines, SegmentationSettings, find_nuclei, measure_cells

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
WORTMANNIN = DATA / "plates" / "bbbc013_rows_A-D"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="needs the real images in ../shared/data")
PART = slice(140, 500)  # of 640 pixels: a third of the field is enough for a median


def translocation(gfp, dna):
    """log2 of nuclear over cytoplasmic GFP, one number a cell, and how many cells."""
    settings = SegmentationSettings(expand_px=5)
    frame = measure_cells(Outlines.of(find_nuclei(dna, settings), settings), {"GFP": gfp})
    frame = frame[~frame["border"] & (frame["area"] > frame["nucleus_area"])]
    nuclear = frame["GFP_nucleus"] + frame["GFP_ground"]
    total = (frame["GFP"] + frame["GFP_ground"]) * frame["area"]
    around = (total - nuclear * frame["nucleus_area"]) / (frame["area"] - frame["nucleus_area"])
    return np.log2(nuclear / around), len(frame)


@pytest.mark.slow
def test_wortmannin_moves_gfp_into_the_nucleus_of_single_cells_at_the_known_dose():
    from tifffile import imread

    layout = pd.read_csv(WORTMANNIN / "layout.csv")
    values, counts = [], []
    for row in layout.to_dict("records"):
        gfp, dna = (
            imread(WORTMANNIN / "images" / row[f"{name}_file"])[PART, PART]
            for name in ("gfp", "dna")
        )
        cells, count = translocation(gfp, dna)
        values.append(cells.median())
        counts.append(count)
    layout["value"] = values
    ends = layout.groupby("role")["value"].median()
    negative, positive = ends["negative_control"], ends["positive_control"]
    layout["viability"] = (layout["value"] - positive) / (negative - positive)
    treated = layout[~layout["role"].isin(["negative_control", "positive_control"])]
    curve = fit_curves(
        treated.assign(
            screen="S", readout="r", role="treatment", treatment="wortmannin", addon="", replicate=1,
            concentration=treated["dose"], used=True,
        ),
        "robust",
        single=False,
    ).iloc[0]  # fmt: skip
    ec50 = 10 ** curve["x_mid"]
    print(f"EC50 by cells {ec50:.2f} nM (plain: 8.8), {sum(counts)} cells, {curve['status']}")
    assert positive > negative and min(counts) > 30
    assert curve["status"] == "ok" and 7 <= ec50 <= 11


def test_mitotic_cells_of_a_real_field_are_told_by_their_marker():
    from tifffile import imread

    stem = DATA / "fields" / "AS_09125_050116030001_D03f00d"
    dna, ph3 = (imread(f"{stem}{channel}.tif") for channel in (0, 1))
    nuclei = find_nuclei(dna)
    means = np.bincount(nuclei.ravel(), ph3.ravel())[1:] / np.bincount(nuclei.ravel())[1:]
    mixture = fit_mixture(means)
    positive = int(mixture.is_positive(means).sum())
    print(f"{nuclei.max()} nuclei, threshold {mixture.threshold:.3f}, {positive} positive")
    assert 287 * 0.85 < nuclei.max() < 287 * 1.15
    assert mixture.weights[1] == pytest.approx(0.07, abs=0.03)
    assert mixture.threshold == pytest.approx(1.1049, abs=0.1)
    assert 14 <= positive <= 26  # 20 by the plain segmentation, 14 by Otsu on the marker
