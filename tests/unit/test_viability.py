import numpy as np
import pandas as pd
import pytest

from exvivo.errors import TrainingError
from exvivo.sheets.config import DEFAULT_CONTRAST
from exvivo.tables import READOUT
from exvivo.training.inference import Prediction
from exvivo.viability import (
    ScreenImages,
    controls_of,
    duplicates_of,
    has_duplicates,
    labels_of,
    read_images,
    to_readout,
    viability_of,
)
from exvivo.wells import WellImages, write_wells

ROWS = [
    ("P1", "A01", "negative_control", "DMSO", np.nan),
    ("P1", "A02", "positive_control", "STS", 250.0),
    ("P1", "A03", "treatment", "X", 10.0),
    ("P1", "A04", "treatment", "X", 10.0),
    ("P1", "A05", "treatment", "X", 100.0),
    ("P1", "A06", "empty", "", np.nan),
]


@pytest.fixture
def layout():
    frame = pd.DataFrame(ROWS, columns=["plate", "well", "role", "treatment", "concentration"])
    return frame.assign(addon="")


def images(wells, plate="P1", flags=None):
    number = len(wells)
    pixels = np.arange(number, dtype=np.float32)[:, None, None, None] * np.ones(
        (1, 2, 4, 4), np.float32
    )
    return ScreenImages(pixels, [plate] * number, list(wells), flags or [""] * number)


def test_images_of_all_plates_divided_by_their_own_maximum(tmp_path):
    for plate, top in (("P1", 65535.0), ("P2", 255.0)):
        pixels = np.full((2, 2, 4, 4), top / 2, np.float32)
        write_wells(
            tmp_path / plate / "wells.zarr",
            WellImages(plate, ["A01", "A02"], [0, 0], pixels, top, ["", "x"]),
        )
    found = read_images([tmp_path / p / "wells.done.json" for p in ("P1", "P2")])
    assert found.keys == [("P1", "A01"), ("P1", "A02"), ("P2", "A01"), ("P2", "A02")]
    assert np.allclose(found.images, 0.5)
    assert found.flags == ["", "x", "", "x"]


def test_no_admitted_plate_gives_no_images(tmp_path):
    empty = WellImages("P1", [], [], np.zeros((0, 2, 4, 4), np.float32), 0.0, [])
    write_wells(tmp_path / "P1" / "wells.zarr", empty)
    assert len(read_images([tmp_path / "P1" / "wells.done.json"])) == 0


def test_labels_by_the_contrast_alone(layout):
    found = labels_of(layout, DEFAULT_CONTRAST, images(["A06", "A02", "A01", "A03", "H12"]))
    assert found == [None, 0, 1, None, None]
    other = {
        "negative": {"role": "negative_control", "treatment": None, "concentration": None},
        "positive": {"role": None, "treatment": "X", "concentration": 100.0},
    }
    assert labels_of(layout, other, images(["A05", "A04", "A02"])) == [0, None, None]


def test_controls_keep_their_pixels(layout):
    own, classes = controls_of(layout, DEFAULT_CONTRAST, images(["A03", "A02", "A01"]))
    assert own.wells == ["A02", "A01"] and classes == [0, 1]
    assert own.images[:, 0, 0, 0].tolist() == [1.0, 2.0]


def test_duplicates_share_a_key(layout):
    some = images(["A01", "A03", "A04", "A05"])
    keys = duplicates_of(layout, some)
    assert keys[0] is None and keys[1] == keys[2] != keys[3]
    assert has_duplicates(keys, some)


def test_two_fields_of_a_well_are_no_duplicates(layout):
    some = images(["A03", "A03", "A05"])
    assert not has_duplicates(duplicates_of(layout, some), some)


def test_wells_are_means_of_their_fields_with_all_flags():
    some = images(["A01", "A01", "A02"], flags=["dust", "", "dust;dark"])
    features = np.array([[0.0, 2.0], [2.0, 4.0], [5.0, 5.0]], np.float32)
    frame, means = to_readout(Prediction(np.array([0.1, 0.3, 0.9]), features, ("", "", "")), some)
    assert list(frame.columns) == READOUT.names
    assert frame["value"].tolist() == pytest.approx([0.2, 0.9])
    assert frame["flag"].tolist() == ["dust", "dust;dark;out_of_range"]
    assert means.tolist() == [[1.0, 3.0], [5.0, 5.0]]


def test_phase_three_needs_a_value_for_each_well():
    readout = pd.DataFrame({"plate": ["P1"], "well": ["A01"], "value": [0.7], "flag": [""]})
    assert viability_of(readout, images(["A01", "A01"])).tolist() == [0.7, 0.7]
    with pytest.raises(TrainingError, match="1 wells without, such as"):
        viability_of(readout, images(["A01", "A02"]))
