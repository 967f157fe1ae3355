"""Finished screens on disk: what a reference is made from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from exvivo.context.reference import Source
from exvivo.errors import StoreError
from exvivo.files import digest_file, read_json
from exvivo.responses.read import read_scores

PASS = "pass"


@dataclass(frozen=True)
class Found:
    """Screens that can be used, and why others cannot, by screen."""

    sources: list[Source] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)


def find_finished(
    screens: Iterable[str], results: Path, released: dict[str, Path] | None = None
) -> Found:
    """Read scores and verdict of each of `screens` below `results`/screens.

    `released` maps released screens to the folder of their frozen copy, which is read instead. A screen that has not
    run, cannot be read or is on hold in all its readouts is left out with the reason.
    """
    sources, left_out = [], {}
    for screen in screens:
        folder = (released or {}).get(screen, results / "screens" / screen)
        scores, verdict = folder / "scores.tsv", folder / "verdict.json"
        if not scores.is_file() or not verdict.is_file():
            left_out[screen] = "not finished"
            continue
        try:
            table, decision = read_scores(scores), read_json(verdict)
        except StoreError as error:
            left_out[screen] = str(error.problem)
            continue
        held = held_readouts(decision, list(dict.fromkeys(table["readout"])))
        if not set(table["readout"]) - held:
            left_out[screen] = "on hold"
            continue
        sources.append(Source(screen, table, digest_file(scores), held))
    return Found(sources, left_out)


def held_readouts(verdict: dict, readouts: Iterable[str]) -> frozenset[str]:
    """Readouts whose own verdict is not `pass`; all of them if the plates were not ready."""
    single = verdict.get("readouts") or {}
    return frozenset(name for name in readouts if single.get(name, {}).get("verdict") != PASS)
