"""Crops: cut where they should be, stored in order, damage seen, read shuffled and whole."""

import numpy as np
import pytest

from exvivo.crops import (
    CropReader,
    CropSettings,
    CropsWriter,
    cut_crops,
    inside,
    open_crops,
    rescale,
)
from exvivo.errors import ConfigError, StoreError
from exvivo.files import replacing, write_json
from exvivo.wells.store import done_path

SMALL = CropSettings(size=4, margin=1, pixel_um=0, channels=("DAPI", "BF"))


def coordinates(height, width, channels=2):
    """A field whose every pixel says where it is: y * 1000 + x, plus 100000 per channel."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y * 1000 + x + 100_000 * c for c in range(channels)]).astype(np.uint32)


def write(path, crops, settings=SMALL, plate="P1", block=7):
    done_path(path).unlink(missing_ok=True)
    with replacing(path) as partial:
        writer = CropsWriter(partial, plate, settings, len(crops) + 5, crops.dtype)
        for start in range(0, len(crops), block):
            writer.append(crops[start : start + block])
        digest = writer.close()
    write_json(done_path(path), {"verdict": "admitted", "digest": digest, "crops": len(crops)})
    return path


def numbered(count, settings=SMALL):
    """Crops that are constant: each has its own number everywhere."""
    shape = (count, len(settings.channels), settings.stored, settings.stored)
    return np.broadcast_to(np.arange(count).reshape(-1, 1, 1, 1), shape).astype(np.uint16)


# -- cutting ---------------------------------------------------------------------------------------


def test_a_crop_covers_exactly_the_pixels_around_its_centre():
    crop = cut_crops(coordinates(40, 50), np.array([[20.0, 30.0]]), SMALL)[0, 0]
    assert crop[1, 1] == 18 * 1000 + 28 and crop[4, 4] == 21 * 1000 + 31
    assert crop[0, 0] == 17 * 1000 + 27  # the margin


def test_channels_stay_apart():
    crops = cut_crops(coordinates(40, 50), np.array([[20.0, 30.0], [9.4, 9.6]]), SMALL)
    assert (crops[:, 1] - crops[:, 0] == 100_000).all()


@pytest.mark.parametrize(("centre", "corner"), [(19.5, 18), (20.4, 18), (20.5, 19)])
def test_halves_are_rounded_up_for_even_and_odd_pixels(centre, corner):
    crop = cut_crops(coordinates(40, 50), np.array([[centre, 30.0]]), SMALL)[0, 0]
    assert crop[1, 1] // 1000 == corner


def test_border_cells_are_outside_and_no_others():
    centres = np.array([[2.0, 20], [1.4, 20], [38.0, 20], [38.5, 20], [20, 2.0], [20, 48.5]])
    assert inside(centres, (40, 50), 4).tolist() == [True, False, True, False, True, False]


def test_a_border_cell_cannot_be_cut():
    with pytest.raises(StoreError, match="crosses the border"):
        cut_crops(coordinates(40, 50), np.array([[1.0, 20.0]]), SMALL)


def test_the_margin_beyond_the_field_is_mirrored():
    crop = cut_crops(coordinates(40, 50), np.array([[2.0, 20.0]]), SMALL)[0, 0]
    assert (crop[0] == crop[2]).all()


def test_no_cells_give_no_crops():
    assert cut_crops(coordinates(40, 50), np.empty((0, 2)), SMALL).shape == (0, 2, 6, 6)


def test_odd_sizes_have_the_cell_in_the_middle():
    settings = CropSettings(size=5, margin=0, pixel_um=0, channels=("DAPI",))
    crop = cut_crops(coordinates(40, 50, 1), np.array([[20.0, 30.0]]), settings)[0, 0]
    assert crop[2, 2] == 20 * 1000 + 30


def test_rescaling_averages_areas_and_keeps_the_sum_of_light():
    rng = np.random.default_rng(0)
    field = rng.integers(100, 4000, (2, 128, 128)).astype(np.uint16)
    scaled, factor = rescale(field, 0.65, 2.6)
    assert (
        factor == pytest.approx(0.25) and scaled.shape == (2, 32, 32) and scaled.dtype == np.uint16
    )
    assert scaled.mean() == pytest.approx(field.mean(), rel=0.01)
    assert scaled.std() < 0.5 * field.std()  # not every fourth pixel


def test_equal_pixels_are_left_as_they_are():
    field = coordinates(30, 30)
    assert rescale(field, 2.6, 2.6)[0] is field and rescale(field, 0.3, 0)[0] is field


@pytest.mark.parametrize("size", [0.0, float("nan"), -1.0])
def test_an_unknown_pixel_size_is_refused(size):
    with pytest.raises(ConfigError, match="pixel size"):
        rescale(coordinates(30, 30), size, 2.6)


@pytest.mark.parametrize("wrong", [{"size": 2}, {"margin": -1}, {"channels": ()}, {"pixel_um": -1}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ConfigError, match="no crops"):
        CropSettings(**wrong)


# -- the store -------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_what_is_written_comes_back_in_order(tmp_path, block):
    crops = numbered(501)
    store = open_crops(write(tmp_path / "crops.zarr", crops, block=block))
    assert len(store) == 501 and (store.read(0, 501) == crops).all()
    assert store.settings == SMALL and store.plate == "P1"


def test_the_digest_does_not_depend_on_blocks(tmp_path):
    stores = [open_crops(write(tmp_path / f"{b}.zarr", numbered(50), block=b)) for b in (3, 50)]
    assert stores[0].digest() == stores[1].digest()


def test_several_shards_are_few_files(tmp_path):
    settings = CropSettings(size=60, margin=10, pixel_um=0)
    crops = numbered(3000, settings)
    path = write(tmp_path / "crops.zarr", crops, settings, block=999)
    store = open_crops(path)
    assert store.array.shards[0] < 3000 and (store.read(0, 3000) == crops).all()
    assert sum(1 for file in path.rglob("*") if file.is_file()) < 10


def test_a_plate_without_cells_has_a_store(tmp_path):
    store = open_crops(write(tmp_path / "crops.zarr", numbered(0)))
    assert len(store) == 0 and list(CropReader([store]).in_order()) == []


def test_other_shapes_and_types_are_refused(tmp_path):
    writer = CropsWriter(tmp_path / "c.zarr", "P1", SMALL, 10)
    with pytest.raises(StoreError, match="do not fit"):
        writer.append(np.zeros((1, 2, 5, 5), np.uint16))
    with pytest.raises(StoreError, match="do not fit"):
        writer.append(np.zeros((1, 2, 6, 6), np.float32))


def test_a_flipped_bit_is_an_error_that_names_the_plate(tmp_path):
    path = write(tmp_path / "crops.zarr", numbered(200))
    shard = path / "crops" / "c.0.0.0.0"
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.write_bytes(content)
    with pytest.raises(StoreError, match="damaged") as error:
        open_crops(path).read(0, 200)
    assert "P1" in str(error.value)


def test_a_lost_shard_is_never_read_as_zeros(tmp_path):
    path = write(tmp_path / "crops.zarr", numbered(200))
    (path / "crops" / "c.0.0.0.0").unlink()
    with pytest.raises(StoreError, match="missing"):
        open_crops(path)


def test_an_unfinished_store_is_refused(tmp_path):
    path = write(tmp_path / "crops.zarr", numbered(20))
    done_path(path).unlink()
    with pytest.raises(StoreError, match="not finished"):
        open_crops(path)


def test_a_done_file_of_another_store_is_refused(tmp_path):
    path = write(tmp_path / "crops.zarr", numbered(20))
    write_json(done_path(path), {"verdict": "admitted", "digest": "", "crops": 21})
    with pytest.raises(StoreError, match="21 crops"):
        open_crops(path)


# -- reading ---------------------------------------------------------------------------------------


@pytest.fixture
def reader(tmp_path):
    settings = CropSettings(size=60, margin=10, pixel_um=0)
    stores = [
        open_crops(write(tmp_path / f"{n}.zarr", numbered(n, settings), settings, f"P{n}"))
        for n in (300, 400)
    ]
    rows = [np.arange(0, 300, 3), None]
    return CropReader(stores, rows, mixed=3)


def values(blocks):
    """Place and number of each crop; all its pixels must agree."""
    pairs = []
    for places, crops in blocks:
        assert (crops == crops[:, :1, :1, :1]).all()
        pairs += zip(places.tolist(), crops[:, 0, 0, 0].tolist(), strict=True)
    return pairs


def test_in_order_means_in_order(reader):
    expected = list(enumerate([*range(0, 300, 3), *range(400)]))
    assert values(reader.in_order()) == expected and len(reader) == 500


@pytest.mark.parametrize("batch", [1, 32, 499, 600])
def test_shuffled_hands_out_each_crop_once(reader, batch):
    pairs = values(reader.shuffled(batch, np.random.default_rng(0)))
    assert sorted(pairs) == values(reader.in_order())


def test_all_batches_but_the_last_are_full(reader):
    sizes = [len(p) for p, _ in reader.shuffled(32, np.random.default_rng(0))]
    assert set(sizes[:-1]) == {32} and sum(sizes) == 500
    dropped = [len(p) for p, _ in reader.shuffled(32, np.random.default_rng(0), drop_last=True)]
    assert set(dropped) == {32}


def test_the_order_is_that_of_the_generator_and_mixes_plates(reader):
    first, again, other = (
        np.concatenate([p for p, _ in reader.shuffled(32, np.random.default_rng(seed))])
        for seed in (1, 1, 2)
    )
    assert (first == again).all() and (first != other).any()
    assert abs(np.corrcoef(first, np.arange(500))[0, 1]) < 0.5


def test_rows_of_another_table_are_refused(tmp_path):
    store = open_crops(write(tmp_path / "crops.zarr", numbered(20)))
    for rows in ([0, 20], [3, 2], [-1, 4]):
        with pytest.raises(StoreError, match="not in the store"):
            CropReader([store], [np.array(rows)])


def test_plates_of_different_crops_are_not_mixed(tmp_path):
    other = CropSettings(size=6, margin=1, pixel_um=0)
    stores = [
        open_crops(write(tmp_path / "a.zarr", numbered(5), SMALL, "A")),
        open_crops(write(tmp_path / "b.zarr", numbered(5, other), other, "B")),
    ]
    with pytest.raises(StoreError, match="different kinds"):
        CropReader(stores)
