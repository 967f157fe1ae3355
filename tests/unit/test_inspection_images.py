"""Checks of a well's image on made-up plates; benchmarks/faults.py does the same at length."""

import numpy as np
import pandas as pd
import pytest
import tifffile

from exvivo.errors import PlateError
from exvivo.inspection.checks import Plate, check_plate
from exvivo.inspection.flags import excluded_wells, flags_frame
from exvivo.inspection.measure import find_ground, measure_image
from exvivo.inspection.plate import by_well, inspect_plate
from exvivo.plates import get_instrument
from exvivo.projection.fields import saturated_share
from exvivo.sheets import load_config
from exvivo.simulate import faults, simulate_plate
from exvivo.simulate.spoil import SPOILS
from exvivo.tables import EXPOSURE, IMAGE_QUALITY
from exvivo.wells import WellImages, write_wells
from faults_made import EXPECTED, SETTINGS, admit, judge, make_plate

SIDE = 224


@pytest.fixture(scope="module")
def judged():
    """Spoiled and healthy wells of one plate of the simulator, judged."""
    return list(judge(make_plate(7, wells=24, draws=1)))


@pytest.mark.parametrize("fault", EXPECTED)
def test_a_fault_is_found_by_its_own_check(judged, fault):
    ((found, checks),) = [(found, checks) for kind, found, checks in judged if kind == fault]
    assert found, f"{fault} is flagged as {checks or 'nothing'}"


def test_healthy_wells_alive_dying_and_dead_are_left_alone(judged):
    wrong = [checks for kind, _, checks in judged if not kind and checks]
    assert wrong == []


def test_what_admission_finds_it_finds(tmp_path):
    assert all(admit(tmp_path, 3).values())


def blob(centre=(0.5, 0.5), height=5000.0, ground=600.0, slope=0.0, seed=0):
    """A round speckled spheroid on a ground that rises from left to right by `slope` of itself."""
    rng = np.random.default_rng(seed)
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    inside = np.hypot(y - centre[1], x - centre[0]) < 0.15
    speckle = rng.random((SIDE, SIDE)).repeat(4, 0).repeat(4, 1)[:SIDE, :SIDE]
    image = ground * (1 + slope * (x - 0.5)) + inside * height * speckle
    image = image + rng.normal(0, 5, image.shape)
    return np.stack([image, image]).astype(np.float32)


def test_ground_and_its_slope_are_those_of_the_image():
    level, (across, down), plane = find_ground(blob(slope=0.5)[0].astype(float))
    assert level == pytest.approx(600, rel=0.02)
    assert across == pytest.approx(300, rel=0.1)
    assert abs(down) < 20
    assert plane.shape == (SIDE, SIDE)


def test_metrics_know_where_and_how_bright_the_light_is():
    middle, aside = measure_image(blob()), measure_image(blob(centre=(0.8, 0.5)))
    assert middle["off_centre"] < 0.02
    assert aside["off_centre"] == pytest.approx(0.3, abs=0.02)
    assert middle["noise"] == pytest.approx(5, rel=0.2)
    twice = measure_image(2 * blob())
    assert twice["bright"] == pytest.approx(2 * middle["bright"], rel=0.01)
    assert twice["sharpness"] == pytest.approx(middle["sharpness"], rel=0.01)


def test_length_of_a_bar_is_about_its_length_over_its_width():
    image = np.zeros((2, SIDE, SIDE), np.float32)
    image[:, 100:108, 40:184] = 1000  # 144 × 8
    # 18 at half its brightness; blur makes it thinner above and thicker below
    assert 15 < measure_image(image)["length"] < 26


def test_a_constant_image_has_finite_numbers():
    found = measure_image(np.full((2, 64, 64), 7, np.float32))
    assert np.isfinite(list(found.values())).all()


@pytest.mark.parametrize(
    "dtype, top, share",
    [("uint8", 255, 0.25), ("uint16", 65535, 0.25), ("uint16", 4095, 0.25), ("uint16", 5000, 0.0)],
)
def test_saturation_is_that_of_cameras(dtype, top, share):
    image = np.full((8, 8), 100, dtype)
    image[:4, :4] = top
    assert saturated_share(image) == share


def frame(images, ceiling=0.0):
    rows = [{"plate": "P", "well": f"A{i:02d}", **measure_image(im)} for i, im in enumerate(images)]
    return pd.DataFrame(rows).assign(ceiling=ceiling)[IMAGE_QUALITY.names]


def test_few_wells_are_not_compared_but_an_empty_one_is_seen():
    ground = np.random.default_rng(0).normal(600, 5, (2, SIDE, SIDE)).astype(np.float32)
    found = check_plate(frame([blob(), blob(seed=1, height=500), ground]), SETTINGS)
    assert [(row["well"], row["check"]) for row in found] == [("A02", "empty")]
    assert found[0]["value"] == 0.0


