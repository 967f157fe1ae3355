"""Copying a screen's results into a release that nothing changes any more."""

from __future__ import annotations

import fcntl
import html
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exvivo import targets
from exvivo.errors import StoreError
from exvivo.files import digest_file, write_json, write_text
from exvivo.release.folder import MANIFEST, RELEASED, version_folder
from exvivo.sheets import Sheets

REPORT_MARK = "<!-- released -->"
# What a release must hold. Rules of the cohort may read these of a released screen, and nothing else: an older
# release that lacked a file would stop every run.
NEEDED = {
    "drug": (
        "report.html",
        "scores.tsv",
        "quality.tsv",
        "verdict.json",
        "admission.json",
        "layout.parquet",
        "responses.parquet",
        "curves.parquet",
        "bands.parquet",
        "run_record.json",
    ),
    "training": (),
}
_OF_A_PLATE = ("*.json", "*.tsv", "*.parquet", "readouts/*.parquet")
_OF_DECISIONS = ("decisions.json", "decisions.tsv")
_UNIMPORTANT = ("scan.json", "scan_files.json", "training_wells.json")


@dataclass
class Copies:
    """Files of a release: `place` in it → source; `left_out` those that are too large, with digest and size."""

    files: dict[str, Path] = field(default_factory=dict)
    left_out: dict[str, dict[str, Any]] = field(default_factory=dict)

    def add(self, place: str, source: Path, limit: float) -> None:
        """Take a file, or its digest alone if it has more than `limit` bytes."""
        size = source.stat().st_size
        if size > limit:
            self.left_out[place] = {"sha256": digest_file(source), "bytes": size}
        else:
            self.files[place] = source


def choose_files(sheets: Sheets, screen: str, limit_mb: float) -> Copies:
    """All files of a screen that a release holds: its own, those of its plates, its models.

    Images stay where they are: they are many times as large, and their digests are in `*.done.json`.
    """
    copies, limit = Copies(), limit_mb * 1e6
    folder = Path("results/screens") / screen
    decided = sheets.decisions_of(screen)
    for path in _plain_files(folder):
        if path.name in _OF_DECISIONS and not decided:
            continue  # left by decisions that were taken back
        copies.add(path.relative_to(folder).as_posix(), path, limit)
    for plate in sheets.plates_of(screen):
        own = Path("results/plates") / plate.plate
        found = sorted({path for pattern in _OF_A_PLATE for path in own.glob(pattern)})
        for path in found:
            if path.name not in _UNIMPORTANT:
                copies.add(f"plates/{plate.plate}/{path.relative_to(own).as_posix()}", path, limit)
    for path in _first_phase(sheets, screen):
        copies.add(path.relative_to("results").as_posix(), path, limit)
    return copies


def _plain_files(folder: Path) -> Iterator[Path]:
    """Finished files below a folder; nothing of a Zarr store, no temporary one, no checkpoint."""
    for path in sorted(folder.rglob("*")):
        parts = path.relative_to(folder).parts
        store = any(part.endswith(".zarr") or "checkpoint" in part for part in parts)
        hidden = any(part.startswith(".") for part in parts)
        if path.is_file() and not store and not hidden and path.name not in _UNIMPORTANT:
            yield path


def _first_phase(sheets: Sheets, screen: str) -> list[Path]:
    """Files of the phase-I model: the training screen's, which is another screen than the one released."""
    if sheets.screens[screen].kind == "training":
        return sorted(Path("results/models").glob(f"*/{screen}/phase1*"))
    suffixes = (".safetensors", ".json", "_history.tsv")
    files = [Path(f) for suffix in suffixes for f in targets.model_files(sheets, screen, suffix)]
    return [path for path in files if path.is_file() and path.parts[1] == "models"]


@contextmanager
def releasing() -> Iterator[None]:
    """Let one process at a time write below released/; `StoreError` in the others."""
    RELEASED.mkdir(exist_ok=True)
    with (RELEASED / ".lock").open("a") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise StoreError(
                "another release or revision is being written",
                expected="one at a time",
                found="its lock",
                where=f"{RELEASED}/.lock",
                hint="wait until it has ended and try again",
            ) from error
        yield


def write_release(
    screen: str,
    version: int,
    copies: Copies,
    records: dict[str, Any],
    texts: dict[str, str],
    words: str,
) -> str:
    """Write `released/{screen}/v{version}`, whole or not at all; return the digest of its manifest.

    `records` are JSON files and `texts` plain files to write beside the copies; `words` stand in the head of
    the copied report. All files and folders become read-only.
    """
    target = version_folder(screen, version)
    with frozen_folder(target) as partial:
        digests = {
            place: copy_file(source, partial / place) for place, source in copies.files.items()
        }
        if (partial / "report.html").is_file():
            digests["report.html"] = _mark(partial / "report.html", words)
        for name, content in records.items():
            write_json(partial / name, content)
            digests[name] = digest_file(partial / name)
        for name, text in texts.items():
            write_text(partial / name, text)
            digests[name] = digest_file(partial / name)
        lines = [f"{digest}  {place}\n" for place, digest in sorted(digests.items())]
        write_text(partial / MANIFEST, "".join(lines))
        whole = digest_file(partial / MANIFEST)
        write_text(_seal(target), f"{whole}  {target.name}/{MANIFEST}\n")
    _seal(target).chmod(0o444)
    return whole


@contextmanager
def frozen_folder(target: Path) -> Iterator[Path]:
    """A folder to fill that becomes `target`, read-only, where the block ends well, and vanishes where it does not.

    Raises `StoreError` if `target` exists, or where something cannot be written.
    """
    if target.exists():
        raise StoreError(
            "this release exists",
            expected="a version that has not been released",
            found=target.name,
            where=target.as_posix(),
            hint="it is never changed",
        )
    partial = target.with_name(f".{target.name}.partial")
    _remove(partial)
    partial.mkdir(parents=True)
    try:
        yield partial
        _protect(partial)
        partial.rename(target)
    except OSError as error:
        _remove(partial)
        raise StoreError(
            "the release could not be written",
            expected="a folder that can be written to, with room",
            found=error.strerror or str(error),
            where=target.as_posix(),
            hint="nothing was released; mend this and try again",
        ) from error


def _seal(target: Path) -> Path:
    return target.with_name(f"{target.name}.sha256")


def copy_file(source: Path, target: Path) -> str:
    """Copy one file and return its digest; `OSError` if the copy differs."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
    with target.open("rb") as handle:
        os.fsync(handle.fileno())
    digest = digest_file(target)
    if digest != digest_file(source):
        raise OSError(f"{source} changed while it was copied")
    return digest


def _mark(report: Path, words: str) -> str:
    """Say in the head of a copied report what it is; one without a place for it stays as it is."""
    text = report.read_text(encoding="utf-8")
    if REPORT_MARK in text:
        said = f'<p class="under released">{html.escape(words)}</p>'
        report.chmod(0o644)
        write_text(report, text.replace(REPORT_MARK, said, 1))
    return digest_file(report)


def _protect(folder: Path) -> None:
    for path in folder.rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    folder.chmod(0o555)


def _remove(folder: Path) -> None:
    """Remove what a broken attempt left, read-only as it may be."""
    if folder.is_dir():
        folder.chmod(0o755)
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(folder)
