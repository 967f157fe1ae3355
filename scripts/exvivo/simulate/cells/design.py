"""What a simulated cohort of single-cell screens consists of: samples, markers, drugs, wells.

Layout of the published screens (Heinemann et al. 2022, Methods): two plates a sample, 1 µM in two and 10 µM in three
wells, solvent wells on each plate. Everything else is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from exvivo.errors import ConfigError
from exvivo.simulate.design import VEHICLE, Content, PlateDesign, place_contents
from exvivo.simulate.randomness import Purpose, stream

KINDS = ("inert", "selective", "kills_all", "strips_marker")
CANCER, HEALTHY = "cancer", "healthy"
# What is left at the lower and the higher concentration: cancer cells, healthy cells, markers.
_LEFT: dict[str, tuple[tuple[float, float], tuple[float, float], tuple[float, float]]] = {
    "inert": ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0)),
    "selective": ((0.60, 0.30), (0.98, 0.95), (1.0, 1.0)),
    "kills_all": ((0.45, 0.15), (0.45, 0.15), (1.0, 1.0)),
    "strips_marker": ((0.98, 0.96), (1.0, 0.98), (0.65, 0.35)),
}
OTHER_DIAGNOSIS = 0.5  # of the effect of a selective drug, in diagnoses that it is not for
_CLASSES = {
    "inert": "vehicle-like", "selective": "targeted", "kills_all": "cytotoxic", "strips_marker": "antibody",
}  # fmt: skip


@dataclass(frozen=True)
class Marker:
    """A stained surface protein.

    Attributes: `name`; `channel` of the instrument; `positive` the class that bears it; `loss` share of that class
    without it, as an average over samples, and `stray` share of the other class with it: what is wrong of the weak labels.
    """

    name: str = "CD34"
    channel: str = "FITC"
    positive: str = CANCER
    loss: float = 0.15
    stray: float = 0.11


@dataclass(frozen=True)
class CellDesign:
    """A cohort.

    Attributes: `samples`, each a screen of `plates` plates; `drugs` in all, the four kinds in turn; `concentrations`
    in nM, rising, with `replicates` of each; `solvent` wells a plate; `fields` a well of `size` pixels of
    `pixel_um`; `cells` a field without drug; `markers`; `lamps` relative powers of the light source, a batch each;
    `diagnoses`. The lamp changes from sample to sample, the diagnosis from pair to pair, so that neither explains the other.
    """

    samples: int = 6
    plates: int = 2
    plate_format: int = 96
    drugs: int = 8
    concentrations: tuple[float, ...] = (1000.0, 10000.0)
    replicates: tuple[int, ...] = (2, 3)
    solvent: int = 8
    fields: int = 2
    size: int = 256
    pixel_um: float = 2.6
    cells: int = 300
    markers: tuple[Marker, ...] = (
        Marker(),
        Marker("CD3", "TRITC", HEALTHY, loss=0.22, stray=0.18),
    )
    lamps: tuple[float, ...] = (1.0, 0.6)
    diagnoses: tuple[str, ...] = ("leukaemia", "lymphoma")

    def __post_init__(self) -> None:
        counts = (self.samples, self.plates, self.solvent, self.fields, self.cells)
        good = min(counts) >= 1 and self.drugs >= 0 and self.size >= 64 and self.pixel_um > 0
        doses = len(self.concentrations) == len(self.replicates) and len(self.concentrations) in (
            1,
            2,
        )
        if not (good and doses and self.markers and self.lamps and self.diagnoses):
            raise ConfigError(
                "no cells can be simulated with this design",
                expected="at least one sample, plate, solvent well, field, cell, marker, lamp and diagnosis, fields of "
                "64 pixels and more, one or two concentrations with as many numbers of replicates",
                found=str(self),
                where="exvivo.simulate.cells",
            )

    @property
    def channels(self) -> tuple[str, ...]:
        """Names of the channels, in the instrument's order."""
        return ("DAPI", "BF", *(marker.channel for marker in self.markers))


