"""Real plates through scan and admission: what is uneven in them is reported, not guessed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from exvivo.plates import get_instrument, read_fingerprint
from exvivo.plates.admission import Admission, admit_plate
from exvivo.plates.base import PROJECTION
from exvivo.plates.scan import scan_plate

BBBC013 = r"(?P<channel>Channel\d)-\d+-(?P<well>[A-H]-\d\d)\.tif"


def admit(folder: Path, out: Path, name: str, pattern: str | None = None) -> Admission:
    instrument = get_instrument(name, pattern=pattern)
    scan_plate("real", folder, instrument, out, settle_minutes=0)
    return admit_plate(out / "fingerprint.tsv", folder, instrument, {"settle_minutes": 0})


def codes(admission: Admission) -> list[str]:
    """What admission says of the images; what it says of names of persons is test_privacy_real's matter."""
    return [r.code for r in admission.reasons if r.code != "personal_data_in_raw"]


@pytest.mark.parametrize("inner", ["", "9987_Plate_3433", "9987_Plate_3433/TimePoint_1"])
def test_imagexpress_3433_zstack(real_data, tmp_path, inner):
    folder = real_data / "plates" / "imagexpress_3433_zstack" / inner
    admission = admit(folder, tmp_path, "imagexpress")
    assert (admission.verdict, admission.reasons) == ("admitted", [])
    assert admission.expected == admission.found == {"wells": 2, "images": 24}
    assert admission.index.endswith("9987.HTD")
    assert {c.name for c in admission.channels.values()} == {"DAPI", "FITC"}
    assert admission.wells["B03"].planes == {"1": 3, "2": 3}
    assert (admission.shape, admission.dtype) == ([256, 256], "uint16")
    assert admission.pixel_size_um == pytest.approx(1.3672)
    files = read_fingerprint(tmp_path / "fingerprint.tsv")
    assert sum(file.plane == PROJECTION for file in files) == 8
    assert all("ZStep_0" in file.path for file in files if file.plane == PROJECTION)


def test_metaxpress_multisite_is_uneven(real_data, tmp_path):
    admission = admit(real_data / "plates" / "metaxpress_multisite", tmp_path, "imagexpress")
    assert admission.verdict == "admitted"
    assert codes(admission) == ["channel_gap", "uneven_fields"]
    assert admission.reasons[0].found == "channels 1, 3; no 2"
    assert {name: well.fields for name, well in admission.wells.items()} == {"A01": [1], "A02": [4]}
    assert admission.shape == [884, 1183]


def test_imagexpress_bbbc022_names_are_uneven(real_data, tmp_path):
    admission = admit(real_data / "plates" / "imagexpress_bbbc022_names", tmp_path, "imagexpress")
    assert admission.verdict == "admitted"
    assert codes(admission) == ["uneven_fields"]
    fields = {name: well.fields for name, well in admission.wells.items()}
    assert fields == {"A01": [1, 2, 3], "E05": [6], "E07": [3, 4], "E08": [7]}
    assert list(admission.channels) == ["1"]


def test_operetta_cls_and_the_wells_its_layout_names(real_data, tmp_path):
    folder = real_data / "plates" / "operetta_cls" / "operetta_plate"
    admission = admit(folder, tmp_path, "operetta")
    assert admission.verdict == "admitted"
    assert codes(admission) == ["layout_wells_not_imaged"]
    (uneven,) = [r for r in admission.reasons if r.code == "layout_wells_not_imaged"]
    assert "95 well(s) without images" in uneven.found
    assert admission.wells["C03"].fields == [1, 2]
    assert admission.expected == admission.found == {"wells": 1, "images": 2}
    assert admission.channels["1"].name == "Fluorescein (FITC)"
    assert admission.pixel_size_um == pytest.approx(1.19595, abs=1e-4)


def test_operetta_tells_neither_person_nor_plate(real_data, tmp_path):
    folder = real_data / "plates" / "operetta_cls" / "operetta_plate"
    admission = admit(folder, tmp_path, "operetta")
    index = (folder / "Images" / "Index.idx.xml").read_text(encoding="utf-8-sig")
    written = json.dumps(admission.to_json()) + "".join(p.read_text() for p in tmp_path.iterdir())
    for tag in ("User", "PlateID", "MeasurementID", "Name"):
        secret = index.partition(f"<{tag}>")[2].partition("<")[0].strip()
        assert not secret or secret not in written


def test_bbbc013_by_pattern(real_data, tmp_path):
    folder = real_data / "plates" / "bbbc013_rows_A-D"
    admission = admit(folder, tmp_path, "pattern", BBBC013)
    assert (admission.verdict, admission.reasons) == ("admitted", [])
    assert admission.found == {"wells": 48, "images": 96}
    assert list(admission.channels) == ["Channel1", "Channel2"]
    assert (admission.shape, admission.dtype) == ([640, 640], "uint8")


def test_bbbc013_with_the_wrong_instrument_says_so(real_data, tmp_path):
    admission = admit(real_data / "plates" / "bbbc013_rows_A-D", tmp_path, "imagexpress")
    assert (admission.verdict, codes(admission)) == ("refused", ["no_images"])
    assert "96 image file(s) of other names" in admission.reasons[0].found


def test_damage_done_to_a_real_plate_is_found_and_nothing_else(real_data, tmp_path):
    folder = real_data / "plates" / "bbbc013_rows_A-D" / "images"
    twin = tmp_path / "raw"
    twin.mkdir()
    for path in folder.iterdir():
        (twin / path.name).write_bytes(path.read_bytes())
    broken = twin / "Channel1-18-B-06.tif"
    broken.write_bytes(broken.read_bytes()[:200_000])
    copied = twin / "Channel2-20-B-08.tif"
    copied.write_bytes((twin / "Channel2-21-B-09.tif").read_bytes())
    admission = admit(twin, tmp_path / "out", "pattern", BBBC013)
    assert admission.verdict == "refused"  # 3 of 48 wells are 6.2 %
    damaged = {name: well.flags for name, well in admission.wells.items() if well.flags}
    assert damaged == {"B06": ["truncated"], "B08": ["copied_image"], "B09": ["copied_image"]}
