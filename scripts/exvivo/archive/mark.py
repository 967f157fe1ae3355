"""Marking plates as archived, checking those that come back, and taking them back into use."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Any

from exvivo.archive import manifest
from exvivo.archive.manifest import Difference, Entry
from exvivo.archive.ready import RESULTS, SCREENS, Candidate
from exvivo.archive.register import (
    FOLDER,
    RAW_SCRIPTS,
    manifest_path,
    read_register,
    write_register,
)
from exvivo.checksums import read_hashes
from exvivo.errors import PlateError
from exvivo.files import digest_file, read_json, write_json
from exvivo.sheets import Sheets

_NAMED = 10  # files in a message before it says how many more there are

log = logging.getLogger(__name__)


def mark(sheets: Sheets, found: Candidate) -> dict[str, Any]:
    """Write the manifest of a plate that is ready and enter it in the register; return its entry there.

    Every raw file is read once. Raises `PlateError` if one is not what projection read: then the plate stays.
    """
    out, folder = RESULTS / found.plate, sheets.folder(found.plate)
    hashes = read_hashes(out / "hashes.tsv")
    if found.present:
        log.info("plate %s: reading %d raw files", found.plate, found.files)
        entries, differences = manifest.make_manifest(folder, hashes)
        if differences:
            raise _refused(found.plate, differences, "run the workflow again, or restore the files")
    else:
        entries = manifest.manifest_of_hashes(hashes)
    path = manifest_path(found.plate)
    manifest.write_manifest(path, entries)
    entry = {
        "marked": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "complete": found.present,
        "files": len(entries),
        "bytes": sum(entry.bytes for entry in entries),
        "manifest": digest_file(path),
        "fingerprint": digest_file(out / "fingerprint.tsv"),
        "images": read_json(out / "images.done.json")["digest"],
        "wells": read_json(out / "wells.done.json")["digest"],
        "code": _code(found.screen),
    }
    if found.present:
        _remember(found.plate, manifest.signature(folder), [])
    write_register(read_register() | {found.plate: entry})
    return entry


def _code(screen: str) -> dict[str, str]:
    """Digest of the code that read the raw files, by script, as the run record of a drug screen has it."""
    record = SCREENS / screen / "run_record.json"
    if not record.is_file():
        return {}
    known = read_json(record)["made_from"]["code"]["rules"]
    return {script: known[script] for script in RAW_SCRIPTS if script in known}


def check(sheets: Sheets, plate: str) -> list[Difference]:
    """Compare the raw folder of an archived plate with its manifest, file by file.

    Raises `PlateError` if the plate is not archived or its folder is not there, `StoreError` if the manifest is
    not the one that was written.
    """
    entries, complete = _manifest(plate)
    folder = sheets.folder(plate)
    seen = manifest.signature(folder)
    differences = manifest.compare(folder, entries, complete=complete)
    _remember(plate, seen, differences)
    return differences


def take_back(sheets: Sheets, plate: str) -> None:
    """Strike a plate whose raw files are back from the register, so that its rules apply again.

    Raises `PlateError` with the files named if they are not the ones that left.
    """
    if differences := check(sheets, plate):
        raise _refused(plate, differences, "restore it again; what was made of it stays as it is")
    register = read_register()
    del register[plate]
    write_register(register)


def returned(sheets: Sheets, plates: Iterable[str] = ()) -> dict[str, list[Difference]]:
    """Archived plates whose raw folder is there and differs from what left; what was checked once is not read again."""
    found = {}
    for plate in list(plates) or [p for p in read_register() if p in sheets.plates]:
        seen = manifest.signature(sheets.folder(plate))
        if not seen:
            continue
        path = FOLDER / f"{plate}.check.json"
        known = read_json(path) if path.is_file() else {}
        if known.get("signature") == seen:
            differences = [Difference(*row) for row in known["differences"]]
        else:
            differences = check(sheets, plate)
        if differences:
            found[plate] = differences
    return found


def names(differences: list[Difference]) -> str:
    """The first files that differ, in words."""
    more = len(differences) - _NAMED
    text = ", ".join(map(str, differences[:_NAMED]))
    return text + (f" and {more} more" if more > 0 else "")


def _manifest(plate: str) -> tuple[list[Entry], bool]:
    entry = read_register().get(plate)
    if entry is None:
        raise PlateError(
            "this plate is not archived",
            expected="a plate marked by exvivo archive-ready --mark",
            found=", ".join(read_register()) or "no archived plates",
            where=plate,
        )
    path = manifest_path(plate)
    if path.is_file() and digest_file(path) != entry["manifest"]:
        raise PlateError(
            "the list of this plate's files was changed after it was archived",
            expected=f"SHA-256 {entry['manifest']}",
            found=digest_file(path),
            where=str(path),
            hint="take it back from the archive, where it lies beside the plate",
        )
    return manifest.read_manifest(path), bool(entry["complete"])


def _remember(plate: str, signature: str, differences: list[Difference]) -> None:
    rows = [[d.path, d.kind] for d in differences]
    write_json(FOLDER / f"{plate}.check.json", {"signature": signature, "differences": rows})


def _refused(plate: str, differences: list[Difference], hint: str) -> PlateError:
    return PlateError(
        "these raw files are not the ones the results were made of",
        expected="every file as it was projected and archived",
        found=names(differences),
        where=f"plate {plate}",
        hint=hint,
    )
