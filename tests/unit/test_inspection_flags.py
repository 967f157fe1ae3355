import numpy as np
import pandas as pd
import pytest

from exvivo.inspection.flags import (
    DECISION,
    EXCLUDE,
    HOLD,
    INCLUDE,
    WARN,
    excluded_wells,
    flag,
    flags_frame,
    holding,
    read_flags,
)
from exvivo.inspection.judge import join_flags
from exvivo.quality.rows import Sheet
from exvivo.quality.seen import add_well_flags
from exvivo.responses import build_responses
from exvivo.tables import WELL_FLAGS, write_table
from exvivo.viability import read_images, training_layout
from exvivo.wells import WellImages, write_wells

KINDS = [
    ("A01", "negative_control"),
    ("A02", "negative_control"),
    ("A03", "negative_control"),
    ("B01", "positive_control"),
    ("B02", "positive_control"),
    ("C01", "treatment"),
    ("C02", "empty"),
]


def layout(plate="P1"):
    frame = pd.DataFrame(KINDS, columns=["well", "role"])
    texts = {"layout_plate": "1", "well_type": frame["role"], "addon": "", "sample": "S1"}
    treatment = np.where(frame["role"] == "treatment", "X", "")
    dose = np.where(frame["role"] == "treatment", 10.0, np.nan)
    return frame.assign(plate=plate, replicate=1, treatment=treatment, concentration=dose, **texts)


def flags(*rows):
    return flags_frame(
        flag("P1", well, check, consequence, "so it looks", source=source)
        for well, check, consequence, source in rows
    )


def test_what_excludes_a_well_is_named_once_and_warnings_do_not():
    found = flags(
        ("A01", "empty", EXCLUDE, "image"),
        ("A01", "novel", EXCLUDE, "network"),
        ("A01", "empty", EXCLUDE, "image"),
        ("A02", "fibre", WARN, "image"),
        ("A03", "fibre", HOLD, "image"),
    )
    assert excluded_wells(found) == {("P1", "A01"): ["empty", "novel"]}
    assert list(holding(found)["well"]) == ["A03"]


def test_the_last_decision_outweighs_the_checks_of_its_well_alone():
    found = flags(
        ("A01", "empty", EXCLUDE, "image"),
        ("A02", "empty", EXCLUDE, "image"),
        ("A01", DECISION, EXCLUDE, DECISION),
        ("A01", DECISION, INCLUDE, DECISION),
        ("A03", DECISION, EXCLUDE, DECISION),
    )
    assert excluded_wells(found) == {("P1", "A02"): ["empty"], ("P1", "A03"): ["decision"]}


def test_flags_survive_their_file_and_files_without_flags(tmp_path):
    found = flags(("A01", "empty", EXCLUDE, "image"))
    write_table(found, tmp_path / "one.parquet", WELL_FLAGS)
    write_table(flags_frame([]), tmp_path / "none.parquet", WELL_FLAGS)
    back = read_flags([tmp_path / "none.parquet", tmp_path / "one.parquet"])
    pd.testing.assert_frame_equal(back, found)
    assert excluded_wells(read_flags([tmp_path / "none.parquet"])) == {}


def test_flags_are_joined_in_the_order_of_the_layout_without_wells_left_empty():
    image = flags(("C02", "empty", EXCLUDE, "image"), ("B01", "empty", EXCLUDE, "image"))
    plate = flags(("", "rotated", HOLD, "layout"))
    decided = {"plate": "P1", "well": "A01", "consequence": EXCLUDE, "text": "AB: air bubble"}
    joined = join_flags([image, plate], layout(), [decided])
    assert list(zip(joined["well"], joined["check"], strict=True)) == [
        ("", "rotated"),
        ("A01", "decision"),
        ("B01", "empty"),
    ]
    assert join_flags([], layout()).columns.tolist() == WELL_FLAGS.names


def test_an_excluded_well_keeps_its_value_and_is_not_used():
    wells = layout()
    readout = wells[["plate", "well"]].assign(value=np.arange(7.0), flag=["dim"] + [""] * 6)
    excluded = {("P1", "A01"): ["empty", "fibre"], ("P1", "C02"): ["empty"]}
    found = build_responses(wells, readout, screen="S", readout_name="r", excluded=excluded)
    found = found.set_index("well")
    assert found.loc["A01", "flag"] == "dim;excluded: empty, fibre"
    assert found.loc["A01", "value"] == 0.0 and np.isnan(found.loc["A01", "viability"])
    assert not found.loc["A01", "used"] and found.loc["A02", "used"]
    assert found.loc["C02", "flag"] == ""
    # the scale is that of the controls that are left: (1 + 2) / 2 and 3.5
    assert found.loc["C01", "viability"] == pytest.approx((5 - 3.5) / (1.5 - 3.5))
    whole = build_responses(
        wells, readout, screen="S", readout_name="r", excluded={("P1", ""): ["decision"]}
    )
    assert not whole["used"].any()


def test_excluded_wells_do_not_train(tmp_path):
    names = [well for well, _ in KINDS]
    pixels = np.arange(7, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 4, 4), "f4")
    content = WellImages("P1", names, [0] * 7, pixels, 1.0, [""] * 7)
    done = {"plate": "P1", "damaged": {}, "reason": ""}
    write_wells(tmp_path / "wells.zarr", content, **done)
    (tmp_path / "layout.csv").write_text(
        "row,column,role,treatment,concentration_nM\n"
        + "".join(
            f"{w[0]},{int(w[1:])},{r},{'X,10' if r == 'treatment' else ','}\n" for w, r in KINDS
        )
    )
    plates = [
        {"plate": "P1", "screen": "S", "path": "p", "instrument": "imagexpress",
         "layout": "layout.csv", "layout_plate": "", "readout": ""}
    ]  # fmt: skip
    contrast = {"negative": {"role": "negative_control"}, "positive": {"role": "positive_control"}}

    def ready(excluded):
        return training_layout([tmp_path / "wells.done.json"], plates, contrast, tmp_path, excluded)

    left_out = {("P1", "B01"): ["empty"]}
    assert ready(left_out).reasons == []
    images = read_images([tmp_path / "wells.done.json"], left_out)
    assert images.wells == [name for name in names if name != "B01"]
    assert images.images[:, 0, 0, 0].tolist() == [0, 1, 2, 4, 5, 6]
    both = left_out | {("P1", "B02"): ["empty"]}
    assert "0 positive control well(s)" in ready(both).reasons[0]
    assert len(read_images([tmp_path / "wells.done.json"], {("P1", ""): ["x"]})) == 0


def test_quality_counts_the_wells_of_each_check_and_holds_with_the_reason():
    sheet = Sheet("S", {})
    add_well_flags(
        sheet,
        flags(
            ("A01", "empty", EXCLUDE, "image"),
            ("A02", "empty", EXCLUDE, "image"),
            ("A02", "fibre", HOLD, "image"),
        ),
    )
    rows = {row["metric"]: row for row in sheet.rows}
    assert rows["wells_empty"]["value"] == 2 and rows["wells_excluded"]["value"] == 2
    assert "P1 A01, P1 A02" in rows["wells_empty"]["note"]
    assert rows["hold_fibre"]["gate"] and rows["hold_fibre"]["verdict"] == "fail"
    assert sheet.failures("any") == ["plate P1, well A02: so it looks"]


def test_quality_says_nothing_where_nobody_looked():
    sheet = Sheet("S", {})
    add_well_flags(sheet, None)
    assert sheet.rows == []
