"""The microscope for single cells: stamps of all cells of a field at once, then light, noise and camera.

Each cell is a small stamp around its centre, computed for all cells together and added up; a field takes
milliseconds. Blur and the pixels' own width are in the stamps' edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from exvivo.simulate.cells.looks import BLOTCHES, GRAINS, Cells

Image = NDArray[np.float32]
REACH_UM = 14.0  # half a stamp's side


@dataclass(frozen=True)
class CellOptics:
    """Light and camera: photo-electrons of a nucleus of average stain (`nuclear`), of the empty `bright` field and
    of the medium's own light (`medium`), at full lamp power; `blur` in µm; `vignette` at the corners; gain, offset, noise.
    """

    nuclear: float = 1500.0
    bright: float = 6000.0
    medium: float = 60.0
    blur: float = 0.9
    vignette: float = 0.10
    gain: float = 2.0
    offset: float = 110.0
    read_noise: float = 2.0


OPTICS = CellOptics()


def render_field(
    cells: Cells, size: int, pixel_um: float, lamp: float, rng: np.random.Generator
) -> NDArray[np.uint16]:
    """Grey values (C, size, size) of a field: DAPI, bright-field, then the markers.

    `lamp` is the power of the light source of DAPI and bright-field; markers are excited by another one.
    """
    stamps = _Stamps(cells, size, pixel_um)
    shade = _shading(size)
    dapi = (stamps.nuclei(rng) * OPTICS.nuclear + OPTICS.medium) * np.float32(lamp)
    bright = np.clip(1.0 + stamps.bodies(rng), 0.05, None) * np.float32(OPTICS.bright * lamp)
    light = [stamps.marker(number) + OPTICS.medium for number in range(cells.marker.shape[1])]
    return np.stack([_expose(signal * shade, rng) for signal in (dapi, bright, *light)])


class _Stamps:
    """Stamps of the cells of one field, on the pixels around each centre."""

    def __init__(self, cells: Cells, size: int, pixel_um: float):
        self.cells, self.size = cells, size
        half = int(np.ceil(REACH_UM / pixel_um))
        steps = np.arange(-half, half + 1)
        row, column = np.rint(cells.y).astype(int), np.rint(cells.x).astype(int)
        y = ((row - cells.y)[:, None] + steps) * pixel_um
        x = ((column - cells.x)[:, None] + steps) * pixel_um
        self.y, self.x = y[:, :, None].astype(np.float32), x[:, None, :].astype(np.float32)
        rows, columns = row[:, None] + steps, column[:, None] + steps
        inside = ((rows >= 0) & (rows < size))[:, :, None] & ((columns >= 0) & (columns < size))[
            :, None, :
        ]
        self.inside = inside
        self.places = (rows[:, :, None] * size + columns[:, None, :])[inside]
        self.blur = np.float32(np.hypot(OPTICS.blur, pixel_um / np.sqrt(12)))
        cosine, sine = (f(cells.angle)[:, None, None] for f in (np.cos, np.sin))
        along, across = cosine * self.x + sine * self.y, cosine * self.y - sine * self.x
        stretch = np.sqrt(cells.stretch)[:, None, None]
        self.distance = np.hypot(along / stretch, across * stretch)

    def nuclei(self, rng: np.random.Generator) -> Image:
        """Stain in units of an average nucleus."""
        cells = self.cells
        disc = self._disc(cells.nucleus)
        texture = np.ones_like(disc)
        for sign in np.linspace(-1.0, 1.0, BLOTCHES):
            texture += (
                (np.sign(sign) or -1)
                * cells.blotch[:, None, None]
                * self._spot(cells.nucleus * 0.6, cells.nucleus * 0.35, rng)
            )
        return self._sum(disc * np.clip(texture, 0.1, None) * cells.stain[:, None, None])

    def bodies(self, rng: np.random.Generator) -> Image:
        """Bright-field, relative to the empty field: darker bodies, a bright rim, grains."""
        cells = self.cells
        disc = self._disc(cells.body)
        rim = np.exp(-(((self.distance - 1.15 * cells.body[:, None, None]) / (2 * self.blur)) ** 2))
        stamp = 0.10 * rim - 0.09 * disc
        for number in range(GRAINS):
            sign = 1.0 if number % 2 else -1.0
            spot = self._spot(cells.body * 0.75, np.full_like(cells.body, 0.6), rng)
            stamp += sign * cells.grain[:, None, None] * 1.8 * spot
        return self._sum(stamp)

    def marker(self, number: int) -> Image:
        """Photo-electrons of a surface marker."""
        return self._sum(self._disc(self.cells.body) * self.cells.marker[:, number, None, None])

    def _disc(self, radius: Image) -> Image:
        edge = np.clip((self.distance - radius[:, None, None]) / (0.6 * self.blur), -30, 30)
        return 1.0 / (1.0 + np.exp(edge))

    def _spot(self, reach: Image, width: Image, rng: np.random.Generator) -> Image:
        """A blurred spot of height 1 (before blur), at random within `reach` of each centre."""
        angle = rng.uniform(0.0, 2 * np.pi, len(reach)).astype(np.float32)
        radius = reach * np.sqrt(rng.random(len(reach), np.float32))
        y = self.y - (radius * np.sin(angle))[:, None, None]
        x = self.x - (radius * np.cos(angle))[:, None, None]
        blurred = np.hypot(width, self.blur)[:, None, None]
        height = (width[:, None, None] / blurred) ** 0.5
        rows, columns = np.exp(-0.5 * (y / blurred) ** 2), np.exp(-0.5 * (x / blurred) ** 2)
        return height * rows * columns

    def _sum(self, stamp: Image) -> Image:
        total = np.bincount(self.places, stamp[self.inside], minlength=self.size**2)
        return total.reshape(self.size, self.size).astype(np.float32)


def _shading(size: int) -> Image:
    axis = np.linspace(-1.0, 1.0, size, dtype=np.float32)
    return 1.0 - np.float32(OPTICS.vignette / 2) * (axis[:, None] ** 2 + axis[None, :] ** 2)


def _expose(signal: Image, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Shot noise (normal at these numbers), read noise, gain, offset."""
    deviation = np.sqrt(signal + np.float32(OPTICS.read_noise**2))
    electrons = signal + deviation * rng.standard_normal(signal.shape, dtype=np.float32)
    grey = electrons * np.float32(OPTICS.gain) + np.float32(OPTICS.offset)
    return np.clip(np.rint(grey), 0, 65535).astype(np.uint16)
