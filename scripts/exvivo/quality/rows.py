"""Lines of the quality table: a value, its limit in words, a verdict."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from exvivo.tables import QUALITY

SCREEN = "screen"  # scope of what concerns all plates together
PASS, WARN, FAIL, INFO = "pass", "warn", "fail", "info"


@dataclass
class Sheet:
    """Collects the lines of one screen.

    Attributes: `limits` the section `quality` of the configuration: for each metric `good`, `bad` and `gate`;
    `rows` the lines so far.
    """

    screen: str
    limits: Mapping[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        readout: str,
        scope: str,
        metric: str,
        value: float | None,
        *,
        limit: str = "",
        note: str = "",
    ) -> None:
        """Add a line and judge it by the limits of `limit`, a metric of the configuration; "" only informs.

        A value that is missing fails where the metric is a gate, and only informs where it is none: `note`
        should say why it is missing.
        """
        bounds = self.limits.get(limit)
        known = value is not None and math.isfinite(value)
        number = float(value) if known else math.nan
        verdict, words, gate, needed = INFO, "", False, ""
        if isinstance(bounds, Mapping):
            gate = bool(bounds["gate"])
            words = limit_in_words(bounds["good"], bounds["bad"])
            needed = (
                f"{'at least' if bounds['good'] >= bounds['bad'] else 'at most'} {bounds['bad']:g}"
            )
            verdict = judge(number, bounds["good"], bounds["bad"]) if known else INFO
            if not known and gate:
                verdict = FAIL
        if not known and not note:
            note = "could not be determined"
        self._append(readout, scope, metric, number, words, verdict, gate, note, needed)

    def hold(self, metric: str, passed: bool, reasons: Sequence[str]) -> None:
        """Add a gate line on the screen as a whole that speaks by its reasons, not by a number."""
        verdict = PASS if passed else FAIL
        note = "; ".join(reasons)
        self._append("", SCREEN, metric, float(passed), ">= 1", verdict, True, note, "")
        self.rows[-1]["reasons"] = [] if passed else list(reasons)

    def require(
        self, readout: str, scope: str, metric: str, value: float, minimum: float, *, note: str = ""
    ) -> None:
        """Add a gate line that fails below `minimum`."""
        verdict = PASS if value >= minimum else FAIL
        limit, needed = f">= {minimum:g}", f"at least {minimum:g}"
        self._append(readout, scope, metric, float(value), limit, verdict, True, note, needed)

    def _append(self, *values: Any) -> None:
        """Add the values of `QUALITY` after the screen's id, then what a gate needs, in words."""
        names = [*QUALITY.names, "needed"]
        self.rows.append(dict(zip(names, (self.screen, *values), strict=True)))

    def frame(self, headline: str) -> pd.DataFrame:
        """`exvivo.tables.QUALITY`; only lines of the screen and of its headline readout are gates in it."""
        frame = pd.DataFrame(self.rows, columns=QUALITY.names)
        frame["gate"] = frame["gate"].astype(bool) & frame["readout"].isin(["", headline])
        return frame.astype({"value": "float64"})

    def failures(self, readout: str) -> list[str]:
        """Sentences on the gates that the screen as a whole or this readout has failed."""
        failed = [row for row in self.rows if row["gate"] and row["verdict"] == FAIL]
        whole = [reason for row in failed for reason in row.get("reasons", ())]
        return whole + [_sentence(row) for row in failed if row["readout"] == readout != ""]

    def remark(self, metric: str, value: float, note: str) -> None:
        """Add a warning on the screen as a whole that speaks by its note and holds nothing."""
        self._append("", SCREEN, metric, float(value), "", WARN, False, note, "")


def judge(value: float, good: float, bad: float) -> str:
    """`pass` at `good` or better, `fail` beyond `bad`, else `warn`; more is better if good > bad."""
    sign = 1.0 if good >= bad else -1.0
    if sign * value >= sign * good:
        return PASS
    return FAIL if sign * value < sign * bad else WARN


def limit_in_words(good: float, bad: float) -> str:
    """Both limits as one text: ">= 0.5 (fails below 0)"."""
    if good >= bad:
        return f">= {good:g} (fails below {bad:g})"
    return f"<= {good:g} (fails above {bad:g})"


def _sentence(row: Mapping[str, Any]) -> str:
    """A failed line in words: "viability_phase2, plate P1: robust Z′ is -0.31, at least 0 is needed"."""
    plate = "" if row["scope"] == SCREEN else f"plate {row['scope']}"
    place = ", ".join(filter(None, [row["readout"], plate]))
    name = row["metric"].replace("_", " ").replace("z prime", "Z′")
    found = "missing" if math.isnan(row["value"]) else f"{row['value']:.3g}"
    text = f"{name} is {found}, {row['needed']} is needed"
    text = f"{place}: {text}" if place else text
    return f"{text} ({row['note']})" if row["note"] else text
