"""The microscope: from stained bodies to 16-bit planes.

Bodies are drawn sharp into thin slabs by depth. Each plane is the sum of all slabs, each blurred and
weakened by its distance from the plane: out-of-focus light as a spinning disk lets it through. The sum is
taken over Fourier transforms, one per slab and one per plane, whatever the number of nuclei. Then come
the medium's background, uneven illumination, shot noise, read noise and the camera's offset.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from exvivo.simulate.parameters import Imaging, Optics, Scene, WellState
from exvivo.simulate.randomness import Purpose, stream
from exvivo.simulate.spheroid import Bodies, grow_spheroid

Image = NDArray[np.float32]
SLAB = 10.0  # thickness in µm, about one nucleus
DEEPEST = 70.0  # µm above and below the middle
CELL_BLUR = 9.0  # standard deviation in µm that spreads nuclear signal over cell bodies
MEDIUM_GLOW = 0.04  # share of a compound's own light that is in the medium
LARGEST = 512  # pixels; larger images are rendered at this size and interpolated
_PAD = 24  # pixels around the image, so that blur does not wrap around


@dataclass(frozen=True)
class Place:
    """A well's place in its plate: 0-based `row` and `column`, and the plate's `rows` and `columns`."""

    row: int
    column: int
    rows: int
    columns: int

    def centred(self) -> tuple[float, float]:
        """Return x and y from -1 (left, top) to 1."""
        return (
            2.0 * self.column / max(1, self.columns - 1) - 1.0,
            2.0 * self.row / max(1, self.rows - 1) - 1.0,
        )

    def outer(self) -> bool:
        """Return whether the well lies in the two outermost rows or columns."""
        return (
            min(self.row, self.rows - 1 - self.row, self.column, self.columns - 1 - self.column) < 2
        )


def render_well(
    scene: Scene,
    state: WellState,
    imaging: Imaging,
    *,
    seed: int,
    plate: str,
    place: Place,
    site: int = 0,
    wave: int = 0,
) -> NDArray[np.uint16]:
    """Return the z-stack (planes, size, size) of one well, site and wave, the lowest plane first.

    `site` and `wave` count from 0. Wave 0 is the nuclear stain; further waves show a marker on some of the
    same nuclei. Equal arguments give equal images.
    """
    signal = render_signal(
        scene, state, imaging, seed=seed, plate=plate, place=place, site=site, wave=wave
    )
    camera = stream(seed, Purpose.CAMERA, plate, place.row, place.column, site, wave)
    return expose(signal, scene.optics, camera)


def expose(signal: Image, optics: Optics, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Return grey values for expected photo-electrons: shot noise, read noise, gain, offset, saturation."""
    electrons = rng.poisson(signal).astype(np.float32)
    electrons += rng.standard_normal(signal.shape, dtype=np.float32) * np.float32(optics.read_noise)
    grey = electrons * np.float32(optics.gain) + np.float32(optics.offset)
    return np.clip(np.rint(grey), 0, 65535).astype(np.uint16)


def render_signal(
    scene: Scene,
    state: WellState,
    imaging: Imaging,
    *,
    seed: int,
    plate: str,
    place: Place,
    site: int = 0,
    wave: int = 0,
) -> Image:
    """Return the expected photo-electrons (planes, size, size) that `render_well` exposes."""
    cells = stream(seed, Purpose.CELLS, plate, place.row, place.column, site)
    bodies, radius = grow_spheroid(scene.appearance, state, cells)
    if wave:
        marked = cells.random(len(bodies)) < 0.3
        bodies = replace(bodies, dna=bodies.dna * np.where(marked, 1.0, 0.05))
    stain = stream(seed, Purpose.STAIN, plate, place.row, place.column)
    strength = well_stain(scene, state, seed, plate, place, stain)
    medium = np.exp(stain.normal(0.0, scene.stain.background_cv)) * scene.stain.background
    bodies = _positioned(bodies, scene, state.faults.defocus, radius, stain)
    spread = scene.stain.cytoplasm + state.glow
    planes = image_bodies(bodies, scene.optics, imaging.size, imaging.planes, spread)
    planes *= np.float32(scene.stain.electrons * strength)
    planes += np.float32(medium + MEDIUM_GLOW * state.glow * scene.stain.electrons)
    planes *= _illumination(scene.optics, imaging.size, stream(seed, Purpose.PLATE, plate))
    return planes


