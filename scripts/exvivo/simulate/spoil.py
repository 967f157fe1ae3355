"""Spoil the image of a well, as microscopes, plates and dust do. For tests.

Each function takes the z-stack of a well, uint16 (planes, height, width), and a generator, and returns another
stack of the same shape. They know grey values alone, so they spoil real images as well as simulated ones;
`exvivo.simulate.faults.spoil_well` applies them to a written plate.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Stack = NDArray[np.uint16]
Spoil = Callable[[Stack, np.random.Generator], Stack]
DARK = 100.0  # grey value of a dark pixel, about
GAIN = 2.0  # grey values per photo-electron, about


def empty(stack: Stack, rng: np.random.Generator) -> Stack:
    """Nothing was seeded, or all was washed away: the ground alone, with its own unevenness, and a few specks."""
    ground = _ground(stack)
    size = stack.shape[1:]
    for _ in range(rng.poisson(6)):
        ground += 0.3 * (ground.mean() - DARK) * _spot(size, rng, 0.004)
    return _exposed(ground, rng)


def no_stain(stack: Stack, rng: np.random.Generator) -> Stack:
    """The dye was forgotten: a few per cent of the light are left, of cells and medium alike."""
    share = rng.uniform(0.005, 0.03)
    return _exposed(DARK + share * np.maximum(_smooth(stack, 0.002) - DARK, 0.0), rng)


def off_field(stack: Stack, rng: np.random.Generator) -> Stack:
    """The spheroid lies at the border of the field or beyond: shifted by 35 to 60 % of the field."""
    height, width = stack.shape[1:]
    turn, share = rng.uniform(0.0, 2 * np.pi), rng.uniform(0.35, 0.6)
    by = (round(share * height * np.sin(turn)), round(share * width * np.cos(turn)))
    ground = _exposed(_ground(stack), rng)
    moved = np.roll(stack, by, axis=(1, 2))
    inside = np.zeros((height, width), dtype=bool)
    inside[max(by[0], 0) : height + min(by[0], 0), max(by[1], 0) : width + min(by[1], 0)] = True
    return np.where(inside, moved, ground)


def out_of_focus(stack: Stack, rng: np.random.Generator) -> Stack:
    """The autofocus missed: every plane is blurred by 2 to 4 % of the field and loses light."""
    blur = rng.uniform(0.02, 0.04)
    ground = _ground(stack)
    return _exposed(ground + 0.7 * np.maximum(_smooth(stack, blur) - ground, 0.0), rng)


def saturated(stack: Stack, rng: np.random.Generator) -> Stack:
    """The exposure was too long: the brightest 1 to 8 % of the pixels are beyond the camera's range."""
    top = np.quantile(stack.max(axis=0), 1.0 - rng.uniform(0.01, 0.08))
    factor = (65535.0 - DARK) / max(float(top) - DARK, 1.0)
    return _grey(DARK + factor * (stack.astype(np.float64) - DARK))


def fibre(stack: Stack, rng: np.random.Generator) -> Stack:
    """A bent fibre lies in the well, one to four times as bright as the brightest cells."""
    height, width = stack.shape[1:]
    along = np.linspace(-0.5, 0.5, 2000) * rng.uniform(0.5, 1.2)
    across = rng.uniform(-1.0, 1.0) * along**2 + rng.uniform(-0.25, 0.25)
    turn = rng.uniform(0.0, np.pi)
    x = (0.5 + along * np.cos(turn) - across * np.sin(turn)) * width
    y = (0.5 + along * np.sin(turn) + across * np.cos(turn)) * height
    inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
    line = np.zeros((height, width))
    line[y[inside].astype(int), x[inside].astype(int)] = 1.0
    thread = ndimage.gaussian_filter(line, rng.uniform(0.004, 0.008) * width)
    return _lit(stack, thread / max(thread.max(), 1e-9), rng.uniform(1.0, 4.0), rng)


def dust(stack: Stack, rng: np.random.Generator) -> Stack:
    """One to three clumps larger than nuclei, three to six times as bright as the brightest cells."""
    shape = stack.shape[1:]
    clumps = sum(_spot(shape, rng, rng.uniform(0.02, 0.04)) for _ in range(rng.integers(1, 4)))
    return _lit(stack, clumps, rng.uniform(3.0, 6.0), rng)


