"""Plates whose file names are described in the configuration."""

from __future__ import annotations

import pytest

from exvivo.errors import ConfigError
from exvivo.plates import get_instrument
from plates_made import admit, codes, write_image


def _keys(folder, pattern):
    return {
        f.path: f.key for f in get_instrument("pattern", pattern=pattern).list_files(folder).files
    }


def test_names_with_every_group(tmp_path):
    for plane in (1, 2):
        write_image(tmp_path / f"x_B2_f03_c01_z{plane}.tif")
    pattern = r"x_(?P<well>[A-P]\d+)_f(?P<field>\d+)_c(?P<channel>\d+)_z(?P<plane>\d)\.tif"
    assert _keys(tmp_path, pattern) == {
        "x_B2_f03_c01_z1.tif": ("B02", 3, "1", 0),
        "x_B2_f03_c01_z2.tif": ("B02", 3, "1", 1),
    }


def test_planes_from_zero_stay(tmp_path):
    for plane in (0, 1):
        write_image(tmp_path / f"B02_z{plane}.tif")
    assert {key[3] for key in _keys(tmp_path, r"(?P<well>...)_z(?P<plane>\d)\.tif").values()} == {
        0,
        1,
    }


def test_planes_are_counted_for_the_plate_not_for_each_stack(tmp_path):
    for name in ("B02_z1", "B02_z2", "B03_z2"):  # B03 lacks its first plane
        write_image(tmp_path / f"{name}.tif")
    keys = _keys(tmp_path, r"(?P<well>...)_z(?P<plane>\d)\.tif")
    assert keys["B03_z2.tif"] == ("B03", 1, "1", 1)


def test_channel_names_wells_with_separators_and_rows_and_columns(tmp_path):
    write_image(tmp_path / "Channel1-01-A-01.tif")
    assert _keys(tmp_path, r"(?P<channel>Channel\d)-\d+-(?P<well>[A-H]-\d\d)\.tif") == {
        "Channel1-01-A-01.tif": ("A01", 1, "Channel1", 0)
    }
    assert _keys(tmp_path, r"(?P<channel>Channel\d)-\d+-(?P<row>[A-H])-(?P<column>\d\d)\.tif") == {
        "Channel1-01-A-01.tif": ("A01", 1, "Channel1", 0)
    }


def test_a_pattern_with_a_slash_fits_the_path(tmp_path):
    write_image(tmp_path / "B02" / "z1" / "dapi.tif")
    assert _keys(tmp_path, r"(?P<well>[^/]+)/z(?P<plane>\d)/(?P<channel>\w+)\.tif") == {
        "B02/z1/dapi.tif": ("B02", 1, "dapi", 0)
    }


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (None, "needs a pattern"),
        ("", "needs a pattern"),
        ("(?P<well>[A-P", "not a regular expression"),
        (r"(?P<field>\d)\.tif", r"missing: well \(or row and column\)"),
        (r"(?P<row>[A-P])\.tif", "missing: column"),
        (r"(?P<well>...)_(?P<site>\d)\.tif", "unknown: site"),
        (r"(?P<site>...)\.tif", "unknown: site; missing: well"),
    ],
)
def test_patterns_that_cannot_be_used(pattern, message):
    with pytest.raises(ConfigError, match=message) as error:
        get_instrument("pattern", pattern=pattern)
    assert "imaging: pattern" in str(error.value)


def test_files_that_do_not_match_are_named(tmp_path):
    write_image(tmp_path / "p" / "B02.tif")
    write_image(tmp_path / "p" / "Z99.tif")  # matches, but is no well
    write_image(tmp_path / "p" / "overview.tif")
    (tmp_path / "p" / "notes.txt").write_text("x")
    instrument = get_instrument("pattern", pattern=r"(?P<well>[A-Z]\d\d)\.tif")
    listing = instrument.list_files(tmp_path / "p")
    assert listing.unrecognised == ["Z99.tif", "overview.tif"]
    assert listing.ignored == [("notes.txt", "not an image")]
    admission = admit(tmp_path / "p", tmp_path / "out", instrument)
    assert admission.verdict == "admitted"
    assert "2 image file(s), such as Z99.tif, overview.tif" in str(admission.reasons[0])


def test_when_nothing_matches_the_pattern_is_shown(tmp_path):
    write_image(tmp_path / "p" / "P_B02_s1.tif")
    pattern = r"(?P<well>[A-P]\d\d)\.tif"
    admission = admit(tmp_path / "p", tmp_path / "out", get_instrument("pattern", pattern=pattern))
    assert (admission.verdict, codes(admission)) == ("refused", ["no_images"])
    assert pattern in admission.reasons[0].expected
    assert "P_B02_s1.tif" in admission.reasons[0].found


def test_a_new_pattern_reads_the_plate_anew(tmp_path):
    write_image(tmp_path / "p" / "B02_C03.tif")
    first = get_instrument("pattern", pattern=r"(?P<well>...)_...\.tif")
    second = get_instrument("pattern", pattern=r"..._(?P<well>...)\.tif")
    assert list(admit(tmp_path / "p", tmp_path / "out", first, full=False).wells) == ["B02"]
    assert list(admit(tmp_path / "p", tmp_path / "out", second, full=False).wells) == ["C03"]
