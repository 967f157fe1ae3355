"""profiles/slurm and the rules: every rule has its group, every GPU rule its partition."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

REPOSITORY = Path(__file__).resolve().parents[2]
# Long ones, ones that many others wait for, and those for no plate or screen: submitted alone.
ALONE = {"fetch_weights", "train_phase1", "crossfit_controls", "search_networks"}
# Of single cells: long ones on a GPU, what comes before the first, and a map that takes hours of a processor.
ALONE |= {"label_cells", "train_morphology", "predict_cells", "train_pan_morphology", "map_cells"}


@pytest.fixture(scope="module")
def profile() -> dict:
    return yaml.safe_load((REPOSITORY / "profiles/slurm/config.yaml").read_text())


@pytest.fixture(scope="module")
def rules() -> dict[str, str]:
    """Rule → its text."""
    text = "\n".join(path.read_text() for path in (REPOSITORY / "workflow/rules").glob("*.smk"))
    parts = re.split(r"\n(?=(?:rule|onstart|onsuccess|onerror|def|use rule)\b)", text)
    found = {m.group(1): part for part in parts if (m := re.match(r"rule (\w+):", part))}
    assert len(found) >= 14
    return found


def test_every_rule_is_in_a_group_or_alone_for_a_reason(profile, rules):
    groups = profile["groups"]
    assert set(rules) - set(groups) - ALONE == set(), "see `groups` in profiles/slurm/config.yaml"
    assert not set(groups) & ALONE


def test_rules_that_ask_for_a_gpu_have_a_partition_with_one(profile, rules):
    gpu = {rule for rule, text in rules.items() if re.search(r"\bgpu=", text)}
    assert gpu == set(profile["set-resources"])
    assert all(entry["slurm_partition"] == "gpu" for entry in profile["set-resources"].values())


def test_rules_of_one_group_need_a_gpu_all_or_none(profile, rules):
    gpu = set(profile["set-resources"])
    for group in set(profile["groups"].values()):
        members = {rule for rule, name in profile["groups"].items() if name == group}
        assert members <= gpu or not members & gpu, group


def test_resources_do_not_wait_for_files_of_their_own_group(rules):
    for rule, text in rules.items():
        part = re.search(r"\n    resources:\n(.*?)(?=\n    \w|\Z)", text, re.S)
        assert part, rule
        assert "size_mb" not in part.group(1), (
            f"{rule}: by_size, by_plate and by_wells do not need it"
        )


def test_no_rule_retries_by_itself(rules):
    assert not [rule for rule, text in rules.items() if re.search(r"\n    retries:", text)]
