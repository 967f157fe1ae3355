"""Each environment of envs/ alone: its scripts and all of exvivo behind them import with its list and no more.

The environment is a real one (venv), filled with exactly the packages of the list and what they require in
turn. They are linked from the environment the tests run in, so that nothing is downloaded and every version is
that of the lock; a package that is installed there but not in the list cannot be seen. No channel is asked.
"""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import Distribution, PackageNotFoundError
from pathlib import Path

import pytest

from conda_channel import closure
from env_lists import ENVIRONMENTS, REPOSITORY, locked, names, pins, rules_scripts
from exvivo import provenance

pytestmark = pytest.mark.slow
# Imported by `training.kernels` only where Triton is, which comes with PyTorch's CUDA builds.
ON_A_GPU = {"exvivo.training.devicecode"}
# Imported by name inside functions of ours only where it is installed.
IMPORT = """
import importlib, runpy, sys
sys.path.append(sys.argv[1])
for script in sys.argv[2].split():
    runpy.run_path(f"{sys.argv[1]}/{script}", run_name="imported")
for module in sys.argv[3].split():
    importlib.import_module(module)
for foreign in sys.argv[4].split():
    try:
        importlib.import_module(foreign)
    except ModuleNotFoundError:
        continue
    sys.exit(f"{foreign} is visible, though it is not in the list")
"""


def virtual_environment(folder: Path, packages: dict[str, Distribution]) -> Path:
    """A venv in which exactly these packages are; its interpreter."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python3*/site-packages")
    for package in packages.values():
        home = Path(str(package.locate_file("")))
        for top in {Path(file).parts[0] for file in package.files or []} - {"..", "__pycache__"}:
            link(site / top, home / top, package)
    return folder / "bin/python"


def link(target: Path, source: Path, package: Distribution) -> None:
    """Link a file or folder of a package; a namespace that several share is made of their parts."""
    shared = source.is_dir() and not (source / "__init__.py").exists()
    if shared and not source.name.endswith((".dist-info", ".libs", ".data")):
        target.mkdir(exist_ok=True)
        depth = len(source.parts)
        own = [Path(str(package.locate_file(file))) for file in package.files or []]
        for child in {p.parts[depth] for p in own if p.is_relative_to(source) and p != source}:
            link(target / child, source / child, package)
    elif not target.exists():
        target.symlink_to(source)


@pytest.mark.parametrize(
    "path", [path for path in ENVIRONMENTS if path.stem != "workflow"], ids=names
)
def test_scripts_import_in_their_environment_alone(path, tmp_path):
    scripts = sorted(rules_scripts()[path.stem])
    modules = set().union(*(provenance.reachable_modules(script) for script in scripts))
    modules = sorted(modules - ON_A_GPU)
    listed = set(pins(path)) - {"python", "pip"}
    packages = closure(listed)
    lock = locked(f"{sys.version_info[0]}.{sys.version_info[1]}")
    strange = {n: p.version for n, p in packages.items() if p.version.split("+")[0] != lock[n]}
    assert strange == {}, "installed in another version than the lock says: make setup"
    foreign = {"snakemake": "snakemake", "torch": "torch", "zarr": "zarr", "jinja2": "jinja2"}
    unseen = [module for name, module in foreign.items() if name not in packages]
    python = virtual_environment(tmp_path / "env", packages)
    words = (str(REPOSITORY / "scripts"), " ".join(scripts), " ".join(modules), " ".join(unseen))
    done = subprocess.run(
        [str(python), "-I", "-c", IMPORT, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_package_that_is_missing_in_the_list_is_missed(tmp_path):
    python = virtual_environment(tmp_path / "env", closure({"pyyaml"}))
    words = (str(REPOSITORY / "scripts"), "score_screen.py", "", "")
    done = subprocess.run(
        [str(python), "-I", "-c", IMPORT, *words], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and "ModuleNotFoundError" in done.stderr


def test_a_package_that_does_not_exist_is_an_error():
    with pytest.raises(PackageNotFoundError):
        closure({"no-such-package-of-ours"})
