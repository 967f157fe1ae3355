"""Which raw plates may leave: those whose screens are finished and whose projections are whole."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from exvivo.archive import stores
from exvivo.archive.register import FOLDER, OUTPUTS, frozen
from exvivo.checksums import checksum_file, read_hashes
from exvivo.errors import ExvivoError, StoreError
from exvivo.files import read_json, write_json
from exvivo.plates.admission import Admission
from exvivo.plates.base import Fingerprint, load_fingerprint
from exvivo.plates.places import place
from exvivo.plates.tree import walk
from exvivo.projection.plan import plan_plate
from exvivo.sheets import Sheets

RESULTS = Path("results/plates")
SCREENS = Path("results/screens")
READER = "reader"  # a plate reader's file is small and stays

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Candidate:
    """A raw plate and whether it may leave.

    Attributes: `plate`, `screen`; `path` of its folder below the data root; `ready`; `reasons` why not; `verdict` of
    its screen; `files` and `bytes` of the folder as it lies there, 0 if it has left already (`present` false).
    """

    plate: str
    screen: str
    path: str
    ready: bool = False
    reasons: list[str] = field(default_factory=list)
    verdict: str = ""
    present: bool = False
    files: int = 0
    bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def candidates(sheets: Sheets, wanted: Iterable[str] = ()) -> list[Candidate]:
    """Every imaged plate that is not archived yet, or those `wanted`, with the reasons against its leaving."""
    names = list(wanted) or [p.plate for p in sheets.plates.values() if p.instrument != READER]
    away = set(frozen(names))
    return [_candidate(sheets, name) for name in names if name not in away]


def _candidate(sheets: Sheets, plate: str) -> Candidate:
    row = sheets.plates[plate]
    found = Candidate(plate, row.screen, row.path, verdict=_verdict(row.screen))
    try:
        stats = walk(sheets.folder(plate)).stats().values()
        found.present, found.files = bool(stats), len(stats)
        found.bytes = sum(stat.bytes for stat in stats)
    except ExvivoError:
        found.present = False
    found.reasons = unfinished(sheets, row.screen) or _unprojected(
        RESULTS / plate, sheets.folder(plate)
    )
    if not found.reasons:
        found.reasons = _damaged(plate)
    found.ready = not found.reasons
    return found


def unfinished(sheets: Sheets, screen: str) -> list[str]:
    """Why the plates of a screen are still needed; a training screen's are until all that learn from it are done."""
    entry = sheets.screens[screen]
    if entry.status == "released":
        return []
    if entry.kind == "drug":
        return [] if _verdict(screen) else [f"screen {screen} has no verdict yet"]
    pupils = [s.screen for s in sheets.screens.values() if s.training_screen == screen]
    if not pupils:
        return [f"no screen has learned from training screen {screen} yet"]
    return [reason for pupil in pupils for reason in unfinished(sheets, pupil)]


def _verdict(screen: str) -> str:
    path = SCREENS / screen / "verdict.json"
    whole = path.is_file() and path.with_name("report.html").is_file()
    return str(read_json(path).get("verdict", "")) if whole else ""


def _unprojected(out: Path, folder: Path) -> list[str]:
    """Why what was made of a plate cannot stand for its raw files."""
    missing = [name for name in OUTPUTS if not (out / name).is_file()]
    if missing:
        return [f"{missing[0]} is not there yet"]
    try:
        admission = Admission.from_json(read_json(out / "admission.json"))
        done = read_json(out / "wells.done.json")
        seen = load_fingerprint(out / "fingerprint.tsv")
        if admission.verdict != "admitted" or done["verdict"] != "admitted":
            return ["the plate is not admitted: mending it needs its raw files"]
        if (out / "fingerprint.tsv").stat().st_mtime_ns > (out / "hashes.tsv").stat().st_mtime_ns:
            return [_changed(out, folder, seen)]
        return _unread(out, seen, admission, done)
    except (ExvivoError, KeyError, OSError) as error:
        return [str(error)]


def _changed(out: Path, folder: Path, seen: Fingerprint) -> str:
    """What to say of a plate whose fingerprint is newer than its projection, with a file that differs."""
    hashes = read_hashes(out / "hashes.tsv")
    revised = [f.path for f in seen.files if f.revision and f.path in hashes]
    other = [
        path
        for path in revised
        if checksum_file(place(folder, path), hashes[path].algorithm) != hashes[path].digest
    ]
    such = f", such as {other[0]}" if other else ""
    return f"the raw files have changed since they were projected{such}: run the workflow"


def _unread(out: Path, seen: Fingerprint, admission: Admission, done: dict[str, Any]) -> list[str]:
    """Whether a checksum was taken of every raw image that should have been read."""
    if not seen.settled:
        return ["the plate is still arriving"]
    hashes = read_hashes(out / "hashes.tsv")
    plan = plan_plate(seen.files, admission, done["settings"]["channel"])
    used = [f for task in plan.tasks if task.well not in done["damaged"] for f in task.files]
    unread = [f.path for f in used if f.path not in hashes or hashes[f.path].bytes != f.bytes]
    if unread:
        return [
            f"{len(unread)} raw images have no checksum of their projection, such as {unread[0]}"
        ]
    return []


def _damaged(plate: str) -> list[str]:
    """Whether the stores are as they were written; a whole store is read once and not again until it changes."""
    out, memory = RESULTS / plate, FOLDER / f"{plate}.verified.json"
    try:
        state = stores.state(out)
        if not memory.is_file() or read_json(memory) != {"state": state}:
            log.info("plate %s: reading its projections", plate)
            stores.check_stores(out)
            write_json(memory, {"state": state})
    except (StoreError, OSError) as error:
        return [str(error)]
    return []
