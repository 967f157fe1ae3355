"""What the context of a screen was made with, as plain values for JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from exvivo.context.drugs import Background
from exvivo.context.expected import overlap
from exvivo.context.names import fold
from exvivo.responses.reference import Reference


def context_record(
    context: pd.DataFrame, background: Background, facts: Mapping[str, str]
) -> dict[str, Any]:
    """Sample, references with their digests, ambiguous names that the screen uses, overlap by readout."""
    used = {fold(name) for name in context["treatment"]}
    ambiguous = {name: own for name, own in background.names.ambiguous.items() if name in used}
    return {
        "facts": dict(facts),
        "drivers": list(background.drivers),
        "controls": _reference(background.controls),
        "cohort": _reference(background.cohort),
        "own": sorted(background.own),
        "ambiguous": ambiguous,
        "overlap": {
            str(readout): overlap(part).record()
            for readout, part in context.groupby("readout", sort=False)
        }
        if background.drivers
        else {},
    }


def _reference(reference: Reference | None) -> dict[str, Any] | None:
    if reference is None:
        return None
    return {"name": reference.name, "sha256": reference.digest, "screens": len(reference.screens)}
