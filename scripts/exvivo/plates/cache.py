"""What a scan remembers of a plate between two runs. Only ever a shortcut: without it a scan is slower.

Two files, because a thousand plates are asked at every start of the workflow and most have not changed:
`scan.json` is small (the folders' times), `scan_files.json` has a line per raw file.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from exvivo.errors import StoreError
from exvivo.files import digest_bytes, read_json, write_text
from exvivo.plates.places import place
from exvivo.plates.tree import FileStat, Folder, Tree, walk
from exvivo.privacy.policy import current

HEAD, FILES = "scan.json", "scan_files.json"
VERSION = 1  # raise it when an instrument reads the same files differently: all plates are then listed anew

# A folder changed within this time before it was listed may change again without a new time stamp (the
# clocks of file servers tick slowly), so its listing is not trusted next time.
RACY_NS = 5_000_000_000


@dataclass(slots=True)
class Known:
    """One raw file as last seen: size, time, revision, and its checksum if a change in place was found."""

    bytes: int
    mtime_ns: int
    revision: int = 0
    digest: str = ""


@dataclass(slots=True)
class ScanCache:
    """Memory of one plate's scans.

    Attributes: `key` names folder and instrument (another one makes the memory void); `settled`; `note` a
    sentence for people; `folders` time of each folder's last listing (0: list it again); `files` what was
    seen, also of files that have gone since; `tree` the listing itself.
    """

    key: str
    settled: bool = False
    note: str = ""
    folders: dict[str, int] = field(default_factory=dict)
    files: dict[str, Known] = field(default_factory=dict)
    listings: dict[str, Folder] = field(default_factory=dict)

    @classmethod
    def head(cls, out: Path, key: str) -> ScanCache | None:
        """Read the small part; None if there is none, or it belongs to another folder or version."""
        try:
            head = read_json(out / HEAD)
            if head["version"] != VERSION or head["key"] != key:
                return None
            folders = {str(k): int(v) for k, v in head["folders"].items()}
            return cls(key, bool(head["settled"]), str(head["note"]), folders)
        except (StoreError, KeyError, TypeError, ValueError, AttributeError):
            return None

    def load_files(self, out: Path) -> None:
        """Read the large part; leave it empty if it is missing or damaged."""
        try:
            content = read_json(out / FILES)
            self.files = {path: Known(*known) for path, known in content["files"].items()}
            self.listings = {
                path: Folder(
                    mtime, ctime, {n: FileStat(*s) for n, s in files.items()}, subs, refused
                )
                for path, (mtime, ctime, files, subs, refused) in content["listings"].items()
            }
        except (StoreError, KeyError, TypeError, ValueError, AttributeError):
            self.files, self.listings = {}, {}

    def remember(self, tree: Tree, now_ns: int) -> None:
        """Keep `tree` as the listing; folders changed just before `now_ns` are to be listed again."""
        self.listings = dict(tree.folders)
        self.folders = {
            path: 0 if _unsure(folder, now_ns) else folder.mtime_ns
            for path, folder in tree.folders.items()
        }

    def save(self, out: Path) -> None:
        """Write both files; the small one last, because it vouches for the other."""
        files = {
            p: [k.bytes, k.mtime_ns, k.revision, k.digest] for p, k in sorted(self.files.items())
        }
        listings = {
            path: [
                f.mtime_ns,
                f.ctime_ns,
                {n: [s.bytes, s.mtime_ns, s.ctime_ns] for n, s in f.files.items()},
                f.folders,
                f.refused,
            ]
            for path, f in sorted(self.listings.items())
        }
        write_text(out / FILES, json.dumps({"files": files, "listings": listings}))
        self.save_head(out)

    def save_head(self, out: Path) -> None:
        """Write the small file only."""
        head = {
            "version": VERSION,
            "key": self.key,
            "settled": self.settled,
            "note": self.note,
            "folders": self.folders,
        }
        write_text(out / HEAD, json.dumps(head, indent=1))


def cache_key(folder: Path, instrument: str) -> str:
    """Name folder, instrument and what counts as personal, without writing the folder's path into the results."""
    facts = f"{folder.absolute()}\n{instrument}\n{current().signature}"
    return digest_bytes(facts.encode(errors="surrogateescape"))[:16]


def unchanged(folder: Path, cache: ScanCache) -> bool:
    """Whether every folder of the plate still has the time of its last listing."""
    try:
        return bool(cache.folders) and all(
            mtime and place(folder, path).stat().st_mtime_ns == mtime
            for path, mtime in cache.folders.items()
        )
    except OSError:
        return False


def quick_walk(root: Path, cache: ScanCache) -> Tree:
    """List only the folders whose time changed, and the folders new to the plate. Raises as `walk` does."""

    def reuse(path: str) -> Folder | None:
        same = cache.folders.get(path) == place(root, path).stat().st_mtime_ns
        return cache.listings.get(path) if same else None

    return walk(root, reuse)


def _unsure(folder: Folder, now_ns: int) -> bool:
    return now_ns - max(folder.mtime_ns, folder.ctime_ns) < RACY_NS
