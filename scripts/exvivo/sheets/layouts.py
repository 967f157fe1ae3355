"""Layouts: what is in each well of a plate, and joined to the plates of a screen.

Imports pandas, so it is not part of `exvivo.sheets`: import it where a layout is used, not at DAG time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exvivo.errors import Problem, ScoringError, SheetError
from exvivo.files import digest_bytes
from exvivo.sheets.blocks import is_blocks, read_blocks
from exvivo.sheets.cells import read_cells, take_format
from exvivo.sheets.interpret import Well, interpret
from exvivo.sheets.longform import read_long
from exvivo.sheets.names import parse_well, suggest
from exvivo.sheets.personal import personal_cells
from exvivo.sheets.problems import collapse
from exvivo.sheets.registry import Plate
from exvivo.sheets.schema import read_schema
from exvivo.sheets.values import ROLES
from exvivo.sheets.wellchecks import check_wells

__all__ = [
    "COLUMNS",
    "ROLES",
    "check_controls",
    "contrast_wells",
    "read_layout",
    "screen_layout",
    "selection_digest",
]

# exvivo.tables.LAYOUT without `plate`.
COLUMNS = [
    "layout_plate",
    "well",
    "role",
    "well_type",
    "treatment",
    "concentration",
    "replicate",
    "addon",
    "sample",
]
_GROUP = ["role", "treatment", "addon", "concentration"]


def read_layout(
    path: Path | str, *, name: str = "", pseudonym_pattern: str | None = None
) -> pd.DataFrame:
    """Read a layout: TSV, CSV or workbook, one row per well or in blocks.

    Returns the columns of `exvivo.tables.LAYOUT` without `plate`, one row per well that the file names, in the
    file's order: concentration in nM (NaN where there is none), replicate from 1. Where a file gives no
    replicate, equal wells are numbered in order of plate, column and row. `name` is how messages call the
    file; samples must match `pseudonym_pattern` (None: the default of the configuration). Raises `SheetError` with all problems of the file.
    """
    frame = _read(Path(path), name or str(path), pseudonym_pattern)
    return _number_replicates(frame, plate="layout_plate")[COLUMNS]


def screen_layout(
    plates: Sequence[Plate], root: Path | str, *, pseudonym_pattern: str | None = None
) -> pd.DataFrame:
    """Join the plates of one screen with their layouts.

    `root` is the directory that `Plate.layout` is relative to. Returns `exvivo.tables.LAYOUT`, one row per
    plate and well, plates in the order given, wells by column and row. Missing replicate numbers are counted
    over the whole screen. Raises `SheetError` if a layout is faulty or lacks a plate, or if the plates
    belong to several samples. `pseudonym_pattern` is as for `read_layout`.
    """
    problems: list[Problem] = []
    layouts: dict[str, pd.DataFrame | None] = {}
    parts = []
    for plate in plates:
        if plate.layout not in layouts:
            layouts[plate.layout] = _try_read(root, plate.layout, pseudonym_pattern, problems)
        layout = layouts[plate.layout]
        if layout is not None:
            parts.append(_select(layout, plate, problems))
    if problems or not parts:
        raise SheetError(problems or [Problem("plates", 0, "", "no plates", "at least one")])
    frame = pd.concat(parts, ignore_index=True)
    samples = sorted(set(frame["sample"]) - {""})
    if len(samples) > 1:
        found, expected = f"{len(samples)} samples", "one sample in all plates of a screen"
        raise SheetError([Problem(plates[0].layout, 0, "sample", found, expected)])
    frame = _number_replicates(frame, plate="plate")
    return frame[["plate", *COLUMNS]]


def contrast_wells(layout: pd.DataFrame, contrast: Mapping[str, Mapping[str, Any]]) -> pd.Series:
    """Return "negative", "positive" or "" for each row of `layout`: the side of a contrast it belongs to.

    `contrast` is as `exvivo.sheets.contrast_of` gives it: for each side, role, treatment and concentration
    (nM), of which all that are not None must hold; a side that is None has no wells. Excluded wells belong to
    neither. Raises `ScoringError` if a well belongs to both.
    """
    nothing = pd.Series(False, index=layout.index)
    masks = {
        side: _matches(layout, contrast[side]) if contrast[side] else nothing
        for side in ("negative", "positive")
    }
    both = masks["negative"] & masks["positive"]
    if both.any():
        raise ScoringError(
            "the two sides of the contrast share wells",
            expected="wells that belong to one side",
            found=f"{int(both.sum())} in both, such as {layout.loc[both, 'well'].iloc[0]}",
            where="config, readouts.<readout>.contrast",
            hint="name a treatment and a concentration, or other roles",
        )
    side = np.where(masks["negative"], "negative", np.where(masks["positive"], "positive", ""))
    return pd.Series(side, index=layout.index, dtype=object)


def wells_of_side(
    layout: pd.DataFrame, contrast: Mapping[str, Mapping[str, Any]], side: str
) -> set[tuple[str, str]]:
    """Plate and well of each well on one side of a contrast; none of an empty layout. Errors as `contrast_wells`."""
    own = layout[contrast_wells(layout, contrast) == side] if len(layout) else layout
    return set(zip(own["plate"], own["well"], strict=True))


def check_controls(
    layout: pd.DataFrame, contrast: Mapping[str, Mapping[str, Any]], min_controls: int
) -> list[Problem]:
    """Return a problem for each plate and side of the contrast with fewer than `min_controls` wells.

    `layout` is a `screen_layout`; leave out of it the wells that are damaged or not imaged.
    """
    side = contrast_wells(layout, contrast)
    counts = side.groupby([layout["plate"], side], sort=False).size()
    known = set(layout["treatment"]) - {""}
    hints = {
        name: suggest(wanted["treatment"], known)
        for name, wanted in contrast.items()
        if wanted and wanted.get("treatment") and wanted["treatment"] not in known
    }
    problems = []
    for plate in layout["plate"].unique():
        for name in (side for side in ("negative", "positive") if contrast[side]):
            count = int(counts.get((plate, name), 0))
            if count < min_controls:
                wanted = ", ".join(f"{k} {v}" for k, v in contrast[name].items() if v is not None)
                expected = f"at least {min_controls} wells with {wanted}"
                found = f"{count} {name} control well(s) on plate {plate}"
                problems.append(Problem("layout", 0, "", found, expected, hints.get(name, "")))
    return problems


def selection_digest(
    layout: pd.DataFrame, kind: str, contrast: Mapping[str, Mapping[str, Any]] | None = None
) -> str:
    """Return a digest of the wells that training reads, and of nothing else in a layout.

    `kind` is `phase1`, `phase2` or `cells` (the contrast's wells and their sides) or `phase3` (also which treatment
    wells are replicates of each other). Names and doses do not enter: a renamed drug trains nothing again.
    `contrast` defaults to the roles of the layout.
    """
    from exvivo.sheets.config import DEFAULT_CONTRAST

    kinds = ("phase1", "phase2", "phase3", "cells")
    if kind not in kinds:
        raise ScoringError("unknown kind of selection", expected=", ".join(kinds), found=kind)
    side = contrast_wells(layout, contrast or DEFAULT_CONTRAST)
    chosen = layout.assign(side=side)[side != ""]
    content: dict[str, Any] = {
        "controls": sorted(chosen[["plate", "well", "side"]].values.tolist())
    }
    if kind == "phase3":
        treated = layout[layout["role"] == "treatment"]
        groups = treated.groupby(["treatment", "addon", "concentration"])
        members = [sorted(group[["plate", "well"]].values.tolist()) for _, group in groups]
        content["replicates"] = sorted(group for group in members if len(group) > 1)
    return digest_bytes(json.dumps(content).encode())


def _read(path: Path, name: str, pattern: str | None) -> pd.DataFrame:
    problems: list[Problem] = []
    rows = read_cells(path, name)
    problems += [p for row in rows for p in personal_cells(row.cells, name, row.line)]
    rows, size = take_format(rows, name)
    if not rows:
        raise SheetError([Problem(name, 0, "", "only comments", "a header and rows")])
    read = read_blocks if is_blocks(rows) else read_long
    content = read(rows, name, problems)
    content.format = content.format or size
    wells = interpret(content, name, problems)
    default = read_schema("config")["properties"]["pseudonym_pattern"]["default"]
    check_wells(wells, content.format, pattern or default, name, problems)
    if problems:
        raise SheetError(collapse(problems))
    return _to_frame(wells)


def _to_frame(wells: list[Well]) -> pd.DataFrame:
    frame = pd.DataFrame([asdict(well) for well in wells]).drop(columns="line")
    frame["concentration"] = frame["concentration"].astype("float64")
    frame["replicate"] = frame["replicate"].astype("Int64")
    return frame


def _try_read(
    root: Path | str, name: str, pattern: str | None, problems: list[Problem]
) -> pd.DataFrame | None:
    try:
        return _read(Path(root) / name, name, pattern)
    except SheetError as error:
        problems.extend(error.problems)
        return None


def _select(layout: pd.DataFrame, plate: Plate, problems: list[Problem]) -> pd.DataFrame:
    """Return the rows of a layout for one plate, with its id."""
    names = list(layout["layout_plate"].unique())
    wanted = plate.layout_plate or (names[0] if len(names) == 1 else "")
    if wanted not in names:
        found = f"no plate {wanted!r}" if wanted else "several plates, and none is named"
        expected = f"plate {plate.plate} to be one of {', '.join(names)}"
        hint = "Put the layout's name for it into column layout_plate of plates.tsv"
        problems.append(Problem(plate.layout, 0, "plate", found, expected, hint))
    part = layout[layout["layout_plate"] == wanted]
    places = pd.DataFrame([parse_well(well) for well in part["well"]], columns=["row", "column"])
    order = np.lexsort((places["row"], places["column"]))
    return part.iloc[order].assign(plate=plate.plate)


def _number_replicates(frame: pd.DataFrame, *, plate: str) -> pd.DataFrame:
    """Number the wells without a replicate within equal role, treatment, addon and concentration."""
    missing = frame["replicate"].isna()
    if missing.any():
        places = np.array([parse_well(well) for well in frame["well"]])
        ranks = pd.factorize(frame[plate])[0]
        order = np.lexsort((places[:, 0], places[:, 1], ranks))
        ordered = frame.iloc[order]
        groups = ordered.groupby(_GROUP, dropna=False, sort=False)
        highest = groups["replicate"].transform("max").fillna(0)
        count = (
            ordered["replicate"].isna().groupby([ordered[c] for c in _GROUP], dropna=False).cumsum()
        )
        numbers = (highest + count).reindex(frame.index)
        frame = frame.assign(replicate=frame["replicate"].fillna(numbers))
    return frame.astype({"replicate": "int64"}).reset_index(drop=True)


def _matches(layout: pd.DataFrame, side: Mapping[str, Any]) -> pd.Series:
    mask = layout["role"] != "excluded"
    for column in ("role", "treatment"):
        if side.get(column) is not None:
            mask &= layout[column] == side[column]
    if side.get("concentration") is not None:
        wanted = float(side["concentration"])
        mask &= np.isclose(layout["concentration"], wanted, rtol=1e-6, atol=0)
    return mask
