"""Patterns in what the fitted curves leave over: edges, gradients, rows, columns, dispensing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from exvivo.quality.residuals import PATTERNS, nrfe, patterns, plate_residuals
from exvivo.quality.rows import Sheet
from exvivo.quality.spatial import CHANCE, add_spatial
from exvivo.responses import build_responses, fit_curves
from exvivo.sheets import load_config
from exvivo.simulate import effects
from exvivo.simulate.design import ScreenDesign, screen_plates
from exvivo.simulate.drugs import panel
from exvivo.simulate.memory import layout_table, reader_values

LIMITS = load_config({})["quality"]
DESIGN = ScreenDesign(plates=1, drugs=25, negative=10, positive=8, titrations=4)
FAULTS = {
    "edge": effects.edge_effect,
    "gradient": effects.gradient_effect,
    "row": lambda plate, loss: effects.row_effect(plate, loss, 6),
    "column": lambda plate, loss: effects.column_effect(plate, loss, 9),
    "dispensing": effects.stripe_effect,
}


def judged(fault=None, loss=0.3, seed=131):
    """Quality lines of one plate by metric."""
    plates = screen_plates("S01", panel(seed, DESIGN.drugs), DESIGN, seed=seed)
    made = [FAULTS[fault](plate, loss) for plate in plates] if fault else plates
    values = pd.concat([reader_values(plate, seed) for plate in made])
    how = {"screen": "S01", "readout_name": "metabolic"}
    responses = build_responses(layout_table(made), values, **how)
    wells = responses[responses["used"]].copy()
    wells["plate"] = pd.Categorical(wells["plate"])
    sheet = Sheet("S01", LIMITS)
    add_spatial(sheet, "metabolic", wells, fit_curves(responses))
    return {row["metric"]: row for row in sheet.rows}


def grid(rows=14, columns=22, seed=0):
    """Residuals of an even plate."""
    r, c = (a.ravel() for a in np.indices((rows, columns)))
    noise = np.random.default_rng(seed).normal(0, 0.05, len(r))
    return pd.DataFrame({"row": r + 1, "column": c + 1, "residual": noise, "fitted": 0.2})


def test_an_even_plate_shows_no_pattern():
    rows = judged()
    assert {rows[f"residual_{name}"]["verdict"] for name in PATTERNS} == {"info"}
    assert rows["nrfe"]["verdict"] == "pass"


@pytest.mark.parametrize("name", FAULTS)
def test_a_simulated_pattern_is_found_and_named(name):
    row = judged(name)[f"residual_{name}"]
    assert row["verdict"] in ("warn", "fail"), row
    words = {
        "edge": "edge minus inside -",
        "gradient": "from left to right -",
        "row": "row G differs by -",
        "column": "column 10 differs by -",
        "dispensing": "every second row from ",
    }
    assert words[name] in row["note"]


def test_residuals_are_viability_minus_the_curve():
    """A curve that is 40 % inhibition everywhere, and wells at 70 and 50 % viability."""
    responses = pd.DataFrame(
        {
            "plate": "P1", "well": ["B02", "C03", "D04"], "role": "treatment", "treatment": "A", "addon": "",
            "concentration": [1.0, 10.0, 10.0], "viability": [0.7, 0.5, 0.1], "used": [True, True, False],
        }
    )  # fmt: skip
    curves = pd.DataFrame(
        {
            "role": "treatment", "treatment": "A", "addon": "", "replicate": [0, 1], "status": ["ok", "failed"],
            "bottom": 0.4, "top": 0.4, "x_mid": 0.5, "slope": 1.0, "asymmetry": 1.0,
        }
    )  # fmt: skip
    found = plate_residuals(responses, curves)
    assert found["well"].tolist() == ["B02", "C03"]
    assert found["residual"].tolist() == pytest.approx([0.1, -0.1])
    assert found[["row", "column"]].values.tolist() == [[1, 1], [2, 2]]
    # |10| % each, times 1 + 0.4 * 0.6 / 0.25
    assert nrfe(found) == pytest.approx(10 * 1.96)


def test_nrfe_clips_inhibition_as_published():
    part = pd.DataFrame({"fitted": [1.2, 0.0], "residual": [-0.3, 0.5]})  # seen 1.5 and -0.5
    assert nrfe(part) == 0.0
    assert np.isnan(nrfe(part[:0]))


def test_chance_reaches_the_limit_as_often_as_it_should():
    """p of one pattern over even plates is uniform: a tenth of them lie below 0.1."""
    found = [{p.name: p.p for p in patterns(grid(8, 12, seed))} for seed in range(60)]
    share = (pd.DataFrame(found) < 0.1).mean()
    assert (share < 0.25).all()
    assert min(min(row.values()) for row in found) >= 0.001


def test_a_pattern_keeps_its_size_and_place():
    part = grid()
    part.loc[part["row"] == 3, "residual"] -= 0.2
    found = {p.name: p for p in patterns(part)}
    assert found["row"].p <= CHANCE
    assert found["row"].effect == pytest.approx(-0.2, abs=0.05)
    assert found["row"].where.startswith("row D differs")
    assert found["column"].p > CHANCE


def test_equal_plates_give_equal_lines():
    assert patterns(grid()) == patterns(grid())


def test_too_few_wells_say_nothing():
    assert patterns(grid(1, 5)) == []


def test_a_plate_without_curves_is_said_to_have_none():
    sheet = Sheet("S01", LIMITS)
    names = ["plate", "well", "role", "treatment", "addon", "concentration", "viability", "used"]
    wells = pd.DataFrame({name: [] for name in names})
    wells["plate"] = pd.Categorical(wells["plate"], categories=["P1"])
    wells["well"] = wells["well"].astype(object)
    curves = pd.DataFrame(
        {name: [] for name in ("role", "treatment", "addon", "replicate", "status",
                               "bottom", "top", "x_mid", "slope", "asymmetry")}
    )  # fmt: skip
    add_spatial(sheet, "metabolic", wells, curves)
    assert [(row["metric"], row["note"]) for row in sheet.rows] == [
        ("nrfe", "no well with a curve")
    ]
