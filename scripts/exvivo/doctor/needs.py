"""What the night will need of disk, files and GPU time, and what each estimate rests on."""

from __future__ import annotations

import csv
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from exvivo import targets
from exvivo.doctor.findings import ERROR, OK, WARNING, Finding, some
from exvivo.doctor.inputs import Waiting
from exvivo.plates.base import RawFile
from exvivo.sheets import Sheets

SCREENS = Path("results/screens")
GPU_RULES = ("train_phase1", "train_phase2", "train_phase3", "crossfit_controls", "predict_")
_PYRAMID = 1 + 1 / 16 + 1 / 256  # levels of images.zarr, each a quarter of the side
# Inodes of images.zarr: a folder, a shard and its metadata for each of up to four levels, folders and groups of
# field and well; rows and the rest once.
_FILES_PER_FIELD, _FILES_PER_PLATE = 16, 60
_SPARE = 1.1  # of the estimate, before it counts as enough
_SKEW_SECONDS = (2.0, 60.0)  # warning, error


def needed(config: dict[str, Any], waiting: Sequence[Waiting]) -> tuple[int, int]:
    """Bytes and files that projecting the waiting plates takes at most.

    Both projections without compression, and the network's input.
    """
    size = files = 0
    for plate in waiting:
        fields, images = _fields(plate.files, config["imaging"]["channel"])
        size += int(2 * images * _PYRAMID) + fields * 8 * config["imaging"]["input_size"] ** 2
        files += fields * _FILES_PER_FIELD + _FILES_PER_PLATE
    return size, files


def _fields(raw: Iterable[RawFile], channel: str) -> tuple[int, int]:
    """Number of fields of a channel (of all, if its name is another), and bytes of one plane of each."""
    raw = list(raw)
    own = [file for file in raw if file.channel == channel] or raw
    planes = {(file.well, file.field): file.bytes for file in own}
    return len(planes), sum(planes.values())


def check_space(config: dict[str, Any], waiting: Sequence[Waiting]) -> list[Finding]:
    """Free bytes and inodes where the results lie, against what the waiting plates will take."""
    size, files = needed(config, waiting)
    place = os.statvfs(Path("results") if Path("results").is_dir() else Path())
    free, inodes = place.f_bavail * place.f_frsize, place.f_favail
    basis = f"{len(waiting)} plates to project: size of their planes, stored without compression"
    findings = [_enough("disk", free / 1e9, size / 1e9, "GB", basis)]
    if place.f_files:
        findings.append(_enough("inodes", inodes, files, "files", basis))
    else:
        findings.append(Finding("inodes", OK, "this file system does not count them"))
    return findings


def _enough(check: str, free: float, need: float, unit: str, basis: str) -> Finding:
    digits = 1 if unit == "GB" else 0
    found = f"{free:,.{digits}f} {unit} free, at most {need:,.{digits}f} needed ({basis})"
    if free >= need * _SPARE:
        return Finding(check, OK, found)
    remedy = "make room: exvivo archive-ready lists raw plates that may leave"
    return Finding(check, ERROR, found, f"{need * _SPARE:,.{digits}f} {unit}", remedy)


def check_rights(config: dict[str, Any]) -> list[Finding]:
    """Folders that are written and read, and whether the file system's clock agrees with this machine's."""
    findings, clock = [], None
    for name in ("results", "logs", "."):
        folder = Path(name)
        try:
            folder.mkdir(exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".doctor-") as handle:
                before = time.time()
                handle.write(b"x")
                handle.flush()
                os.fsync(handle.fileno())
                clock = Path(handle.name).stat().st_mtime - before
        except OSError as error:
            found = f"{name}/ cannot be written: {error.strerror}"
            remedy = "give the account that runs exvivo the right to write there, or make room"
            findings.append(Finding("rights", ERROR, found, "a folder to write to", remedy))
    root = Path(config["data_root"])
    if not os.access(root, os.R_OK | os.X_OK):
        found = "data_root cannot be read"
        remedy = "mount the storage, or correct data_root in the configuration"
        findings.append(Finding("rights", ERROR, found, "the folder of the raw data", remedy))
    findings = findings or [
        Finding("rights", OK, "results and logs can be written, data_root read")
    ]
    return [*findings, *([_skew(clock)] if clock is not None else [])]


def _skew(seconds: float) -> Finding:
    warning, error = _SKEW_SECONDS
    found = f"files get times {seconds:+.1f} s from this machine's clock"
    if abs(seconds) < warning:
        return Finding("clock", OK, found)
    severity = ERROR if abs(seconds) >= error else WARNING
    remedy = "set both clocks by NTP: Snakemake compares times of files to see what is new"
    return Finding("clock", severity, found, f"less than {warning:g} s", remedy)


def check_gpu_time(sheets: Sheets, gpus: int | None, hours: float) -> list[Finding]:
    """GPU hours of the screens without a report against those of the night, by this facility's own benchmarks.

    `gpus` is how many the scheduler has, None if that is not known; `hours` how long the night is.
    """
    waiting = [
        screen
        for screen in targets.open_screens(sheets)
        if sheets.screens[screen].network and not (SCREENS / screen / "report.html").is_file()
    ]
    if not waiting:
        return [Finding("GPU time", OK, "no screen with a network waits")]
    measured = _measured()
    if not measured:
        found = (
            f"{len(waiting)} screens wait ({some(waiting)}), and nothing has been trained here yet"
        )
        remedy = "after the first screen the doctor can tell"
        return [Finding("GPU time", WARNING, found, "benchmarks of earlier screens", remedy)]
    per_screen = sum(statistics.median(seconds) for seconds in measured.values()) / 3600
    need = per_screen * len(waiting)
    basis = f"{len(waiting)} screens of {per_screen:.2f} h, the medians of {', '.join(sorted(measured))} here"
    if gpus is None:
        return [Finding("GPU time", OK, f"{need:.1f} GPU hours needed ({basis}); GPUs not counted")]
    found = f"{need:.1f} GPU hours needed ({basis}), {gpus} GPUs × {hours:g} h there"
    if need <= gpus * hours:
        return [Finding("GPU time", OK, found)]
    remedy = (
        "the rest goes on the next night; name what is urgent: exvivo night --screen … --urgent"
    )
    return [Finding("GPU time", WARNING, found, f"at most {gpus * hours:.1f} h", remedy)]


def _measured() -> dict[str, list[float]]:
    """Seconds of each rule that uses a GPU, from the benchmark files of all screens."""
    found: dict[str, list[float]] = {}
    for path in Path("results/benchmarks").rglob("*.tsv"):
        if path.stem.startswith(GPU_RULES):
            with path.open(encoding="utf-8", newline="") as handle:
                rows = list(csv.DictReader(handle, delimiter="\t"))
            if rows and rows[-1].get("s", "NA") != "NA":
                found.setdefault(path.stem, []).append(float(rows[-1]["s"]))
    return found
