"""Where raw plates lie, and what Snakemake and the results may know of it.

Standard library only: used at DAG time.
"""

from __future__ import annotations

from pathlib import Path

from exvivo.errors import PrivacyError
from exvivo.files import digest_bytes, digest_file, write_text
from exvivo.privacy import current
from exvivo.sheets import Plate


class RawPath(str):
    """Where a raw plate lies, for a job. What Snakemake prints and keeps of it is its `repr`, which names no person
    and no root: a raw plate that moves to another disk is no other plate.
    """

    def __new__(cls, path: Path, shown: str) -> RawPath:
        """The path as a text that shows itself as `shown`."""
        self = super().__new__(cls, path)
        self.shown = shown
        return self

    def __repr__(self) -> str:
        return repr(self.shown)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        """A script gets a plain text."""
        return str, (str(self),)


def carried_path(plate: Plate) -> str:
    """A plate's path as results may hold it. Raises `PrivacyError` where the policy refuses."""
    return current().carry_path(plate.path, f"plates.tsv, plate {plate.plate}, column path")


def recorded_path(plate: Plate) -> str:
    """A plate's path for what Snakemake records: as carried, or without a word of it."""
    try:
        return carried_path(plate)
    except PrivacyError:
        return f"{plate.plate}: not shown"


def scan_reader(file: Path, name: str, out: Path) -> bool:
    """Fingerprint of a plate-reader file: small, so its content is always looked at."""
    row = f"{name}\t{file.stat().st_size}\t{digest_file(file)}\n" if file.is_file() else ""
    text, fingerprint = "path\tbytes\tsha256\n" + row, out / "fingerprint.tsv"
    if fingerprint.is_file() and digest_file(fingerprint) == digest_bytes(text.encode()):
        return False
    write_text(fingerprint, text)
    return True
