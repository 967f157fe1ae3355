"""Simulated plates with one well of each fault, judged without files: for the test and for the benchmark of faults."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from exvivo.inspection.checks import check_plate
from exvivo.inspection.measure import measure_image
from exvivo.plates import get_instrument
from exvivo.plates.admission import admit_plate
from exvivo.plates.scan import scan_plate
from exvivo.projection.fields import saturated_share
from exvivo.sheets import load_config
from exvivo.simulate import faults, simulate_plate
from exvivo.simulate.design import Content, ScreenDesign, control_plate, screen_plates
from exvivo.simulate.drugs import panel
from exvivo.simulate.parameters import Faults, Imaging, Scene
from exvivo.simulate.render import Place, render_well
from exvivo.simulate.samples import SCREEN_SCENE, TRAINING_SCENE
from exvivo.simulate.spoil import SPOILS
from exvivo.tables import IMAGE_QUALITY
from exvivo.wells.resample import area_average

# Fault → checks that find it. A spheroid that has left the field leaves an empty well.
EXPECTED = {
    "empty": {"empty"},
    "no_stain": {"no_stain"},
    "off_field": {"off_field", "empty"},
    "out_of_focus": {"out_of_focus"},
    "saturated": {"saturated"},
    "fibre": {"fibre"},
    "dust": {"dust"},
    "contamination": {"contamination"},
    "side_light": {"side_light"},
    "empty (rendered)": {"empty"},
    "fibre (rendered)": {"fibre"},
    "out of focus (rendered)": {"out_of_focus"},
}
ADMISSION = ("missing plane", "truncated", "other size", "half-copied", "repeated planes")
SETTINGS = load_config({})["image_quality"]


@dataclass
class MadePlate:
    """Metrics of the healthy wells of a plate, with what is in them, and of spoiled ones in `draws` sets."""

    healthy: pd.DataFrame
    contents: list[Content]
    draws: list[pd.DataFrame]


def make_plate(seed: int, *, wells: int = 48, draws: int = 2) -> MadePlate:
    """A screen's plate of `wells` wells: controls, titration, drugs at all doses; and spoiled copies of some."""
    drugs = panel(seed, 24)[seed % 3 :: 3]
    design = screen_plates(f"F{seed}", drugs, ScreenDesign(plates=1, drugs=8), seed=seed)[0]
    rng = np.random.default_rng(seed)
    places = list(design.wells)
    chosen = [places[i] for i in sorted(rng.choice(len(places), wells, replace=False))]

    def render(place: tuple[int, int], fault: Faults | None = None) -> np.ndarray:
        state = design.wells[place].state
        state = replace(state, faults=fault) if fault else state
        where = Place(*place, design.rows, design.columns)
        return render_well(
            SCREEN_SCENE, state, Imaging(), seed=seed, plate=design.plate, place=where
        )

    stacks = [render(place) for place in chosen]
    healthy = metrics({f"W{i:03d}": stack for i, stack in enumerate(stacks)})
    spoiled = []
    for _ in range(draws):
        own = {kind: spoil(stacks[rng.integers(wells)], rng) for kind, spoil in SPOILS.items()}
        missed = float(rng.choice([-1.0, 1.0]) * rng.uniform(85.0, 120.0))
        made = {
            "empty (rendered)": Faults(empty=True),
            "fibre (rendered)": Faults(fibre=True),
            "out of focus (rendered)": Faults(defocus=missed),
        }
        own |= {kind: render(chosen[rng.integers(wells)], fault) for kind, fault in made.items()}
        spoiled.append(metrics(own))
    return MadePlate(healthy, [design.wells[place] for place in chosen], spoiled)


def make_training_plate(seed: int, *, wells: int = 32) -> pd.DataFrame:
    """Metrics of a plate of a cell line's controls, whose dead wells fall apart all over the field."""
    half = wells // 2
    design = control_plate(f"T{seed}", seed=seed, negative=half, positive=wells - half)
    scene: Scene = TRAINING_SCENE
    stacks = {
        f"{place[0]}-{place[1]}": render_well(
            scene, content.state, Imaging(), seed=seed, plate=design.plate,
            place=Place(*place, design.rows, design.columns),
        )
        for place, content in design.wells.items()
    }  # fmt: skip
    return metrics(stacks)


def metrics(stacks: dict[str, np.ndarray]) -> pd.DataFrame:
    """`IMAGE_QUALITY` of z-stacks by name of well, as projection and `inspect_plate` take it."""
    rows = []
    for name, stack in stacks.items():
        mip, mid = stack.max(axis=0), stack[len(stack) // 2]
        small = np.stack([area_average(mip, 224), area_average(mid, 224)])
        row = {"plate": "P", "well": name, "ceiling": saturated_share(mip)}
        rows.append(row | measure_image(small))
    return pd.DataFrame(rows)[IMAGE_QUALITY.names]


def flagged(frame: pd.DataFrame) -> dict[str, set[str]]:
    """Checks that flag each well, by its name."""
    found: dict[str, set[str]] = {}
    for row in check_plate(frame, SETTINGS):
        found.setdefault(row["well"], set()).add(row["check"])
    return found


def judge(made: MadePlate) -> Iterator[tuple[str, bool, set[str]]]:
    """Each spoiled well, (fault, found by its own check, all its checks), then each healthy one as ("", flagged, …).

    A healthy well counts as flagged if it is on the plate with any of the draws.
    """
    wrong: dict[str, set[str]] = {}
    for draw in made.draws:
        found = flagged(pd.concat([made.healthy, draw], ignore_index=True))
        for kind in draw["well"]:
            checks = found.get(kind, set())
            yield kind, bool(checks & EXPECTED[kind]), checks
        for well in made.healthy["well"]:
            wrong.setdefault(well, set()).update(found.get(well, ()))
    for checks in wrong.values():
        yield "", bool(checks), checks


def admit(folder: Path, seed: int) -> dict[str, bool]:
    """Whether admission finds each of its faults on a plate of six wells with that one fault, by the well's name."""
    return {kind: _admitted(folder / kind.replace(" ", "_"), kind, seed) for kind in ADMISSION}


def _admitted(folder: Path, kind: str, seed: int) -> bool:
    raw = folder / "raw"
    simulate_plate(raw, plate_format=96, wells=6, image_size=64, planes=3, seed=seed, workers=1)
    instrument = get_instrument("imagexpress")
    wells = sorted({file.well for file in instrument.list_files(raw).files})
    well, plane = wells[seed % len(wells)], seed % 3
    damage = {
        "missing plane": lambda: faults.remove_plane(raw, well, plane),
        "truncated": lambda: faults.truncate_image(raw, well, plane, 0.2 + 0.03 * (seed % 20)),
        "other size": lambda: faults.resize_image(raw, well, plane, 48),
        "half-copied": lambda: faults.half_copy(raw, 0.3 + 0.02 * (seed % 20)),
        "repeated planes": lambda: [faults.repeat_planes(raw, name) for name in wells],
    }
    damage[kind]()
    scan_plate("P", raw, instrument, folder, settle_minutes=0)
    limit = {} if kind == "half-copied" else {"damaged_wells_limit": 0.5}
    found = admit_plate(folder / "fingerprint.tsv", raw, instrument, limit)
    if kind == "half-copied":
        return found.verdict != "admitted"
    if kind == "repeated planes":
        return any(channel.repeated_planes for channel in found.channels.values())
    left_out = [name for name, entry in found.wells.items() if entry.verdict != "admitted"]
    return found.verdict != "admitted" or left_out == [well]
