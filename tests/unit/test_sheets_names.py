import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exvivo.errors import ExvivoError
from exvivo.sheets.names import (
    FORMATS,
    ID_PATTERN,
    parse_well,
    row_index,
    row_letters,
    suggest,
    well_name,
)

WELLS = st.tuples(st.integers(0, 31), st.integers(0, 47))


@given(WELLS)
def test_every_well_of_a_1536_well_plate_comes_back(place):
    assert parse_well(well_name(*place)) == place


@given(WELLS, st.sampled_from(["{}{}", "{}{:02d}", "{}{:03d}", " {}{:02d} "]), st.booleans())
def test_padding_spaces_and_case_do_not_matter(place, form, lower):
    name = form.format(row_letters(place[0]), place[1] + 1)
    assert parse_well(name.lower() if lower else name) == place


@pytest.mark.parametrize(
    ("name", "place"),
    [("A01", (0, 0)), ("b2", (1, 1)), ("P24", (15, 23)), ("AA07", (26, 6)), ("AF48", (31, 47))],
)
def test_known_wells(name, place):
    assert parse_well(name) == place


@pytest.mark.parametrize(
    "name",
    [
        "",
        "A",
        "1",
        "A0",
        "A00",
        "1A",
        "AG01",
        "A49",
        "A100",
        "B2.5",
        "A-1",
        "A 1",
        "ÄA1",
        "AAA1",
        "A１",
    ],
)
def test_what_is_no_well_is_refused_with_its_text(name):
    with pytest.raises(ExvivoError, match="A01 to AF48") as caught:
        parse_well(name)
    assert repr(name) in str(caught.value)


@given(st.text(max_size=6))
def test_any_text_is_a_well_or_is_refused(text):
    try:
        row, column = parse_well(text)
    except ExvivoError:
        return
    assert 0 <= row < 32
    assert 0 <= column < 48


@given(st.integers(0, 700))
def test_row_letters_are_the_inverse_of_row_index(row):
    assert row_index(row_letters(row)) == row


def test_formats_have_as_many_wells_as_they_say():
    assert all(rows * columns == wells for wells, (rows, columns) in FORMATS.items())


@pytest.mark.parametrize("name", ["S01", "BT-40_V3_DS1", "a", "INF_R_1021.relapse1"])
def test_good_ids(name):
    assert re.search(ID_PATTERN, name)


@pytest.mark.parametrize(
    "name", ["", "_S01", "S01_", "a__b", "a b", "a/b", "..", "a.", "Ä1", "a,b"]
)
def test_ids_that_would_harm_file_names_or_wildcards(name):
    assert not re.search(ID_PATTERN, name)


def test_suggestion_ignores_case_and_may_be_empty():
    assert suggest("Chanel", ["channel", "pattern"]) == "Did you mean 'channel'?"
    assert suggest("xyz", ["channel", "pattern"]) == ""
