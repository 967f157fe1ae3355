"""What an export is made from: the tables of one finished screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from exvivo.errors import StoreError
from exvivo.files import read_json
from exvivo.responses.read import RANKED, final_hits, is_ranked, read_scores
from exvivo.sheets.config import DEFAULT_CONTRAST
from exvivo.sheets.layouts import contrast_wells
from exvivo.tables import CURVES, LAYOUT, RESPONSES, read_table


@dataclass(frozen=True)
class Screen:
    """One screen's tables: `layout`, `responses`, `curves`, `scores`, and `features` of its last network phase.

    `contrasts` by readout; `held` the reasons for which it is on hold; `left_out` the readouts that are on hold by
    themselves, with the reasons of each.
    """

    name: str
    layout: pd.DataFrame
    responses: pd.DataFrame
    curves: pd.DataFrame
    scores: pd.DataFrame
    contrasts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    features: pd.DataFrame | None = None
    phase: int = 0
    held: tuple[str, ...] = ()
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def readouts(self) -> list[str]:
        """Names of the readouts that drugs are ranked by, the headline first."""
        return [r for r in dict.fromkeys(self.responses["readout"]) if r not in self.left_out]

    def plates(self, readout: str) -> list[str]:
        """Plates of a readout in their order in the layout."""
        measured = set(self.responses.loc[self.responses["readout"] == readout, "plate"])
        return [plate for plate in dict.fromkeys(self.layout["plate"]) if plate in measured]

    def wells(self, readout: str) -> pd.DataFrame:
        """Responses of a readout with `side`: "negative", "positive" or "" in its contrast."""
        frame = self.responses[self.responses["readout"] == readout].reset_index(drop=True)
        contrast = self.contrasts.get(readout) or DEFAULT_CONTRAST
        return frame.assign(side=list(contrast_wells(frame, contrast)))


def read_screen(
    folder: Path | str, name: str, contrasts: Mapping[str, Mapping[str, Any]] | None = None
) -> Screen:
    """Read a screen from `results/screens/{name}`; `StoreError` if it is not finished."""
    folder = Path(folder)
    verdict = read_json(folder / "verdict.json")
    passed = verdict.get("verdict") in RANKED
    phases = [p for p in (3, 2, 1) if (folder / f"features_phase{p}.parquet").is_file()]
    responses = read_table(folder / "responses.parquet", RESPONSES)
    names = list(dict.fromkeys(responses["readout"]))
    return Screen(
        name,
        read_table(folder / "layout.parquet", LAYOUT),
        responses,
        read_table(folder / "curves.parquet", CURVES),
        final_hits(read_scores(folder / "scores.tsv"), verdict),
        dict(contrasts or {}),
        _features(folder / f"features_phase{phases[0]}.parquet") if phases else None,
        phases[0] if phases else 0,
        () if passed else _reasons(verdict),
        {
            n: _reasons(verdict["readouts"][n])
            for n in names
            if passed and not is_ranked(verdict, n)
        },
    )


def _reasons(verdict: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(reason) for reason in verdict.get("reasons") or []) or ("no reason given",)


def _features(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        raise StoreError("cannot read the features", found=str(error), where=path.name) from error
