"""Segmentation: discs found where they were drawn, touching ones told apart, numbers of each cell right."""

import hashlib

import numpy as np
import pytest

from exvivo.errors import ConfigError, ScoringError, WeightsError
from exvivo.segmentation import (
    Outlines,
    SegmentationSettings,
    cells_schema,
    channels_of,
    find_limits,
    find_nuclei,
    flag_cells,
    measure_cells,
)
from exvivo.segmentation.cellpose import cellpose_nuclei
from exvivo.segmentation.tree import roundness
from exvivo.segmentation.watershed import otsu

SIDE = 160


def discs(centres, radius=8.0, *, light=1000.0, ground=200.0, noise=15.0, seed=0):
    """A field with discs; light may be one number or one per disc."""
    y, x = np.mgrid[:SIDE, :SIDE]
    image = np.full((SIDE, SIDE), ground)
    lights = np.broadcast_to(light, len(centres))
    for (cy, cx), bright in zip(centres, lights, strict=True):
        image += bright / (1 + np.exp(2 * (np.hypot(y - cy, x - cx) - radius)))
    return np.random.default_rng(seed).normal(image, noise).clip(0).astype(np.uint16)


GRID = [(y, x) for y in range(20, 150, 30) for x in range(20, 150, 30)]


def test_every_disc_is_found_once_and_where_it_is():
    labels = find_nuclei(discs(GRID))
    assert labels.max() == len(GRID)
    found = {labels[y, x] for y, x in GRID}
    assert len(found) == len(GRID) and 0 not in found
    areas = np.bincount(labels.ravel())[1:]
    assert abs(np.median(areas) / (np.pi * 64) - 1) < 0.25  # the edge is soft


def test_touching_discs_are_two():
    pairs = [(y, x + shift) for y, x in GRID[::3] for shift in (0, 15)]
    assert find_nuclei(discs(pairs)).max() == len(pairs)


def test_dim_discs_beside_bright_ones_are_found():
    light = np.where(np.arange(len(GRID)) % 2, 250.0, 2000.0)
    assert find_nuclei(discs(GRID, light=light)).max() >= len(GRID) - 1


@pytest.mark.parametrize("image", [np.zeros((50, 60)), np.full((50, 60), 300.0)])
def test_a_field_without_contrast_has_no_nuclei(image):
    labels = find_nuclei(image)
    assert labels.shape == (50, 60) and labels.max() == 0


def test_the_same_field_always_gives_the_same_labels():
    image = discs(GRID)
    assert np.array_equal(find_nuclei(image), find_nuclei(image))


def test_otsu_lies_between_two_populations():
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(1, 0.1, 5000), rng.normal(3, 0.1, 500)])
    assert 1.2 < otsu(values) < 2.8


def test_roundness_is_one_for_an_ellipse_and_less_for_two_of_them():
    y, x = np.mgrid[:60, :90]
    labels = np.zeros((60, 90), np.int32)
    labels[((y - 30) / 20) ** 2 + ((x - 20) / 10) ** 2 < 1] = 1
    labels[np.hypot(y - 20, x - 60) < 10] = 2
    labels[np.hypot(y - 37, x - 60) < 10] = 2
    area, shape = roundness(labels, 2)
    assert area[1] == (labels == 1).sum()
    assert shape[1] == pytest.approx(1, abs=0.02) and shape[2] < 0.95


def test_grey_values_of_a_cell_are_those_above_its_own_background():
    nuclei = np.zeros((60, 60), np.int32)
    nuclei[20:30, 20:30] = 1
    nuclei[0:6, 40:46] = 2
    settings = SegmentationSettings(expand_px=2, ring_px=3)
    outlines = Outlines.of(nuclei, settings)
    marker = np.full((60, 60), 100, np.uint16)
    marker[:, 35:] = 150  # another background
    marker[outlines.cells == 1] = 180
    marker[nuclei == 1] = 300
    marker[outlines.cells == 2] = 250
    frame = measure_cells(outlines, {"CD34": marker})
    first, second = frame.to_dict("records")
    cell = int((outlines.cells == 1).sum())
    assert first["area"] == cell and first["nucleus_area"] == 100
    assert (first["y"], first["x"]) == (24.5, 24.5)
    assert first["CD34_ground"] == 100 and first["CD34_nucleus"] == 200
    assert first["CD34"] == pytest.approx((100 * 200 + (cell - 100) * 80) / cell)
    assert second["CD34_ground"] == 150 and second["CD34"] == 100
    assert not first["border"] and second["border"]


