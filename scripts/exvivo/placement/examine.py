"""Which arrangement of its layout does each plate of a screen fit? Evidence for all, from pixels or readouts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.placement.arrangements import (
    GIVEN,
    Arrangement,
    arrangements,
    contents_key,
    index_of,
    shape_of,
)
from exvivo.placement.controls import as_predicted, cross_fitted
from exvivo.placement.evidence import EMPTY, NOTHING, UNKNOWN, Contents, PlateEvidence
from exvivo.placement.features import principal
from exvivo.sheets.layouts import contrast_wells
from exvivo.sheets.names import parse_well, well_name

Array = NDArray[np.float64]
FEWEST = 12  # wells of a plate that anything can be said of
COMPONENTS = 10
_COVERAGE, _COVERAGE_MOST = 0.5, 5.0  # nats per well, and in all: less than any margin should be
_WITHOUT_DRUG = ("negative_control", "untreated")


@dataclass(frozen=True)
class Measured:
    """What was measured on one plate: `features` (w, f) of its `wells`; `source` says of what they are."""

    source: str
    wells: Sequence[str]
    features: Array


def plate_contents(layout: pd.DataFrame, contrast: Mapping[str, Mapping[str, Any]]) -> Contents:
    """The contents of one plate of a layout (rows of `exvivo.tables.LAYOUT`)."""
    side = contrast_wells(layout, contrast).to_numpy(dtype=object)
    drug = np.array(
        [_drug(row, s) for row, s in zip(layout.itertuples(), side, strict=True)], object
    )
    dose = layout["concentration"].to_numpy(dtype=float)
    places = np.array([parse_well(well) for well in layout["well"]], dtype=np.int64).reshape(-1, 2)
    return Contents(places, drug, _steps(drug, dose), side)


def _drug(row: Any, side: str) -> str:
    if row.role == "empty":
        return EMPTY
    if row.role == "excluded":
        return UNKNOWN
    if side == "negative" or row.role in _WITHOUT_DRUG:
        return NOTHING
    return f"{row.treatment or row.role} + {row.addon}"


def _steps(drug: NDArray[np.object_], dose: Array) -> Array:
    """Rank of each dose among those of its drug, up to 1 for the highest; a drug without doses is at 1."""
    step = np.zeros(len(drug))
    for name in set(drug) - {NOTHING, EMPTY, UNKNOWN}:
        own = drug == name
        known = np.unique(dose[own & np.isfinite(dose)])
        step[own] = 1.0
        measured = own & np.isfinite(dose)
        step[measured] = (np.searchsorted(known, dose[measured]) + 1) / len(known)
    return step


def examine(
    layout: pd.DataFrame,
    measured: Mapping[str, Measured],
    contrasts: Mapping[str, Mapping[str, Any]],
) -> dict[str, Any]:
    """Evidence of every arrangement of every plate.

    Args:
        layout: `exvivo.tables.LAYOUT` of the screen.
        measured: by plate; plates without any are left out.
        contrasts: by plate, the controls of what was measured there.

    Returns:
        By plate: `source`, `wells` (number), `arrangements`, the given one first (`kind`, `words`, `plate` whose
        layout it is or "", `evidence` in nats less twice the log of twice the number of ways of its kind, `correct` of `controls` predicted from what was measured,
        `named` wells that the arrangement gives a content), and plates that are `alike` but for the drugs' names; for the best one `likeness` to the negative
        control and `side` by well.

    """
    contents = {
        plate: plate_contents(layout[layout["plate"] == plate], contrasts[plate])
        for plate in dict.fromkeys(layout["plate"])
        if plate in contrasts
    }
    return {
        plate: _plate(plate, one, contents)
        for plate, one in measured.items()
        if plate in contents and len(one.wells) >= FEWEST
    }


def _plate(plate: str, measured: Measured, contents: Mapping[str, Contents]) -> dict[str, Any]:
    places = np.array([parse_well(well) for well in measured.wells], dtype=np.int64)
    scores = principal(np.asarray(measured.features, dtype=float), COMPONENTS)
    evidence = PlateEvidence(scores, places)
    ways, alike = _ways(plate, places, contents)
    rows = [_row(way, other, evidence, scores, places) for way, other in ways]
    kinds = Counter(row["kind"] for row in rows)
    for (
        row
    ) in rows:  # the more ways a kind of mistake has, the better chance can make the best of them
        row["evidence"] = round(row["evidence"] - 2.0 * float(np.log(2 * kinds[row["kind"]])), 2)
    best = max(range(len(rows)), key=lambda i: (rows[i]["evidence"], -i))
    side = _sides(ways[best][0].contents, places)
    likeness = cross_fitted(scores, side)
    wells = [well_name(*place) for place in places.tolist()]
    return {
        "source": measured.source,
        "wells": len(places),
        "arrangements": rows,
        "alike": alike,
        "likeness": {w: round(float(v), 3) for w, v in zip(wells, likeness, strict=True) if v == v},
        "side": {w: str(s) for w, s in zip(wells, side, strict=True) if s},
    }


def _ways(
    plate: str, places: NDArray[np.int64], contents: Mapping[str, Contents]
) -> tuple[list[tuple[Arrangement, str]], list[str]]:
    """The plate's own layout in all arrangements, then those of the other plates as they are.

    And the plates whose layout differs from its own in the names of drugs alone.
    """
    own = contents[plate]
    ways = [(way, "") for way in arrangements(own, shape_of(places, own.places))]
    known, alike = {contents_key(way.contents) for way, _ in ways}, []
    for other, there in contents.items():
        key = contents_key(there)
        if key == contents_key(own) and other != plate:
            alike.append(other)
        if key not in known:
            known.add(key)
            ways.append((Arrangement("swapped", f"of plate {other}", there), other))
    return ways, alike


def _row(
    way: Arrangement,
    other: str,
    evidence: PlateEvidence,
    scores: Array,
    places: NDArray[np.int64],
) -> dict[str, Any]:
    index = index_of(way.contents, places)
    side = _sides(way.contents, places)
    correct, controls = as_predicted(cross_fitted(scores, side), side)
    return {
        "kind": way.kind,
        "words": way.words,
        "plate": other,
        "evidence": evidence.of(way.contents, index) - _uncovered(way.contents, index),
        "correct": correct,
        "controls": controls,
        "named": int((index >= 0).sum()),
    }


def _uncovered(contents: Contents, index: NDArray[np.int64]) -> float:
    """Nats against an arrangement for the wells that it fills and nobody measured.

    Bounded, since the wells to be measured were chosen by somebody who may have had the wrong layout in hand; by
    itself this can never outweigh a layout.
    """
    filled = int((contents.drug != EMPTY).sum())
    measured = int((contents.drug[index[index >= 0]] != EMPTY).sum())
    return min(_COVERAGE_MOST, _COVERAGE * (filled - measured))


def _sides(contents: Contents, places: NDArray[np.int64]) -> NDArray[np.object_]:
    index = index_of(contents, places)
    return np.array([contents.side[i] if i >= 0 else "" for i in index], dtype=object)


__all__ = ["FEWEST", "GIVEN", "Measured", "examine", "plate_contents"]
