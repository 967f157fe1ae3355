from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exvivo.sheets import values
from exvivo.sheets.schema import read_schema
from exvivo.sheets.values import ROLE_WORDS, ROLES, read_numbers, role_of, spoilt, unit_factor

POSITIVE = st.decimals(min_value="0.001", max_value="1000000", places=3)


@given(st.lists(POSITIVE, min_size=1))
def test_numbers_with_points_are_read_exactly(numbers):
    assert read_numbers([str(number) for number in numbers]) == numbers


@given(st.lists(POSITIVE, min_size=1))
def test_numbers_with_decimal_commas_are_read_exactly(numbers):
    # 0,5 shows that the comma is decimal, so 1,000 beside it is one.
    cells = ["0,5", *(str(number).replace(".", ",") for number in numbers)]
    assert read_numbers(cells) == [Decimal("0.5"), *numbers]


@given(st.text(max_size=8))
def test_any_text_is_a_finite_number_or_missing_or_explained(text):
    (number,) = read_numbers([text])
    assert number is None or isinstance(number, str) or number.is_finite()


@pytest.mark.parametrize(
    ("cell", "number"),
    [
        ("1000", "1000"),
        ("0.10", "0.1"),
        (".5", "0.5"),
        ("1.", "1"),
        ("1E+05", "100000"),
        ("-2", "-2"),
    ],
)
def test_single_numbers(cell, number):
    assert read_numbers([cell]) == [Decimal(number)]


@pytest.mark.parametrize("cell", ["", "NA", "n/a", "NaN", "none", "-"])
def test_missing_is_none_and_no_number(cell):
    assert read_numbers([cell]) == [None]


@pytest.mark.parametrize(
    ("cells", "why"),
    [
        (["1,000"], "could be decimal or mark thousands"),
        (["1,000,000"], "could be decimal or mark thousands"),
        (["0,5", "1,000,000"], "could be decimal or mark thousands"),
        (["0.5", "1,5"], "also has decimal points"),
        (["1,000.5"], "thousands separators"),
        (["1.000,5"], "thousands separators"),
        (["0.005+0.005"], "combination"),
        (["10 uM"], "unit in the same cell"),
        (["10µM"], "unit in the same cell"),
        (["inf"], "not a number"),
        (["<5"], "not a number"),
        (["2024-03-01"], "not a number"),
        (["１０"], "not a number"),
    ],
)
def test_what_is_not_one_number_is_explained(cells, why):
    assert why in read_numbers(cells)[-1]


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("nM", "1"),
        ("nm", "1"),
        ("pM", "0.001"),
        ("uM", "1000"),
        ("um", "1000"),
        ("\u00b5M", "1000"),  # micro sign
        ("\u03bcM", "1000"),  # Greek mu
        ("µmol/l", "1000"),
        ("umol/L", "1000"),
        ("mM", "1000000"),
        ("M", "1000000000"),
        ("mol/l", "1000000000"),
        ("nmolar", "1"),
    ],
)
def test_units(unit, factor):
    assert unit_factor(unit) == Decimal(factor)


@pytest.mark.parametrize("unit", ["", "mg/ml", "%", "x", "kM", "nMM", "g", "l"])
def test_unknown_units(unit):
    assert unit_factor(unit) is None


@pytest.mark.parametrize("unit", ["%", "% v/v", "%(v/v)", "vol%", "Vol.-%".replace("-", " ")])
def test_share_of_volume(unit):
    assert values.is_volume_share(unit)


@pytest.mark.parametrize(
    "name",
    [
        "2024-03-01",
        "2024-03-01 00:00:00",
        "01.03.2024",
        "3/1/24",
        "01.03.",
        "3/1",
        "1-Mar",
        "01-Mar-24",
        "1. Mrz",
        "1. März 2024",
        "Mar-01",
        "Mar 2024",
        "March 1, 2024",
        "2-SEP",
        "Sept-2",
        "5-Okt",
        "1-déc",
        "3月1日",
        "12:30",
    ],
)
def test_names_that_became_dates(name):
    assert "date" in spoilt(name)


@pytest.mark.parametrize("name", ["1E+05", "1.00E+05", "1,5e-7", "2E3"])
def test_names_that_became_e_notation(name):
    assert "E-notation" in spoilt(name)


@pytest.mark.parametrize("name", ["45000", "45352", "3.14", "0,5", "-7"])
def test_names_that_became_numbers(name):
    assert spoilt(name) == "a number"


@pytest.mark.parametrize("name", ["#N/A", "#NAME?", "#REF!", "TRUE", "########"])
def test_names_that_became_error_values(name):
    assert "spreadsheet" in spoilt(name)


@pytest.mark.parametrize(
    "name",
    [
        "APR-246",
        "MAR-777",
        "DEC-205",
        "5-FU",
        "2-DG",
        "17-AAG",
        "A-1210477",
        "AZD5363",
        "BAY 11-7082",
        "JQ1-(+)",
        "Valproic acid",
        "Marimastat",
        "Mayo 1",
        "4-1BB",
        "SN-38",
        "E7820",
        "Vitamin D3",
        "Augmentin 12",
        "1E7-03",
        "Ro 31-8220",
        "Sept",
        "Decitabine",
    ],
)
def test_drugs_that_only_look_like_damage(name):
    assert spoilt(name) is None


def test_every_word_means_a_role_of_the_schema():
    assert set(ROLE_WORDS.values()) == set(ROLES)
    assert list(ROLES) == read_schema("layouts")["properties"]["role"]["enum"]


@pytest.mark.parametrize(
    ("word", "role"),
    [
        ("neg", "negative_control"),
        ("Negative Control", "negative_control"),
        ("pos", "positive_control"),
        ("therapy", "treatment"),
        ("sample", "treatment"),
        ("TRC", "titration"),
        ("TRcontrol", "titration"),
        ("exclude", "excluded"),
        ("BzCl", None),
        ("control", None),
    ],
)
def test_words_for_roles(word, role):
    assert role_of(word) == role


def test_cells_are_cleaned_of_what_nobody_sees():
    assert values.clean("\u00a0Vemu\u200brafenib\ufeff ") == "Vemurafenib"
    assert values.clean("a\u0308") == "ä"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("5-FU", "5 fu", True),
        ("Valproic acid", "valproic_Acid", True),
        ("A-1155463", "A1155463", True),
        ("X1-11", "X11-1", False),
        ("X1-11", "X1 11", True),
        ("SN-38", "SN-39", False),
    ],
)
def test_spellings_of_one_drug(one, other, same):
    assert (values.spelling(one) == values.spelling(other)) is same
