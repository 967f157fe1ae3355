"""Whole screens as a facility has them: raw plates, sheets, layouts, and the truth beside them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from exvivo.files import write_text
from exvivo.sheets.names import parse_well
from exvivo.simulate.design import (
    Content,
    PlateDesign,
    ScreenDesign,
    control_plate,
    screen_plates,
)
from exvivo.simulate.drugs import HIT, Drug, panel
from exvivo.simulate.parameters import SCREEN_SCENE, TRAINING_SCENE, Imaging
from exvivo.simulate.plates import PlateJob, write_plates

TRAINING, SAMPLE, PATIENT_ID = "LINE01", "S001", "P001"
READOUTS = "viability_phase3;viability_phase2;viability_phase1;mean_of_stack"
# Only what differs from the defaults: nothing arrives any more, and there may be no GPU.
CONFIG: dict[str, Any] = {
    "data_root": "raw",
    "samples": "config/samples.tsv",
    "drugs": "config/drugs.tsv",
    "admission": {"settle_minutes": 0},
    "training": {"device": "cpu"},
}


@dataclass(frozen=True)
class ScreenPlan:
    """One simulated facility.

    Attributes: `screen` id of the drug screen; `network` and `readouts` as in screens.tsv; `design` of the
    screen's plates; `controls` of each kind on the training plate; `imaging` of all plates; `config`
    entries that replace or extend `CONFIG`.
    """

    screen: str = "DEMO01"
    network: str = "efficientnet_lite0"
    readouts: str = READOUTS
    design: ScreenDesign = field(default_factory=ScreenDesign)
    controls: int = 24
    imaging: Imaging = field(default_factory=Imaging)
    config: dict[str, Any] = field(default_factory=dict)


def simulate_demo(out: Path | str, seed: int, workers: int = 2) -> None:
    """Write the demo: a training plate of 48 controls and a screen of 24 drugs on 3 plates, ready to run.

    `out` gets `raw/` (ImageXpress plates), `config/` and `truth/`. Equal seeds give equal files.
    """
    simulate_screen(out, seed, ScreenPlan(), workers=workers)


def simulate_screen(out: Path | str, seed: int, plan: ScreenPlan, *, workers: int = 2) -> None:
    """Write the facility that `plan` describes, as `simulate_demo` does."""
    out, drugs = Path(out), panel(seed, plan.design.drugs)
    training = control_plate(
        f"{TRAINING}_P1", seed=seed, negative=plan.controls, positive=plan.controls
    )
    plates = screen_plates(plan.screen, drugs, plan.design, seed=seed)
    scenes = [(training, TRAINING_SCENE)] + [(plate, SCREEN_SCENE) for plate in plates]
    jobs = [
        PlateJob(plate, scene, plan.imaging, out / "raw" / plate.plate, seed)
        for plate, scene in scenes
    ]
    _write_sheets(out / "config", plan, training, plates, drugs)
    _write_truth(out / "truth", plan, seed, [training, *plates], drugs)
    write_plates(jobs, workers)


def simulate_plate(
    out: Path | str,
    *,
    plate_format: int = 384,
    wells: int = 308,
    image_size: int = 2048,
    planes: int = 30,
    sites: int = 1,
    waves: int = 1,
    seed: int = 1,
    compression: str | None = None,
    workers: int = 2,
) -> None:
    """Write one plate of any format, image size and depth to the folder `out`, for benchmarks.

    Half of the wells are controls of either kind. Above 512 pixels wells are made from a few rendered
    templates with noise of their own, so that no plane is a copy of another. `compression` as in tifffile.
    """
    rim = 0 if wells > (308 if plate_format == 384 else 60) else 1
    half = wells // 2
    design = control_plate(
        Path(out).name,
        seed=seed,
        plate_format=plate_format,
        negative=wells - half,
        positive=half,
        rim=rim,
    )
    imaging = Imaging(size=image_size, planes=planes, sites=sites, waves=waves, projection=False)
    job = PlateJob(design, SCREEN_SCENE, imaging, Path(out), seed, compression=compression)
    write_plates([job], workers)


def _write_sheets(
    folder: Path,
    plan: ScreenPlan,
    training: PlateDesign,
    plates: Sequence[PlateDesign],
    drugs: Sequence[Drug],
) -> None:
    layouts = {training.plate: f"{TRAINING}.tsv"} | {p.plate: f"{plan.screen}.tsv" for p in plates}
    for name, members in ((f"{TRAINING}.tsv", [training]), (f"{plan.screen}.tsv", plates)):
        _table(folder / "layouts" / name, _LAYOUT, (row for p in members for row in _layout(p)))
    _table(
        folder / "plates.tsv",
        ("plate", "screen", "path", "instrument", "layout", "layout_plate"),
        (
            (
                plate.plate,
                TRAINING if plate is training else plan.screen,
                plate.plate,
                "imagexpress",
                f"config/layouts/{layouts[plate.plate]}",
                plate.layout_plate,
            )
            for plate in (training, *plates)
        ),
    )
    _table(
        folder / "screens.tsv",
        ("screen", "kind", "training_screen", "sample", "network", "readouts", "status"),
        (
            (TRAINING, "training", "", "", "", "", "open"),
            (plan.screen, "drug", TRAINING, SAMPLE, plan.network, plan.readouts, "open"),
        ),
    )
    _table(
        folder / "samples.tsv",
        ("sample", "patient", "diagnosis", "material"),
        [(SAMPLE, PATIENT_ID, "simulated", "fresh")],
    )
    _table(folder / "drugs.tsv", ("drug", "class"), ((drug.name, drug.group) for drug in drugs))
    write_text(folder / "config.yaml", _yaml(CONFIG | plan.config))


_LAYOUT = ("plate", "row", "column", "role", "treatment", "concentration", "replicate", "addon")


def _layout(plate: PlateDesign) -> Iterable[tuple[Any, ...]]:
    for well, content in plate.named().items():
        row = well.rstrip("0123456789")
        dose = "" if content.concentration is None else f"{content.concentration:.10g}"
        number = content.replicate if content.role in ("treatment", "titration") else ""
        column = parse_well(well)[1] + 1
        yield plate.layout_plate, row, column, content.role, content.treatment, dose, number, ""


def _write_truth(
    folder: Path, plan: ScreenPlan, seed: int, plates: Sequence[PlateDesign], drugs: Sequence[Drug]
) -> None:
    scores = [(drug, drug.score(plan.design.doses)) for drug in drugs]
    _table(
        folder / "drugs.tsv",
        ("screen", "drug", "class", "phenotype", "bottom", "top", "x_mid", "slope", "asymmetry", "dss_asym", "hit"),
        (
            (
                plan.screen,
                drug.name,
                drug.group,
                drug.phenotype,
                *(f"{value:.8g}" for value in drug.curve.inhibition_parameters()),
                f"{score:.6f}",
                score > HIT,
            )
            for drug, score in scores
        ),
    )  # fmt: skip
    _table(
        folder / "wells.tsv",
        ("plate", "well", "role", "treatment", "concentration", "viability"),
        (
            _well(plate, well, content)
            for plate in plates
            for well, content in plate.named().items()
        ),
    )
    scenes = {"training": asdict(TRAINING_SCENE), "screen": asdict(SCREEN_SCENE)}
    content = {"seed": seed, "plan": asdict(replace(plan, config={})), "scenes": scenes}
    write_text(folder / "parameters.json", json.dumps(content, indent=1) + "\n")


def _well(plate: PlateDesign, well: str, content: Content) -> tuple[Any, ...]:
    dose = "" if content.concentration is None else f"{content.concentration:.10g}"
    viability = f"{content.state.viability:.6f}"
    return plate.plate, well, content.role, content.treatment, dose, viability


def _table(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def _yaml(content: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(content, sort_keys=False)


__all__ = ["ScreenPlan", "simulate_demo", "simulate_plate", "simulate_screen"]