def test_a_cell_without_a_ring_of_its_own_gets_the_fields_background():
    nuclei = np.arange(1, 10).repeat(10).reshape(1, 90).repeat(30, 0).astype(np.int32)
    nuclei = np.pad(nuclei, ((0, 0), (0, 30)))
    settings = SegmentationSettings(expand_px=0, ring_px=2)
    image = np.where(nuclei > 0, 500, 40).astype(np.uint16)
    frame = measure_cells(Outlines.of(nuclei, settings), {"X": image})
    assert (frame["X"] == 460).all()


def test_channels_are_told_by_the_columns():
    names = cells_schema(["DAPI", "CD34"]).names
    assert channels_of(names) == ["DAPI", "CD34"]


# -- limits ----------------------------------------------------------------------------------------


def table(count=1000, seed=0):
    import pandas as pd

    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "nucleus_area": rng.normal(100, 10, count),
            "DAPI_nucleus": rng.normal(1000, 100, count),
            "roundness": rng.normal(0.98, 0.01, count),
            "border": np.zeros(count, bool),
        }
    )


def test_limits_leave_the_solvents_own_tails_out_and_name_what_others_are():
    limits = find_limits(table(), "DAPI")
    other = table(5, seed=1)
    other.loc[0, "nucleus_area"] = 20
    other.loc[1, "nucleus_area"] = 300
    other.loc[2, "roundness"] = 0.7
    other.loc[3, "border"] = True
    flags = flag_cells(other, limits, "DAPI")
    assert list(flags) == ["debris", "mis_segmented", "mis_segmented", "border", ""]
    assert 0.01 < (flag_cells(table(), limits, "DAPI") != "").mean() < 0.04


def test_limits_from_too_few_cells_are_refused():
    with pytest.raises(ScoringError, match="too few cells in the negative controls"):
        find_limits(table(50), "DAPI")


# -- methods ---------------------------------------------------------------------------------------


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="watershed or cellpose"):
        find_nuclei(discs(GRID[:2]), SegmentationSettings(method="stardist"))


def test_cellpose_without_its_file_is_refused_and_nothing_is_downloaded(tmp_path):
    settings = SegmentationSettings("cellpose", cellpose_model=str(tmp_path / "nuclei.pt"))
    with pytest.raises(WeightsError, match="cellpose has no model"):
        cellpose_nuclei(discs(GRID[:2]), settings)


def test_cellpose_with_another_file_than_the_pinned_one_is_refused(tmp_path):
    path = tmp_path / "nuclei.pt"
    path.write_bytes(b"something else")
    settings = SegmentationSettings("cellpose", cellpose_model=str(path), cellpose_sha256="0" * 64)
    with pytest.raises(WeightsError, match="not the pinned model"):
        cellpose_nuclei(discs(GRID[:2]), settings)


def test_cellpose_says_where_its_package_is_missing(tmp_path):
    try:
        import cellpose  # noqa: F401
    except ImportError:
        path = tmp_path / "nuclei.pt"
        path.write_bytes(b"weights")
        digest = hashlib.sha256(b"weights").hexdigest()
        settings = SegmentationSettings(
            "cellpose", cellpose_model=str(path), cellpose_sha256=digest
        )
        with pytest.raises(ConfigError, match="cellpose is not installed here"):
            cellpose_nuclei(discs(GRID[:2]), settings)
    else:
        pytest.skip("cellpose is installed here")
