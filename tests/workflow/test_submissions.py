"""What a run with profiles/slurm would submit: groups that hold, and resources that are known beforehand."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
import yaml
from tiny_screen import make_tiny_screen

from exvivo.simulate.cells import CellDesign, simulate_cells

pytestmark = pytest.mark.slow
PROFILES = ("--profile", "profiles/slurm", "--workflow-profile", "profiles/default")


@pytest.fixture(scope="module")
def plan(repository, tmp_path_factory) -> str:
    return dry_run(repository, make_tiny_screen(tmp_path_factory.mktemp("tiny")))


def dry_run(repository, folder) -> str:
    """What a dry run says before anything was made; no scheduler is asked."""
    command = [sys.executable, "-m", "snakemake", *PROFILES, "-n", "--directory", str(folder)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def blocks(plan: str) -> list[set[str]]:
    """Submissions: the rules of each group, and rules that are alone."""
    parts = re.split(r"\n\[[^]]*\] (?=Group job)|\n(?=rule )", plan)
    return [set(re.findall(r"^ *rule (\w+):", part, re.M)) for part in parts if "rule " in part]


def test_a_screen_is_few_submissions(plan):
    found = [rules for rules in blocks(plan) if rules - {"all"}]
    groups = [rules for rules in found if len(rules) > 1]
    assert {"train_phase2", "predict_screen"} in groups
    assert {"train_phase3", "predict_screen"} in groups
    assert sum({"admit_plate", "project_plate"} <= rules for rules in groups) == 2
    assert sum({"check_screen", "score_screen", "assess_screen"} <= rules for rules in groups) == 1
    jobs = int(re.search(r"^total +(\d+)$", plan, re.M).group(1)) - 1
    assert len(found) <= 11 and jobs >= 1.9 * len(found)


def test_memory_and_time_are_known_beforehand(plan):
    resources = re.findall(r"^ *resources: (.*)$", plan, re.M)
    assert len(resources) > 15
    for line in resources:
        for name in ("mem_mb", "runtime"):
            assert re.search(rf"\b{name}=\d+", line) or "tmpdir" not in line, line


def test_a_screen_of_single_cells_can_be_grouped(repository, tmp_path):
    """Its labels are ready before anything of the group `screen`: that group would wait for itself."""
    design = CellDesign(samples=1, plates=2, drugs=2, solvent=4, fields=1, cells=20)
    simulate_cells(tmp_path, design, 1)
    found = blocks(dry_run(repository, tmp_path))
    assert sum({"count_cells", "check_screen", "score_screen"} <= rules for rules in found) == 1
    assert found.count({"segment_plate", "crop_plate"}) == 2
    assert {"label_cells"} in found and {"predict_cells"} in found


def test_every_rule_that_asks_for_a_gpu_has_the_partition_with_one(repository):
    profile = yaml.safe_load((repository / "profiles/slurm/config.yaml").read_text())
    text = "".join(path.read_text() for path in (repository / "workflow/rules").glob("*.smk"))
    rules = re.split(r"^rule (?=\w+:)", text, flags=re.M)[1:]
    asking = {rule.partition(":")[0] for rule in rules if re.search(r"^ +gpu=", rule, re.M)}
    assert asking == set(profile["set-resources"])
