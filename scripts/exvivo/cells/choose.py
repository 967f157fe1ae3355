"""Which marker of a sample labels its cells: the one whose own network trains best (Heinemann et al. 2022, Methods)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from exvivo.cells.label import Labels
from exvivo.files import read_json


def choose_marker(labels: Labels, records: Sequence[Path | str] = ()) -> dict[str, Any]:
    """The marker and why: `marker` (empty if none is usable), `reason`, `accuracy` of each network.

    Args:
        labels: of the screen.
        records: JSON beside the models, named after their marker; without any the first usable marker of the sheet is
            taken (ours).

    Published is the accuracy in training; networks that could not be trained do not count.

    """
    accuracy: dict[str, float] = {}
    for path in map(Path, records):
        metrics = read_json(path).get("metrics")
        if metrics:
            accuracy[path.stem] = float(metrics["train"]["accuracy"])
    told = "; ".join(f"{name}: {reason}" for name, reason in labels.refused.items())
    if records:
        known = [name for name in labels.usable if name in accuracy]
        marker = max(known, key=accuracy.__getitem__, default="")
        reason = "its network trains best" if marker else f"no network could be trained; {told}"
    else:
        marker = next(iter(labels.usable), "")
        reason = "the first usable marker of the sample" if marker else told or "no marker"
    return {"marker": marker, "reason": reason, "accuracy": accuracy}


def chosen(files: Sequence[Path | str], labels: Labels) -> Mapping[str, Any]:
    """The choice that was made with networks, or the one without."""
    return read_json(files[0]) if files else choose_marker(labels)
