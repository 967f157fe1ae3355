"""Sheets, layouts, plate-reader files and the truth of simulated screens, as files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from exvivo.files import write_text
from exvivo.sheets.names import parse_well, row_letters
from exvivo.simulate.design import Content, PlateDesign
from exvivo.simulate.drugs import HIT, Drug
from exvivo.simulate.randomness import Purpose, stream
from exvivo.simulate.samples import SCREEN_SCENE, TRAINING_SCENE

READER_FULL, READER_EMPTY = 1400.0, 6.0  # counts of a healthy and of an empty well
READER_CV = 0.07  # of a well's counts; readers reach 5 to 10 %


@dataclass(frozen=True)
class Screen:
    """One simulated screen: id, sheet values, plates; a training screen has no drugs.

    Attributes: `readers`: its plates were also read by a plate reader, as plates of their own.
    """

    screen: str
    kind: str
    sample: str
    patient: str
    plates: tuple[PlateDesign, ...]
    drugs: tuple[Drug, ...] = ()
    training_screen: str = ""
    network: str = ""
    readouts: str = ""
    readers: bool = False

    def layout(self) -> str:
        """Path of the layout from the working directory."""
        return f"config/layouts/{self.screen}.tsv"


def write_sheets(folder: Path, screens: Sequence[Screen]) -> None:
    """Write layouts, plates.tsv, screens.tsv, samples.tsv and drugs.tsv to `folder`."""
    for screen in screens:
        rows = (row for plate in screen.plates for row in layout_rows(plate))
        write_tsv(folder / "layouts" / f"{screen.screen}.tsv", LAYOUT_COLUMNS, rows)
    plates = (row for screen in screens for row in _plates(screen))
    write_tsv(folder / "plates.tsv", _PLATES, plates)
    write_tsv(
        folder / "screens.tsv",
        ("screen", "kind", "training_screen", "sample", "network", "readouts", "status"),
        (
            (s.screen, s.kind, s.training_screen, s.sample, s.network, s.readouts, "open")
            for s in screens
        ),
    )
    write_tsv(
        folder / "samples.tsv",
        ("sample", "patient", "diagnosis", "material"),
        (
            (s.sample, s.patient, "simulated", "fresh" if s.kind == "drug" else "cell line")
            for s in screens
        ),
    )
    drugs = {drug.name: drug.group for screen in screens for drug in screen.drugs}
    write_tsv(folder / "drugs.tsv", ("drug", "class"), drugs.items())


_PLATES = ("plate", "screen", "path", "instrument", "layout", "layout_plate", "readout")
LAYOUT_COLUMNS = (
    "plate",
    "row",
    "column",
    "role",
    "treatment",
    "concentration",
    "replicate",
    "addon",
)


def _plates(screen: Screen) -> Iterable[tuple[str, ...]]:
    for plate in screen.plates:
        path, layout = plate.plate, (screen.layout(), plate.layout_plate)
        yield plate.plate, screen.screen, path, "imagexpress", *layout, ""
    for plate in screen.plates if screen.readers else ():
        path = f"reader/{screen.screen}_{plate.layout_plate}.txt"
        layout = screen.layout(), plate.layout_plate
        yield f"{plate.plate}_MET", screen.screen, path, "reader", *layout, "metabolic"


def layout_rows(plate: PlateDesign) -> Iterable[tuple[Any, ...]]:
    """Rows of a layout, in the order of `LAYOUT_COLUMNS`."""
    for well, content in plate.named().items():
        row, column = parse_well(well)
        number = content.replicate if content.role in ("treatment", "titration") else ""
        place = plate.layout_plate, row_letters(row), column + 1
        yield *place, content.role, content.treatment, _dose(content), number, ""


def _dose(content: Content) -> str:
    return "" if content.concentration is None else f"{content.concentration:.10g}"


def write_truth(
    folder: Path, screens: Sequence[Screen], parameters: dict[str, Any], doses: int
) -> None:
    """Write what is true of every drug and well, and the parameters that made it."""
    write_tsv(folder / "drugs.tsv", _DRUGS, (row for s in screens for row in _drugs(s, doses)))
    write_tsv(
        folder / "wells.tsv",
        ("plate", "well", "role", "treatment", "concentration", "viability"),
        (
            (
                plate.plate,
                well,
                content.role,
                content.treatment,
                _dose(content),
                f"{content.state.viability:.6f}",
            )
            for screen in screens
            for plate in screen.plates
            for well, content in plate.named().items()
        ),
    )
    scenes = {"training": asdict(TRAINING_SCENE), "screen": asdict(SCREEN_SCENE)}
    content = {**parameters, "scenes": scenes}
    write_text(folder / "parameters.json", json.dumps(content, indent=1) + "\n")


_DRUGS = (
    "screen", "drug", "class", "phenotype", "min_concentration", "max_concentration",
    "bottom", "top", "x_mid", "slope", "asymmetry", "glow", "quench", "dss_asym", "hit",
)  # fmt: skip


def _drugs(screen: Screen, doses: int) -> Iterable[tuple[Any, ...]]:
    """Curve parameters are those of the inhibition, as the scoring has them."""
    for drug in screen.drugs:
        tested, score = drug.doses(doses), drug.score(doses)
        names = screen.screen, drug.name, drug.group, drug.phenotype
        numbers = (tested[0], tested[-1], *drug.curve.inhibition_parameters())
        written = (f"{value:.10g}" for value in (*numbers, drug.glow, drug.quench))
        yield *names, *written, f"{score:.6f}", score > HIT


def write_reader(path: Path, plate: PlateDesign, seed: int) -> None:
    """Write a plate reader's file of one plate: a matrix of counts, as iTReX reads it.

    Counts are proportional to viability with an error of 7 %; an unused well has next to none.
    """
    rng = stream(seed, Purpose.READER, plate.plate)
    values = np.zeros((plate.rows, plate.columns))
    for (row, column), content in plate.wells.items():
        values[row, column] = content.state.viability
    counts = READER_EMPTY + READER_FULL * values
    counts = np.rint(counts * np.exp(rng.normal(0.0, READER_CV, counts.shape)))
    header = ["", *(f"{column + 1:02d}" for column in range(plate.columns))]
    write_tsv(path, header, ([row_letters(r), *map(int, line)] for r, line in enumerate(counts)))


def write_tsv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with tabs between cells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
