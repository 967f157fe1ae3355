"""The cluster: does the scheduler know what the profile asks of it?"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from exvivo.doctor.findings import ERROR, OK, WARNING, Finding

_SECONDS = 30
_PROGRAMS = ("sbatch", "squeue", "sinfo", "scancel")
_GPU = re.compile(r"gpu:(?:([A-Za-z][\w.-]*):)?(\d+)")


@dataclass(slots=True)
class Partition:
    """A partition as sinfo tells it: its state, GPU models, and GPUs in all of its nodes that can be used."""

    name: str
    states: set[str] = field(default_factory=set)
    models: set[str] = field(default_factory=set)
    gpus: int = 0


def read_profile(folder: Path) -> dict[str, Any]:
    """A Snakemake profile's settings; empty if there is no such file."""
    path = folder / "config.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) or {} if path.is_file() else {}


def check_scheduler(profile: dict[str, Any]) -> tuple[list[Finding], int | None]:
    """Findings on the scheduler, and how many GPUs the profile's partitions have; None without a cluster."""
    if profile.get("executor") != "slurm":
        return [Finding("scheduler", OK, "the profile uses none: jobs run on this machine")], None
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    if missing:
        remedy = "run on a node of the cluster, with Slurm's programs on the path"
        found = f"not found: {', '.join(missing)}"
        return [Finding("scheduler", ERROR, found, "Slurm's commands", remedy)], None
    state, text = _ask("sinfo", "-h", "-o", "%R|%a|%T|%G|%D")
    if state:
        remedy = "ask the administrators: the controller does not answer"
        return [Finding("scheduler", ERROR, text or "sinfo failed", "an answer", remedy)], None
    partitions = read_partitions(text.splitlines())
    findings, wanted = [], _wanted(profile)
    for rules, (name, model) in wanted.items():
        findings += check_partition(partitions, name, model, rules)
    if not findings:
        found = "partitions " + ", ".join(sorted({name for name, _ in wanted.values()}))
        findings = [Finding("scheduler", OK, f"answers; {found} are up")]
    names = {name for name, _ in wanted.values()}
    gpus = sum(partition.gpus for name, partition in partitions.items() if name in names)
    return [*findings, *_accounting(profile), *_memory()], gpus


def read_partitions(lines: Iterable[str]) -> dict[str, Partition]:
    """Partitions from `sinfo -h -o "%R|%a|%T|%G|%D"`: a line per partition, node state and GPUs."""
    found: dict[str, Partition] = {}
    for line in lines:
        name, up, state, gres, nodes = (*line.strip().split("|"), "", "", "", "")[:5]
        partition = found.setdefault(name, Partition(name))
        usable = up == "up" and not re.match(r"down|drain|fail|unk|maint", state)
        partition.states.add("up" if usable else f"{up} {state}")
        for model, count in _GPU.findall(gres):
            partition.models |= {model} - {""}
            partition.gpus += int(count) * int(nodes or 1) if usable else 0
    return found


def check_partition(
    partitions: dict[str, Partition], name: str, model: str, rules: str
) -> list[Finding]:
    """What is wrong with a partition that the profile names for `rules`, and with the GPU model."""
    if name not in partitions:
        known = ", ".join(sorted(partitions)) or "none"
        remedy = f"correct slurm_partition of {rules} in the profile"
        return [Finding("scheduler", ERROR, f"no partition {name}", f"one of {known}", remedy)]
    partition = partitions[name]
    if "up" not in partition.states:
        states = ", ".join(sorted(partition.states))
        remedy = "wait, or name another partition in the profile"
        return [
            Finding(
                "scheduler", ERROR, f"partition {name} is {states}", "nodes that are up", remedy
            )
        ]
    if model and model not in partition.models:
        known = ", ".join(sorted(partition.models)) or "none named"
        remedy = f"correct gpu_model of {rules} in the profile, or leave it out"
        found = f"no GPU {model} in partition {name}"
        return [Finding("scheduler", ERROR, found, f"one of {known}", remedy)]
    if rules != "default" and not partition.gpus:
        remedy = "name the partition with GPUs in the profile"
        found = f"partition {name} of {rules} has no usable GPU"
        return [Finding("scheduler", ERROR, found, "GPUs (GRES gpu)", remedy)]
    return []


def _wanted(profile: dict[str, Any]) -> dict[str, tuple[str, str]]:
    """Partition and GPU model by the rules they are named for; `default` for all others."""
    found = {}
    default = profile.get("default-resources") or {}
    if default.get("slurm_partition"):
        found["default"] = (str(default["slurm_partition"]), "")
    groups: dict[tuple[str, str], list[str]] = {}
    for rule, values in (profile.get("set-resources") or {}).items():
        if values.get("slurm_partition") and (
            values.get("gpu_model") or rule.startswith(_NEED_GPU)
        ):
            key = (str(values["slurm_partition"]), str(values.get("gpu_model") or ""))
            groups.setdefault(key, []).append(rule)
    return found | {", ".join(rules): key for key, rules in groups.items()}


_NEED_GPU = ("train_phase", "crossfit_controls", "predict_")


def _accounting(profile: dict[str, Any]) -> list[Finding]:
    """Whether sacct answers; needed where the profile asks it for the jobs' states."""
    state, text = _ask("sacct", "-X", "-n", "--starttime", "now-1hour", "--format=JobID")
    if not state:
        return [Finding("accounting", OK, "sacct answers")]
    needed = profile.get("slurm-status-command", "sacct") == "sacct"
    remedy = "ask for slurmdbd, or set slurm-status-command: squeue in the profile"
    found = f"sacct does not answer: {text.splitlines()[0] if text else 'no word'}"
    return [Finding("accounting", ERROR if needed else WARNING, found, "slurmdbd", remedy)]


def _memory() -> list[Finding]:
    """Whether squeue remembers ended jobs for as long as Snakemake takes to ask again."""
    state, text = _ask("scontrol", "show", "config")
    match = re.search(r"MinJobAge\s*=\s*(\d+)", text)
    if state or not match:
        return []
    seconds = int(match[1])
    if seconds >= 120:
        return [Finding("accounting", OK, f"ended jobs are remembered for {seconds} s")]
    remedy = "ask the administrators for MinJobAge of 120 s or more"
    return [Finding("accounting", WARNING, f"MinJobAge {seconds} s", "120 s or more", remedy)]


def _ask(*command: str) -> tuple[int, str]:
    """Exit status and output of a command of the scheduler; 1 if it cannot be run or does not end."""
    if shutil.which(command[0]) is None:
        return 1, f"{command[0]} is not installed"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return 1, f"no answer within {_SECONDS} s"
    return done.returncode, (
        done.stdout if not done.returncode else done.stderr or done.stdout
    ).strip()
