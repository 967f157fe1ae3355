"""What the workflow finds on simulated screens whose answer is known, beside what simpler readouts find."""

from __future__ import annotations

import csv
from dataclasses import dataclass

import numpy as np
import pytest

from exvivo.simulate import simulate_demo
from exvivo.simulate.compare import Agreement, compare_screens, render
from runs import Workflow

pytestmark = [pytest.mark.accuracy, pytest.mark.slow]
SEEDS = (1, 2, 3)


@dataclass
class Found:
    """Agreement with the truth by readout, and the Spearman correlation with permuted controls."""

    readouts: dict[str, Agreement]
    permuted: float


@pytest.fixture(scope="module", params=SEEDS)
def run(request, repository, tmp_path_factory):
    """The demo of one seed through the whole workflow."""
    demo = Workflow(repository, tmp_path_factory.mktemp(f"demo{request.param}"))
    simulate_demo(demo.work, request.param)
    demo.snakemake()
    return demo


@pytest.fixture(scope="module")
def found(run, repository, tmp_path_factory):
    """What was found on the screen, and on the same images with permuted controls."""
    readouts = compare_screens(run.work)
    print("\n" + render(readouts))
    permuted = _permuted(run, Workflow(repository, tmp_path_factory.mktemp("permuted")))
    print(f"permuted controls   {permuted:>10.2f}")
    return Found({agreement.readout: agreement for agreement in readouts}, permuted)


def _permuted(run, other) -> float:
    """Spearman correlation of phase II after half of each control has changed places with the other kind."""
    for path in (run.work / "config").rglob("*"):
        if path.is_file():
            other.write(str(path.relative_to(run.work)), path.read_text())
    (other.work / "raw").symlink_to(run.work / "raw")
    (other.work / "truth").symlink_to(run.work / "truth")
    for layout in (other.work / "config" / "layouts").glob("*.tsv"):
        permute_controls(layout)
    sheet = other.work / "config" / "screens.tsv"
    text = sheet.read_text()
    sheet.write_text(text.replace(compare_order(text), "viability_phase2"))
    other.snakemake("results/screens/DEMO01/scores.tsv")
    return compare_screens(other.work)[0].spearman


def compare_order(text: str) -> str:
    """The readouts of the drug screen as the sheet names them."""
    rows = list(csv.DictReader(text.splitlines(), delimiter="\t"))
    return next(row["readouts"] for row in rows if row["kind"] == "drug")


def permute_controls(layout) -> None:
    """Let every second negative control of a plate change places with a positive one: labels say nothing."""
    with layout.open(newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t"))
    identity = ("role", "treatment", "concentration")
    for plate in {row["plate"] for row in rows}:
        own = [row for row in rows if row["plate"] == plate]
        kinds = [
            [r for r in own if r["role"] == f"{k}_control"][::2] for k in ("negative", "positive")
        ]
        for one, other in zip(*kinds, strict=False):
            for column in identity:
                one[column], other[column] = other[column], one[column]
    with layout.open("w", newline="") as handle:
        writer = csv.DictWriter(handle, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def test_ranks_and_hits_are_found(found):
    headline = next(iter(found.readouts.values()))
    assert headline.readout == "viability_phase2"
    assert headline.drugs >= 20 and headline.hits >= 6
    assert headline.spearman >= 0.9
    assert headline.precision >= 0.8 and headline.recall >= 0.8


def test_third_phase_keeps_the_ranks(found):
    third = found.readouts["viability_phase3"]
    assert third.spearman >= 0.9 and third.recall >= 0.8


def test_simpler_readouts_do_not_do(found):
    assert found.readouts["mean_of_stack"].spearman <= 0.8
    assert found.readouts["viability_phase1"].spearman <= 0.85


def test_permuted_controls_find_nothing(found):
    assert abs(found.permuted) <= 0.5


def test_screen_passes_its_gate(run):
    cohort = run.result("cohort/screens.tsv").read_text().splitlines()
    assert cohort[1].split("\t")[:2] == ["DEMO01", "pass"]


def test_every_imaged_well_has_features(run):
    import pandas as pd

    for phase in (1, 2, 3):
        table = pd.read_parquet(run.result(f"screens/DEMO01/features_phase{phase}.parquet"))
        assert len(table) == 3 * 99 and np.isfinite(table.iloc[:, 2:]).all(axis=None)
