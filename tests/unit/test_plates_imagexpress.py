"""Folder and file names of ImageXpress and MetaXpress plates, and the .HTD file."""

from __future__ import annotations

from pathlib import Path

import pytest

from exvivo.errors import ConfigError, PlateError
from exvivo.plates import get_instrument
from exvivo.plates.htd import read_htd
from exvivo.plates.imagexpress import read_name
from plates_made import GUID, htd_text, make_imagexpress, write_image


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("9987_B02_s1_w1.TIF", ("B02", 1, "1", None)),
        ("P_B02.TIF", ("B02", 1, "1", None)),
        ("P_B02_s3.tif", ("B02", 3, "1", None)),
        ("P_B02_w2.tiff", ("B02", 1, "2", None)),
        ("P_B7_s0_w1.tif", ("B07", 0, "1", None)),
        ("p_b07_S2_W3.Tiff", ("B07", 2, "3", None)),
        ("IM-Assays-EXP2_A02_s4_w3.TIF", ("A02", 4, "3", None)),
        ("A01_B02_s1_w1.tif", ("B02", 1, "1", None)),  # a plate named like a well
        ("B02_s1_w1.tif", ("B02", 1, "1", None)),
        ("P_AF48_s1_w1.tif", ("AF48", 1, "1", None)),
        ("P_B02_s1_w12.tif", ("B02", 1, "12", None)),
        ("P_B02_s1_w1_t3.tif", ("B02", 1, "1", 3)),
        (f"IXMtest_A01_s2_w1{GUID}.tif", ("A01", 2, "1", None)),
        ("IXMtest_A01_s2084FBEEF-F77C-4892-86F5-72D0160D4FB2.tif", ("A01", 2, "1", None)),
        ("IXMtest_A01_s2084FBEEF7-F77C-4892-86F5-72D0160D4FB2.tif", ("A01", 20, "1", None)),
        ("IXMtest_A01_s284FBEEF7-F77C-4892-86F5-72D0160D4FB2.tif", ("A01", 2, "1", None)),
        (f"IXMtest_A01{GUID.lower()}.TIF", ("A01", 1, "1", None)),
        (f"P_E07_s2_w3_thumb{GUID}.tif", "thumbnail"),
        ("P_E07_s2_w3_thumb.TIF", "thumbnail"),
        ("._P_B02_s1_w1.TIF", "hidden file"),
        ("overview.tif", None),
        ("P_Z99_s1_w1.tif", None),
        ("P_B00_s1_w1.tif", None),
        ("P_B02_s1_w1_copy.tif", None),
    ],
)
def test_names(name, expected):
    assert read_name(name) == expected


def _keys(folder: Path) -> dict[str, tuple]:
    listing = get_instrument("imagexpress").list_files(folder)
    return {file.path: file.key for file in listing.files}


@pytest.mark.parametrize(
    "under", ["", "TimePoint_1", "2024-04-22/1697", "2024-04-22/1697/TimePoint_1"]
)
def test_layouts_of_folders(tmp_path, under):
    make_imagexpress(
        tmp_path, wells=("B02",), sites=(1,), waves=(1,), planes=2, under=under, htd=False
    )
    write_image(tmp_path / under / "ZStep_0" / "P_B02_s1_w1.TIF")
    prefix = f"{under}/" if under else ""
    assert _keys(tmp_path) == {
        f"{prefix}ZStep_0/P_B02_s1_w1.TIF": ("B02", 1, "1", -1),
        f"{prefix}ZStep_1/P_B02_s1_w1.TIF": ("B02", 1, "1", 0),
        f"{prefix}ZStep_2/P_B02_s1_w1.TIF": ("B02", 1, "1", 1),
    }


def test_images_beside_zstep_folders_are_projections(tmp_path):
    write_image(tmp_path / "d" / "1334" / f"P_E07_s1_w2{GUID}.tif")
    write_image(tmp_path / "d" / "1334" / "ZStep_1" / "P_E07_s1_w1.tif")
    write_image(tmp_path / "d" / "P_E07_s1_w3.tif")
    assert {key[2]: key[3] for key in _keys(tmp_path).values()} == {"2": -1, "1": 0, "3": -1}


