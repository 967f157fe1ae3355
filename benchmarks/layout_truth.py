"""How often the layout truth test and the spatial tests find simulated faults, and cry wolf. Writes layout_truth.tsv.

    python benchmarks/layout_truth.py [first seed] [seeds]

Seeds 1 to 20 are reported; the limits were chosen on seeds from 101 on. Images are 64 × 64 pixels of three planes,
never written; a screen is three plates of 99 wells. Patterns are tested on plate-reader values of a screen of 75
drugs on three plates: all three even, and the second with each pattern. A dead plate has no effect and no live control:
its wells differ by chance alone.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from exvivo.placement import Measured, examine
from exvivo.placement.measure import from_readout, of_images
from exvivo.quality.placement import OTHER, judge_placement
from exvivo.quality.rows import FAIL, WARN, Sheet
from exvivo.quality.spatial import add_spatial
from exvivo.responses import build_responses, fit_curves
from exvivo.sheets import load_config
from exvivo.sheets.config import DEFAULT_CONTRAST
from exvivo.simulate import effects, memory
from exvivo.simulate.design import PlateDesign, ScreenDesign, screen_plates
from exvivo.simulate.drugs import panel
from exvivo.simulate.parameters import WellState

LIMITS = load_config({})["quality"]
MARGIN = LIMITS["layout_truth"]["margin"]
LOSS = 0.2
PATTERNS = {
    "edge": effects.edge_effect,
    "gradient": effects.gradient_effect,
    "row": lambda plate, loss: effects.row_effect(plate, loss, 6),
    "column": lambda plate, loss: effects.column_effect(plate, loss, 9),
    "dispensing": effects.stripe_effect,
}
Counts = dict[str, list[int]]


def main(first: int, seeds: int) -> None:
    """Count over all seeds; rows: case, units looked at, found (or alarms)."""
    counts: Counts = defaultdict(lambda: [0, 0])
    for seed in range(first, first + seeds):
        for name, found in [*layouts(seed), *columns(seed), *dead(seed), *spatial(seed)]:
            counts[name][0] += 1
            counts[name][1] += found
        print(seed, dict(counts), flush=True)
    rows = [(name, units, found, f"{found / units:.3f}") for name, (units, found) in counts.items()]
    table = pd.DataFrame(rows, columns=["case", "units", "found", "share"])
    table.to_csv(Path(__file__).with_suffix(".tsv"), sep="\t", index=False, lineterminator="\n")


def look(plates: list[PlateDesign], seed: int) -> dict[str, Measured]:
    """Features of all plates."""
    return dict(of_images(memory.well_images(plate, seed)) for plate in plates)


def judged(layout: pd.DataFrame, measured: dict[str, Measured]) -> dict[str, tuple[bool, str, str]]:
    """By plate: whether another arrangement is believed, its words and whose layout it is."""
    contrasts = dict.fromkeys(layout["plate"].unique(), DEFAULT_CONTRAST)
    found = examine(layout, measured, contrasts)
    answers = {plate: judge_placement(plate, entry, MARGIN) for plate, entry in found.items()}
    return {
        plate: (one.status == OTHER, one.rival["words"], one.rival["plate"])
        for plate, one in answers.items()
    }


def layouts(seed: int) -> Iterator[tuple[str, bool]]:
    """Three plates: healthy, and each fault on the second (swapped: on the first two)."""
    design = ScreenDesign()
    plates = screen_plates("S01", panel(seed), design, seed=seed)
    layout = memory.layout_table(plates)
    for source, measured in (
        ("images", look(plates, seed)),
        (
            "reader",
            {p.plate: from_readout("metabolic", memory.reader_values(p, seed)) for p in plates},
        ),
    ):
        yield from of_source(source, layout, measured)


def of_source(
    source: str, layout: pd.DataFrame, measured: dict[str, Measured]
) -> Iterator[tuple[str, bool]]:
    """The faults of a layout for one kind of measurement. A fault counts as found if it is named rightly."""
    one, two, _ = measured
    for wrong, _, _ in judged(layout, measured).values():
        yield f"healthy plate, {source}: false alarm", wrong
    moves = {
        "turned by 180°": lambda r, c: (15 - r, 23 - c),
        "with its columns mirrored": lambda r, c: (r, 23 - c),
        "shifted 1 row up": lambda r, c: (r + 1, c),
        "shifted 1 column left": lambda r, c: (r, c + 1),
    }
    own = {two: measured[two]}
    for words, move in moves.items():
        answers = judged(memory.move_wells(layout, two, move), own)
        yield f"{words}, {source}: named", answers[two][:2] == (True, words)
    pair = {plate: measured[plate] for plate in (one, two)}
    answers = judged(memory.swap_plates(layout, one, two), pair)
    yield (
        f"swapped, {source}: both named",
        [answers[p][2] for p in (one, two) if answers[p][0]] == [two, one],
    )
    answers = judged(memory.exchange_controls(layout, [two]), own)
    yield f"controls exchanged, {source}: named", answers[two][0] and "exchanged" in answers[two][1]


def columns(seed: int) -> Iterator[tuple[str, bool]]:
    """A plate with its controls in columns 2 and 23, which the layout exchanges."""
    design = ScreenDesign(plates=1, drugs=8, control_columns=True)
    plates = screen_plates("S02", panel(seed, 8), design, seed=seed)
    layout, measured = memory.layout_table(plates), look(plates, seed)
    plate = plates[0].plate
    yield "healthy plate, control columns: false alarm", judged(layout, measured)[plate][0]
    exchange = {1: 22, 22: 1}
    turned = memory.move_wells(layout, plate, lambda r, c: (r, exchange.get(c, c)))
    answer = judged(turned, measured)[plate]
    yield "control columns exchanged: named", answer[0] and "exchanged" in answer[1]


def dead(seed: int) -> Iterator[tuple[str, bool]]:
    """A screen in which every well is dead: nobody can tell, so nothing may be claimed."""
    plates = screen_plates("S03", panel(seed, 8), ScreenDesign(plates=1, drugs=8), seed=seed)
    state = WellState(viability=0.08)
    plates = [
        replace(p, wells={k: replace(c, state=state) for k, c in p.wells.items()}) for p in plates
    ]
    answers = judged(memory.layout_table(plates), look(plates, seed))
    for wrong, _, _ in answers.values():
        yield "dead plate, images: false alarm", wrong


def spatial(seed: int) -> Iterator[tuple[str, bool]]:
    """Reader values of 75 drugs: even plates, and one plate with each pattern."""
    design = ScreenDesign(drugs=75, negative=10, positive=8, titrations=4, untreated=5)
    plates = screen_plates("S04", panel(seed, 75), design, seed=seed)
    for plate in plates:
        yield "even plate: false alarm", bool(alarms(plate, seed))
    for name, make in PATTERNS.items():
        yield f"{name} effect of {LOSS:.0%}: found", name in alarms(make(plates[1], LOSS), seed)


def alarms(plate: PlateDesign, seed: int) -> set[str]:
    """The patterns of one plate that warn or fail."""
    layout, values = memory.layout_table([plate]), memory.reader_values(plate, seed)
    responses = build_responses(layout, values, screen="S04", readout_name="metabolic")
    wells = responses[responses["used"]].copy()
    wells["plate"] = pd.Categorical(wells["plate"])
    sheet = Sheet("S04", LIMITS)
    add_spatial(sheet, "metabolic", wells, fit_curves(responses))
    return {
        row["metric"].removeprefix("residual_")
        for row in sheet.rows
        if row["metric"].startswith("residual_") and row["verdict"] in (WARN, FAIL)
    }


if __name__ == "__main__":
    main(*(int(text) for text in [*sys.argv[1:], *("1", "20")[len(sys.argv) - 1 :]]))
