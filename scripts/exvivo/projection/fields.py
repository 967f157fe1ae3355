"""Projecting the fields of a plate in parallel, their results in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exvivo.checksums import ALGORITHM, FileHash, checksum_file
from exvivo.omezarr import Histogram, PlateWriter
from exvivo.parallel import in_order
from exvivo.plates.places import place
from exvivo.projection.plan import FieldTask
from exvivo.projection.planes import PlaneError, PlaneFormat
from exvivo.projection.stack import StackProjector
from exvivo.wells.resample import area_average, centre_square

UPSAMPLED = "upsampled"
CEILINGS = frozenset(2**bits - 1 for bits in (8, 10, 12, 14, 16))


@dataclass(slots=True)
class FieldResult:
    """What remains of a field once its projections are written.

    Attributes: `task`; `image` float32 (2, S, S), the network's input; `mean` of the stack (NaN where there
    is only a projection); `ceiling` share of MIP's pixels that are saturated; `digest` of the projections' pixels;
    `flags`; `hashes` of the files; `fault` why the field cannot be used, empty if it can.
    """

    task: FieldTask
    image: NDArray[np.float32] | None = None
    mean: float = float("nan")
    ceiling: float = 0.0
    digest: str = ""
    flags: tuple[str, ...] = ()
    hashes: list[FileHash] = field(default_factory=list)
    fault: str = ""


class FieldWorker:
    """Does one field from raw files to `writer`; called from several threads.

    Reading, decoding, checksums, arithmetic and compression all let other threads run meanwhile, so threads
    keep all cores busy without copies between processes. Each thread has its own memory.
    """

    def __init__(
        self, folder: Path, writer: PlateWriter, histogram: Histogram, size: int, form: PlaneFormat
    ):
        self._folder, self._writer, self._histogram = folder, writer, histogram
        self._size, self._format = size, form
        self._lock, self._local = threading.Lock(), threading.local()

    def __call__(self, task: FieldTask) -> FieldResult:
        """Project, shrink and write one field; a plane that cannot be used is told in `fault`."""
        if not hasattr(self._local, "projector"):
            self._local.projector = StackProjector()
        try:
            stack = self._local.projector.project(self._folder, list(task.files), self._format)
        except PlaneError as error:
            return FieldResult(
                task, fault=str(error), hashes=_hash_faulty(self._folder, task, error)
            )
        digest = self._writer.write_field(task.well, task.field, stack.images)
        with self._lock:
            self._histogram.add(stack.images)
        image = np.stack([area_average(centre_square(one), self._size) for one in stack.images])
        small = (UPSAMPLED,) if min(stack.images.shape[1:]) < self._size else ()
        flags = stack.flags + small
        ceiling = saturated_share(stack.images[0])
        return FieldResult(task, image, stack.mean, ceiling, digest, flags, stack.hashes)


def saturated_share(image: NDArray) -> float:
    """Share of the pixels of `image` at the largest value of a camera of 8, 10, 12, 14 or 16 bits.

    A camera of 12 bits saturates at 4095 in a 16-bit file; any other largest value is no ceiling.
    """
    largest = int(image.max())
    if largest not in CEILINGS:
        return 0.0
    return float(np.count_nonzero(image == largest)) / image.size


def _hash_faulty(folder: Path, task: FieldTask, error: PlaneError) -> list[FileHash]:
    """Record the image that could not be used, so that the scan notices when it is mended in place."""
    faulty = [file for file in task.files if file.path == error.path]
    hashes = []
    for file in faulty:
        try:
            digest = checksum_file(place(folder, file.path))
        except OSError:
            digest = "unreadable"
        hashes.append(FileHash(file.path, file.bytes, ALGORITHM, digest))
    return hashes


def run_wells(
    worker: FieldWorker, tasks: list[FieldTask], threads: int
) -> Iterator[tuple[str, list[FieldResult]]]:
    """Yield each well with the results of its fields, in the order of `tasks`.

    At most a few results per thread wait, however many fields the plate has.
    """
    for well, results in groupby(_run(worker, tasks, threads), key=lambda r: r.task.well):
        yield well, list(results)


def _run(worker: FieldWorker, tasks: list[FieldTask], threads: int) -> Iterator[FieldResult]:
    with ThreadPoolExecutor(max_workers=threads, thread_name_prefix="project") as pool:
        yield from in_order(pool, worker, tasks, 4 * threads)
