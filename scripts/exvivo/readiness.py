"""Whether a screen can be trained and scored: its plates, its layouts, its controls, together.

A plate that waits or is refused, a layout that cannot be read, controls that are missing: each is a reason
that holds this screen and no other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from exvivo import targets
from exvivo.errors import ExvivoError, Problem, SheetError
from exvivo.files import read_json
from exvivo.privacy.rawdata import of_document
from exvivo.sheets import Plate, Sheets
from exvivo.sheets.layouts import check_controls, screen_layout
from exvivo.tables import LAYOUT

READY, WAITING, REFUSED = "ready", "waiting", "refused"
SCORE_ADMITTED = "score_admitted"  # policy of a screen: go on without the plates that are missing
_LISTED = 12  # wells named in a sentence before it says how many more there are


@dataclass
class Readiness:
    """Verdict on a screen: `ready`, `waiting` for a plate that still arrives, or `refused`.

    Attributes: `reasons` in words, worst first; `notes` what is uneven but holds nothing; `plates` verdict and
    damaged wells of each plate; `missing` why a plate is not there, where the screen goes on without it, and
    `provisional` what that means, in words (`exvivo.provisional`); `layout` the wells of all plates
    (`exvivo.tables.LAYOUT`), without rows if it cannot be read.
    """

    verdict: str = READY
    reasons: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    plates: dict[str, dict[str, Any]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    provisional: list[str] = field(default_factory=list)
    layout: pd.DataFrame = field(default_factory=LAYOUT.empty_table().to_pandas)

    def hold(self, verdict: str, reason: str) -> None:
        """Add a reason; a refusal outweighs waiting."""
        if verdict == REFUSED or self.verdict == READY:
            self.verdict = verdict
        self.reasons.append(reason)

    def to_json(self) -> dict[str, Any]:
        """All but the layout, as plain values."""
        content = {name: value for name, value in vars(self).items() if name != "layout"}
        return {"verdict": content.pop("verdict"), **content}


def check_plates(
    admissions: Sequence[Path | str], stores: Sequence[Path | str] = (), incomplete: str = "wait"
) -> Readiness:
    """Collect the verdicts of a screen's plates.

    `admissions` are the plates' admission.json, `stores` the done files of their projected wells, which may
    refuse a plate, or find a well damaged, that looked whole before it was decoded. `incomplete` is the screen's
    policy: with `score_admitted` a plate that waits or is refused holds nothing as long as another is admitted.
    """
    result = Readiness()
    for path in map(Path, admissions):
        content, plate = read_json(path), path.parent.name
        reasons = [_sentence(reason) for reason in content.get("reasons", [])]
        result.plates[plate] = {"verdict": content["verdict"], "reasons": reasons, "damaged": {}}
    for path in map(Path, stores):
        done = read_json(path)
        entry = result.plates.setdefault(done["plate"], {"reasons": []})
        entry |= {"verdict": done["verdict"], "damaged": done["damaged"]}
        if done["reason"] and not entry["reasons"]:
            entry["reasons"] = [done["reason"]]
    some = any(entry["verdict"] == "admitted" for entry in result.plates.values())
    for plate, entry in result.plates.items():
        if entry["verdict"] != "admitted":
            why = "; ".join(entry["reasons"]) or "no reason given"
            verdict = WAITING if entry["verdict"] == "arriving" else REFUSED
            state = "still arriving" if verdict == WAITING else "refused"
            if incomplete == SCORE_ADMITTED and some:
                result.missing[plate] = f"it is {state}: {why}"
            else:
                result.hold(verdict, f"plate {plate} is {state}: {why}")
        elif entry["damaged"]:
            wells = [f"{well} ({reason})" for well, reason in entry["damaged"].items()]
            result.notes.append(f"plate {plate}: left out as damaged: {_some(wells)}")
    return result


def add_layout(
    result: Readiness, plates: Sequence[Plate], root: Path, pseudonym_pattern: str | None = None
) -> None:
    """Read the layouts of `plates` into `result`; what is wrong with them refuses the screen."""
    for name in dict.fromkeys(plate.layout for plate in plates):
        if noted := of_document(root / name):
            result.notes.append(f"{name}: {'; '.join(noted)}, not carried over")
    try:
        result.layout = screen_layout(plates, root, pseudonym_pattern=pseudonym_pattern)
    except SheetError as error:
        for problem in error.problems:
            result.hold(REFUSED, str(problem))
    except ExvivoError as error:
        result.hold(REFUSED, str(error))


def imaged_layout(
    done: Sequence[Path | str],
    plates: Sequence[Mapping[str, str]],
    root: Path,
    incomplete: str = "wait",
) -> Readiness:
    """The imaged plates' verdicts and layouts, for rules that learn from wells and do not wait for check_screen.

    Args:
        done: what was made of each imaged plate: its done file names plate, verdict, reason and damaged wells.
        plates: of the screen, as a rule passes them; those without images are left out.
        root: that layouts are relative to.
        incomplete: the screen's policy (`check_plates`): plates that are missing are left out.

    """
    result = check_plates((), done, incomplete)
    here = [plate for plate in result.plates if plate not in result.missing]
    imaged = [plate for plate in plates_from(plates) if plate.plate in here]
    # Pseudonyms are the business of check_screen: what a sample is called changes no number.
    add_layout(result, imaged, root, pseudonym_pattern=".*")
    return result


def check_wells(result: Readiness, readouts: Mapping[str, pd.DataFrame]) -> None:
    """Compare what the layout says was treated with what was measured; both directions are noted.

    `readouts`: for each plate, a table with a column `well` of the wells that have an image or a value.
    """
    expected = result.layout[~result.layout["role"].isin(("empty", "excluded"))]
    for plate, wells in expected.groupby("plate")["well"]:
        if plate not in readouts or result.plates[plate]["verdict"] != "admitted":
            continue
        measured = set(readouts[plate]["well"])
        named = set(result.layout.loc[result.layout["plate"] == plate, "well"])
        known = measured | set(result.plates[plate]["damaged"])
        if absent := [well for well in wells if well not in known]:
            result.notes.append(f"plate {plate}: in the layout, but not measured: {_some(absent)}")
        if strange := sorted(measured - named):
            result.notes.append(f"plate {plate}: measured, but not in the layout: {_some(strange)}")


def check_contrasts(
    result: Readiness,
    contrasts: Mapping[str, Mapping[str, Any]],
    plates_of: Mapping[str, Sequence[str]],
    min_controls: int,
) -> None:
    """Refuse the screen if a plate lacks usable controls for one of its readouts.

    `contrasts` and `plates_of` by readout; damaged wells do not count.
    """
    damaged = {(plate, well) for plate, e in result.plates.items() for well in e["damaged"]}
    keys = zip(result.layout["plate"], result.layout["well"], strict=True)
    layout = result.layout[np.array([key not in damaged for key in keys], dtype=bool)]
    said: set[str] = set()
    for readout, plates in plates_of.items():
        own = layout[layout["plate"].isin(plates)]
        try:
            problems = check_controls(own, contrasts[readout], min_controls)
        except ExvivoError as error:
            problems = [Problem("layout", 0, "", str(error), "a contrast with two sides")]
        for text in map(str, problems):
            if text not in said:
                said.add(text)
                result.hold(REFUSED, text)


def check_layouts(sheets: Sheets, config: dict[str, Any], root: Path) -> list[str]:
    """All that is wrong with the layouts of all screens, as sentences: what `exvivo check` prints."""
    found: dict[str, None] = {}
    for screen in sheets.screens.values():
        plates = sheets.plates_of(screen.screen)
        if not plates:
            continue
        result = Readiness(plates={p.plate: {"verdict": "admitted", "damaged": {}} for p in plates})
        add_layout(result, plates, root, config["pseudonym_pattern"])
        if not result.reasons:
            contrasts = targets.contrasts(sheets, config, screen.screen)
            members = targets.plates_of_readouts(sheets, screen.screen)
            check_contrasts(result, contrasts, members, config["quality"]["min_controls"])
        found |= dict.fromkeys(f"screen {screen.screen}: {reason}" for reason in result.reasons)
    return list(found)


def plates_from(rows: Sequence[Mapping[str, str]]) -> list[Plate]:
    """Plates from the plain values that a rule passes as a parameter."""
    return [Plate(**row) for row in rows]


def _sentence(reason: str | Mapping[str, str]) -> str:
    if isinstance(reason, str):
        return reason
    text = f"{reason.get('where')}: {reason['found']}" if reason.get("where") else reason["found"]
    text += f"; expected {reason['expected']}" if reason.get("expected") else ""
    return text + (f"; {reason['hint']}" if reason.get("hint") else "")


def _some(items: Sequence[str]) -> str:
    more = len(items) - _LISTED
    return ", ".join(items[:_LISTED]) + (f" and {more} more" if more > 0 else "")
