"""This machine: versions against the lock, and whether its clock is kept right."""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from exvivo.doctor.findings import ERROR, OK, WARNING, Finding, some

_NEEDED = ("snakemake", "numpy", "pandas", "pyarrow", "jsonschema", "pyyaml")
_USUAL = ("tifffile", "imagecodecs", "zarr", "torch", "safetensors", "scipy", "jinja2", "pillow")
_PLUGIN = "snakemake-executor-plugin-slurm"


def check_versions(lock: Path, *, slurm: bool) -> list[Finding]:
    """Installed packages against the lock (constraints.txt) of this copy of exvivo."""
    findings = []
    locked = _locked(lock)
    needed = (*_NEEDED, _PLUGIN) if slurm else _NEEDED
    have = {name: found for name in (*needed, *_USUAL) if (found := _installed(name))}
    missing = [name for name in needed if name not in have]
    if missing:
        remedy = "make setup, or the packages of envs/workflow.yaml"
        findings.append(
            Finding(
                "versions", ERROR, f"not installed: {', '.join(missing)}", "all of these", remedy
            )
        )
    other = [
        f"{name} {found} (locked: {locked[name]})"
        for name, found in have.items()
        if name in locked and found.split("+")[0] not in locked[name].split(" or ")
    ]
    if other:
        remedy = "make setup installs the tested versions"
        findings.append(
            Finding("versions", WARNING, some(other), "the versions of the lock", remedy)
        )
    good = (
        f"Python {platform.python_version()}, snakemake {have.get('snakemake', 'none')}, as locked"
    )
    return findings or [Finding("versions", OK, good)]


def _locked(lock: Path) -> dict[str, str]:
    """Versions by package; where the lock has several for different Pythons, all of them."""
    found: dict[str, str] = {}
    if lock.is_file():
        for line in lock.read_text(encoding="utf-8").splitlines():
            if match := re.match(r"([\w.-]+)==([\w.+!-]+)", line):
                name = match[1].lower()
                found[name] = f"{found[name]} or {match[2]}" if name in found else match[2]
    return found


def _installed(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def check_time_service() -> list[Finding]:
    """Whether the machine's clock is set by a time service, where that can be asked."""
    if shutil.which("timedatectl") is None:
        return []
    try:
        done = subprocess.run(
            ["timedatectl", "show", "-p", "NTPSynchronized", "--value"],
            capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return []
    answer = done.stdout.strip()
    if done.returncode or answer not in ("yes", "no"):
        return []
    if answer == "yes":
        return [Finding("clock", OK, "set by a time service")]
    remedy = "start chrony or systemd-timesyncd"
    return [Finding("clock", WARNING, "no time service keeps it right", "NTP", remedy)]
