"""Checksums of raw files: taken while projection reads them, compared when a file's time has changed.

They tell whether a file changed, not who changed it. CRC-32 and Adler-32 together are 64 bits: a changed
file passes for an unchanged one with odds of about 1 in 10**19. SHA-256 does the same at a tenth of the
speed and would take longer than all the rest of projection (python benchmarks/projection.py). `hashes.tsv` names
the algorithm in each row, so files with either can be compared.

Standard library only at import (the scan uses it at DAG time); imagecodecs, where it is installed, computes
the same numbers faster.
"""

from __future__ import annotations

import csv
import hashlib
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Protocol

from exvivo.errors import StoreError
from exvivo.files import read_buffer, write_text

ALGORITHM = "crc32-adler32"
ALGORITHMS = (ALGORITHM, "sha256")
COLUMNS = ("path", "bytes", "algorithm", "digest")
_BLOCK = 1 << 20

Update = Callable[..., int]


class Checksum(Protocol):
    """A checksum that grows with each block of a file."""

    def update(self, block: bytes | bytearray | memoryview, /) -> None:
        """Add the next bytes."""

    def hexdigest(self) -> str:
        """Return the checksum of all bytes so far."""


class CrcAdler:
    """CRC-32 and Adler-32 of the same bytes: 16 hexadecimal digits."""

    def __init__(self) -> None:
        self._crc32, self._adler32 = _fastest()
        self._crc, self._adler = 0, 1

    def update(self, block: bytes | bytearray | memoryview, /) -> None:
        """Add the next bytes."""
        self._crc = self._crc32(block, self._crc)
        self._adler = self._adler32(block, self._adler)

    def hexdigest(self) -> str:
        """Return both numbers, CRC-32 first."""
        return f"{self._crc:08x}{self._adler:08x}"


@dataclass(frozen=True, slots=True)
class FileHash:
    """A raw file as projection read it: its `path` in the plate's folder, size in bytes, and checksum."""

    path: str
    bytes: int
    algorithm: str
    digest: str


def new_checksum(algorithm: str = ALGORITHM) -> Checksum:
    """Return an empty checksum. Raises `StoreError` for an algorithm that exvivo does not know."""
    if algorithm == ALGORITHM:
        return CrcAdler()
    if algorithm == "sha256":
        return hashlib.sha256()
    raise StoreError(
        "this checksum cannot be compared",
        expected=" or ".join(ALGORITHMS),
        found=algorithm,
        hint="run the projection of the plate again",
    )


def checksum_file(path: Path | str, algorithm: str = ALGORITHM) -> str:
    """Return the checksum of a file, read in blocks. Raises `OSError` if it cannot be read."""
    checksum, block = new_checksum(algorithm), read_buffer(_BLOCK)
    with Path(path).open("rb", buffering=0) as handle:
        while count := handle.readinto(block):
            checksum.update(block[:count])
    return checksum.hexdigest()


def write_hashes(path: Path | str, hashes: Iterable[FileHash]) -> None:
    """Write `hashes` as TSV, sorted by path, whole or not at all."""
    rows = sorted(hashes, key=lambda row: row.path)
    lines = ["\t".join(COLUMNS)]
    lines += [f"{row.path}\t{row.bytes}\t{row.algorithm}\t{row.digest}" for row in rows]
    write_text(path, "\n".join(lines) + "\n")


def read_hashes(path: Path | str) -> dict[str, FileHash]:
    """Return the recorded checksums by path. Raises `StoreError` if the file is missing or damaged."""
    try:
        with Path(path).open(encoding="utf-8", newline="") as handle:
            rows = csv.reader(handle, delimiter="\t", quoting=csv.QUOTE_NONE)
            if tuple(next(rows, ())) != COLUMNS:
                raise ValueError("other columns")
            return {
                path: FileHash(path, int(size), algorithm, digest)
                for path, size, algorithm, digest in rows
            }
    except (OSError, ValueError, csv.Error) as error:
        raise StoreError(
            "cannot read these checksums",
            expected="columns " + ", ".join(COLUMNS),
            found=f"{type(error).__name__}: {error}",
            where=str(path),
            hint="run the projection of the plate again",
        ) from error


@cache
def _fastest() -> tuple[Update, Update]:
    try:
        from imagecodecs import deflate_adler32, deflate_crc32
    except ImportError:  # not in the environment that scans
        return zlib.crc32, zlib.adler32
    return deflate_crc32, deflate_adler32
