"""What envs/*.yaml, constraints.txt and the rules say, for the tests that compare them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from packaging.requirements import Requirement

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENTS = sorted((REPOSITORY / "envs").glob("*.yaml"))
CONDA_TO_PYPI = {"pytorch": "torch", "snakemake-minimal": "snakemake"}


def names(path: Path) -> str:
    return path.stem


def pins(path: Path) -> dict[str, str]:
    """PyPI name → version of every package of an environment file but Python and pip."""
    found = {}
    for entry in yaml.safe_load(path.read_text())["dependencies"]:
        for text in entry["pip"] if isinstance(entry, dict) else [entry]:
            name, _, version = re.fullmatch(r"([a-z0-9._-]+)(==?([0-9.]+))?", text).groups()[:3]
            found[CONDA_TO_PYPI.get(name, name)] = (version or "") if name != "pip" else "any"
    return found


def locked(python: str) -> dict[str, str]:
    """Name → version in constraints.txt for this Python on Linux."""
    place = {"python_full_version": f"{python}.0", "python_version": python}
    place |= {"sys_platform": "linux", "platform_machine": "x86_64"}
    found = {}
    for line in (REPOSITORY / "constraints.txt").read_text().splitlines():
        requirement = Requirement(line)
        if requirement.marker is None or requirement.marker.evaluate(place):
            found[requirement.name] = str(requirement.specifier).removeprefix("==")
    return found


def rules_scripts() -> dict[str, set[str]]:
    """Environment → scripts of the rules that run in it."""
    found: dict[str, set[str]] = {}
    for _, script, environment in rules():
        found.setdefault(environment, set()).add(script)
    return found


def rules_of(environment: str) -> set[str]:
    """Names of the rules that run in an environment."""
    return {name for name, _, used in rules() if used == environment}


def rules() -> Iterator[tuple[str, str, str]]:
    """Name, script and environment of every rule that has a script."""
    for file in (REPOSITORY / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"\n(?=rule )", file.read_text())[1:]:
            script = re.search(r'"\.\./\.\./scripts/(\w+\.py)"', rule)
            conda = re.search(r'"\.\./\.\./envs/(\w+)\.yaml"', rule)
            assert bool(script) == bool(conda), f"{file.name}: script without conda:\n{rule}"
            if script and conda:
                yield re.split(r"\W", rule, maxsplit=2)[1], script.group(1), conda.group(1)
