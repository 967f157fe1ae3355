"""What the workflow finds on simulated screens whose answer is known, beside what simpler readouts find."""

from __future__ import annotations

import csv
import os
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from exvivo.simulate import simulate_demo
from exvivo.simulate.compare import Agreement, compare_screens, render
from runs import Workflow

pytestmark = [pytest.mark.accuracy, pytest.mark.slow]
WHOLE = pytest.mark.soak  # what CI has no time for: two more demos, six minutes each
SEEDS = (1, pytest.param(2, marks=WHOLE), pytest.param(3, marks=WHOLE))
SCORES = "results/screens/DEMO01/scores.tsv"


@pytest.fixture(scope="module")
def demo(repository, tmp_path_factory):
    """The demo of a seed through the whole workflow, once; `make demo` may have run that of seed 1 already."""

    @cache
    def finished(seed: int) -> Workflow:
        made = os.environ.get("EXVIVO_DEMO")
        if made and seed == 1:
            assert Path(made, "results/cohort/report.html").is_file(), "EXVIVO_DEMO is not finished"
            return Workflow.at(repository, Path(made))
        workflow = Workflow(repository, tmp_path_factory.mktemp(f"demo{seed}"))
        simulate_demo(workflow.work, seed)
        workflow.snakemake()
        return workflow

    return finished


@pytest.fixture(scope="module", params=SEEDS)
def run(request, demo):
    return demo(request.param)


@pytest.fixture(scope="module")
def found(run) -> dict[str, Agreement]:
    """Agreement with the truth by readout."""
    readouts = compare_screens(run.work)
    print("\n" + render(readouts))
    return {agreement.readout: agreement for agreement in readouts}


def _permuted(run, other) -> Agreement:
    """What phase II finds after half of each control has changed places with the other kind.

    In a copy of the finished run, so that plates are not projected and phase I is not trained again.
    """
    for name in ("config", "results", ".snakemake"):
        skip = shutil.ignore_patterns("locks", "conda*", "log")
        shutil.copytree(run.work / name, other.work / name, ignore=skip, dirs_exist_ok=True)
    for name in ("raw", "truth"):
        (other.work / name).symlink_to(run.work / name)
    (other.work / SCORES).unlink()
    permute_controls(other.work / "config/layouts/DEMO01.tsv")
    only_phase2(other)
    return _of_phase2(other)


def _of_phase2(run) -> Agreement:
    readouts = compare_screens(run.work)
    print("\n" + render(readouts))
    assert readouts[0].readout == "viability_phase2"
    return readouts[0]


def only_phase2(run) -> None:
    """Score the drug screen of `run` by phase II alone."""
    sheet = run.work / "config" / "screens.tsv"
    text = sheet.read_text()
    sheet.write_text(text.replace(compare_order(text), "viability_phase2"))
    run.snakemake(SCORES)


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
    headline = next(iter(found.values()))
    assert headline.readout == "viability_phase2"
    assert headline.drugs >= 20 and headline.hits >= 6
    assert headline.spearman >= 0.9
    assert headline.precision >= 0.8 and headline.recall >= 0.8
    assert (
        headline.coverage >= 0.85
    )  # of 24: three standard errors below 96 %, what was found on three seeds


def test_third_phase_keeps_the_ranks(found):
    assert found["viability_phase3"].spearman >= 0.9 and found["viability_phase3"].recall >= 0.8


def test_simpler_readouts_do_not_do(found):
    assert found["mean_of_stack"].spearman <= 0.8
    assert found["viability_phase1"].spearman <= 0.85


def test_permuted_controls_find_nothing(demo, repository, tmp_path):
    """The network still learns some direction, and drugs lie along it by chance: five seeds of training gave
    correlations from −0.50 to 0.05, and no true hit.
    """
    permuted = _permuted(demo(1), Workflow(repository, tmp_path))
    assert abs(permuted.spearman) <= 0.75 and permuted.recall <= 0.3


def test_screen_passes_its_gate(request, run):
    """Seed 2 stands at the limit: a model of its other plates tells the controls of P1 apart, or not, by the seed of its
    training (Z′ −0.28 to 0.78 over five seeds; the plain loop gave −0.23 and 0.05 in two). A hold must then be for that alone.
    """
    cohort = run.result("cohort/screens.tsv").read_text().splitlines()
    screen, verdict, reasons = cohort[1].split("\t")[:3]
    assert screen == "DEMO01"
    if request.node.callspec.params["run"] != 2 or verdict == "pass":
        assert verdict == "pass"
    else:
        assert verdict == "hold" and ";" not in reasons
        assert reasons.startswith("viability_phase2, plate DEMO01_P1: robust Z′ crossfit is")
        said = "plate DEMO01_P1: robust Z′ (cross-fitted) is"
        assert said in run.result("screens/DEMO01/report.html").read_text()


def test_every_imaged_well_has_features(run):
    import pandas as pd

    for phase in (1, 2, 3):
        table = pd.read_parquet(run.result(f"screens/DEMO01/features_phase{phase}.parquet"))
        assert len(table) == 3 * 99 and np.isfinite(table.iloc[:, 2:]).all(axis=None)
