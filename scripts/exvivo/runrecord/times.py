"""How long the rules of a screen took, from the benchmark files that Snakemake left."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

FOLDER = Path("results/benchmarks")
_COLUMNS = {"s": "seconds", "max_rss": "max_rss_mb", "cpu_time": "cpu_seconds"}


def times(
    screen: str, plates: Sequence[str], models: Sequence[str], folder: Path = FOLDER
) -> dict[str, dict[str, float]]:
    """Seconds and memory of each job by its place: `plates/P1/project_plate` and the like.

    Jobs whose benchmark is not there (a copy of the results, say) are left out.
    """
    places = [Path("plates") / plate for plate in plates]
    places += [Path("screens") / screen, Path("screens") / screen / "readouts"]
    # results/models/{network}/{training screen}/phase1.safetensors and results/screens/{screen}/{network}/…
    places += [Path(*Path(model).parts[1:-1]) for model in models]
    found = {}
    for place in dict.fromkeys(places):
        for path in sorted((folder / place).glob("*.tsv")):
            if numbers := _read(path):
                found[f"{place.as_posix()}/{path.stem}"] = numbers
    return found


def _read(path: Path) -> dict[str, float]:
    """The last run in a benchmark file; empty if there is none, or it cannot be read."""
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    numbers = {}
    for column, name in _COLUMNS.items():
        try:
            numbers[name] = float(rows[-1][column])
        except (IndexError, KeyError, TypeError, ValueError):  # "NA" of a job too short to be seen
            continue
    return numbers
