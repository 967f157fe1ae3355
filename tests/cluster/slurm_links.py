"""Slurm's configuration in /etc/slurm: links to that of the test cluster, and back again."""

from __future__ import annotations

import os
from pathlib import Path

from slurm_processes import ClusterError, run

CONFIGURATION = Path("/etc/slurm")
LINKED = ("slurm.conf", "gres.conf", "slurmdbd.conf")
ASIDE = ".before-exvivo"


def linked_folder() -> Path | None:
    """The folder that /etc/slurm/slurm.conf points to, `None` if it is no link."""
    link = CONFIGURATION / LINKED[0]
    return link.readlink().parent if link.is_symlink() else None


def link_configuration(folder: Path) -> None:
    """Link our configuration into /etc/slurm; set aside what is there, unless a cluster uses it."""
    CONFIGURATION.mkdir(exist_ok=True)
    there = [CONFIGURATION / name for name in LINKED]
    if any(os.path.lexists(path) for path in there) and "UP" in run(
        "scontrol", "ping", check=False
    ):
        raise ClusterError(f"this machine belongs to a cluster ({CONFIGURATION}): not touched")
    for path in there:
        if os.path.lexists(path):
            path.rename(path.with_name(path.name + ASIDE))
        path.symlink_to(folder / path.name)


def unlink_configuration(folder: Path) -> None:
    """Remove our links from /etc/slurm and put back what was set aside."""
    for path in (CONFIGURATION / name for name in LINKED):
        if path.is_symlink() and path.readlink() == folder / path.name:
            path.unlink()
            aside = path.with_name(path.name + ASIDE)
            if os.path.lexists(aside):
                aside.rename(path)
