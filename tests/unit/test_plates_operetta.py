"""Harmony's index: versions 5 to 7, what it says against what is there, and hostile files."""

from __future__ import annotations

import time

import pytest

from exvivo.errors import PlateError
from exvivo.plates import get_instrument
from exvivo.plates.harmony import read_index
from plates_made import admit, codes, harmony_text, make_operetta, write_image


@pytest.mark.parametrize("version", [5, 6, 7])
@pytest.mark.parametrize("index", ["Index.idx.xml", "Index.xml"])
def test_every_version_reads_the_same(tmp_path, version, index):
    make_operetta(tmp_path, version=version, index=index)
    operetta = get_instrument("operetta")
    listing = operetta.list_files(tmp_path)
    assert len(listing.files) == 2 * 2 * 3 * 2
    first = listing.files[0]
    assert (first.key, first.path) == (("B02", 1, "1", 0), "Images/r02c02f01p01-ch1sk1fk1fl1.tiff")
    assert listing.indexes[0][0] == f"Images/{index}"
    expected = operetta.expected(tmp_path)
    assert expected.images == {file.key for file in listing.files}
    assert expected.channel_names == {"1": "dye 1", "2": "dye 2"}
    assert expected.pixel_size_um == pytest.approx(0.5)
    assert expected.size_px == (24, 20)


def test_the_folder_of_images_may_be_given_itself(tmp_path):
    make_operetta(tmp_path)
    files = get_instrument("operetta").list_files(tmp_path / "Images").files
    assert files[0].path == "r02c02f01p01-ch1sk1fk1fl1.tiff"


def test_a_whole_plate_is_admitted(tmp_path):
    admission = admit(make_operetta(tmp_path / "p"), tmp_path / "out", get_instrument("operetta"))
    assert admission.verdict == "admitted"
    assert codes(admission) == ["personal_data_in_raw"]  # its operator, who is not named
    assert admission.expected == admission.found == {"wells": 2, "images": 24}
    assert (admission.shape, admission.dtype, admission.pixel_size_um) == ([24, 20], "uint16", 0.5)
    assert admission.channels["2"].name == "dye 2"


def test_persons_and_plate_names_stay_out(tmp_path):
    plate = make_operetta(tmp_path / "p")
    admission = admit(plate, tmp_path / "out", get_instrument("operetta"))
    written = "".join(p.read_text() for p in (tmp_path / "out").iterdir())
    assert "SECRET" not in written + str(admission.to_json())


def test_images_that_are_missing_or_not_listed(tmp_path):
    plate = make_operetta(tmp_path / "p", wells=("B02", "B03", "B04"))
    (plate / "Images" / "r02c03f01p02-ch1sk1fk1fl1.tiff").unlink()
    write_image(plate / "Images" / "r02c09f01p01-ch1sk1fk1fl1.tiff")
    admission = admit(plate, tmp_path / "out", get_instrument("operetta"), damaged_wells_limit=0.5)
    assert admission.verdict == "admitted"
    assert admission.wells["B03"].details == ["field 1, channel 1: plane 1 of 3"]
    assert admission.admitted_wells() == ["B02", "B04"]
    assert codes(admission) == ["missing_planes", "personal_data_in_raw", "unrecognised_images"]


def test_names_that_differ_in_case_are_found(tmp_path):
    plate = make_operetta(tmp_path)
    path = plate / "Images" / "r02c03f01p02-ch1sk1fk1fl1.tiff"
    path.rename(path.with_name(path.name.upper()))
    assert len(get_instrument("operetta").list_files(plate).files) == 24


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("<TimepointID>0</TimepointID>", "<TimepointID>4</TimepointID>"), "time_points"),
        (("<URL>r02c02f01p01", "<URL>../../r02c02f01p01"), "path_outside"),
        (("<URL>r02c02f01p01", "<URL>/etc/r02c02f01p01"), "path_outside"),
        (("<URL>r02c02f01p01", "<URL>C:\\r02c02f01p01"), "path_outside"),
        (("<ImageSizeX>20</ImageSizeX>", "<ImageSizeX>40</ImageSizeX>"), None),
    ],
)
def test_an_odd_index(tmp_path, change, code):
    plate = make_operetta(tmp_path / "p")
    index = plate / "Images" / "Index.idx.xml"
    text = index.read_text()
    assert change[0] in text
    index.write_text(text.replace(*change, 1))
    admission = admit(plate, tmp_path / "out", get_instrument("operetta"))
    assert (admission.verdict, codes(admission, "refused")[:1]) == (
        ("refused", [code]) if code else ("admitted", [])
    )


def test_images_of_another_size_than_the_index_says(tmp_path):
    plate = make_operetta(tmp_path / "p")
    index = plate / "Images" / "Index.idx.xml"
    index.write_text(index.read_text().replace(">20</ImageSizeX>", ">40</ImageSizeX>"))
    admission = admit(plate, tmp_path / "out", get_instrument("operetta"))
    assert codes(admission, "refused") == ["size_differs"]


def test_state_other_than_ok_is_reported(tmp_path):
    plate = make_operetta(tmp_path / "p")
    index = plate / "Images" / "Index.idx.xml"
    index.write_text(index.read_text().replace("<State>Ok", "<State>Failed", 2))
    admission = admit(plate, tmp_path / "out", get_instrument("operetta"))
    assert admission.verdict == "admitted"
    assert "2 image(s) in state 'Failed'" in str(admission.reasons[0])


