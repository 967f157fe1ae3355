"""Admission: whole plates pass, uneven ones are reported, bad images are named and left out."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from exvivo.errors import StoreError
from exvivo.plates import get_instrument
from exvivo.plates.admission import Admission, admit_plate
from exvivo.plates.scan import scan_plate
from plates_made import (
    SETTINGS,
    admit,
    classic_tiff,
    codes,
    htd_text,
    make_imagexpress,
    noise,
    write_image,
)

STEP = Path("TimePoint_1") / "ZStep_2"
BAD = STEP / "P_B03_s1_w1.TIF"
# 24 wells: one damaged well is within the default limit of 5 %.
WELLS = tuple(f"{row}{column:02d}" for row in "BCDE" for column in range(2, 8))


@pytest.fixture
def plate(tmp_path) -> Path:
    return make_imagexpress(tmp_path / "raw", wells=WELLS, sites=(1,), waves=(1,))


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "out"


def test_a_whole_plate(tmp_path, out):
    admission = admit(make_imagexpress(tmp_path / "raw"), out)
    assert admission.verdict == "admitted"
    assert admission.reasons == []
    assert admission.expected == admission.found == {"wells": 4, "images": 48}
    assert admission.admitted_wells() == ["B02", "B03", "C02", "C03"]
    well = admission.wells["B02"]
    assert (well.fields, well.channels, well.planes) == ([1, 2], ["1", "2"], {"1": 3, "2": 3})
    assert (admission.shape, admission.dtype, admission.index) == ([24, 20], "uint16", "P.HTD")
    assert admission.channels["2"].name == "dye 2"
    assert not admission.projection_only


def test_the_same_plate_gives_the_same_admission(plate, out):
    first = admit(plate, out)
    again = admit_plate(
        out / "fingerprint.tsv", plate, get_instrument("imagexpress"), SETTINGS, threads=1
    )
    assert json.dumps(first.to_json()) == json.dumps(again.to_json())
    assert Admission.from_json(json.loads(json.dumps(first.to_json()))) == first


@pytest.mark.parametrize(
    "content", [{}, {"verdict": "admitted"}, {"verdict": "x", "surprise": 1}, []]
)
def test_something_else_is_no_admission(content):
    with pytest.raises(StoreError, match="not an admission"):
        Admission.from_json(content)


def test_settings_left_out_have_their_defaults(plate, out):
    admit(plate, out)
    admission = admit_plate(out / "fingerprint.tsv", plate, get_instrument("imagexpress"), {})
    assert admission.verdict == "admitted"


# --- bad images: each is one damaged well, named, with what is wrong --------------------------------------


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-200])


def half_copied(path: Path) -> None:
    """The copy stopped after the head: the directory is at the front, the data are not there."""
    path.write_bytes(path.read_bytes()[:400])


def preallocated(path: Path) -> None:
    """The file was made at its full length, and the copy stopped early: the rest is zeros."""
    content = path.read_bytes()
    path.write_bytes(content[:-500] + bytes(500))


def strip_outside(path: Path) -> None:
    tags = [
        (256, 3, 1, 20), (257, 3, 1, 24), (258, 3, 1, 16), (259, 3, 1, 1), (262, 3, 1, 1),
        (273, 4, 1, 90_000), (277, 3, 1, 1), (278, 3, 1, 24), (279, 4, 1, 960),
    ]  # fmt: skip
    path.write_bytes(classic_tiff(tags) + bytes(1200))


def ifd_loop(path: Path) -> None:
    path.write_bytes(classic_tiff([(256, 3, 1, 20), (257, 3, 1, 24)], next_ifd=8) + bytes(1200))


def huge(path: Path) -> None:
    tags = [(256, 4, 1, 4_000_000_000), (257, 4, 1, 4_000_000_000), (258, 3, 1, 16)]
    path.write_bytes(classic_tiff(tags) + bytes(1200))


def large_file(path: Path) -> None:
    with path.open("ab") as handle:
        handle.truncate(1_500_000)


def two_images(path: Path) -> None:
    write_image(path, np.stack([noise("a"), noise("b")]), photometric="minisblack")


def colour(path: Path) -> None:
    write_image(path, np.zeros((24, 20, 3), "uint8"), photometric="rgb")


def doubled(path: Path) -> None:
    write_image(path.with_name(path.name.replace("0", "").replace("TIF", "tif")))


BAD_IMAGES: list[tuple[str, Callable[[Path], object], str]] = [
    ("truncated", truncate, "expected at least"),
    ("truncated", half_copied, "found 400 bytes"),
    ("zero_tail", preallocated, "its last rows are zero"),
    ("zero_bytes", lambda path: path.write_bytes(b""), "an empty file"),
    ("not_tiff", lambda path: path.write_text("see the other disk"), "begins with b'see the '"),
    ("not_tiff", lambda path: path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99)), "PNG"),
    ("ifd_loop", ifd_loop, "in a circle"),
    ("strip_outside", strip_outside, "at byte 90,000"),
    ("too_large", huge, "4,000,000,000 × 4,000,000,000 pixels"),
    ("too_large", large_file, "1,500,000 bytes; at most 1,000,000"),
    ("other_type", lambda path: write_image(path, noise("a", dtype="uint8")), "uint8, the others are uint16"),
    ("other_size", lambda path: write_image(path, noise("a", (24, 21))), "24 × 21 pixels, the others have 24 × 20"),
    ("unsupported_tiff", lambda path: write_image(path, noise("a", dtype="float32")), "floating-point"),
    ("unsupported_tiff", colour, "3 value(s) per pixel"),
    ("several_images", two_images, "one plane per file"),
    ("missing_planes", lambda path: path.unlink(), "field 1, channel 1: plane 1 of 3"),
    ("doubled_image", doubled, "P_B03_s1_w1.TIF and TimePoint_1/ZStep_2/P_B3_s1_w1.tif"),
    (
        "copied_image",
        lambda path: shutil.copy(str(path).replace("ZStep_2", "ZStep_1"), path),
        "same image as TimePoint_1/ZStep_",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "spoil", "message"),
    BAD_IMAGES,
    ids=[f"{i}-{case[0]}" for i, case in enumerate(BAD_IMAGES)],
)
@pytest.mark.parametrize("htd", [True, False])
def test_a_bad_image_damages_its_well_and_no_other(plate, out, code, spoil, message, htd):
    if not htd:
        (plate / "P.HTD").unlink()
    spoil(plate / BAD)
    admission = admit(plate, out)
    assert admission.verdict == "admitted"
    assert admission.wells["B03"].verdict == "damaged"
    assert admission.wells["B03"].flags == [code]
    assert message in " ".join(admission.wells["B03"].details)
    assert [name for name, well in admission.wells.items() if well.flags] == ["B03"]
    assert len(admission.admitted_wells()) == 23
    (reason,) = [reason for reason in admission.reasons if reason.level == "damaged"]
    assert (reason.code, reason.where) == (code, "B03")
    assert reason.hint and reason.expected
    assert "1 well(s)" in reason.found


@pytest.mark.parametrize(
    ("code", "spoil", "message"), BAD_IMAGES[::4], ids=[c[0] for c in BAD_IMAGES[::4]]
)
def test_too_many_damaged_wells_refuse_the_plate(plate, out, code, spoil, message):
    for well in ("B03", "B04"):
        spoil(plate / STEP / f"P_{well}_s1_w1.TIF")
    admission = admit(plate, out)
    assert admission.verdict == "refused"
    assert admission.admitted_wells() == []
    assert [reason.code for reason in admission.reasons] == ["too_many_damaged", code]
    assert "2 of 24 wells damaged (8.3%)" in admission.reasons[0].found
    assert admit(plate, out, damaged_wells_limit=0.1).verdict == "admitted"


def test_copies_of_another_well_damage_both(plate, out):
    shutil.copy(plate / STEP / "P_C02_s1_w1.TIF", plate / BAD)
    admission = admit(plate, out, damaged_wells_limit=0.1)
    assert [name for name, well in admission.wells.items() if well.flags] == ["B03", "C02"]
    assert "P_B03_s1_w1.TIF: same image as" in admission.wells["B03"].details[0]


def test_copies_are_told_by_their_pixels_not_by_their_files(plate, out):
    image = noise("the same")
    write_image(plate / BAD, image, description="plane 2 of B03")
    write_image(plate / STEP / "P_C02_s1_w1.TIF", image, description="plane 2 of C02")
    admission = admit(plate, out, damaged_wells_limit=0.1)
    assert {well for well in admission.wells if admission.wells[well].flags} == {"B03", "C02"}


def test_empty_exposures_are_left_to_quality_control(plate, out):
    for well in WELLS[:5]:
        write_image(plate / STEP / f"P_{well}_s1_w1.TIF", np.full((24, 20), 7, "uint16"))
    assert admit(plate, out).reasons == []


def test_dark_images_are_compared_in_full(plate, out):
    """Zero background where images are sampled, and something else in between: no copies."""
    for index, well in enumerate(WELLS):
        image = np.zeros((240, 200), "uint16")
        image[12, index] = 1
        for step in (1, 2, 3):
            image[14, step] = 1
            write_image(plate / f"TimePoint_1/ZStep_{step}/P_{well}_s1_w1.TIF", image)
            image[14, step] = 0
    assert admit(plate, out).reasons == []


def test_dark_stacks_are_not_taken_for_repeated_planes(plate, out):
    for index, well in enumerate(WELLS):
        for step in (1, 2, 3):
            image = np.zeros((240, 200), "uint16")
            image[20:27] = (
                index + 1
            )  # what is sampled tells wells apart, and not the planes of a stack
            image[14, step] = 1
            write_image(plate / f"TimePoint_1/ZStep_{step}/P_{well}_s1_w1.TIF", image)
    assert admit(plate, out).reasons == []


def test_more_dark_images_than_can_be_read_are_reported(plate, out, monkeypatch):
    monkeypatch.setattr("exvivo.plates.copies.MAX_READ", 10)
    test_dark = np.zeros((240, 200), "uint16")
    for index, path in enumerate(sorted((plate / STEP).iterdir())):
        image = test_dark.copy()
        image[12, index] = 1
        write_image(path, image)
    admission = admit(plate, out, damaged_wells_limit=1)
    assert "copies_not_checked" in codes(admission, "warning")


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions")
def test_files_that_may_not_be_read(plate, out):
    admit(plate, out)
    for path in [plate, *plate.parents]:
        if path.stat().st_uid == os.getuid() and path.name:
            path.chmod(path.stat().st_mode | 0o055)
    (plate / BAD).chmod(0)
    (out / "fingerprint.tsv").chmod(0o644)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may read everything, nobody may not
    try:
        fingerprint = out / "fingerprint.tsv"
        copy = fingerprint.read_text()
        admission = admit_plate(
            fingerprint, plate, get_instrument("imagexpress"), SETTINGS, threads=1
        )
    finally:
        if user == 0:
            os.seteuid(0)
    assert copy
    assert admission.wells["B03"].flags == ["unreadable"]
    assert "Permission denied" in admission.wells["B03"].details[0]
    assert "right to read" in admission.reasons[0].hint


# --- plates -------------------------------------------------------------------------------------------


def test_a_folder_without_images(tmp_path, out):
    (tmp_path / "raw").mkdir()
    (tmp_path / "raw" / "notes.txt").write_text("x")
    admission = admit(tmp_path / "raw", out)
    assert (admission.verdict, codes(admission)) == ("refused", ["no_images"])
    assert admission.reasons[0].found == "no image files"


def test_a_folder_that_is_missing(tmp_path, out):
    admission = admit(tmp_path / "raw", out)
    assert (admission.verdict, codes(admission)) == ("refused", ["folder_not_found"])
    assert "found: folder not found: nothing" in str(admission.reasons[0])
    assert "plates.tsv" in admission.reasons[0].hint


def test_a_folder_that_has_gone_since_the_scan(plate, out):
    admit(plate, out)
    shutil.rmtree(plate)
    settings = {"settle_minutes": 0}
    admission = admit_plate(out / "fingerprint.tsv", plate, get_instrument("imagexpress"), settings)
    assert (admission.verdict, codes(admission)) == ("refused", ["folder_not_found"])
    assert "no longer there" in admission.reasons[0].found


def test_images_of_unknown_names(tmp_path, out):
    write_image(tmp_path / "raw" / "image 1.tif")
    write_image(tmp_path / "raw" / "image 2.tif")
    admission = admit(tmp_path / "raw", out)
    assert codes(admission) == ["no_images"]
    assert "2 image file(s) of other names, such as image 1.tif" in admission.reasons[0].found
    assert "plate_B02_s1_w1.tif" in admission.reasons[0].expected


def test_some_unknown_names_are_a_warning(plate, out):
    write_image(plate / "montage.tif")
    admission = admit(plate, out)
    assert (admission.verdict, codes(admission, "warning")) == ("admitted", ["unrecognised_images"])


def test_a_damaged_index_refuses_the_plate(plate, out):
    (plate / "P.HTD").write_text('"HTSInfoFile", Version 1.0\n')
    admission = admit(plate, out)
    assert codes(admission) == ["index_damaged"]
    assert "YWells" in admission.reasons[0].found


def test_time_points_refuse_the_plate(plate, out):
    shutil.copytree(plate / "TimePoint_1", plate / "TimePoint_2")
    admission = admit(plate, out)
    assert codes(admission) == ["time_points"]
    assert "TimePoint folder that is meant" in admission.reasons[0].hint


def test_two_acquisitions_in_one_folder(tmp_path, out):
    for date in ("2024-01-01/1", "2024-01-02/2"):
        make_imagexpress(tmp_path / "raw", wells=("B02", "B03"), under=date, htd=False)
    admission = admit(tmp_path / "raw", out)
    assert admission.verdict == "refused"
    assert codes(admission)[:2] == ["several_acquisitions", "too_many_damaged"]
    assert "2024-01-01/1/ZStep_1" in admission.reasons[0].found


def test_arriving_until_at_rest(plate, out):
    now = time.time()
    instrument = get_instrument("imagexpress")

    def run(minutes: float) -> Admission:
        scan_plate("p", plate, instrument, out, settle_minutes=30, now=now + 60 * minutes)
        return admit_plate(out / "fingerprint.tsv", plate, instrument, {"settle_minutes": 30})

    first = run(1)
    assert (first.verdict, codes(first)) == ("arriving", ["arriving"])
    assert first.found == {"wells": 24, "images": 72}
    assert first.admitted_wells() == []
    assert run(29).to_json() == first.to_json()
    assert run(40).verdict == "admitted"


def test_a_given_time_is_judged_by_the_files(plate, out):
    admit(plate, out)
    instrument, fingerprint = get_instrument("imagexpress"), out / "fingerprint.tsv"
    settings = SETTINGS | {"settle_minutes": 30}
    for minutes, verdict in ((5, "arriving"), (45, "admitted")):
        now = time.time() + minutes * 60
        assert admit_plate(fingerprint, plate, instrument, settings, now).verdict == verdict


def test_a_file_that_grew_since_the_scan_means_arriving(plate, out):
    admit(plate, out)
    with (plate / BAD).open("ab") as handle:
        handle.write(b"more")
    admission = admit_plate(out / "fingerprint.tsv", plate, get_instrument("imagexpress"), SETTINGS)
    assert (admission.verdict, codes(admission)) == ("arriving", ["changed"])


def test_half_a_plate_by_wells(plate, out):
    for well in WELLS[12:]:
        for step in (1, 2, 3):
            (plate / f"TimePoint_1/ZStep_{step}/P_{well}_s1_w1.TIF").unlink()
    admission = admit(plate, out)
    assert codes(admission) == ["too_many_damaged", "missing_well"]
    assert "12 of 24 wells" in admission.reasons[0].found
    assert admission.wells["E07"].details == ["in P.HTD, without any image"]


@pytest.mark.parametrize("htd", [True, False])
@pytest.mark.parametrize("copied", [3, 12, 21])
def test_half_a_plate_by_planes_is_never_admitted_whole(plate, out, htd, copied):
    """The copy went folder by folder and stopped within the last ZStep."""
    if not htd:
        (plate / "P.HTD").unlink()
    for well in WELLS[copied:]:
        (plate / f"TimePoint_1/ZStep_3/P_{well}_s1_w1.TIF").unlink()
    admission = admit(plate, out)
    assert (admission.verdict, codes(admission)) == (
        "refused",
        ["too_many_damaged", "missing_planes"],
    )
    assert f"{24 - copied} of 24 wells" in admission.reasons[0].found


def test_a_lost_zstep_folder(plate, out):
    (plate / "P.HTD").unlink()
    shutil.rmtree(plate / "TimePoint_1" / "ZStep_2")
    admission = admit(plate, out)
    assert codes(admission) == ["too_many_damaged", "missing_planes"]
    assert admission.wells["B02"].details == ["field 1, channel 1: plane 1 of 3"]


def test_a_missing_field_of_one_well(tmp_path, out):
    plate = make_imagexpress(
        tmp_path / "raw", wells=WELLS, sites=(1, 2), waves=(1,), planes=0, htd=False
    )
    (plate / "TimePoint_1" / "P_B03_s2_w1.TIF").unlink()
    admission = admit(plate, out)
    assert admission.wells["B03"].flags == ["missing_images"]
    assert admission.wells["B03"].details == ["field 2, channel 1: nothing"]
    assert admission.expected == {"wells": 24, "images": 48}
    assert admission.found == {"wells": 24, "images": 47}


@pytest.mark.parametrize("htd", [True, False])
def test_a_projection_does_not_stand_in_for_lost_planes(plate, out, htd):
    if not htd:
        (plate / "P.HTD").unlink()
    for step in (1, 2, 3):
        (plate / f"TimePoint_1/ZStep_{step}/P_B03_s1_w1.TIF").unlink()
    for well in WELLS:
        write_image(plate / "TimePoint_1" / "ZStep_0" / f"P_{well}_s1_w1.TIF")
    admission = admit(plate, out)
    assert admission.wells["B03"].flags == ["missing_images"]
    assert admission.wells["B03"].details == [
        "field 1, channel 1: only the instrument's own projection"
    ]
    assert not admission.channels["1"].projection_only


@pytest.mark.parametrize(("wells", "verdict"), [(20, "admitted"), (19, "refused")])
def test_the_limit_itself_is_allowed(tmp_path, out, wells, verdict):
    plate = make_imagexpress(
        tmp_path / "raw", wells=WELLS[:wells], sites=(1,), waves=(1,), planes=0, htd=False
    )
    (plate / "TimePoint_1" / "P_B02_s1_w1.TIF").write_bytes(b"")
    assert admit(plate, out).verdict == verdict


def test_uneven_fields_and_channels_are_reported_and_nothing_is_guessed(tmp_path, out):
    for name in ("A01_s1_w1", "A01_s1_w3", "A02_s4_w1", "A02_s4_w3"):
        write_image(tmp_path / "raw" / f"P_{name}.TIF")
    admission = admit(tmp_path / "raw", out)
    assert admission.verdict == "admitted"
    assert codes(admission) == ["channel_gap", "uneven_fields"]
    assert admission.wells["A02"].details == ["fields 4"]
    assert "channels 1, 3; no 2" in admission.reasons[0].found
    write_image(tmp_path / "raw" / "P_A03_s1_w2.TIF")
    admission = admit(tmp_path / "raw", out)
    assert codes(admission) == ["uneven_channels", "uneven_fields"]
    assert admission.verdict == "admitted"


def test_waves_with_different_numbers_of_planes(tmp_path, out):
    plate = make_imagexpress(tmp_path / "raw", sites=(1,), waves=(1,), planes=5, htd=False)
    make_imagexpress(tmp_path / "raw", sites=(1,), waves=(2,), planes=3, htd=False)
    for well in ("B02", "B03", "C02", "C03"):
        write_image(
            plate / "TimePoint_1" / "ZStep_4" / f"P_{well}_s1_w3.TIF"
        )  # one plane, with an offset
        write_image(
            plate / "TimePoint_1" / f"P_{well}_s1_w4.TIF"
        )  # beside the stacks: a projection
    admission = admit(plate, out)
    assert (admission.verdict, codes(admission)) == ("admitted", ["projection_only"])
    assert {name: c.planes for name, c in admission.channels.items()} == {
        "1": 5,
        "2": 3,
        "3": 1,
        "4": 0,
    }
    assert admission.wells["B02"].planes == {"1": 5, "2": 3, "3": 1, "4": 0}
    assert admission.channels["4"].projection_only
    assert not admission.projection_only


def test_mixed_waves_by_htd(tmp_path, out):
    """The .HTD knows one number of planes for all waves; a wave of one plane is told by itself."""
    plate = make_imagexpress(tmp_path / "raw", sites=(1,), waves=(1,), planes=3, htd=False)
    wells = ("B02", "B03", "C02", "C03")
    for well in wells:
        write_image(plate / "TimePoint_1" / "ZStep_1" / f"P_{well}_s1_w2.TIF")
    (plate / "P.HTD").write_text(htd_text(wells, (1,), (1, 2), 3))
    admission = admit(plate, out)
    assert (admission.verdict, admission.reasons) == ("admitted", [])
    assert admission.expected == {"wells": 4, "images": 16}


def test_one_plane_where_the_htd_says_a_stack(tmp_path, out):
    plate = make_imagexpress(tmp_path / "raw", sites=(1,), waves=(1,), planes=1, htd=False)
    (plate / "P.HTD").write_text(htd_text(("B02", "B03", "C02", "C03"), (1,), (1,), 3))
    admission = admit(plate, out)
    assert codes(admission) == ["too_many_damaged", "missing_planes"]
    assert admission.wells["B02"].details == ["field 1, channel 1: plane 1–2 of 3"]


def test_a_plate_of_projections_only(tmp_path, out):
    plate = make_imagexpress(tmp_path / "raw", planes=0, under="TimePoint_1/ZStep_0", htd=False)
    (plate / "P.HTD").write_text(htd_text(("B02", "B03", "C02", "C03"), (1, 2), (1, 2), 3))
    admission = admit(plate, out)
    assert (admission.verdict, codes(admission)) == ("admitted", ["projection_only"])
    assert admission.projection_only
    assert admission.wells["B02"].planes == {"1": 0, "2": 0}
    assert admission.shape == [24, 20]
    (plate / "TimePoint_1" / "ZStep_0" / "P_B02_s1_w1.TIF").unlink()
    assert "missing_images" in codes(admit(plate, out), "damaged")


def test_projections_beside_stacks_are_neither_planes_nor_expected(tmp_path, out):
    plate = make_imagexpress(tmp_path / "raw", sites=(1,), waves=(1,))
    (plate / "TimePoint_1" / "ZStep_0").mkdir()
    (plate / "TimePoint_1" / "ZStep_0" / "P_B02_s1_w1.TIF").write_bytes(
        b""
    )  # not used, so not checked
    admission = admit(plate, out)
    assert (admission.verdict, admission.reasons) == ("admitted", [])
    assert admission.found["images"] == 12


def test_one_image_repeated_in_every_zstep(tmp_path, out):
    plate = make_imagexpress(tmp_path / "raw", wells=WELLS, sites=(1,), waves=(1, 2))
    for well in WELLS:
        image = noise(f"one of {well}")
        for step in (1, 2, 3):
            write_image(plate / f"TimePoint_1/ZStep_{step}/P_{well}_s1_w2.TIF", image)
    admission = admit(plate, out)
    assert (admission.verdict, codes(admission)) == ("admitted", ["repeated_planes"])
    assert admission.channels["2"].repeated_planes
    assert not admission.channels["1"].repeated_planes
    assert admission.wells["B02"].flags == ["repeated_planes"]
    assert admission.wells["B02"].verdict == "admitted"
    assert admission.wells["B02"].details == ["field 1, channel 2: 3 times the same image"]


def test_wells_that_the_htd_does_not_name(tmp_path, out):
    plate = make_imagexpress(
        tmp_path / "raw", wells=("B02", "B03"), sites=(1,), waves=(1,), htd=False
    )
    (plate / "P.HTD").write_text(htd_text(("B02",), (1,), (1, 2), 3))
    admission = admit(plate, out)
    assert admission.verdict == "admitted"
    assert codes(admission) == ["channels_differ", "unexpected_well"]
    assert admission.wells["B03"].flags == ["unexpected_well"]


def test_sites_that_the_htd_cannot_mean(tmp_path, out):
    plate = make_imagexpress(
        tmp_path / "raw", wells=("B02", "B03"), sites=(7, 9), waves=(1,), htd=False
    )
    (plate / "P.HTD").write_text(htd_text(("B02", "B03"), (1, 2), (1,), 3))
    admission = admit(plate, out)
    assert (admission.verdict, codes(admission)) == ("admitted", ["fields_differ"])
    assert "fields 7, 9" in admission.reasons[0].found


@pytest.mark.parametrize("sites", [(0, 1), (1, 2)])
def test_sites_from_zero_and_from_one(tmp_path, out, sites):
    plate = make_imagexpress(tmp_path / "raw", wells=("B02", "B03"), sites=sites, waves=(1,))
    admission = admit(plate, out)
    assert admission.reasons == []
    assert admission.wells["B02"].fields == list(sites)


def test_images_of_two_sizes_without_a_majority(tmp_path, out):
    plate = make_imagexpress(tmp_path / "raw", sites=(1,), waves=(1,), planes=0)
    for well in ("B02", "B03"):
        write_image(plate / "TimePoint_1" / f"P_{well}_s1_w1.TIF", noise(well, (30, 30)))
    admission = admit(plate, out)
    assert codes(admission) == ["mixed_sizes"]
    assert "2 × (24, 20), 2 × (30, 30)" in admission.reasons[0].found


def test_waves_may_differ_in_size(tmp_path, out):
    plate = make_imagexpress(tmp_path / "raw", sites=(1,), waves=(1,), planes=0, htd=False)
    for well in ("B02", "B03", "C02", "C03"):
        write_image(plate / "TimePoint_1" / f"P_{well}_s1_w2.TIF", noise(well, (12, 10)))
    admission = admit(plate, out)
    assert admission.reasons == []
    assert admission.channels["2"].shape == [12, 10]


def test_dark_backgrounds_are_no_broken_copies(plate, out):
    """Where many images end in zeros, zero is their background."""
    for well in WELLS[:6]:
        for step in (1, 2, 3):
            image = noise(f"{well}{step}", (240, 200))
            image[100:] = 0
            write_image(plate / f"TimePoint_1/ZStep_{step}/P_{well}_s1_w1.TIF", image)
    for well in WELLS[6:]:
        for step in (1, 2, 3):
            write_image(
                plate / f"TimePoint_1/ZStep_{step}/P_{well}_s1_w1.TIF",
                noise(f"{well}{step}", (240, 200)),
            )
    assert admit(plate, out).reasons == []


def test_pixel_size_as_metaxpress_writes_it(tmp_path, out):
    text = (
        '<prop id="spatial-calibration-x" type="float" value="0.343"/>'
        '<prop id="spatial-calibration-units" type="string" value="um"/>'
    )
    for name, description in (("B02", text), ("B03", text.replace("0.343", "1e-3x"))):
        write_image(tmp_path / name / f"P_{name}.TIF", description=description, metadata=None)
    assert admit(tmp_path / "B02", out).pixel_size_um == 0.343
    assert admit(tmp_path / "B03", tmp_path / "out2").pixel_size_um is None


def test_links_that_leave_the_plate_leave_their_well_out(plate, out, tmp_path):
    outside = tmp_path / "outside.tif"
    shutil.move(plate / BAD, outside)
    (plate / BAD).symlink_to(outside)
    admission = admit(plate, out)
    assert admission.wells["B03"].flags == ["missing_planes"]
    assert "link that leaves the plate's folder" in str(admission.reasons[1])
