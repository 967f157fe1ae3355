"""Where a raw file lies: results may know it under a name in which personal values are replaced (`exvivo.privacy`)."""

from __future__ import annotations

import os
from pathlib import Path

from exvivo.privacy.policy import current

_listed: dict[Path, dict[str, str]] = {}  # folder → its names as results know them → as they are


def carried_name(name: str, folder: str) -> str:
    """A file's or folder's name as results may hold it; `folder` is the relative path of its folder, as carried.

    Raises `PrivacyError` if it holds a personal value that the policy refuses.
    """
    return current().carry(name, f"a name in folder {folder!r} of the plate" if folder else "a name in the plate's folder")  # fmt: skip


def place(root: Path | str, path: str) -> Path:
    """Where the file or folder is that results call `path`, relative to the plate's folder `root`."""
    file = Path(root) / path
    if not current().replaces or os.path.lexists(file):
        return file
    file = Path(root)
    for part in path.split("/"):
        file = file / _names(file).get(part, part)
    return file


def _names(folder: Path) -> dict[str, str]:
    if folder not in _listed:
        try:
            names = [entry.name for entry in folder.iterdir()]
        except OSError:
            return {}
        _listed[folder] = {carried_name(name, ""): name for name in names if name.isprintable()}
    return _listed[folder]