def test_without_zstep_folders_there_is_one_plane(tmp_path):
    make_imagexpress(tmp_path, wells=("B02",), waves=(1,), planes=0, htd=False)
    (tmp_path / "TimePoint_1" / "ZStep_1").mkdir()  # an empty one changes nothing
    assert {key[3] for key in _keys(tmp_path).values()} == {0}


def test_ten_steps_keep_their_order(tmp_path):
    make_imagexpress(tmp_path, wells=("B02",), sites=(1,), waves=(1,), planes=11, htd=False)
    planes = {path.split("/")[1]: key[3] for path, key in _keys(tmp_path).items()}
    assert planes["ZStep_2"] == 1
    assert planes["ZStep_11"] == 10


def test_what_is_ignored_and_what_is_not_understood(tmp_path):
    make_imagexpress(tmp_path, wells=("B02",), sites=(1,), waves=(1,), planes=1)
    folder = tmp_path / "TimePoint_1" / "ZStep_1"
    write_image(folder / "P_B02_s1_w1_thumb.TIF")
    write_image(folder / "montage.tif")
    (folder / "Thumbs.db").write_bytes(b"x")
    listing = get_instrument("imagexpress").list_files(tmp_path)
    assert dict(listing.ignored) == {
        "TimePoint_1/ZStep_1/P_B02_s1_w1_thumb.TIF": "thumbnail",
        "TimePoint_1/ZStep_1/Thumbs.db": "not an image",
    }
    assert listing.unrecognised == ["TimePoint_1/ZStep_1/montage.tif"]
    assert [path for path, _ in listing.indexes] == ["P.HTD"]


def test_time_points_are_never_mixed(tmp_path):
    for time in (1, 2):
        make_imagexpress(tmp_path, wells=("B02",), under=f"TimePoint_{time}", htd=False)
    (problem,) = get_instrument("imagexpress").list_files(tmp_path).problems
    assert (problem.code, problem.level) == ("time_points", "refused")
    assert "2 time points: 1, 2" in problem.found
    assert get_instrument("imagexpress").list_files(tmp_path / "TimePoint_2").problems == []


def test_links_out_of_the_plate_are_refused(tmp_path):
    plate = make_imagexpress(tmp_path / "plate", wells=("B02",), planes=1, htd=False)
    outside = write_image(tmp_path / "elsewhere" / "P_B04_s1_w1.TIF")
    folder = plate / "TimePoint_1" / "ZStep_1"
    (folder / "P_B04_s1_w1.TIF").symlink_to(outside)
    (plate / "more").symlink_to(outside.parent)
    (folder / "P_B05_s1_w1.TIF").symlink_to(folder / "P_B02_s1_w1.TIF")
    listing = get_instrument("imagexpress").list_files(plate)
    assert {file.well for file in listing.files} == {"B02", "B05"}
    assert {p.where: p.found for p in listing.problems} == {
        "TimePoint_1/ZStep_1/P_B04_s1_w1.TIF": "link that leaves the plate's folder",
        "more": "link that leaves the plate's folder",
    }


def test_a_link_to_the_plate_itself_is_followed_once(tmp_path):
    plate = make_imagexpress(tmp_path / "plate", wells=("B02",), planes=1, htd=False)
    (plate / "again").symlink_to(plate)
    (tmp_path / "link").symlink_to(plate)
    listing = get_instrument("imagexpress").list_files(tmp_path / "link")
    assert len(listing.files) == 4
    assert [p.found for p in listing.problems] == ["link to a folder"]


