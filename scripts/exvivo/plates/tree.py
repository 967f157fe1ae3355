"""A plate's folder as the file system shows it: names, sizes and times, without opening a file."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from exvivo.errors import PlateError, PrivacyError
from exvivo.plates.places import carried_name, place

# A plate of 1,536 wells with 9 sites, 4 waves and 40 planes has 2.2 million images and fewer than 100
# folders. More than this is not a plate but the disk it lies on.
MAX_FILES = 5_000_000
MAX_DEPTH = 12

# Instruments' clocks may be wrong by years: times further ahead than this say nothing about arriving.
_CLOCK_SKEW_NS = 3600 * 10**9


@dataclass(frozen=True, slots=True)
class FileStat:
    """Size in bytes, time of the last change of content and of the entry itself, in ns since 1970."""

    bytes: int
    mtime_ns: int
    ctime_ns: int


@dataclass(slots=True)
class Folder:
    """What lies directly in one folder: files, subfolders, and what was left out with the reason."""

    mtime_ns: int
    ctime_ns: int
    files: dict[str, FileStat] = field(default_factory=dict)
    folders: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Tree:
    """All folders of a plate by their path relative to `root` ("" is `root` itself, posix)."""

    root: Path
    folders: dict[str, Folder]

    def files(self) -> Iterator[tuple[str, str, FileStat]]:
        """Yield folder, file name and stat of every file, sorted."""
        for path in sorted(self.folders):
            files = self.folders[path].files
            for name in sorted(files):
                yield path, name, files[name]

    def refused(self) -> Iterator[tuple[str, str]]:
        """Yield relative path and reason of everything that was not looked at."""
        for path in sorted(self.folders):
            for name, reason in sorted(self.folders[path].refused.items()):
                yield path if name == "." else join(path, name), reason

    def stats(self) -> dict[str, FileStat]:
        """Return the stat of every file by its relative path."""
        return {join(folder, name): stat for folder, name, stat in self.files()}

    def times(self) -> Iterator[int]:
        """Yield the times of all files and folders, in ns since 1970.

        The time of the entry counts as well as that of the content: a copy that keeps the original's
        times (`cp -p`, `rsync -a`) looks old from its first byte on.
        """
        for folder in self.folders.values():
            yield from (folder.mtime_ns, folder.ctime_ns)
            for stat in folder.files.values():
                yield from (stat.mtime_ns, stat.ctime_ns)


def at_rest(tree: Tree, now_ns: int, minutes: float) -> bool:
    """Whether nothing in `tree` has changed for `minutes` before `now_ns`; 0 minutes: always."""
    times = [stamp for stamp in tree.times() if stamp <= now_ns + _CLOCK_SKEW_NS]
    return minutes <= 0 or now_ns - max(times, default=0) >= minutes * 60e9


def join(folder: str, name: str) -> str:
    """Return the relative path of `name` in `folder`, posix."""
    return f"{folder}/{name}" if folder else name


def walk(root: Path | str, reuse: Callable[[str], Folder | None] | None = None) -> Tree:
    """List the plate at `root`, folder by folder, following no link that leaves it.

    `reuse` may return an earlier listing of a folder, by its relative path, that still holds.

    Raises `PlateError` if `root` is missing, no folder or unreadable, or is far larger than a plate can be.
    """
    root = Path(root)
    home = os.path.realpath(root)
    tree = Tree(root, {})
    waiting, count = [""], 0
    while waiting:
        path = waiting.pop()
        try:
            folder = (reuse(path) if reuse else None) or list_folder(root, path, home)
        except OSError as error:
            if not path:
                raise _not_found(root, error) from error
            if isinstance(error, FileNotFoundError):
                continue  # it vanished after its parent was listed, whose time has changed with that
            folder = Folder(0, 0, refused={".": f"unreadable folder: {error.strerror}"})
        tree.folders[path] = folder
        count += len(folder.files)
        if count > MAX_FILES:
            raise PlateError(
                "far too many files for one plate",
                expected=f"at most {MAX_FILES:,}",
                found=f"more than {count:,}",
                where=root.name,
                hint="is this the folder of one plate, or the folder that holds all of them?",
            )
        waiting += [join(path, name) for name in folder.folders]
    return tree


def _not_found(root: Path, error: OSError) -> PlateError:
    found = {"FileNotFoundError": "nothing", "NotADirectoryError": "a file"}
    return PlateError(
        "folder not found",
        expected="the plate's folder as the instrument wrote it",
        found=found.get(type(error).__name__, str(error.strerror)),
        where=root.name,
        hint="check column 'path' of plates.tsv and 'data_root' of the configuration",
    )


def list_folder(root: Path, path: str, home: str) -> Folder:
    """List one folder of the plate at `root`, whose real path is `home`.

    Raises `OSError` if it is not a readable folder.
    """
    here = place(root, path)
    stat = here.stat()
    folder = Folder(stat.st_mtime_ns, stat.st_ctime_ns)
    with os.scandir(here) as entries:
        for entry in entries:
            _add(folder, entry, home, path)
    folder.folders.sort()
    if path.count("/") + 1 >= MAX_DEPTH:
        folder.refused |= dict.fromkeys(folder.folders, "too deep")
        folder.folders.clear()
    return folder


def _add(folder: Folder, entry: os.DirEntry[str], home: str, path: str) -> None:
    name = carried_name(entry.name, path)
    if name != entry.name and (name in folder.files or name in folder.folders):
        raise PrivacyError(
            "two names become one when their personal values are replaced",
            expected="names that differ in something else too",
            where=f"{path or 'the plate'}: {name}",
            hint="rename one of them",
        )
    # Tabs and line ends would break the fingerprint, so would half a character.
    if not name.isprintable():
        folder.refused[ascii(name)] = "unsafe name: it has control or undecodable characters"
        return
    try:
        if entry.is_symlink():
            reason = _refused_link(entry, home)
            if reason:
                folder.refused[name] = reason
                return
        if entry.is_dir():
            folder.folders.append(name)
        elif entry.is_file():
            stat = entry.stat()
            folder.files[name] = FileStat(stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns)
        else:
            folder.refused[name] = "neither a file nor a folder"
    except OSError as error:  # it vanished or became unreadable between listing and looking
        folder.refused[name] = f"unreadable: {error.strerror}"


def _refused_link(entry: os.DirEntry[str], home: str) -> str:
    """Why a link is not followed; empty for a link to a file within the plate."""
    target = os.path.realpath(entry.path)
    if os.path.commonpath([target, home]) != home:
        return "link that leaves the plate's folder"
    return "link to a folder" if Path(target).is_dir() else ""
