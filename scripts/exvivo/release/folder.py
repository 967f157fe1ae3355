"""Where released screens lie, and which of them are frozen.

    released/{screen}/v1/            a signed copy: read-only
    released/{screen}/v1.sha256      digest of its manifest
    released/{screen}/reopened.json  a person wants a revision: the screen is worked on again

Standard library only: read whenever a workflow is planned.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from exvivo.errors import StoreError

RELEASED = Path("released")
MANIFEST = "SHA256SUMS"
REOPENED = "reopened.json"
_ID = re.compile(r"[A-Za-z0-9._-]*[A-Za-z0-9]")  # no path: a screen's id
_VERSION = re.compile(r"v([1-9][0-9]*)")


def versions(screen: str, root: Path = Path()) -> list[int]:
    """Numbers of a screen's releases, in order; a folder without a manifest is none."""
    own = root / RELEASED / screen
    if not own.is_dir():
        return []
    matches = (_VERSION.fullmatch(path.name) for path in own.iterdir())
    return sorted(int(m[1]) for m in matches if m and (own / m[0] / MANIFEST).is_file())


def released_screens(root: Path = Path()) -> list[str]:
    """Ids of the screens that have a folder below released/, in order."""
    top = root / RELEASED
    return sorted(path.name for path in top.iterdir() if path.is_dir()) if top.is_dir() else []


def released_versions(screen: str, root: Path = Path()) -> list[int]:
    """As `versions`, for what a person typed; `StoreError` if there are none."""
    found = versions(screen, root) if _ID.fullmatch(screen) else []
    if not found:
        known = [name for name in released_screens(root) if versions(name, root)]
        raise StoreError(
            "there is no such release",
            expected=f"a screen with a release: {', '.join(known) or 'there is none'}",
            found=repr(screen),
            where=str(RELEASED),
        )
    return found


def version_folder(screen: str, version: int, root: Path = Path()) -> Path:
    """Folder of one release."""
    return root / RELEASED / screen / f"v{version}"


def reopening(screen: str, root: Path = Path()) -> dict[str, Any] | None:
    """Who reopened the screen's newest release and why; None if nobody did.

    A note that cannot be read or that concerns an earlier release opens nothing: when in doubt, frozen.
    """
    path, released = root / RELEASED / screen / REOPENED, versions(screen, root)
    if not released or not path.is_file():
        return None
    try:
        note = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) and note.get("version") == released[-1] else None


def frozen_screens(root: Path = Path()) -> dict[str, str]:
    """Screens that nothing may make again: screen → folder of its newest release, relative to `root`."""
    newest = {name: versions(name, root) for name in released_screens(root)}
    return {
        name: version_folder(name, found[-1]).as_posix()
        for name, found in newest.items()
        if found and reopening(name, root) is None
    }
