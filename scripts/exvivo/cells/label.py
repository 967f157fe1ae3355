"""Weak labels of a screen: limits of whole cells from the solvent wells, a mixture of two for each marker."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from exvivo.cells.gather import (
    Excluded,
    SegmentedPlate,
    columns_for,
    is_excluded,
    whole_cells,
)
from exvivo.errors import ExvivoError
from exvivo.files import read_json
from exvivo.markers import Mixture, call_cells, fit_mixture
from exvivo.segmentation.limits import CellLimits, find_limits

log = logging.getLogger(__name__)

_SAMPLED = 200_000  # cells of a screen that a mixture sees: it fits 100,000 of them


@dataclass
class Labels:
    """What is known of a screen's cells.

    Attributes: `stain` the nuclear channel; `limits` of whole cells, and `problem` why there are none; `markers` by name:
    what they mark; `mixtures` those that could be fitted, and `refused` the reasons of the others.
    """

    stain: str
    limits: CellLimits | None = None
    problem: str = ""
    markers: dict[str, str] = field(default_factory=dict)
    mixtures: dict[str, Mixture] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)

    @property
    def usable(self) -> list[str]:
        """Markers that can label cells, in the order of the sheet."""
        return [name for name in self.markers if name not in self.refused]

    def is_cancer(self, marker: str, intensity: NDArray[np.float64]) -> NDArray[np.bool_]:
        """What `marker` calls cells by their intensity."""
        return call_cells(self.mixtures[marker], intensity, self.markers[marker])

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "stain": self.stain,
            "limits": self.limits.to_json() if self.limits else None,
            "problem": self.problem,
            "markers": self.markers,
            "mixtures": {name: asdict(one) for name, one in self.mixtures.items()},
            "refused": self.refused,
        }

    @classmethod
    def read(cls, path: Path | str) -> Labels:
        """What `to_json` gave, from a file."""
        content = read_json(path)
        limits = CellLimits(**content["limits"]) if content["limits"] else None
        mixtures = {
            name: Mixture(**{k: tuple(v) if isinstance(v, list) else v for k, v in one.items()})
            for name, one in content["mixtures"].items()
        }
        markers, refused = content["markers"], content["refused"]
        return cls(content["stain"], limits, content["problem"], markers, mixtures, refused)


def label_cells(
    plates: Sequence[SegmentedPlate],
    solvent: set[tuple[str, str]],
    markers: Mapping[str, str],
    *,
    stain: str,
    excluded: Excluded | None = None,
    seed: int = 0,
) -> tuple[Labels, dict[str, NDArray[np.float64]]]:
    """Limits and mixtures of one screen, and for each marker the intensities that it was fitted to.

    Args:
        plates: of the screen.
        solvent: (plate, well) of the negative controls.
        markers: channel name to what it marks: `cancer` or `healthy`.
        stain: the nuclear channel.
        excluded: wells that are not looked at.
        seed: of the cells that are looked at where there are very many, and of the fits.

    """
    labels = Labels(stain, markers=dict(markers))
    excluded = excluded or {}
    try:
        labels.limits = find_limits(_solvent_cells(plates, solvent, excluded, stain), stain)
    except ExvivoError as error:
        labels.problem = f"{error.problem}: {error.found}"
        labels.refused = dict.fromkeys(markers, labels.problem)
        return labels, {}
    seen = _sample(plates, labels, excluded, seed)
    for name in markers:
        try:
            labels.mixtures[name] = fit_mixture(seen[name], seed=seed)
        except ExvivoError as error:
            labels.refused[name] = f"{error.problem}: {error.found}"
            continue
        if not labels.mixtures[name].usable:
            labels.refused[name] = labels.mixtures[name].reason
        if reason := labels.refused.get(name):
            log.warning("marker %s cannot label cells: %s", name, reason)
    return labels, seen


def _solvent_cells(
    plates: Sequence[SegmentedPlate],
    solvent: set[tuple[str, str]],
    excluded: Excluded,
    stain: str,
) -> pd.DataFrame:
    parts = []
    for plate in plates:
        frame = plate.cells(columns_for(stain))
        wells = {well for name, well in solvent if name == plate.plate}
        own = frame["well"].isin(wells) & ~is_excluded(plate.plate, frame["well"], excluded)
        parts.append(frame[own])
    if parts:
        return pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns=columns_for(stain)).astype({"border": bool})


def _sample(
    plates: Sequence[SegmentedPlate], labels: Labels, excluded: Excluded, seed: int
) -> dict[str, NDArray[np.float64]]:
    """Intensities of whole cells of all wells, of each plate its share of what is looked at."""
    rng, names = np.random.default_rng([seed, 5]), list(labels.markers)
    share = max(1, _SAMPLED // max(1, len(plates)))
    parts: dict[str, list[NDArray[np.float64]]] = {name: [] for name in names}
    columns = columns_for(labels.stain, names)
    for plate, frame, whole in whole_cells(plates, columns, labels.limits, labels.stain):
        rows = np.flatnonzero(whole & ~is_excluded(plate.plate, frame["well"], excluded))
        if len(rows) > share:
            rows = np.sort(rng.choice(rows, share, replace=False))
        for name in names:
            parts[name].append(frame[name].to_numpy(float)[rows])
    return {name: np.concatenate(own) if own else np.empty(0) for name, own in parts.items()}
