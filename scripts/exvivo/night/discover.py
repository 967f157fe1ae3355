"""Finding plates that no sheet knows yet, by the facility's own rule: the pattern of a plate's folder.

Nothing is opened and nothing is guessed: a folder either fits the rule and is at rest, or it waits, or it is named
for a person to look at. A layout is never made up.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exvivo.errors import ExvivoError
from exvivo.plates.base import IMAGE_NAME
from exvivo.plates.tree import Tree, at_rest, walk

PLATE_COLUMNS = ("plate", "screen", "instrument", "layout", "layout_plate")
NEW, ARRIVING, PERSON = "new", "arriving", "for a person"
_GROUP = re.compile(r"\{(\w+)\}")


@dataclass(slots=True)
class Found:
    """A folder that no row of plates.tsv names.

    Attributes: `path` below the data root (posix); `state` (`new`, `arriving`, `for a person`); `plate` and `screen`
    the rows it makes, empty if it fits no rule; `reason` in words unless it is new.
    """

    path: str
    state: str
    plate: dict[str, str] = field(default_factory=dict)
    screen: dict[str, str] = field(default_factory=dict)
    reason: str = ""

    def leave(self, state: str, reason: str) -> None:
        """Note why this folder is not entered tonight."""
        self.state, self.reason = state, reason


def groups_of(template: str) -> list[str]:
    """Names in braces of a template."""
    return _GROUP.findall(template)


def fill(template: str, groups: dict[str, str]) -> str:
    """A template with the names in braces replaced by what the folder's pattern found."""
    return _GROUP.sub(lambda match: groups[match[1]], template)


def find_plates(
    root: Path, known: set[str], rule: dict[str, Any], settle_minutes: float, now: float
) -> list[Found]:
    """Folders of plates below `root` (the data root) that are not among the paths `known`, sorted by path.

    `rule` is the section `night` of the configuration, `now` in seconds since 1970. Without a pattern nothing is
    looked for.
    """
    if rule["folder"] is None:
        return []
    pattern, start = re.compile(rule["folder"]), root / rule["root"]
    found = []
    for path in _folders(start, "", rule["depth"], pattern, root, known):
        name = (start / path).relative_to(root).as_posix()
        match = pattern.fullmatch(path)
        if match is None:
            reason = "holds images, and its name does not fit the rule night: folder"
            found.append(Found(name, PERSON, reason=reason))
            continue
        groups = {key: value or "" for key, value in match.groupdict().items()}
        one = Found(name, NEW, _plate_row(rule, groups, name), _screen_row(rule, groups))
        _look(one, start / path, settle_minutes, now)
        found.append(one)
    return sorted(found, key=lambda f: f.path)


def _plate_row(rule: dict[str, Any], groups: dict[str, str], path: str) -> dict[str, str]:
    return {column: fill(rule[column], groups) for column in PLATE_COLUMNS} | {"path": path}


def _screen_row(rule: dict[str, Any], groups: dict[str, str]) -> dict[str, str]:
    row = {column: fill(text, groups) for column, text in rule["new_screen"].items()}
    return row | {"screen": fill(rule["screen"], groups)}


def _folders(
    start: Path, path: str, depth: int, pattern: re.Pattern[str], root: Path, known: set[str]
) -> list[str]:
    """Folders below `start/path` that fit the pattern, and those that hold images and do not."""
    found: list[str] = []
    with os.scandir(start / path) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in names:
        inner = f"{path}/{name}" if path else name
        if name.startswith(".") or (start / inner).relative_to(root).as_posix() in known:
            continue
        if pattern.fullmatch(inner) or _holds_images(start / inner):
            found.append(inner)
        elif depth > 1:
            found += _folders(start, inner, depth - 1, pattern, root, known)
    return found


def _holds_images(folder: Path) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(IMAGE_NAME.search(entry.name) for entry in entries)
    except OSError:
        return False


def _look(found: Found, folder: Path, settle_minutes: float, now: float) -> None:
    """Leave a plate that is still being copied, or that holds no image."""
    try:
        tree = walk(folder)
    except ExvivoError as error:
        found.leave(PERSON, str(error))
        return
    if not at_rest(tree, int(now * 1e9), settle_minutes):
        found.leave(ARRIVING, f"something in it changed within the last {settle_minutes:g} minutes")
    elif not found.path.isprintable():
        found.leave(PERSON, "its name has control characters")
    elif not _images(tree):
        found.leave(PERSON, "holds no image files")


def _images(tree: Tree) -> bool:
    return any(IMAGE_NAME.search(name) for _, name, _ in tree.files())