@dataclass(frozen=True)
class CellSample:
    """One patient's sample: `cancer` share of its cells, `lamp` power, `loss` of each marker, and how its cells
    differ from those of others: relative nuclear `size`, `stain`, `grain`.
    """

    screen: str
    sample: str
    patient: str
    diagnosis: str
    lamp: float
    cancer: float
    loss: tuple[float, ...]
    size: float
    stain: float
    grain: float


@dataclass(frozen=True)
class CellDrug:
    """A drug: `kind` of `KINDS`, and the `diagnosis` that a selective one is for."""

    name: str
    kind: str
    diagnosis: str

    @property
    def group(self) -> str:
        """Its class in drugs.tsv."""
        return _CLASSES[self.kind]

    def left(self, sample: CellSample, dose: int) -> tuple[float, float, float]:
        """Shares of cancer cells, healthy cells and markers that dose number `dose` (0, 1) leaves."""
        cancer, healthy, marker = (values[dose] for values in _LEFT[self.kind])
        if self.kind == "selective" and sample.diagnosis != self.diagnosis:
            cancer = 1.0 - (1.0 - cancer) * OTHER_DIAGNOSIS
        return cancer, healthy, marker

    def fraction(self, sample: CellSample, dose: int) -> float:
        """Expected cancer fraction in wells with the drug, relative to wells without (true RCF)."""
        cancer, healthy, _ = self.left(sample, dose)
        diseased, others = sample.cancer * cancer, (1 - sample.cancer) * healthy
        return diseased / (diseased + others) / sample.cancer


def draw_samples(design: CellDesign, seed: int) -> list[CellSample]:
    """The samples of a cohort, `S001` and on; their screens are `CELL01` and on."""
    samples = []
    for number in range(design.samples):
        rng = stream(seed, Purpose.CELLS, f"sample {number}")
        lamp, kind = number % len(design.lamps), number // len(design.lamps)
        samples.append(
            CellSample(
                screen=f"CELL{number + 1:02d}",
                sample=f"S{number + 1:03d}",
                patient=f"P{number + 1:03d}",
                diagnosis=design.diagnoses[kind % len(design.diagnoses)],
                lamp=design.lamps[lamp],
                cancer=float(rng.uniform(0.35, 0.65)),
                loss=tuple(float(m.loss * rng.uniform(0.85, 1.25)) for m in design.markers),
                size=float(np.exp(rng.normal(0.0, 0.02))),
                stain=float(np.exp(rng.normal(0.0, 0.08))),
                grain=float(np.exp(rng.normal(0.0, 0.06))),
            )
        )
    return samples


def draw_drugs(design: CellDesign) -> list[CellDrug]:
    """The drugs of a cohort, the kinds in turn, the diagnoses of the selective ones too."""
    return [
        CellDrug(
            name=f"Drug {number + 1:02d}",
            kind=KINDS[number % len(KINDS)],
            diagnosis=design.diagnoses[number // len(KINDS) % len(design.diagnoses)],
        )
        for number in range(design.drugs)
    ]


def cell_plates(
    sample: CellSample, drugs: Sequence[CellDrug], design: CellDesign, seed: int
) -> list[PlateDesign]:
    """The plates of a sample, `CELL01_P1` and on, the drugs spread over them, solvent wells on each."""
    plates = []
    for number in range(design.plates):
        own, name = drugs[number :: design.plates], f"P{number + 1}"
        solvent = [Content("negative_control", VEHICLE)] * design.solvent
        treated = [_treatments(own, design, turn) for turn in range(max(design.replicates))]
        plate = f"{sample.screen}_{name}"
        blocks = [solvent, *treated]
        plates.append(place_contents(plate, name, design.plate_format, 1, blocks, seed))
    return plates


def _treatments(drugs: Sequence[CellDrug], design: CellDesign, turn: int) -> list[Content]:
    return [
        Content("treatment", drug.name, dose, turn + 1)
        for drug in drugs
        for dose, replicates in zip(design.concentrations, design.replicates, strict=True)
        if turn < replicates
    ]


def parameters(design: CellDesign, seed: int) -> dict[str, Any]:
    """What made a cohort, for its records."""
    from dataclasses import asdict

    return {"seed": seed, "design": asdict(design), "left": _LEFT}
