"""The ways to project a plate that benchmarks/projection.py compares, and the plate they are run on."""

from __future__ import annotations

import hashlib
import os
import resource
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import tifffile

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scripts"))

from exvivo.files import read_buffer, write_json, write_text
from exvivo.plates.admission import Admission
from exvivo.plates.base import Fingerprint, RawFile
from exvivo.plates.findings import Well
from exvivo.plates.patterns import Channel
from exvivo.projection import StackProjector, project_plate
from exvivo.wells import area_average

SIZE = 224
Stacks = list[list[RawFile]]


def generate(folder: Path, wells: int, planes: int, side: int, **options: object) -> Stacks:
    """Write stacks of nuclei-like blobs on a camera's offset and noise, 12 of 16 bits; return their files."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    bases = []
    for _ in range(4):
        image = np.full((side, side), 120.0)
        for cy, cx in rng.integers(0, side, (40, 2)):
            window = np.s_[max(cy - 60, 0) : cy + 60, max(cx - 60, 0) : cx + 60]
            squared = (y[window] - cy) ** 2 + (x[window] - cx) ** 2
            image[window] += 2000 * np.exp(-squared / 400)
        bases.append(rng.poisson(image).astype(np.uint16))
    stacks = []
    for well in range(wells):
        stack = []
        for plane in range(planes):
            image = np.roll(bases[plane % 4], 7 * plane + 31 * well, axis=0)
            path = (
                folder / f"ZStep_{plane + 1}" / f"P_{chr(66 + well // 22)}{well % 22 + 2:02d}.tif"
            )
            path.parent.mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(path, image, **options)
            name, size = path.relative_to(folder).as_posix(), path.stat().st_size
            stack.append(RawFile(path.stem[2:], 1, "1", plane, name, size))
        stacks.append(stack)
    return stacks


def drop_cache(files: list[Path]) -> str:
    """Empty the page cache: all of it if this may be done, else that of `files`; return which."""
    os.sync()
    try:
        Path("/proc/sys/vm/drop_caches").write_text("1\n")
        return "whole page cache dropped"
    except OSError:
        for path in files:
            descriptor = os.open(path, os.O_RDONLY)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(descriptor)
        return "page cache of the files dropped (posix_fadvise)"


def wait_for_quiet(patience: float) -> None:
    """Wait until 85 % of all cores have been idle for a third of a second, at most `patience` seconds."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        before = cpu_times()
        time.sleep(0.33)
        spent = cpu_times() - before
        if spent[3] > 0.85 * spent.sum():
            return


def cpu_times() -> np.ndarray:
    """Ticks of all cores: user, nice, system, idle and others (Linux)."""
    return np.array(Path("/proc/stat").read_text().split("\n")[0].split()[1:9], dtype=np.int64)


def cpu_seconds() -> float:
    """Processor time of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


class Methods:
    """The ways to project the stacks in `folder` that are compared."""

    def __init__(self, folder: Path, stacks: Stacks, threads: int):
        self.folder, self.stacks, self.threads = folder, stacks, threads
        self.paths = [[folder / file.path for file in stack] for stack in stacks]
        self.flat = [path for stack in self.paths for path in stack]
        self.megabytes = sum(path.stat().st_size for path in self.flat) / 1e6
        self.buffer = read_buffer(8 << 20)

    def raw_read(self) -> None:
        """Read the same files one after the other, and do nothing with them."""
        for path in self.flat:
            with path.open("rb", buffering=0) as handle:
                while handle.readinto(self.buffer):
                    pass

    def plain_max_of_stack(self) -> None:
        """numpy.max(tifffile.imread(files), axis=0), well by well."""
        for paths in self.paths:
            np.max(tifffile.imread(paths), axis=0)

    def plain_max_of_list(self) -> None:
        """numpy.max([tifffile.imread(file) for file in files], axis=0), well by well."""
        for paths in self.paths:
            np.max([tifffile.imread(path) for path in paths], axis=0)

    def plain_equal_work(self) -> None:
        """The plain way to all that we make: MIP, MID, mean, 224² of both, checksum of each file."""
        from skimage.transform import resize_local_mean

        for paths in self.paths:
            stack = tifffile.imread(paths)
            mip, mid, _ = (
                np.max(stack, axis=0),
                stack[len(stack) // 2],
                stack.mean(dtype=np.float64),
            )
            for image in (mip, mid):
                resize_local_mean(image, (SIZE, SIZE), preserve_range=True)
            for path in paths:
                with path.open("rb") as handle:
                    hashlib.file_digest(handle, "sha256").hexdigest()

    def dask_image(self) -> None:
        """dask_image.imread and a maximum over planes."""
        from dask_image.imread import imread

        for paths in self.paths:
            pattern = str(self.folder / "ZStep_*" / paths[0].name)
            imread(pattern).max(axis=0).compute(num_workers=self.threads)

    def ours(self, threads: int | None = None) -> None:
        """MIP, MID, MoS, 224² and checksums in one pass, without writing them."""
        local = threading.local()

        def one(stack: list[RawFile]) -> None:
            if not hasattr(local, "projector"):
                local.projector = StackProjector()
            found = local.projector.project(self.folder, stack)
            for image in found.images:
                area_average(image, SIZE)

        with ThreadPoolExecutor(threads or self.threads) as pool:
            list(pool.map(one, self.stacks))

    def ours_one_thread(self) -> None:
        """The same with one thread."""
        self.ours(threads=1)

    def ours_with_stores(self) -> None:
        """project_plate: the same, and OME-Zarr with pyramid, wells.zarr, readout and hashes written."""
        with tempfile.TemporaryDirectory(dir=self.folder.parent) as out:
            project_plate(**plate_arguments(self.folder, self.stacks, Path(out), self.threads))


def plate_arguments(folder: Path, stacks: Stacks, out: Path, threads: int) -> dict:
    """Write fingerprint and admission of the made-up plate; return the arguments of `project_plate`."""
    files = [file for stack in stacks for file in stack]
    admission = Admission(
        "admitted", wells={f.well: Well() for f in files}, channels={"1": Channel()}
    )
    write_text(out / "fingerprint.tsv", Fingerprint(files, settled=True).text())
    write_json(out / "admission.json", admission.to_json())
    return {
        "folder": folder, "fingerprint": out / "fingerprint.tsv", "admission": out / "admission.json",
        "plate": "P1", "channel": "1", "input_size": SIZE, "images": out / "images.zarr",
        "wells": out / "wells.zarr", "readout": out / "mean_of_stack.parquet",
        "exposure": out / "exposure.parquet", "hashes": out / "hashes.tsv", "threads": threads,
    }  # fmt: skip