def test_a_shape_that_many_wells_have_excludes_none():
    metrics = frame(
        [blob(centre=(0.8, 0.5), seed=i) for i in range(4)] + [blob(seed=i) for i in range(4, 12)]
    )
    rows = [row for row in check_plate(metrics, SETTINGS) if row["check"] == "off_field"]
    assert len(rows) == 4
    assert {row["consequence"] for row in rows} == {"warn"}
    assert "4 of 12 wells" in rows[0]["text"]


def test_wells_full_of_cells_are_not_asked_for_a_spheroid():
    rng = np.random.default_rng(0)
    images = []
    for _ in range(8):
        cells = (rng.random((2, SIDE, SIDE)) < 0.004) * 30000.0
        images.append((np.abs(cells) + rng.normal(600, 5, (2, SIDE, SIDE))).astype(np.float32))
    metrics = frame(images)
    assert not Plate(metrics, SETTINGS).one_object
    asked = load_config({"image_quality": {"objects": "one"}})["image_quality"]
    assert Plate(metrics, asked).one_object
    assert check_plate(metrics, SETTINGS) == []


def test_limits_and_consequences_come_from_the_configuration():
    images = [blob(seed=i) for i in range(8)] + [blob(seed=9, slope=0.5)]
    usual = {row["check"]: row for row in check_plate(frame(images), SETTINGS)}
    assert usual["side_light"]["consequence"] == "exclude"
    own = {"side_light": {"limit": 0.6}, "saturated": {"consequence": "hold"}}
    settings = load_config({"image_quality": own})["image_quality"]
    found = check_plate(frame(images, ceiling=0.02), settings)
    assert {(row["check"], row["consequence"]) for row in found} == {("saturated", "hold")}


def test_a_plate_is_looked_at_field_by_field(tmp_path):
    images = np.stack([blob(seed=i) for i in range(8)])
    wells = ["A01", "A01", *(f"A{i:02d}" for i in range(2, 8))]
    content = WellImages("P", wells, [1, 2, *[1] * 6], images, 65535.0, [""] * 8)
    write_wells(tmp_path / "wells.zarr", content)
    exposure = pd.DataFrame(
        [("P", "A01", 1, 0.0), ("P", "A01", 2, 0.1), ("P", "A02", 1, 0.0)], columns=EXPOSURE.names
    )
    metrics, flags = inspect_plate(tmp_path / "wells.zarr", exposure, SETTINGS)
    assert metrics["well"].tolist() == sorted(set(wells))
    assert metrics.set_index("well").loc["A01", "ceiling"] == 0.1
    assert excluded_wells(flags) == {("P", "A01"): ["saturated"]}


def test_a_plate_without_wells_has_no_flags(tmp_path):
    empty = WellImages("P", [], [], np.zeros((0, 2, 8, 8), np.float32), 0.0, [])
    write_wells(tmp_path / "wells.zarr", empty)
    metrics, flags = inspect_plate(
        tmp_path / "wells.zarr", EXPOSURE.empty_table().to_pandas(), SETTINGS
    )
    assert metrics.columns.tolist() == IMAGE_QUALITY.names
    assert not len(metrics) and not len(flags)
    assert by_well(metrics.drop(columns="ceiling"), EXPOSURE.empty_table().to_pandas()).empty
    assert flags_frame(check_plate(metrics, SETTINGS)).empty


@pytest.mark.parametrize("kind", SPOILS)
def test_spoiling_changes_pixels_alone(kind):
    rng = np.random.default_rng(0)
    stack = (600 + 9000 * (rng.random((3, 64, 64)) > 0.97)).astype(np.uint16)
    spoiled = SPOILS[kind](stack, rng)
    assert spoiled.shape == stack.shape and spoiled.dtype == np.uint16
    assert (spoiled != stack).mean() > 0.01


def test_a_written_well_is_spoiled_with_its_projection(tmp_path):
    simulate_plate(
        tmp_path / "P",
        plate_format=96,
        wells=2,
        image_size=64,
        planes=3,
        projection=True,
        workers=1,
    )
    names = sorted({f.well for f in get_instrument("imagexpress").list_files(tmp_path / "P").files})
    before = [tifffile.imread(p) for p in faults.images_of(tmp_path / "P", names[1])]
    changed = faults.spoil_well(tmp_path / "P", names[0], "fibre", seed=1)
    stack = [tifffile.imread(path) for path in changed]
    np.testing.assert_array_equal(stack[0], np.max(stack[1:], axis=0))
    after = [tifffile.imread(p) for p in faults.images_of(tmp_path / "P", names[1])]
    np.testing.assert_array_equal(before, after)
    with pytest.raises(PlateError, match="no such fault"):
        faults.spoil_well(tmp_path / "P", names[0], "gremlins")