def test_fields_that_differ_by_the_index_are_reported_not_damaged(tmp_path):
    images = [(f"r02c{c:02d}f01p01-ch1.tiff", 2, c, 1, 1, 1) for c in range(1, 11)]
    images.append(("r02c01f02p01-ch1.tiff", 2, 1, 2, 1, 1))
    for image in images:
        write_image(tmp_path / "p" / image[0])
    (tmp_path / "p" / "Index.xml").write_text(harmony_text(images, 6))
    admission = admit(tmp_path / "p", tmp_path / "out", get_instrument("operetta"))
    assert admission.verdict == "admitted"
    assert codes(admission) == ["personal_data_in_raw", "uneven_fields"]
    assert admission.wells["B01"].flags == ["uneven_fields"]


def test_an_aborted_stack_is_damaged_though_the_index_agrees(tmp_path):
    images = [
        (f"r02c{c:02d}f01p{p:02d}-ch1.tiff", 2, c, 1, p, 1) for c in range(1, 31) for p in (1, 2, 3)
    ][:-1]
    for image in images:
        write_image(tmp_path / "p" / image[0])
    (tmp_path / "p" / "Index.xml").write_text(harmony_text(images, 6))
    admission = admit(tmp_path / "p", tmp_path / "out", get_instrument("operetta"))
    assert admission.verdict == "admitted"
    assert admission.wells["B30"].flags == ["missing_planes"]


LAYOUT = "<AssayLayout xmlns='x'><PlateCols>3</PlateCols><PlateRows>2</PlateRows><Layer>{}</Layer></AssayLayout>"


@pytest.mark.parametrize(
    ("wells", "found"),
    [
        ([(1, 1, ""), (2, 2, "")], "1 well(s) without images: A01"),
        ([(r, c, "drug" if (r, c) == (1, 3) else "") for r in (1, 2) for c in (1, 2, 3)], "1 well(s) without images: A03"),
        ([(2, 2, "drug")], None),
        ([(77, 2, "drug")], "row 77"),
    ],
)  # fmt: skip
def test_the_assay_layout_may_name_further_wells(tmp_path, wells, found):
    plate = make_operetta(tmp_path / "p", wells=("B02",))
    text = "".join(
        f"<Well><Row>{r}</Row><Col>{c}</Col><Value>{v}</Value></Well>" for r, c, v in wells
    )
    (plate / "Assaylayout").mkdir()
    (plate / "Assaylayout" / "Secret drug.xml").write_text(LAYOUT.format(text))
    notes = get_instrument("operetta").expected(plate).notes
    assert [found in str(note) for note in notes] == ([True] if found else [])
    assert "drug" not in "".join(note.found for note in notes)


def test_without_an_index_or_with_two_measurements(tmp_path):
    write_image(tmp_path / "a.tiff")
    with pytest.raises(PlateError, match="there is no index"):
        get_instrument("operetta").list_files(tmp_path)
    for name in ("Measurement 1", "Measurement 2"):
        make_operetta(tmp_path / name)
    with pytest.raises(PlateError, match="indexes in Measurement 1/Images, Measurement 2/Images"):
        get_instrument("operetta").list_files(tmp_path)


ENTITIES = "".join(f"<!ENTITY {chr(98 + i)} '{f'&{chr(97 + i)};' * 10}'>" for i in range(12))
BOMB = f"<!DOCTYPE b [<!ENTITY a 'aaaaaaaaaa'>{ENTITIES}]>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BOMB + "<x>&m;</x>", "document type or entities"),
        ("<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x/>", "document type or entities"),
        ("<x><Images><Image><URL>&undefined;</URL></Image></Images></x>", "damaged"),
        (
            "<x><Images><Image><URL>" + "a" * 10_000 + "</URL></Image></Images></x>",
            "4096 characters",
        ),
        ("<a>" * 1000, "64 nested elements"),
        ("<x/>", "no images"),
        ("", "breaks off"),
        (harmony_text([("a.tiff", 2, 2, 1, 1, 1)])[:-40], "breaks off"),
        (
            harmony_text([("a.tiff", 2, 2, 1, 1, 1)]).replace("<Row>2</Row>", ""),
            "an image without 'Row'",
        ),
        (harmony_text([("a.tiff", 2, 2, 1, "x", 1)]), "invalid literal"),
    ],
)
def test_hostile_and_broken_indexes(tmp_path, text, message):
    (tmp_path / "Index.xml").write_text(text)
    start = time.monotonic()
    with pytest.raises(PlateError, match=message):
        read_index(tmp_path / "Index.xml", source="Index.xml")
    assert time.monotonic() - start < 2


@pytest.mark.parametrize(
    "image", [("a.tiff", 0, 2, 1, 1, 1), ("a.tiff", 2, 99, 1, 1, 1), ("a.tiff", 2, 2, 1, 0, 1)]
)
def test_numbers_out_of_range(tmp_path, image):
    write_image(tmp_path / "a.tiff")
    (tmp_path / "Index.xml").write_text(harmony_text([image]))
    with pytest.raises(PlateError, match="this index cannot be used"):
        get_instrument("operetta").list_files(tmp_path)


def test_a_damaged_index_refuses_the_plate_and_no_other(tmp_path):
    plate = make_operetta(tmp_path / "p")
    (plate / "Images" / "Index.idx.xml").write_text("<x>")
    admission = admit(plate, tmp_path / "out", get_instrument("operetta"))
    assert admission.verdict == "refused"
    assert codes(admission) == ["index_damaged"]
    assert "breaks off" in admission.reasons[0].found


def test_a_large_index_is_read_as_a_stream(tmp_path):
    images = [(f"r02c02f{f}p{p}.tiff", 2, 2, f, p, 1) for f in range(1, 201) for p in range(1, 101)]
    (tmp_path / "Index.xml").write_text(harmony_text(images))
    start = time.monotonic()
    index = read_index(tmp_path / "Index.xml", source="Index.xml")
    assert len(index.images) == 20_000
    assert time.monotonic() - start < 5