def _positioned(
    bodies: Bodies, scene: Scene, defocus: float, radius: float, rng: np.random.Generator
) -> Bodies:
    """Place the spheroid in the field and weaken its nuclei by their height above its bottom."""
    optics = scene.optics
    x, y, z = rng.normal(0.0, [optics.centring_sd, optics.centring_sd, optics.focus_sd])
    height = np.maximum(bodies.z + scene.appearance.flatness * radius, 0.0)
    return replace(
        bodies,
        x=bodies.x + x,
        y=bodies.y + y,
        z=bodies.z + z + defocus,
        dna=bodies.dna * np.exp(-height / optics.depth),
    )


def well_stain(
    scene: Scene,
    state: WellState,
    seed: int,
    plate: str,
    place: Place,
    rng: np.random.Generator,
) -> float:
    """Return the strength of the stain in a well relative to its plate's: chance, place and quenching."""
    turn = stream(seed, Purpose.PLATE, plate, 1).uniform(0.0, 2 * np.pi)
    x, y = place.centred()
    side = 1.0 + scene.stain.gradient * (np.cos(turn) * x + np.sin(turn) * y) / np.sqrt(2.0)
    edge = 1.0 - scene.stain.edge * place.outer()
    return float(np.exp(rng.normal(0.0, scene.stain.well_cv)) * side * edge * (1.0 - state.quench))


def image_bodies(
    bodies: Bodies, optics: Optics, size: int, planes: int, spread: float = 0.0
) -> Image:
    """Return noise-free planes (planes, size, size) of `bodies` for a stain of strength 1.

    `spread` is the share of the nuclear signal that shows again, blurred, over the cell bodies. Images
    beyond 512 pixels are interpolated from that size.
    """
    side = min(size, LARGEST)
    padded = fft.next_fast_len(side + 2 * _PAD, real=True)
    pixel = optics.field / side
    slabs = fft.rfft2(draw_slabs(bodies, padded, pixel), workers=1)
    transfer = _transfer(optics, padded, pixel, planes)
    sums = np.stack([_weighted_sum(slabs, plane) for plane in transfer])
    if spread:
        sums += np.float32(spread) * slabs.sum(axis=0) * _gaussian(padded, pixel, CELL_BLUR)
    start = (padded - side) // 2
    cut = slice(start, start + side)
    planes_image = np.maximum(fft.irfft2(sums, s=(padded, padded), workers=1)[:, cut, cut], 0.0)
    return planes_image if side == size else enlarge(planes_image, size)


def draw_slabs(bodies: Bodies, size: int, pixel: float) -> Image:
    """Return the sharp bodies by depth (slabs, size, size); `pixel` in µm, the image's middle at (0, 0).

    A body adds `dna * 36 / (a b)` at its centre (an ellipsoid's thickness times its concentration, 1 for a
    nucleus of the line), whatever its place on the pixel grid. It is shared out between two slabs.
    """
    count = 2 * round(DEEPEST / SLAB) + 1
    middle = size / 2 - 0.5
    column, row = bodies.x / pixel + middle, bodies.y / pixel + middle
    level = np.clip(bodies.z / SLAB + (count - 1) / 2, 0, count - 1 - 1e-6)
    half = np.ceil(np.maximum(np.maximum(bodies.a, bodies.b) / pixel, 1.0)).astype(int)
    inside = (np.abs(column - middle) < size / 2 - half - 1) & (
        np.abs(row - middle) < size / 2 - half - 1
    )
    volume = np.zeros(count * size * size, dtype=np.float64)
    for reach in np.unique(half[inside]):
        group = np.flatnonzero(inside & (half == reach))
        values, flat = _patches(bodies.pick(group), column[group], row[group], reach, pixel, size)
        lower = np.floor(level[group]).astype(int)
        share = (level[group] - lower)[:, None]
        for slab, weight in ((lower, 1.0 - share), (lower + 1, share)):
            index = (slab[:, None] * (size * size) + flat).ravel()
            volume += np.bincount(index, (values * weight).ravel(), minlength=volume.size)
    return volume.reshape(count, size, size).astype(np.float32)