def test_unsafe_names_and_names_that_differ_in_case(tmp_path):
    folder = make_imagexpress(tmp_path, wells=("B02",), sites=(1,), waves=(1,), planes=0, htd=False)
    write_image(folder / "TimePoint_1" / "a\tb_B03_s1_w1.tif")
    write_image(folder / "TimePoint_1" / "p_B02_S1_w1.tif")
    problems = {p.code: p for p in get_instrument("imagexpress").list_files(tmp_path).problems}
    assert "control or undecodable" in problems["not_listed"].found
    assert problems["case_doubles"].found.endswith(
        "P_B02_s1_w1.TIF and TimePoint_1/p_B02_S1_w1.tif"
    )


def test_missing_folder_and_file_in_its_place(tmp_path):
    with pytest.raises(PlateError, match="folder not found"):
        get_instrument("imagexpress").list_files(tmp_path / "nothing")
    (tmp_path / "file").write_text("x")
    with pytest.raises(PlateError, match="found: a file"):
        get_instrument("imagexpress").list_files(tmp_path / "file")


def test_unknown_instrument():
    with pytest.raises(ConfigError, match="imagexpress, operetta, pattern"):
        get_instrument("incell")


def test_htd_says_what_was_asked_for(tmp_path):
    make_imagexpress(tmp_path, wells=("B02", "C03"), sites=(1, 2), waves=(1, 2), planes=3)
    expected = get_instrument("imagexpress").expected(tmp_path)
    assert expected is not None
    assert (expected.source, expected.wells) == ("P.HTD", ("B02", "C03"))
    assert (expected.fields, expected.channels, expected.planes) == (2, ("1", "2"), 3)
    assert expected.channel_names == {"1": "dye 1", "2": "dye 2"}


def test_without_htd_nothing_is_expected(tmp_path):
    make_imagexpress(tmp_path, htd=False)
    assert get_instrument("imagexpress").expected(tmp_path) is None


def test_the_htd_nearest_to_the_root_counts(tmp_path):
    make_imagexpress(tmp_path, wells=("B02",))
    (tmp_path / "TimePoint_1" / "A.HTD").write_text("damaged")
    assert get_instrument("imagexpress").expected(tmp_path).source == "P.HTD"


def test_selected_sites_may_be_numbered_in_three_ways(tmp_path):
    text = htd_text(("B02",), (1, 2, 3), (1,), 1)
    text = text.replace('"SiteSelection1", TRUE, TRUE', '"SiteSelection1", FALSE, TRUE')
    (tmp_path / "a.HTD").write_text(text)
    expected = read_htd(tmp_path / "a.HTD", source="a.HTD")
    assert expected.field_numberings == ((1, 2), (2, 3), (0, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('"XWells", 12', '"XWells", twelve'), "XWells: 'twelve'"),
        (('"XWells", 12', '"XWells", 900'), "8 × 900 wells"),
        (('"YWells", 8\n', ""), "YWells: 'missing'"),
        (("FALSE, FALSE\n", "FALSE\n"), "WellsSelection1: 11 values"),
        (('"NWavelengths", 1', '"NWavelengths"'), "NWavelengths: 'missing'"),
        (('"SiteSelection1", TRUE', '"SiteSelection1", FALSE'), "no site is TRUE"),
        (('"HTSInfoFile"', "\0\0\xff" * 400_000), "more than 1,000,000 bytes"),
    ],
)
def test_damaged_htd(tmp_path, change, message):
    text = htd_text(("B02",), (1,), (1,), 3)
    assert change[0] in text
    (tmp_path / "P.HTD").write_bytes(text.replace(*change).encode("latin-1"))
    with pytest.raises(PlateError, match=message):
        read_htd(tmp_path / "P.HTD", source="P.HTD")


def test_htd_of_an_instrument_with_another_code_page(tmp_path):
    text = htd_text(("B02",), (1,), (1,), 3).replace("made", "µm\x81\xad 10")
    (tmp_path / "P.HTD").write_bytes(text.encode("latin-1"))
    assert read_htd(tmp_path / "P.HTD", source="P.HTD").wells == ("B02",)
