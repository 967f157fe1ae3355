"""The list of a plate's raw files: made when it is archived, compared when it comes back.

A raw file is read once for both checksums: SHA-256, which the archive wants, and the one that projection took
while reading it, which shows that these are the files the results were made of.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from exvivo.checksums import FileHash, new_checksum
from exvivo.errors import PlateError, StoreError
from exvivo.files import digest_bytes, read_buffer, write_text
from exvivo.plates.places import place
from exvivo.plates.tree import walk

_BLOCK = 1 << 20
_THREADS = 4


@dataclass(frozen=True, slots=True)
class Entry:
    """A raw file: `path` in the plate's folder (posix), size in bytes, SHA-256, and `used` by the projection.

    `sha256` is empty where the file had left before it could be read; then `checksum` (algorithm and digest, as
    projection took it) tells whether it is the same.
    """

    path: str
    bytes: int
    sha256: str
    used: str
    checksum: str


COLUMNS = tuple(field.name for field in fields(Entry))


@dataclass(frozen=True, slots=True)
class Difference:
    """A raw file that is not as the manifest has it: `kind` is `missing`, `changed`, `added` or `unreadable`."""

    path: str
    kind: str

    def __str__(self) -> str:
        return f"{self.path}: {self.kind}"


def make_manifest(
    folder: Path, hashes: dict[str, FileHash]
) -> tuple[list[Entry], list[Difference]]:
    """Read every file below `folder`; return the manifest, and where it differs from what projection read.

    Raises `PlateError` if the folder cannot be listed.
    """
    stats = walk(folder).stats()
    paths = sorted(stats)
    with ThreadPoolExecutor(_THREADS) as pool:
        read = list(pool.map(lambda path: _read(place(folder, path), hashes.get(path)), paths))
    entries, differences = [], []
    for path, (sha256, checksum) in zip(paths, read, strict=True):
        known = hashes.get(path)
        if not sha256:
            differences.append(Difference(path, "unreadable"))
        elif known and checksum != known.digest:
            differences.append(Difference(path, "changed"))
        entries.append(Entry(path, stats[path].bytes, sha256, "yes" if known else "", _text(known)))
    differences += [Difference(path, "missing") for path in sorted(hashes.keys() - stats.keys())]
    return entries, differences


def manifest_of_hashes(hashes: dict[str, FileHash]) -> list[Entry]:
    """A manifest for a plate whose raw files left before it was marked: those that projection read."""
    return [Entry(h.path, h.bytes, "", "yes", _text(h)) for _, h in sorted(hashes.items())]


def compare(folder: Path, entries: Iterable[Entry], *, complete: bool = True) -> list[Difference]:
    """How the files below `folder` differ from a manifest; each file of the right size is read and hashed.

    With `complete` a file that the manifest does not know is a difference too. Raises `PlateError` if the
    folder cannot be listed.
    """
    expected = {entry.path: entry for entry in entries}
    stats = walk(folder).stats()
    differences = [Difference(path, "missing") for path in expected.keys() - stats.keys()]
    if complete:
        differences += [Difference(path, "added") for path in stats.keys() - expected.keys()]
    same = [path for path in expected if path in stats]
    changed = [path for path in same if stats[path].bytes != expected[path].bytes]
    rest = sorted(set(same) - set(changed))
    with ThreadPoolExecutor(_THREADS) as pool:
        good = pool.map(lambda path: _is(place(folder, path), expected[path]), rest)
        changed += [path for path, as_before in zip(rest, good, strict=True) if not as_before]
    differences += [Difference(path, "changed") for path in changed]
    return sorted(differences, key=lambda difference: (difference.path, difference.kind))


def signature(folder: Path) -> str:
    """Digest of names, sizes and times of all files below `folder`; empty if there is no such folder."""
    try:
        stats = walk(folder).stats()
    except PlateError:
        return ""
    rows = [f"{path}\t{stat.bytes}\t{stat.mtime_ns}" for path, stat in sorted(stats.items())]
    return digest_bytes("\n".join(rows).encode()) if rows else ""


def write_manifest(path: Path, entries: Iterable[Entry]) -> None:
    """Write a manifest as TSV, whole or not at all."""
    rows = ["\t".join(COLUMNS), *("\t".join(map(str, astuple(entry))) for entry in entries)]
    write_text(path, "\n".join(rows) + "\n")


def read_manifest(path: Path) -> list[Entry]:
    """Read a manifest. Raises `StoreError` if it is missing or damaged."""
    try:
        with path.open(encoding="utf-8", newline="") as handle:
            rows = csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
            if tuple(next(rows, ())) != COLUMNS:
                raise ValueError("other columns")
            return [Entry(name, int(size), *rest) for name, size, *rest in rows]
    except (OSError, ValueError, TypeError, csv.Error) as error:
        raise StoreError(
            "cannot read this list of archived files",
            expected="columns " + ", ".join(COLUMNS),
            found=f"{type(error).__name__}: {error}",
            where=str(path),
            hint="take it back from the archive, where it lies beside the plate",
        ) from error


def _text(known: FileHash | None) -> str:
    return f"{known.algorithm}:{known.digest}" if known else ""


def _read(path: Path, known: FileHash | None) -> tuple[str, str]:
    """SHA-256 of a file and the checksum of `known`'s kind, in one pass; empty texts if it cannot be read."""
    sha256 = new_checksum("sha256")
    other = new_checksum(known.algorithm) if known else None
    block = read_buffer(_BLOCK)
    try:
        with path.open("rb", buffering=0) as handle:
            while count := handle.readinto(block):
                piece = block[:count]
                sha256.update(piece)
                if other:
                    other.update(piece)
    except OSError:
        return "", ""
    return sha256.hexdigest(), other.hexdigest() if other else ""


def _is(path: Path, entry: Entry) -> bool:
    """Whether a file is the one that was archived."""
    algorithm, _, digest = entry.checksum.partition(":")
    known = None if entry.sha256 else FileHash(entry.path, entry.bytes, algorithm, digest)
    sha256, checksum = _read(path, known)
    return sha256 == entry.sha256 if entry.sha256 else bool(digest) and checksum == digest
