"""Splits and exchanged labels as published, and data that are refused."""

from __future__ import annotations

import numpy as np
import pytest

from exvivo.errors import TrainingError
from exvivo.training.data import controls_data
from exvivo.training.exchange import exchange_data

# The controls of the published screens: the same wells on each of three plates (specification, section 3).
NEGATIVE = ["D05", "N07", "I08", "B09", "C12", "O13", "E15", "L17", "H19", "C20"]
POSITIVE = ["M04", "G06", "F10", "N11", "J14", "B16", "O18", "K21"]


def images(count, value=0.25):
    return np.full((count, 2, 16, 16), value, dtype=np.float32)


def published_screen(order=1):
    rows = [
        (plate, well, label)
        for plate in ("P1", "P2", "P3")
        for label, wells in ((1, NEGATIVE), (0, POSITIVE))
        for well in wells
    ][::order]
    plates, wells, labels = zip(*rows, strict=True)
    return list(labels), list(plates), list(wells)


def pairs(data, rows):
    return [(data.plates[i], data.wells[i]) for i in rows]


@pytest.mark.parametrize("order", [1, -1])
def test_phase2_holds_out_the_published_wells(order):
    labels, plates, wells = published_screen(order)
    data = controls_data(2, images(54), labels, plates, wells, per_class=1)
    assert sorted(pairs(data, data.validation)) == [
        (plate, well) for plate in ("P1", "P2", "P3") for well in ("D05", "M04")
    ]
    assert len(data.train) == 48
    assert len(data.negative) == 27
    assert (data.train_targets[:, 1].sum(), data.train_targets[:, 0].sum()) == (27, 21)
    for row, target in zip(data.validation, data.validation_targets, strict=True):
        assert target.tolist() == ([0, 1] if data.wells[row] == "D05" else [1, 0])


def test_phase1_holds_out_the_published_wells():
    """The control experiment: 98 negative, 112 positive controls, sorted by row and column."""
    grid = [f"{row}{column:02d}" for row in "BCDEFGHIJKLMNO" for column in range(5, 24)]
    positive = [w for w in grid if int(w[1:]) >= 16][:112]
    negative = [w for w in grid if int(w[1:]) <= 11][:98]
    labels = [1] * 98 + [0] * 112
    data = controls_data(1, images(210), labels, ["CE"] * 210, negative + positive, total=20)
    held = [well for _, well in pairs(data, data.validation)]
    assert held[:10] == ["B05", "B06", "B07", "B08", "B09", "B10", "B11", "C05", "C06", "C07"]
    assert held[10:] == ["B16", "B17", "B18", "B19", "B20", "B21", "B22", "B23", "C16", "C17"]
    assert len(data.train) == 190
    assert len(data.negative) == 88


@pytest.mark.parametrize(
    ("wells", "expected"), [(24, 2), (9, 1), (5, 1), (2, 1), (1, 0), (200, 10)]
)
def test_phase1_holds_out_at_most_one_in_nine(wells, expected):
    names = [f"{chr(65 + i // 24)}{i % 24 + 1:02d}" for i in range(2 * wells)]
    labels = [1] * wells + [0] * wells
    data = controls_data(1, images(2 * wells), labels, ["P"] * (2 * wells), names, total=20)
    assert len(data.validation) == 2 * expected


def test_phase2_never_holds_out_a_plates_only_well_of_a_class():
    labels = [1, 1, 0, 1, 0, 0]
    data = controls_data(
        2,
        images(6),
        labels,
        ["P1"] * 3 + ["P2"] * 3,
        ["A01", "A02", "A03", "A01", "A02", "A03"],
        per_class=1,
    )
    assert pairs(data, data.validation) == [("P1", "A01"), ("P2", "A02")]


def test_fields_of_a_well_stay_together():
    labels, plates, wells = published_screen()
    twice = [labels * 2, plates * 2, wells * 2]
    data = controls_data(2, images(108), *twice, per_class=1)
    assert len(data.validation) == 12
    assert not set(pairs(data, data.validation)) & set(pairs(data, data.train))
    assert data.split()["validation"] == sorted(
        data.split()["validation"], key=lambda p: (p[0], p[1])
    )


def test_digest_sees_pixels_targets_and_split_and_nothing_else():
    labels, plates, wells = published_screen()
    data = controls_data(2, images(54), labels, plates, wells, per_class=1)
    assert (
        data.digest() == controls_data(2, images(54), labels, plates, wells, per_class=1).digest()
    )
    assert data.digest() != controls_data(2, images(54), labels, plates, wells).digest()
    brighter = images(54)
    brighter[17, 1, 3, 3] += 0.1
    assert data.digest() != controls_data(2, brighter, labels, plates, wells, per_class=1).digest()
    swapped = [1 - label for label in labels]
    assert (
        data.digest() != controls_data(2, images(54), swapped, plates, wells, per_class=1).digest()
    )


def exchange(viability, duplicates, labels=None, wells=None):
    count = len(viability)
    labels = labels or [1, 0] + [None] * (count - 2)
    wells = wells or [f"A{i + 1:02d}" for i in range(count)]
    return exchange_data(
        images(count), labels, duplicates, np.array(viability), ["P"] * count, wells
    )


