"""What the cohort's page knows of each screen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from exvivo.errors import StoreError
from exvivo.files import read_json
from exvivo.responses.read import RANKED, no_scores, read_scores
from exvivo.tables import QUALITY, read_table

HOLD = "hold"
COLUMNS = ["treatment", "addon", "dss_asym", "hit", "status"]
RELATIVE = ["readout", "treatment", "addon", "auc", "auc_p_value"]


@dataclass(frozen=True)
class CohortScreen:
    """One screen: its verdict, the scores of its headline readout (`COLUMNS`) and its quality table.

    `relative` has the scores of its readouts without a second control (`RELATIVE`). `release` is the folder of its signed copy, empty while it is open. `problem` says why its tables could
    not be read (those of an old release may have other columns); then the verdict is `hold`.
    """

    screen: str
    sample: str = ""
    release: str = ""
    verdict: str = HOLD
    reasons: tuple[str, ...] = ()
    headline: str = ""
    scores: pd.DataFrame = field(default_factory=no_scores)
    quality: pd.DataFrame = field(default_factory=lambda: QUALITY.empty_table().to_pandas())
    relative: pd.DataFrame = field(default_factory=lambda: pd.DataFrame(columns=RELATIVE))
    problem: str = ""

    @property
    def held(self) -> bool:
        """Whether the screen ranks nothing."""
        return self.verdict not in RANKED

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Values of the headline readout over the screen, by metric; those that are known."""
        own = (self.quality["readout"] == self.headline) & (self.quality["scope"] == "screen")
        rows = self.quality[own].dropna(subset="value")
        return dict(zip(rows["metric"], rows["value"], strict=True))

    def metric(self, *names: str) -> float | None:
        """The value over the screen of the first of `names` that is known."""
        return next((self.metrics[name] for name in names if name in self.metrics), None)


def load_screen(
    screen: str, files: Mapping[str, Path], *, sample: str = "", release: str = ""
) -> CohortScreen:
    """Read one screen; `files` has its verdict, scores and quality."""
    who: dict[str, Any] = {"screen": screen, "sample": sample, "release": release}
    try:
        verdict = read_json(files["verdict"])
        scores = read_scores(files["scores"])
        quality = read_table(files["quality"], QUALITY)
    except StoreError as error:
        return CohortScreen(**who, reasons=(str(error.problem),), problem=str(error.problem))
    headline = str(verdict.get("headline", ""))
    return CohortScreen(
        **who,
        verdict=str(verdict.get("verdict", HOLD)),
        reasons=tuple(str(reason) for reason in verdict.get("reasons") or ()),
        headline=headline,
        scores=scores.loc[scores["readout"] == headline, COLUMNS].reset_index(drop=True),
        quality=quality,
        relative=_relative(scores),
    )


def _relative(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores relative to the solvent, where there are any."""
    found = scores.reindex(columns=RELATIVE)
    return found[found["auc"].notna()].reset_index(drop=True)


def load_screens(
    screens: Sequence[str],
    files: Mapping[str, Sequence[Path]],
    *,
    samples: Mapping[str, str],
    releases: Mapping[str, str],
) -> list[CohortScreen]:
    """Read all screens; each list of `files` (verdict, scores, quality) is in the order of `screens`."""
    return [
        load_screen(
            screen,
            {name: paths[i] for name, paths in files.items()},
            sample=samples.get(screen, ""),
            release=releases.get(screen, ""),
        )
        for i, screen in enumerate(screens)
    ]