def contamination(stack: Stack, rng: np.random.Generator) -> Stack:
    """Bacteria or yeast: 300 to 1,000 specks over the whole field, as bright as cells."""
    height, width = stack.shape[1:]
    count = rng.integers(300, 1000)
    specks = np.zeros((height, width))
    place = rng.integers(0, height, count), rng.integers(0, width, count)
    np.add.at(specks, place, rng.uniform(0.4, 1.0, count))
    specks = ndimage.gaussian_filter(specks, 0.004 * width)
    return _lit(stack, specks / np.quantile(specks, 0.995), rng.uniform(0.3, 1.0), rng)


def side_light(stack: Stack, rng: np.random.Generator) -> Stack:
    """Light from one side: the ground rises across the field by one to three times its own light."""
    height, width = stack.shape[1:]
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    turn = rng.uniform(0.0, 2 * np.pi)
    ramp = np.clip(0.5 + x * np.cos(turn) + y * np.sin(turn), 0.0, None)
    level = float(np.median(_ground(stack))) - DARK
    return _exposed(_smooth(stack, 0.0) + rng.uniform(1.0, 3.0) * level * ramp, rng, own=True)


SPOILS: dict[str, Spoil] = {
    spoil.__name__: spoil
    for spoil in (
        empty, no_stain, off_field, out_of_focus, saturated, fibre, dust, contamination, side_light
    )
}  # fmt: skip


def _smooth(stack: Stack, share: float) -> NDArray[np.float64]:
    """Every plane blurred with a standard deviation of `share` of its width."""
    blur = share * stack.shape[2]
    return ndimage.gaussian_filter(stack.astype(np.float64), (0.0, blur, blur))


def _ground(stack: Stack) -> NDArray[np.float64]:
    """Each plane's ground: a plane through the dark quarter of its pixels."""
    height, width = stack.shape[1:]
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    terms = np.stack([np.ones_like(x), x, y], axis=-1)
    grounds = []
    for plane in stack:
        smooth = ndimage.gaussian_filter(plane.astype(np.float64), 0.01 * width)
        dark = smooth <= np.quantile(smooth, 0.3)
        factors, *_ = np.linalg.lstsq(terms[dark], smooth[dark], rcond=None)
        grounds.append(terms @ factors)
    return np.maximum(np.stack(grounds), DARK)


def _lit(stack: Stack, shape: NDArray, strength: float, rng: np.random.Generator) -> Stack:
    """Add `shape`, 0 to 1, to all planes, `strength` times as bright as the brightest cells."""
    highest = stack.max(axis=0)
    cells = float(np.quantile(highest, 0.995) - np.quantile(highest, 0.25))
    focus = rng.uniform(0.5, 1.0, len(stack))
    focus[rng.integers(len(stack))] = 1.0
    added = strength * cells * focus[:, None, None] * shape
    return _exposed(_smooth(stack, 0.0) + added, rng, own=True)


def _spot(shape: tuple[int, ...], rng: np.random.Generator, size: float) -> NDArray[np.float64]:
    """One spot at a random place, 1 at its centre; `size` its standard deviation as a share of the width."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    down, right = rng.uniform(0.05, 0.95, 2) * shape
    stretch = rng.uniform(0.7, 1.4)
    square = ((x - right) * stretch) ** 2 + ((y - down) / stretch) ** 2
    return np.exp(-square / (2 * (size * shape[1]) ** 2))


def _exposed(expected: NDArray, rng: np.random.Generator, *, own: bool = False) -> Stack:
    """Grey values with shot and read noise; with `own`, `expected` has its noise already."""
    if own:
        return _grey(expected)
    spread = np.sqrt(GAIN * np.maximum(expected - DARK, 0.0) + 16.0)
    return _grey(expected + rng.standard_normal(expected.shape) * spread)


def _grey(values: NDArray) -> Stack:
    return np.clip(np.rint(values), 0, 65535).astype(np.uint16)