def test_phase3_takes_the_label_of_the_duplicate():
    duplicates = [None, None, ("a", 1.0), ("a", 1.0), ("b", 1.0), ("b", 1.0)]
    data = exchange([0.9, 0.1, 0.3004, 0.7, 0.5, 0.62], duplicates)
    targets = {
        data.wells[i]: t.tolist() for i, t in zip(data.train, data.train_targets, strict=True)
    }
    assert targets["A01"] == [0.2, 0.8]  # controls smoothed by hand, whatever was predicted
    assert targets["A02"] == [0.8, 0.2]
    assert targets["A03"] == pytest.approx([0.3, 0.7])
    assert targets["A04"] == pytest.approx([0.7, 0.3])  # three decimals
    assert targets["A04"][1] == 0.3
    assert targets["A05"][1] == 0.62
    assert len(data.validation) == 0
    assert data.left_out == ()
    assert [data.wells[i] for i in data.negative] == ["A01"]


def test_phase3_with_three_replicates_uses_each_well_twice():
    key = ("a", 1.0, "")
    data = exchange([0.9, 0.1, 0.2, 0.4, 0.6], [None, None, key, key, key])
    found = sorted(
        (data.wells[i], t[1]) for i, t in zip(data.train, data.train_targets, strict=True)
    )
    assert found[2:] == [
        ("A03", 0.4), ("A03", 0.6), ("A04", 0.2), ("A04", 0.6), ("A05", 0.2), ("A05", 0.4),
    ]  # fmt: skip
    assert len(data.train) == 8


def test_phase3_counts_of_the_published_screen():
    """54 controls and 375 pairs: 804 training images."""
    labels, plates, wells = published_screen()
    grid = [f"{r}{c:02d}" for r in "ABCDEFGHIJKLMNOP" for c in range(1, 25)]
    free = [w for w in grid if w not in NEGATIVE + POSITIVE][:250]
    keys = [(plate, n // 2) for plate in ("P1", "P2", "P3") for n in range(250)]
    data = exchange_data(
        images(804),
        labels + [None] * 750,
        [None] * 54 + keys,
        np.full(804, 0.5),
        plates + [p for p in ("P1", "P2", "P3") for _ in range(250)],
        wells + free * 3,
    )
    assert len(data.train) == 804
    assert len(data.negative) == 30


def test_phase3_averages_the_fields_of_the_duplicate():
    key = ("a", 1.0)
    wells = ["A01", "A02", "A03", "A03", "A04", "A04"]
    data = exchange([0.9, 0.1, 0.2, 0.4, 0.5, 0.7], [None, None, key, key, key, key], wells=wells)
    found = [(data.wells[i], t[1]) for i, t in zip(data.train, data.train_targets, strict=True)]
    assert found[2:] == [("A03", 0.6), ("A03", 0.6), ("A04", 0.3), ("A04", 0.3)]


def test_phase3_leaves_out_a_well_without_duplicate_by_name():
    data = exchange([0.9, 0.1, 0.2, 0.4, 0.6], [None, None, "a", "a", "b"])
    assert data.left_out == (("P", "A05", "no duplicate of this treatment and concentration"),)
    assert "A05" not in [data.wells[i] for i in data.train]


def test_phase3_without_any_duplicate_is_refused_with_what_to_use_instead():
    with pytest.raises(TrainingError, match="viability_phase2"):
        exchange([0.9, 0.1, 0.2, 0.4], [None, None, "a", "b"])


def test_phase3_refuses_a_missing_viability():
    with pytest.raises(TrainingError, match="A03"):
        exchange([0.9, 0.1, np.nan, 0.4], [None, None, "a", "a"])


def bad(array, row, value):
    array[row, 1, 3, 3] = value
    return array


@pytest.mark.parametrize(
    ("pictures", "message"),
    [
        (bad(images(4), 2, np.nan), "well A03"),
        (bad(images(4), 1, np.inf), "well A02"),
        (bad(images(4), 3, 1.5), "0 to 1"),
        (bad(images(4), 0, -0.1), "well A01"),
        (images(4).astype(np.float64), "float64"),
        (images(4)[:, :1], "do not fit together"),
        (images(3), "4 labels"),
        (images(4)[:, :, :, :12], "do not fit together"),
    ],
)
def test_images_that_cannot_be_trained_on_are_refused(pictures, message):
    with pytest.raises(TrainingError, match=message):
        controls_data(2, pictures, [1, 0, 1, 0], ["P"] * 4, ["A01", "A02", "A03", "A04"])


@pytest.mark.parametrize(
    ("labels", "message"), [([1, 1], "positive"), ([0, 0], "negative"), ([1, 2], "class")]
)
def test_labels_that_cannot_be_trained_on_are_refused(labels, message):
    with pytest.raises(TrainingError, match=message):
        controls_data(2, images(2), labels, ["P", "P"], ["A01", "A02"])


def test_a_name_that_is_no_well_is_refused():
    with pytest.raises(TrainingError, match="'7B'"):
        controls_data(2, images(2), [1, 0], ["P", "P"], ["7B", "A01"])
