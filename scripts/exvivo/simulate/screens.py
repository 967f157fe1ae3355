"""Whole screens as a facility has them: raw plates, sheets, layouts, and the truth beside them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from exvivo.files import write_text
from exvivo.sheets.names import FORMATS
from exvivo.simulate.design import PlateDesign, ScreenDesign, control_plate, screen_plates
from exvivo.simulate.documents import Screen, write_reader, write_sheets, write_truth
from exvivo.simulate.drugs import panel
from exvivo.simulate.parameters import Imaging, Scene
from exvivo.simulate.plates import PlateJob, write_plates
from exvivo.simulate.samples import SCREEN_SCENE, TRAINING_SCENE

TRAINING, LINE_SAMPLE = "LINE01", "S900"
# Phase II ranks: the published third phase is optional, and here it overrates weak drugs (README.md).
READOUTS = "viability_phase2;viability_phase3;viability_phase1;mean_of_stack"
# Only what differs from the defaults: nothing arrives any more, and there may be no GPU.
CONFIG: dict[str, Any] = {
    "data_root": "raw",
    "imaging": {"input_size": 128},  # minutes instead of a quarter of an hour on two cores
    "samples": "config/samples.tsv",
    "drugs": "config/drugs.tsv",
    "admission": {"settle_minutes": 0},
    "training": {"device": "cpu"},
}


@dataclass(frozen=True)
class ScreenPlan:
    """One simulated facility: a training plate and one or more screens that start from it.

    Attributes: `screen` id of the first drug screen; further ones count on from the number it ends in;
    `screens` how many; `network` and `readouts` as in screens.tsv; `design` of a screen's plates;
    `controls` of each kind on the training plate; `imaging` of all plates; `metabolic`: each plate was also
    read by a plate reader, and `metabolic` is one more readout; `style` of the folders, `database` or
    `export`; `config` entries that replace or extend `CONFIG`.
    """

    screen: str = "DEMO01"
    screens: int = 1
    network: str = "efficientnet_lite0"
    readouts: str = READOUTS
    design: ScreenDesign = field(default_factory=ScreenDesign)
    controls: int = 24
    imaging: Imaging = field(default_factory=Imaging)
    metabolic: bool = False
    style: str = "database"
    config: dict[str, Any] = field(default_factory=dict)


def simulate_demo(out: Path | str, seed: int, workers: int = 2) -> None:
    """Write the demo: a training plate of 48 controls and a screen of 24 drugs on 3 plates, ready to run.

    `out` gets `raw/` (ImageXpress plates), `config/` and `truth/`. Equal seeds give equal files. Raises
    `PlateError` where `out` holds images of another simulation.
    """
    simulate_screen(out, seed, ScreenPlan(), workers=workers)


def simulate_screen(out: Path | str, seed: int, plan: ScreenPlan, *, workers: int = 2) -> None:
    """Write the facility that `plan` describes, as `simulate_demo` does.

    config/config.yaml comes last: where it is, everything is.
    """
    out = Path(out)
    training = control_plate(
        f"{TRAINING}_P1", seed=seed, negative=plan.controls, positive=plan.controls
    )
    screens = [
        Screen(TRAINING, "training", LINE_SAMPLE, "P900", (training,)),
        *(_drug_screen(plan, number, seed) for number in range(plan.screens)),
    ]
    jobs = [
        _job(out, plate, SCREEN_SCENE if screen.drugs else TRAINING_SCENE, plan, seed)
        for screen in screens
        for plate in screen.plates
    ]
    write_plates(jobs, workers)
    for screen in screens:
        for plate in screen.plates if screen.readers else ():
            path = out / "raw" / "reader" / f"{screen.screen}_{plate.layout_plate}.txt"
            write_reader(path, plate, seed)
    parameters = {"seed": seed, "plan": asdict(replace(plan, config={}))}
    write_truth(out / "truth", screens, parameters, plan.design.doses)
    write_sheets(out / "config", screens)
    write_text(out / "config" / "config.yaml", _yaml(CONFIG | plan.config))


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
    projection: bool = False,
    style: str = "database",
    compression: str | None = None,
    workers: int = 2,
) -> None:
    """Write one plate of any format, image size and depth to the folder `out`, for benchmarks.

    Half of the wells are controls of either kind. Above 512 pixels wells are made from a few rendered
    templates with noise of their own, so that no plane is a copy of another. `projection`: the instrument's
    own in ZStep_0; `style` "database" or "export"; `compression` as in tifffile. Raises `ExvivoError` for
    more wells than the format has.
    """
    rows, columns = FORMATS.get(plate_format, (0, 0))
    design = control_plate(
        Path(out).name,
        seed=seed,
        plate_format=plate_format,
        negative=wells - wells // 2,
        positive=wells // 2,
        rim=1 if wells <= (rows - 2) * (columns - 2) else 0,
    )
    imaging = Imaging(image_size, planes, sites, waves, projection)
    job = PlateJob(design, SCREEN_SCENE, imaging, Path(out), seed, style, compression)
    write_plates([job], workers)


def _drug_screen(plan: ScreenPlan, number: int, seed: int) -> Screen:
    name = _counted(plan.screen, number)
    drugs = panel(seed, plan.design.drugs, sample=number)
    return Screen(
        screen=name,
        kind="drug",
        sample=f"S{number + 1:03d}",
        patient=f"P{number + 1:03d}",
        plates=tuple(screen_plates(name, drugs, plan.design, seed=seed)),
        drugs=tuple(drugs),
        training_screen=TRAINING,
        network=plan.network,
        readouts=plan.readouts + (";metabolic" if plan.metabolic else ""),
        readers=plan.metabolic,
    )


def _counted(name: str, number: int) -> str:
    """DEMO01 and 2 make DEMO03; a name without a number at its end gets one from the second on."""
    stem = name.rstrip("0123456789")
    digits = name[len(stem) :]
    if not digits:
        return f"{name}{number + 1}" if number else name
    return f"{stem}{int(digits) + number:0{len(digits)}d}"


def _job(out: Path, plate: PlateDesign, scene: Scene, plan: ScreenPlan, seed: int) -> PlateJob:
    return PlateJob(plate, scene, plan.imaging, out / "raw" / plate.plate, seed, plan.style)


def _yaml(content: dict[str, Any]) -> str:
    import yaml

    return yaml.safe_dump(content, sort_keys=False)
