"""No false alarm on real plates, layouts and tables; no operator of a real plate in any output."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from exvivo import privacy
from exvivo.plates import get_instrument
from exvivo.privacy.detect import Detector
from exvivo.privacy.rawdata import personal_fields
from plates_made import admit

PLATES = {
    "imagexpress_3433_zstack/9987_Plate_3433": "imagexpress",
    "metaxpress_multisite/MD-MULTISITE-TIF": "imagexpress",
    "imagexpress_bbbc022_names/BBBC022_v1_images_20585w1": "imagexpress",
    "operetta_cls/operetta_plate": "operetta",
}


@pytest.fixture(autouse=True)
def built_in_rules():
    """The built-in rules alone."""
    privacy.use(None)


def test_no_cell_of_any_real_table_is_taken_for_a_person(real_data):
    detector, cells = Detector(), 0
    for path in sorted(real_data.rglob("*")):
        if path.suffix not in (".csv", ".tsv", ".txt") or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8-sig", errors="replace")
        comma = text[:2000].count(",") > text[:2000].count("\t")
        for row in csv.reader(text.splitlines(), delimiter="," if comma else "\t"):
            for cell in set(row):
                cells += 1
                assert not detector.find(cell), f"{path.name}: a cell of {len(cell)} characters"
    assert cells > 50_000


def test_no_name_of_a_real_file_or_folder_is_taken_for_a_person(real_data):
    detector = Detector()
    paths = [path.relative_to(real_data) for path in real_data.rglob("*")]
    assert len(paths) > 300
    assert [str(path) for path in paths if any(detector.find(part) for part in path.parts)] == []


@pytest.mark.parametrize(("plate", "instrument"), PLATES.items())
def test_real_plates_are_not_refused_for_what_their_instruments_write(
    real_data, tmp_path, plate, instrument
):
    admission = admit(
        real_data / "plates" / plate, tmp_path, get_instrument(instrument), damaged_wells_limit=1.0
    )
    assert "personal_data" not in [reason.code for reason in admission.reasons]


def test_the_operator_of_a_real_plate_is_noted_and_nowhere_named(real_data, tmp_path):
    plate = real_data / "plates" / "operetta_cls" / "operetta_plate"
    admission = admit(plate, tmp_path, get_instrument("operetta"))
    text = (plate / "Images" / "Index.idx.xml").read_text(encoding="utf-8-sig")
    user = text.split("<User>")[1].split("</User>")[0]
    written = "".join(p.read_text() for p in tmp_path.iterdir()) + str(admission.to_json())
    assert len(user) > 3 and user not in written
    images = [p.relative_to(plate).as_posix() for p in sorted(plate.rglob("*.tiff"))]
    found = "; ".join(personal_fields(plate, images))
    assert "TIFF tag Artist in 2 file(s)" in found and ".xml" in found and user not in found


def test_names_of_operators_in_a_real_plate_s_tags_are_found(real_data):
    plate = real_data / "plates" / "imagexpress_bbbc022_names"
    images = [p.relative_to(plate).as_posix() for p in sorted(Path(plate).rglob("*.tif"))]
    assert any(
        "the name of a person in TIFF tag 270" in told for told in personal_fields(plate, images)
    )
