"""Which raw files changed in content since they were last used, without reading a plate twice."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

from exvivo import checksums
from exvivo.checksums import FileHash
from exvivo.errors import StoreError
from exvivo.files import read_json
from exvivo.plates.base import Fingerprint, RawFile
from exvivo.plates.cache import Known, ScanCache
from exvivo.plates.places import place
from exvivo.plates.tree import FileStat

HASHES = "hashes.tsv"  # written by the projection, see exvivo.checksums
ADMISSION = "admission.json"

_THREADS = 4

log = logging.getLogger(__name__)


class Revisions:
    """Compares a plate's files with what the last scan and the projection knew of them.

    A file's revision rises when its size changes, or when its time changes and its hash differs from the
    one the projection took. A file that the projection did not read (another channel, the instrument's own
    projection) has no such hash, and nothing was made of its pixels: its revision stays. Unless its well
    was found damaged: then the change may be the repair.
    """

    def __init__(self, folder: Path, out: Path, old: Fingerprint | None, cache: ScanCache):
        self.folder, self.out, self.cache = folder, out, cache
        self._digests: dict[str, str] = {}
        if old is not None and not cache.files:
            self._remember_from(old)

    def apply(self, files: list[RawFile], stats: dict[str, FileStat]) -> list[RawFile]:
        """Return `files` with their revisions, and remember them."""
        self._hash_ahead([f for f in files if self._touched(f.path, stats[f.path], f.well)])
        return [
            file if not revision else _with(file, revision)
            for file in files
            for revision in [self._update(file.path, stats[file.path], file.well)]
        ]

    def apply_indexes(
        self, indexes: list[tuple[str, int]], stats: dict[str, FileStat]
    ) -> list[tuple[str, int, int]]:
        """Return path, bytes and revision of each index file, and remember them."""
        return [(path, size, self._update(path, stats[path], None)) for path, size in indexes]

    def _update(self, path: str, stat: FileStat, well: str | None) -> int:
        known = self.cache.files.get(path)
        if known is None:
            # Index files are small: hashed at first sight, so that a touch can be told from a change.
            digest = "" if well else self._digest(path)
            known = self.cache.files[path] = Known(stat.bytes, stat.mtime_ns, 0, digest)
        elif known.bytes != stat.bytes:
            known.revision, known.digest = known.revision + 1, "" if well else self._digest(path)
        elif known.mtime_ns != stat.mtime_ns:
            self._compare(path, known, well)
        known.bytes, known.mtime_ns = stat.bytes, stat.mtime_ns
        return known.revision

    def _touched(self, path: str, stat: FileStat, well: str) -> bool:
        """Whether a file's time changed, its size did not, and its content matters."""
        known = self.cache.files.get(path)
        if known is None or known.bytes != stat.bytes or known.mtime_ns == stat.mtime_ns:
            return False
        return path in self._hashes or self._distrusted(well)

    def _compare(self, path: str, known: Known, well: str | None) -> None:
        """Raise the revision if the content differs from what was used."""
        if well is None:
            digest = self._digest(path)
            changed, known.digest = digest != known.digest != "", digest
            known.revision += changed
            return
        recorded = self._hashes.get(path)
        if recorded is None and not self._distrusted(well):
            return
        digest = self._digest(path)
        if (recorded is None or digest != recorded.digest) and digest != known.digest:
            known.revision, known.digest = known.revision + 1, digest
            log.info("%s: changed in place", path)

    def _hash_ahead(self, files: list[RawFile]) -> None:
        """Hash many files at once: a plate restored from an archive has new times throughout."""
        if len(files) > 1:
            log.info("%d files have a new time and their old size: comparing hashes", len(files))
        with ThreadPoolExecutor(_THREADS) as pool:
            paths = [file.path for file in files]
            self._digests |= zip(paths, pool.map(self._digest, paths), strict=True)

    def _digest(self, path: str) -> str:
        if path in self._digests:
            return self._digests[path]
        recorded = self._hashes.get(path)
        algorithm = recorded.algorithm if recorded else checksums.ALGORITHM
        try:
            return checksums.checksum_file(place(self.folder, path), algorithm)
        except OSError as error:
            log.warning("%s: cannot be read: %s", path, error.strerror or error)
            return "unreadable"

    def _distrusted(self, well: str) -> bool:
        verdict, damaged = self._admission
        return verdict not in ("", "admitted") or well in damaged

    @cached_property
    def _hashes(self) -> dict[str, FileHash]:
        return read_hashes(self.out)

    @cached_property
    def _admission(self) -> tuple[str, set[str]]:
        try:
            content = read_json(self.out / ADMISSION)
            wells = content["wells"].items()
            return content["verdict"], {w for w, entry in wells if entry["verdict"] != "admitted"}
        except (StoreError, KeyError, TypeError, AttributeError):
            return "", set()

    def _remember_from(self, old: Fingerprint) -> None:
        """Without a memory, a file is taken as unchanged if it is older than the fingerprint."""
        written = (self.out / "fingerprint.tsv").stat().st_mtime_ns
        rows = [(file.path, file.bytes, file.revision) for file in old.files] + old.indexes
        for path, size, revision in rows:
            try:
                mtime = place(self.folder, path).stat().st_mtime_ns
            except OSError:
                continue
            self.cache.files[path] = Known(size, mtime if mtime <= written else -1, revision)


def read_hashes(out: Path) -> dict[str, FileHash]:
    """Return the checksums by path of the raw files the projection read; empty if there was none."""
    try:
        return checksums.read_hashes(out / HASHES)
    except StoreError:
        return {}


def projected(out: Path) -> bool:
    """Whether something was made of this plate's images."""
    return bool(read_hashes(out))


def _with(file: RawFile, revision: int) -> RawFile:
    return RawFile(file.well, file.field, file.channel, file.plane, file.path, file.bytes, revision)
