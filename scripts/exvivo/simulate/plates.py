"""Write simulated plates: every well rendered, or, for full-size benchmarks, made from a few templates."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exvivo.simulate.design import Content, PlateDesign
from exvivo.simulate.instrument import PlateWriter
from exvivo.simulate.parameters import Imaging, Scene, WellState
from exvivo.simulate.randomness import Purpose, stream
from exvivo.simulate.render import LARGEST, Image, Place, enlarge, render_signal, render_well

TEMPLATES = 4  # rendered wells that a full-size plate is made from


@dataclass(frozen=True)
class PlateJob:
    """One plate to be written: its design, what its wells look like, and where it goes."""

    design: PlateDesign
    scene: Scene
    imaging: Imaging
    folder: Path
    seed: int
    style: str = "database"
    compression: str | None = None

    def writer(self) -> PlateWriter:
        """The instrument that writes this plate."""
        optics, design = self.scene.optics, self.design
        return PlateWriter(
            folder=self.folder,
            name=design.plate,
            rows=design.rows,
            columns=design.columns,
            wells=tuple(design.wells),
            imaging=self.imaging,
            pixel=optics.field / self.imaging.size,
            step=optics.step,
            seed=self.seed,
            style=self.style,
            compression=self.compression,
        )


def write_plates(jobs: Sequence[PlateJob], workers: int = 2) -> None:
    """Write plates, wells in parallel over `workers` processes; the files do not depend on their number.

    A plate that is there already is completed or written again. Raises `PlateError` where its folder holds
    images of another simulation, which would be taken for further images of this plate.
    """
    for job in jobs:
        job.writer().prepare()
    chunks = [(job, places) for job in jobs for places in _chunks(list(job.design.wells), 12)]
    if workers <= 1 or len(chunks) == 1:
        for job, places in chunks:
            _write_wells(job, places)
    else:
        # "spawn": a forked child of a process with threads may hang.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            list(pool.map(_write_wells, *zip(*chunks, strict=True)))
    for job in jobs:
        job.writer().finish()


def _chunks(places: list[tuple[int, int]], size: int) -> list[list[tuple[int, int]]]:
    return [places[start : start + size] for start in range(0, len(places), size)]


def _write_wells(job: PlateJob, places: list[tuple[int, int]]) -> None:
    writer = job.writer()
    for place in places:
        for site in range(job.imaging.sites):
            for wave in range(job.imaging.waves):
                writer.write_stack(place, site, wave, _planes(job, place, site, wave))


def _planes(
    job: PlateJob, place: tuple[int, int], site: int, wave: int
) -> Iterator[NDArray[np.uint16]]:
    if job.imaging.size > LARGEST:
        return _tiled_planes(job, place, site, wave)
    content: Content = job.design.wells[place]
    stack = render_well(
        job.scene,
        content.state,
        job.imaging,
        seed=job.seed,
        plate=job.design.plate,
        place=Place(*place, job.design.rows, job.design.columns),
        site=site,
        wave=wave,
    )
    return iter(stack)


def _tiled_planes(
    job: PlateJob, place: tuple[int, int], site: int, wave: int
) -> Iterator[NDArray[np.uint16]]:
    """Yield the planes of a large image: a turned template, enlarged, with noise of its own.

    For benchmarks of reading and projecting: the cells repeat between wells, no plane is a copy of another.
    """
    rng = stream(job.seed, Purpose.CAMERA, job.design.plate, *place, site, wave)
    choice, turns, mirror = rng.integers(TEMPLATES), rng.integers(4), rng.integers(2)
    template = _template(job.scene, replace(job.imaging, size=LARGEST), job.seed, int(choice))
    strength = np.float32(np.exp(rng.normal(0.0, job.scene.stain.well_cv)))
    optics, size = job.scene.optics, job.imaging.size
    noise = _noise(size)
    for plane in template:
        turned = np.rot90(plane[:, ::-1] if mirror else plane, turns)
        image = enlarge(turned[None] * strength, size)[0]
        y, x = rng.integers(0, noise.shape[0] - size, 2)
        deviation = np.sqrt(image + np.float32(optics.read_noise**2))
        image += deviation * noise[y : y + size, x : x + size]
        grey = image * np.float32(optics.gain) + np.float32(optics.offset)
        yield np.clip(np.rint(grey), 0, 65535).astype(np.uint16)


@lru_cache(maxsize=2 * TEMPLATES)
def _template(scene: Scene, imaging: Imaging, seed: int, number: int) -> Image:
    """Return expected photo-electrons (planes, 512, 512) of a well; from healthy to dead by `number`."""
    state = WellState(viability=1.0 - number / max(1, TEMPLATES - 1), phenotype="control")
    return render_signal(
        scene, state, imaging, seed=seed, plate="template", place=Place(number, 0, 16, 24)
    )


@lru_cache(maxsize=1)
def _noise(size: int) -> Image:
    """Return standard normal numbers on a field larger than an image, to be cut out of at random places.

    At these photon numbers shot noise is normal; 4 million fresh numbers a plane would take longer than
    writing it.
    """
    rng = np.random.Generator(np.random.PCG64(0))
    return rng.standard_normal((size + 257, size + 257), dtype=np.float32)
