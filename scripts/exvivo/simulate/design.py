"""Plate designs: which well holds what.

Only inner wells are used (the rim evaporates), controls are spread over the plate, and the replicates of a
treatment lie in different halves, at random, as on the published plates (Berker et al. 2022).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from exvivo.errors import ExvivoError
from exvivo.sheets.names import FORMATS, well_name
from exvivo.simulate.drugs import POSITIVE_DOSE, STAUROSPORINE, Drug
from exvivo.simulate.parameters import WellState
from exvivo.simulate.randomness import Purpose, stream

VEHICLE = "DMSO"
TITRATION = (0.1, 1.0, 10.0, 100.0, 1000.0)  # nM of staurosporine, as published


@dataclass(frozen=True)
class Content:
    """What a well holds: `role`, `treatment`, `concentration` in nM (None: none), `replicate`, `state`."""

    role: str
    treatment: str = ""
    concentration: float | None = None
    replicate: int = 1
    state: WellState = field(default_factory=WellState)


@dataclass(frozen=True)
class PlateDesign:
    """One plate: id, its name in the layout, format, and the used wells by 0-based (row, column)."""

    plate: str
    layout_plate: str
    rows: int
    columns: int
    wells: dict[tuple[int, int], Content]

    def named(self) -> dict[str, Content]:
        """Return the used wells by name."""
        return {well_name(*place): content for place, content in self.wells.items()}


@dataclass(frozen=True)
class ScreenDesign:
    """A drug screen.

    Attributes: `plates`; `plate_format` wells of a plate; `drugs` in all; `doses` in 10-fold steps;
    `replicates`, all on one plate; per plate `negative` and `positive` controls, `untreated` wells and
    `titrations`, each of five doses of staurosporine; `rim` outer rows and columns left empty;
    `control_columns`: negative controls in the first inner columns and positive ones in the last, as many
    facilities have them, instead of spread over the plate.
    """

    plates: int = 3
    plate_format: int = 384
    drugs: int = 24
    doses: int = 5
    replicates: int = 2
    negative: int = 6
    positive: int = 6
    titrations: int = 1
    untreated: int = 2
    rim: int = 1
    control_columns: bool = False


def negative_control() -> Content:
    """A well with the vehicle only."""
    return Content("negative_control", VEHICLE)


def positive_control() -> Content:
    """A well with staurosporine at the dose of the positive control."""
    state = STAUROSPORINE.state(POSITIVE_DOSE)
    return Content("positive_control", STAUROSPORINE.name, POSITIVE_DOSE, state=state)


def control_plate(
    plate: str,
    *,
    seed: int,
    plate_format: int = 96,
    negative: int = 24,
    positive: int = 24,
    layout_plate: str = "P1",
    rim: int = 1,
) -> PlateDesign:
    """Return a controls-only plate for phase I."""
    contents = [negative_control()] * negative + [positive_control()] * positive
    return place_contents(plate, layout_plate, plate_format, rim, [contents], seed)


def screen_plates(
    screen: str, drugs: Sequence[Drug], design: ScreenDesign, *, seed: int
) -> list[PlateDesign]:
    """Return the plates `<screen>_P1`, …; each holds its share of `drugs` and all kinds of controls.

    Raises `ExvivoError` if a plate has too few wells.
    """
    order = stream(seed, Purpose.DESIGN, screen).permutation(len(drugs))
    plates = []
    for index in range(design.plates):
        own = [drugs[i] for i in order[index :: design.plates]]
        name = f"P{index + 1}"
        blocks = _controls(design) + [
            _treatments(own, design, replicate) for replicate in range(1, design.replicates + 1)
        ]
        plates.append(
            place_contents(
                f"{screen}_{name}",
                name,
                design.plate_format,
                design.rim,
                blocks,
                seed,
                columns=design.control_columns,
            )
        )
    return plates


def _controls(design: ScreenDesign) -> list[list[Content]]:
    titration = [
        Content("titration", STAUROSPORINE.name, dose, turn + 1, STAUROSPORINE.state(dose))
        for turn in range(design.titrations)
        for dose in TITRATION
    ]
    return [
        [negative_control()] * design.negative
        + [positive_control()] * design.positive
        + titration
        + [Content("untreated")] * design.untreated
    ]


def _treatments(drugs: Sequence[Drug], design: ScreenDesign, replicate: int) -> list[Content]:
    return [
        Content("treatment", drug.name, dose, replicate, drug.state(dose))
        for drug in drugs
        for dose in drug.doses(design.doses)
    ]


def place_contents(
    plate: str,
    layout_plate: str,
    plate_format: int,
    rim: int,
    blocks: list[list[Content]],
    seed: int,
    *,
    columns: bool = False,
) -> PlateDesign:
    """Put the contents into inner wells at random: the first block anywhere, each other in its own columns.

    `columns` takes the controls of either side out of the first block, into the first and last wells.
    """
    rows, width = _format(plate_format)
    inner = [(r, c) for c in range(rim, width - rim) for r in range(rim, rows - rim)]
    needed = sum(map(len, blocks))
    if needed > len(inner):
        raise ExvivoError(
            "the contents do not fit on the plate",
            expected=f"at most {len(inner)} wells (the outer {rim} rows and columns stay empty)",
            found=f"{needed} wells",
            where=plate,
            hint="take more plates, a larger format or fewer drugs",
        )
    rng = stream(seed, Purpose.DESIGN, plate)
    # Controls take every n-th well along the columns, so that no side of the plate lacks any.
    sides: dict[tuple[int, int], Content] = {}
    if columns:
        sides, blocks = _in_columns(inner, blocks)
        inner = [place for place in inner if place not in sides]
    spots = np.linspace(0, len(inner) - 1, len(blocks[0])).round().astype(int)
    wells = dict(zip([inner[i] for i in spots], _shuffled(blocks[0], rng), strict=True))
    free = [place for place in inner if place not in wells]
    parts = np.array_split(np.arange(len(free)), max(1, len(blocks) - 1))
    for part, contents in zip(parts, blocks[1:], strict=False):
        chosen = rng.choice(part, len(contents), replace=False)
        wells |= {free[i]: content for i, content in zip(chosen, contents, strict=True)}
    return PlateDesign(plate, layout_plate, rows, width, dict(sorted((wells | sides).items())))


def _in_columns(
    inner: list[tuple[int, int]], blocks: list[list[Content]]
) -> tuple[dict[tuple[int, int], Content], list[list[Content]]]:
    """Negative controls in the first wells, positive ones in the last, whole columns free of anything else."""
    height = sum(1 for _, column in inner if column == inner[0][1])
    placed: dict[tuple[int, int], Content] = {}
    for role, wells in (("negative_control", inner), ("positive_control", inner[::-1])):
        own = [content for content in blocks[0] if content.role == role]
        taken = wells[: -(-len(own) // height) * height]
        spread = np.linspace(0, len(taken) - 1, len(own)).round().astype(int)
        placed |= {taken[i]: content for i, content in zip(spread, own, strict=True)}
    rest = [content for content in blocks[0] if content not in placed.values()]
    return placed, [rest, *blocks[1:]]


def _shuffled(contents: list[Content], rng: np.random.Generator) -> list[Content]:
    return [contents[i] for i in rng.permutation(len(contents))]


def _format(plate_format: int) -> tuple[int, int]:
    if plate_format not in FORMATS:
        raise ExvivoError(
            "there is no such plate format",
            expected=", ".join(map(str, FORMATS)),
            found=str(plate_format),
        )
    return FORMATS[plate_format]
