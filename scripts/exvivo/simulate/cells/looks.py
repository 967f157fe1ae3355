"""What single cells look like: the two classes, drawn cell by cell.

Cancer cells are larger, with a paler and more blotched nucleus and a grainier body, as blasts are beside lymphocytes.
No single feature tells the classes apart: each overlaps, and the samples differ.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from exvivo.simulate.cells.design import CANCER, CellDrug, CellSample, Marker

Array = NDArray[np.float32]
BLOTCHES, GRAINS = 3, 6  # a nucleus' and a body's


@dataclass(frozen=True)
class CellLook:
    """One class: mean and coefficient of variation of each feature (lengths in µm, the others relative)."""

    nucleus: tuple[float, float]
    stain: tuple[float, float]
    blotch: tuple[float, float]
    body: tuple[float, float]  # thickness of the cytoplasm around the nucleus
    grain: tuple[float, float]


LOOKS = (
    CellLook((4.2, 0.09), (1.05, 0.16), (0.18, 0.4), (1.5, 0.20), (0.055, 0.35)),
    CellLook((5.0, 0.11), (0.85, 0.18), (0.45, 0.4), (2.5, 0.25), (0.115, 0.35)),
)  # healthy, cancer
DEBRIS = 0.12  # share of the killed that leave a shrunken bright piece behind
DEBRIS_UM = 1.7
# log10 of a marker's photo-electrons in a pixel: without and with the marker, standard deviations.
DARK, BRIGHT = (1.75, 0.16), (2.55, 0.18)


@dataclass(frozen=True)
class Cells:
    """Cells of one field, an array each: place in pixels, class, shape, and what they bear.

    `y`, `x`; `cancer`; `debris` for what is left of dead cells; `nucleus` radius and `body` radius in µm; `stretch`
    and `angle` of the ellipse; `stain`, `blotch`, `grain`; `told` (n, markers) class that each marker tells; `marker` (n,
    markers) photo-electrons.
    """

    y: Array
    x: Array
    cancer: NDArray[np.bool_]
    debris: NDArray[np.bool_]
    nucleus: Array
    body: Array
    stretch: Array
    angle: Array
    stain: Array
    blotch: Array
    grain: Array
    told: NDArray[np.bool_]
    marker: Array

    def __len__(self) -> int:
        return len(self.y)

    def take(self, rows: NDArray[np.generic]) -> Cells:
        """Some of the cells."""
        return Cells(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def grow_cells(
    sample: CellSample,
    markers: tuple[Marker, ...],
    drug: CellDrug | None,
    dose: int,
    count: float,
    size: int,
    pixel_um: float,
    rng: np.random.Generator,
) -> Cells:
    """Draw the cells of one field; `count` is how many there are on average without a drug."""
    left = drug.left(sample, dose) if drug is not None else (1.0, 1.0, 1.0)
    y, x = _places(count, size, pixel_um, rng)
    cancer = rng.random(len(y)) < sample.cancer
    alive = rng.random(len(y)) < np.where(cancer, left[0], left[1])
    debris = ~alive & (rng.random(len(y)) < DEBRIS)
    seen = alive | debris
    y, x, cancer, debris = y[seen], x[seen], cancer[seen], debris[seen]
    shape = {
        name: _draw(name, cancer, rng) for name in ("nucleus", "stain", "blotch", "body", "grain")
    }
    shape["nucleus"] *= np.float32(sample.size)
    shape["stain"] *= np.float32(sample.stain)
    shape["grain"] *= np.float32(sample.grain)
    shape["nucleus"][debris], shape["body"][debris] = DEBRIS_UM, 0.3
    shape["stain"][debris] *= 1.3
    shape["body"] += shape["nucleus"]
    told, marker = _stain_markers(sample, markers, cancer, debris, left[2], rng)
    return Cells(
        y, x, cancer, debris, told=told, marker=marker,
        stretch=rng.uniform(1.0, 1.3, len(y)).astype(np.float32),
        angle=rng.uniform(0.0, np.pi, len(y)).astype(np.float32),
        **shape,
    )  # fmt: skip


def _places(
    count: float, size: int, pixel_um: float, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Places on a loose grid: cells lie on the bottom beside each other, some touch, none overlap much."""
    spacing = 16.0 / pixel_um
    side = int(np.ceil(size / spacing)) + 1
    wanted = min(rng.poisson(count * (side * spacing / size) ** 2), side * side)
    sites = rng.choice(side * side, wanted, replace=False)
    jitter = rng.uniform(-0.28, 0.28, (2, wanted))
    y, x = (
        (axis + 0.5 + j) * spacing for axis, j in zip(np.divmod(sites, side), jitter, strict=True)
    )
    shift = rng.uniform(0.0, spacing, 2)
    y, x = y - shift[0], x - shift[1]
    inside = (y > -0.5) & (y < size - 0.5) & (x > -0.5) & (x < size - 0.5)
    return y[inside].astype(np.float32), x[inside].astype(np.float32)


def _draw(name: str, cancer: NDArray[np.bool_], rng: np.random.Generator) -> Array:
    (mean, cv), (other, other_cv) = (getattr(look, name) for look in LOOKS)
    spread = np.where(cancer, other_cv, cv) * rng.standard_normal(len(cancer))
    return (np.where(cancer, other, mean) * np.exp(spread)).astype(np.float32)


def _stain_markers(
    sample: CellSample,
    markers: tuple[Marker, ...],
    cancer: NDArray[np.bool_],
    debris: NDArray[np.bool_],
    kept: float,
    rng: np.random.Generator,
) -> tuple[NDArray[np.bool_], Array]:
    """Class told and photo-electrons (n, markers). A drug strips markers of cancer cells alone, as antibodies do."""
    told = np.zeros((len(cancer), len(markers)), bool)
    light = np.zeros((len(cancer), len(markers)), np.float32)
    for number, (marker, loss) in enumerate(zip(markers, sample.loss, strict=True)):
        of_cancer = marker.positive == CANCER
        bearer = cancer == of_cancer
        borne = rng.random(len(cancer)) < np.where(bearer, 1 - loss, marker.stray)
        if of_cancer:
            borne &= rng.random(len(cancer)) < kept
        borne &= ~debris
        told[:, number] = borne == of_cancer
        mean = np.where(borne, BRIGHT[0], DARK[0])
        sd = np.where(borne, BRIGHT[1], DARK[1])
        light[:, number] = 10.0 ** (mean + sd * rng.standard_normal(len(cancer)))
    return told, light