def _patches(
    bodies: Bodies,
    column: NDArray[np.float64],
    row: NDArray[np.float64],
    reach: int,
    pixel: float,
    size: int,
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return each body's pixel values (n, p) and flat pixel indices (n, p) in a square patch."""
    offsets = np.arange(-reach - 1, reach + 2)
    x0, y0 = np.rint(column).astype(int), np.rint(row).astype(int)
    dx = (x0 - column)[:, None, None] + offsets[None, None, :]
    dy = (y0 - row)[:, None, None] + offsets[None, :, None]
    cos, sin = np.cos(bodies.angle)[:, None, None], np.sin(bodies.angle)[:, None, None]
    a = np.maximum(bodies.a / pixel, 1.0)[:, None, None]
    b = np.maximum(bodies.b / pixel, 1.0)[:, None, None]
    u, v = (cos * dx + sin * dy) / a, (cos * dy - sin * dx) / b
    shape = np.sqrt(np.maximum(1.0 - u * u - v * v, 0.0))
    phase = 7.0 * bodies.angle[:, None, None]  # as good as random, and belongs to the nucleus
    texture = np.cos(4.5 * u + phase) * np.cos(4.0 * v - 2.0 * phase)
    shape *= 1.0 + bodies.texture[:, None, None] * texture
    total = bodies.dna * 36.0 * (2.0 / 3.0) * np.pi / pixel**2
    values = shape * (total / shape.sum(axis=(1, 2)))[:, None, None]
    flat = (y0[:, None, None] + offsets[None, :, None]) * size
    flat = flat + x0[:, None, None] + offsets[None, None, :]
    return values.reshape(len(bodies), -1), flat.reshape(len(bodies), -1)


def _weighted_sum(slabs: NDArray[np.complex64], plane: Image) -> NDArray[np.complex64]:
    """Sum over slabs of transform times transfer function, without a temporary of all slabs."""
    return np.einsum("syx,syx->yx", slabs, plane)


@lru_cache(maxsize=4)
def _transfer(optics: Optics, size: int, pixel: float, planes: int) -> list[Image]:
    """Return per plane the transfer functions (slabs, size, size // 2 + 1) of the slabs."""
    count = 2 * round(DEEPEST / SLAB) + 1
    depth = (np.arange(count) - (count - 1) / 2) * SLAB
    square = _squared_frequency(size, pixel)
    result = []
    for plane in range(planes):
        defocus = np.abs(depth - (plane - (planes - 1) / 2) * optics.step)
        section = optics.haze + (1.0 - optics.haze) * np.exp(-0.5 * (defocus / optics.section) ** 2)
        scattered = optics.scatter * (depth + DEEPEST)
        blur = np.hypot(optics.sharpness, optics.spread * defocus) + scattered
        decay = np.exp(-2.0 * np.pi**2 * blur[:, None, None] ** 2 * square)
        result.append((section[:, None, None] * decay).astype(np.float32))
    return result


def _squared_frequency(size: int, pixel: float) -> NDArray[np.float64]:
    return fft.fftfreq(size, pixel)[:, None] ** 2 + fft.rfftfreq(size, pixel)[None, :] ** 2


@lru_cache(maxsize=4)
def _gaussian(size: int, pixel: float, blur: float) -> Image:
    return np.exp(-2.0 * np.pi**2 * blur**2 * _squared_frequency(size, pixel)).astype(np.float32)


@lru_cache(maxsize=8)
def _grid(size: int) -> tuple[Image, Image]:
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    return axis[None, :], axis[:, None]


def _illumination(optics: Optics, size: int, rng: np.random.Generator) -> Image:
    """Return the relative illumination (size, size) of a plate: dark corners and a bright side."""
    x, y = _grid(size)
    turn, tilt = rng.uniform(0.0, 2 * np.pi), rng.uniform(0.4, 1.0) * optics.tilt
    side = 1.0 + np.float32(tilt) * (np.float32(np.cos(turn)) * x + np.float32(np.sin(turn)) * y)
    return side * (1.0 - np.float32(optics.vignette / 2) * (x * x + y * y))


def enlarge(planes: Image, size: int) -> Image:
    """Return planes (n, side, side) interpolated linearly to (n, size, size)."""
    side = planes.shape[-1]
    place = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    low = np.minimum(place.astype(int), side - 2)
    share = (place - low).astype(np.float32)
    rows = planes[:, low] * (1 - share)[None, :, None] + planes[:, low + 1] * share[None, :, None]
    return rows[:, :, low] * (1 - share) + rows[:, :, low + 1] * share
