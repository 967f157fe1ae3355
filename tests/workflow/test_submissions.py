"""What a run with profiles/slurm would submit: groups that hold, and resources that are known beforehand."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from tiny_screen import make_tiny_screen

pytestmark = pytest.mark.slow
PROFILES = ("--profile", "profiles/slurm", "--workflow-profile", "profiles/default")


@pytest.fixture(scope="module")
def plan(repository, tmp_path_factory) -> str:
    """What a dry run says before anything was made; no scheduler is asked."""
    folder = make_tiny_screen(tmp_path_factory.mktemp("tiny"))
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
