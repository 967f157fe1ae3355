"""What moved between two states of a screen, and what differs between the records they were made from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from exvivo.errors import StoreError
from exvivo.files import read_json
from exvivo.release.folder import RELEASED, released_versions, version_folder
from exvivo.responses.moved import moved_scores
from exvivo.responses.read import final_hits, read_scores

UNKNOWN = "unknown"


@dataclass(frozen=True)
class Snapshot:
    """One state of a screen: `name` (v1, current), its scores, its verdict, what it was made from."""

    name: str
    scores: pd.DataFrame
    verdict: dict[str, Any]
    record: dict[str, Any]


@dataclass(frozen=True)
class Cause:
    """One difference between two records.

    `kind` is input, layout, setting, code, software, model, decision or reference; `unknown` where scores
    moved and no record differs. `before` and `after` are texts, empty where there was nothing.
    """

    kind: str
    what: str
    before: str = ""
    after: str = ""


@dataclass(frozen=True)
class Difference:
    """`moved`: a row of `exvivo.responses.moved.MOVED` for each drug and readout whose score, status or hit is another one."""

    before: Snapshot
    after: Snapshot
    moved: pd.DataFrame
    causes: list[Cause]


def find_release(screen: str, name: str = "") -> Snapshot:
    """The release that a person calls `v2`, or the newest; `StoreError` if there is none of that name."""
    found = released_versions(screen)
    wanted = name or f"v{found[-1]}"
    if wanted not in [f"v{version}" for version in found]:
        raise StoreError(
            "there is no such release",
            expected=f"one of {', '.join(f'v{version}' for version in found)}",
            found=repr(name),
            where=f"{RELEASED}/{screen}",
        )
    return of_release(screen, int(wanted[1:]))


def of_release(screen: str, version: int) -> Snapshot:
    """The state that was released; `StoreError` if the release cannot be read."""
    folder = version_folder(screen, version)
    return _snapshot(f"v{version}", folder, read_json(folder / "record.json"))


def of_results(screen: str, record: dict[str, Any]) -> Snapshot:
    """The state in the working directory, with its record (`exvivo.release.record.build_record`)."""
    return _snapshot("current", Path("results/screens") / screen, record)


def _snapshot(name: str, folder: Path, record: dict[str, Any]) -> Snapshot:
    verdict = read_json(folder / "verdict.json")
    scores = final_hits(read_scores(folder / "scores.tsv"), verdict)
    return Snapshot(name, scores, verdict, record)


def compare(before: Snapshot, after: Snapshot) -> Difference:
    """Scores and records of two states of one screen against each other."""
    moved = moved_scores(before.scores, after.scores)
    causes = list(differences(before.record, after.record))
    if (len(moved) or before.verdict != after.verdict) and not causes:
        causes = [Cause(UNKNOWN, "none of the compared records differs")]
    return Difference(before, after, moved, causes)


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Cause]:
    """Everything that two records disagree about, inputs first."""
    yield from _plates(before.get("plates", {}), after.get("plates", {}))
    if before.get("layout") != after.get("layout"):
        yield Cause("layout", "layout", _short(before.get("layout")), _short(after.get("layout")))
    yield from _entries("input", "sample ", before.get("sample", {}), after.get("sample", {}))
    yield from _entries("reference", "", before.get("reference", {}), after.get("reference", {}))
    yield from _entries("setting", "screens.tsv: ", before.get("sheet", {}), after.get("sheet", {}))
    yield from _entries("setting", "", before.get("settings", {}), after.get("settings", {}))
    yield from _entries("decision", "", *(_decisions(r) for r in (before, after)))
    if before.get("exvivo") != after.get("exvivo"):
        yield Cause("code", "exvivo", _short(before.get("exvivo")), _short(after.get("exvivo")))
    yield from _entries("code", "", before.get("code", {}), after.get("code", {}))
    yield from _entries("software", "", before.get("software", {}), after.get("software", {}))
    yield from _models(before.get("models", {}), after.get("models", {}))


def _plates(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Cause]:
    for plate in dict.fromkeys([*before, *after]):
        if plate not in after:
            yield Cause("input", f"plate {plate}", "in the screen", "")
        elif plate not in before:
            yield Cause("input", f"plate {plate}", "", "in the screen")
        else:
            yield from _entries("input", f"plate {plate}: ", before[plate], after[plate])


def _models(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Cause]:
    """A model that differs, and of its record what does."""
    for phase in dict.fromkeys([*before, *after]):
        old, new = before.get(phase, {}), after.get(phase, {})
        if old.get("sha256") != new.get("sha256"):
            yield from _entries("model", f"{phase}: ", old, new)


def _decisions(record: Mapping[str, Any]) -> dict[str, Any]:
    return {str(row["decision"]): row for row in record.get("decisions", [])}


def _entries(
    kind: str, prefix: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Cause]:
    for name in dict.fromkeys([*before, *after]):
        old, new = before.get(name), after.get(name)
        if old != new:
            yield Cause(kind, f"{prefix}{name}", _short(old), _short(new))


def _short(value: Any) -> str:
    """A value as a text; of a digest the first 12 digits."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_short(v)}" for k, v in value.items() if v not in ("", None))
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    text = str(value)
    digest = len(text) == 64 and set(text) <= set("0123456789abcdef")
    return text[:12] if digest else text
