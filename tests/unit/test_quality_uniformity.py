"""Evenness of a plate, and iTReX's table, on plates whose every well is known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exvivo.quality import qc_table
from exvivo.quality.rows import Sheet
from exvivo.quality.uniformity import add_uniformity
from exvivo.sheets import load_config
from exvivo.sheets.names import well_name
from exvivo.tables import RESPONSES, conform

LIMITS = load_config({})["quality"]


def plate(viability: np.ndarray, role: str = "untreated", **columns) -> pd.DataFrame:
    """All wells of one plate with the same role."""
    names = [well_name(r, c) for r, c in np.ndindex(viability.shape)]
    frame = pd.DataFrame({"plate": pd.Categorical(["P1"] * len(names)), "well": names})
    frame = frame.assign(role=role, treatment="", addon="", side="", viability=viability.ravel())
    return frame.assign(**columns)


def rows(wells: pd.DataFrame, inactive: set[tuple] = frozenset()) -> pd.DataFrame:
    sheet = Sheet("S", LIMITS)
    add_uniformity(sheet, "r", wells, set(inactive))
    return sheet.frame("r").set_index("metric")


def quiet(shape: tuple[int, int] = (8, 12)) -> np.ndarray:
    return 1 + 0.02 * np.random.default_rng(0).standard_normal(shape)


def test_even_plate_passes() -> None:
    found = rows(plate(quiet()))
    assert found.loc["edge_effect", "verdict"] == "pass"
    assert found["value"].max() < 0.05


def test_edge_effect_is_found_with_its_sign_and_size() -> None:
    viability = quiet()
    viability[[0, -1], :] -= 0.3
    viability[1:-1, [0, -1]] -= 0.3
    found = rows(plate(viability)).loc["edge_effect"]
    assert found["value"] == pytest.approx(0.3, abs=0.02) and found["verdict"] == "fail"
    assert "inside -0." in found["note"] and "36 and 60 wells" in found["note"]


def test_edge_is_that_of_the_wells_in_use() -> None:
    viability = quiet((16, 24))
    viability[1, 1:-1] -= 0.3
    wells = plate(viability)
    inner = ~wells["well"].str.match(r"[AP]|.(01|24)")
    found = rows(wells[inner]).loc["edge_effect"]
    assert "68 and 240 wells" in found["note"]


def test_row_and_column_that_deviate_are_named() -> None:
    viability = quiet()
    viability[3, :] -= 0.2
    viability[:, 6] += 0.5
    found = rows(plate(viability))
    assert found.loc["row_uniformity", "value"] == pytest.approx(0.2, abs=0.03)
    assert found.loc["row_uniformity", "note"].startswith("row D: -0.")
    assert found.loc["column_uniformity", "note"].startswith("column 7: +0.")


def test_effective_drugs_are_not_taken_for_unevenness() -> None:
    viability = quiet()
    viability[0, :] = 0.1
    wells = plate(viability)
    top = wells["well"].str.startswith("A")
    wells.loc[top, ["role", "treatment"]] = ["treatment", "strong"]
    assert rows(wells)["value"].max() < 0.05
    idle = rows(wells, {("strong", "")})
    assert idle.loc["row_uniformity", "value"] > 0.8, "a drug with the score 0 is looked at"


def test_too_few_wells_are_said_not_judged() -> None:
    wells = plate(quiet())
    found = rows(wells[wells["well"].isin(["A01", "B02"])]).loc["edge_effect"]
    assert np.isnan(found["value"]) and found["verdict"] == "info"
    assert "too few wells" in found["note"]


def table_of(**changes) -> pd.DataFrame:
    """Responses of two plates with controls, empty wells and drugs, values by hand."""
    rows = [
        (name, well_name(i, 0), role, kind, value)
        for name, factor in (("P1", 1), ("P2", 2))
        for i, (role, kind, value) in enumerate(
            [
                ("negative_control", "neg", 100.0 * factor),
                ("negative_control", "neg", 110.0 * factor),
                ("negative_control", "neg", 90.0 * factor),
                ("positive_control", "pos", 10.0 * factor),
                ("positive_control", "pos", 12.0 * factor),
                ("positive_control", "pos", 20.0 * factor),
                ("empty", "empty", 0.0),
                ("treatment", "Therapy", 50.0),
                ("excluded", "exclude", 1e6),
            ]
        )
    ]
    frame = pd.DataFrame(rows, columns=["plate", "well", "role", "well_type", "value"])
    frame = frame.assign(screen="S", readout="r", treatment="", addon="", flag="", replicate=1)
    frame = frame.assign(concentration=np.nan, viability=np.nan, used=True, **changes)
    conform(frame, RESPONSES, where="test")
    return frame


def test_qc_table_by_hand() -> None:
    table = qc_table(table_of())
    assert list(table.columns) == ["empty", "neg", "pos", "Therapy"], "excluded wells are left out"
    assert list(table.index) == [
        *(f"{p}_{row}" for p in ("P1", "P2") for row in ("mean", "SD", "CV", "zprime", "zprime_r")),
        "screen_zprime",
        "screen_zprime_r",
    ]
    assert table.loc["P1_mean", "neg"] == 100 and table.loc["P2_mean", "neg"] == 200
    assert table.loc["P1_SD", "neg"] == 10 and table.loc["P1_CV", "neg"] == 10
    assert np.isnan(table.loc["P1_CV", "empty"]) and table.loc["P1_SD", "empty"] != 1e6
    expected = 1 - 3 * 1.4826 * (10 + 2) / 88
    assert table.loc["P1_zprime_r"].tolist() == pytest.approx([expected] * 4)
    assert table.loc["P2_zprime_r", "neg"] == pytest.approx(expected)
    # Pooled: 90 100 110 180 200 220 (median 145, deviations 35 to 75, median 50), 10 12 20 20 24 40 (20, 6)
    pooled = 1 - 3 * 1.4826 * (50 + 6) / (145 - 20)
    assert table.loc["screen_zprime_r", "neg"] == pytest.approx(pooled)


def test_qc_table_leaves_out_damaged_and_missing_wells() -> None:
    frame = table_of()
    frame.loc[0, "flag"] = "damaged: 3 planes"
    frame.loc[1, "value"] = np.nan
    assert qc_table(frame).loc["P1_mean", "neg"] == 90
