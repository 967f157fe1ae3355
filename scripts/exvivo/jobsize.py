"""How large a job is, from what lies on disk before it is submitted, and whether it asks for a GPU.

Memory, time and threads of the rules are functions of these sizes and of the attempt; the coefficients stand in
the rules and come from benchmarks/resources.tsv. Everything is read from the plate's fingerprint and from
finished stores' small records, never from a file that a job of the same submission has yet to write: a group
of jobs would silently lose what cannot be computed beforehand. Standard library only: imported at DAG time.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exvivo.files import read_json

_HEAD = 65536  # bytes of a fingerprint that are looked at: some 600 files


@dataclass(frozen=True)
class RawSize:
    """A raw plate: how many files, their volume in GB (10^9 bytes), the mean of one in MB (10^6 bytes)."""

    files: int
    gigabytes: float
    file_mb: float


def raw_size(fingerprint: Path | str) -> RawSize:
    """Size of a raw plate, estimated from the first files of its fingerprint; nothing for a missing one."""
    try:
        with Path(fingerprint).open("rb") as handle:
            head = handle.read(_HEAD)
            whole = os.fstat(handle.fileno()).st_size
    except FileNotFoundError:
        return RawSize(0, 0.0, 0.0)
    lines = [line for line in head.split(b"\n") if line and not line.startswith(b"#")]
    if len(head) < whole:
        lines = lines[:-1]  # cut in the middle
    columns = lines[0].split(b"\t") if lines else []
    rows = [line.split(b"\t") for line in lines[1:]]
    if b"bytes" not in columns or not rows:
        return RawSize(0, 0.0, 0.0)
    at = columns.index(b"bytes")
    mean = sum(int(row[at]) for row in rows) / len(rows)
    length = sum(len(line) + 1 for line in lines[1:]) / len(rows)
    files = len(rows) if len(head) == whole else round(whole / length)
    return RawSize(files, files * mean / 1e9, mean / 1e6)


def wells(done: Iterable[Path | str]) -> int:
    """Images in the stores of wells that these done-files stand for; those that are not there yet count 0."""
    return sum(read_json(path)["images"] for path in done if Path(path).is_file())


def megabytes(paths: Iterable[Path | str]) -> float:
    """Size of those of the files that are there, in MB (10^6 bytes)."""
    return sum(path.stat().st_size for path in map(Path, paths) if path.is_file()) / 1e6


def by_plate(
    fingerprint: Path | str,
    attempt: int,
    base: float,
    per_1000_files: float,
    per_file_mb: float,
    per_gb: float,
) -> int:
    """What a job on a raw plate needs: `base` and what grows with the plate, times the attempt."""
    raw = raw_size(fingerprint)
    parts = (
        per_1000_files * raw.files / 1000,
        per_file_mb * raw.file_mb,
        per_gb * raw.gigabytes,
    )
    return amount(attempt, base, *parts)


def amount(attempt: int, *parts: float) -> int:
    """The parts together, times the attempt, rounded up to a whole number."""
    return math.ceil(attempt * sum(parts))


def device(config: dict[str, Any]) -> str:
    """`cpu`; `cuda`, which fails without a GPU; or `auto`, which goes on without one.

    A resource of the rules, not a parameter: where a model was trained is no reason to train it again.
    """
    training = config["training"]
    if training["device"] == "cpu":
        return "cpu"
    return "auto" if training["allow_cpu"] else "cuda"


def gpus(config: dict[str, Any]) -> int:
    """GPUs a training or inference job asks the scheduler for."""
    return 0 if config["training"]["device"] == "cpu" else 1
