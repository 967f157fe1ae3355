"""What the rules ask for covers what was measured (benchmarks/resources.tsv), with room for Snakemake itself."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SNAKEMAKE_MB = 450  # two processes of some 200 MB in each Slurm job
ALIASES = {"predict_phase1": "predict_screen", "predict_phase2": "predict_screen"}
ALIASES["predict_phase3"] = "predict_screen"


def rules() -> dict[str, str]:
    text = "\n".join(path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk"))
    parts = re.split(r"\n(?=rule \w+:)", text)
    return {m.group(1): part for part in parts if (m := re.match(r"rule (\w+):", part))}


def asked(text: str, resource: str, unit: str, size: float) -> float:
    """What a rule asks for at the first attempt, for a size in the unit of the table."""
    function, base, rest = re.search(
        rf"\n        {resource}=(\w+)\((\d+)(.*?)\),\n", text, re.S
    ).groups()
    shares = dict(re.findall(r"(\w+)=([\d.]+)", rest))
    names = {"files_1000": "per_1000_files", "wells_1000": "per_1000_wells"}
    name = names.get(unit, f"per_{unit.removeprefix('raw_')}")
    assert function in ("times_attempt", "by_plate", "by_wells"), function
    return float(base) + float(shares.get(name, 0)) * size


def measured() -> list[dict[str, str]]:
    with (REPOSITORY / "benchmarks" / "resources.tsv").open() as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


@pytest.mark.parametrize(
    "row", measured(), ids=lambda row: f"{row['rule']}-{row['measure'].split('_')[0]}"
)
def test_a_rule_asks_for_more_than_was_measured(row):
    text = rules()[ALIASES.get(row["rule"], row["rule"])]
    size, need = float(row["largest_size"]), float(row["base"])
    need += float(row["per_unit"]) * size
    if row["measure"] == "mem_mb":
        assert need + SNAKEMAKE_MB <= asked(text, "mem_mb", row["unit"], size)
    else:
        assert need / 60 <= asked(text, "runtime", row["unit"], size)


def test_the_benchmark_fits_a_line_above_all_jobs():
    import sys

    sys.path.insert(0, str(REPOSITORY / "benchmarks"))
    import numpy as np
    from resources import line_above

    size, need = np.array([1.0, 2.0, 3.0]), np.array([110.0, 119.0, 131.0])
    base, slope = line_above(size, need)
    assert slope == pytest.approx(10.5) and base >= 98
    assert np.all(base + slope * size >= need - 1e-9)
    assert line_above(size, np.array([9.0, 8.0, 7.0]))[1] == 0  # never less for more
