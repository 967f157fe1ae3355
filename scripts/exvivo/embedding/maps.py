"""Maps of cells (t-SNE), as coordinates and as images: coloured by what is known of them, or made of their crops.

Published: Barnes–Hut, standardised distances, perplexity 1,000, exaggeration 50, rate 500 (MATLAB's t-SNE). The perplexity
shrinks with the number of cells (ours).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from exvivo.figures.palette import KINDS, SEQUENTIAL, ramp

Array = NDArray[np.floating]
Image = NDArray[np.uint8]
PERPLEXITY, EXAGGERATION, RATE = 1000.0, 50.0, 500.0


def tsne_map(points: Array, *, perplexity: float = PERPLEXITY, seed: int = 0) -> Array:
    """Two coordinates (n, 2) of each cell. `perplexity` is held below a quarter of the number of cells."""
    from sklearn.manifold import TSNE

    points = np.asarray(points, np.float64)
    spread = points.std(axis=0)
    scaled = points[:, spread > 0] / spread[spread > 0]
    model = TSNE(
        perplexity=min(perplexity, max((len(points) - 1) / 4, 1.0)),
        early_exaggeration=EXAGGERATION,
        learning_rate=RATE,
        init="random",
        method="barnes_hut",
        angle=0.5,
        random_state=seed,
    )
    return model.fit_transform(scaled)


def dot_image(places: Array, colours: NDArray[np.uint8], side: int = 600) -> Image:
    """A map (side, side, 3) with one dot of 2 × 2 pixels a cell; `colours` (n, 3). Later cells lie on earlier ones."""
    image = np.full((side, side, 3), 255, np.uint8)
    row, column = _pixels(places, side - 1)
    for down in (0, 1):
        for right in (0, 1):
            image[row + down, column + right] = colours
    return image


def kind_colours(kinds: Sequence[str]) -> tuple[NDArray[np.uint8], dict[str, str]]:
    """Colour (n, 3) of each cell by its kind, and the legend; more than ten kinds share the last colour."""
    names = list(dict.fromkeys(map(str, kinds)))
    legend = {name: KINDS[min(i, len(KINDS) - 1)] for i, name in enumerate(names)}
    table = np.asarray([_rgb(legend[name]) for name in names], np.uint8).reshape(-1, 3)
    place = {name: number for number, name in enumerate(names)}
    return table[[place[str(kind)] for kind in kinds]], legend


def value_colours(values: Array, low: float, high: float) -> NDArray[np.uint8]:
    """Colour (n, 3) of each cell by a number from `low` (light, yet seen on white) to `high` (dark)."""
    levels = np.asarray([_rgb(ramp(SEQUENTIAL, 0.2 + 0.8 * i / 255)) for i in range(256)], np.uint8)
    share = (np.asarray(values, float) - low) / max(high - low, 1e-12)
    return levels[np.rint(np.clip(np.nan_to_num(share), 0, 1) * 255).astype(int)]


def thumbnail_image(
    places: Array, crops: NDArray[np.generic], *, tiles: int = 24, tile: int = 25
) -> Image:
    """The map made of cells: in each of `tiles` × `tiles` places the crop (n, 2, P, P) nearest to its middle.

    DAPI in blue over bright-field in grey, each stretched over all crops shown; places without a cell stay white.
    """
    row, column = _pixels(places, tiles)
    centres = np.stack([row, column], axis=1)
    scaled = _scaled(places, tiles)
    distance = ((scaled - centres - 0.5) ** 2).sum(axis=1)
    order = np.lexsort((distance, column, row))
    first = np.unique(centres[order], axis=0, return_index=True)[1]
    chosen = order[first]
    shown = _coloured(crops[chosen], tile)
    image = np.full((tiles * tile, tiles * tile, 3), 255, np.uint8)
    for cell, one in zip(chosen, shown, strict=True):
        y, x = row[cell] * tile, column[cell] * tile
        image[y : y + tile, x : x + tile] = one
    return image


def _coloured(crops: NDArray[np.generic], tile: int) -> Image:
    """Crops (n, 2, P, P) as colour images (n, tile, tile, 3), each pixel the nearest one, a white rim on two sides."""
    side = tile - 1
    pick = (np.arange(side) * crops.shape[-1] // side).astype(int)
    small = crops[..., pick, :][..., pick].astype(np.float64)
    low, high = (np.percentile(small, q, axis=(0, 2, 3), keepdims=True) for q in (1, 99.5))
    shade = np.clip((small - low) / np.maximum(high - low, 1e-9), 0, 1)
    dapi, bright = shade[:, 0], shade[:, 1]
    grey = 0.25 + 0.6 * bright
    tint = np.stack([grey * (1 - dapi), grey * (1 - 0.6 * dapi), grey + (1 - grey) * dapi], axis=-1)
    tiles = np.full((len(crops), tile, tile, 3), 255, np.uint8)
    tiles[:, :side, :side] = np.rint(tint * 255)
    return tiles


def _scaled(places: Array, side: int) -> Array:
    """Coordinates from 0 to `side`, y upwards turned to rows downwards: (n, 2) row, column."""
    low, high = places.min(axis=0), places.max(axis=0)
    share = (places - low) / np.maximum(high - low, 1e-12)
    return np.stack([1 - share[:, 1], share[:, 0]], axis=1) * (side - 1e-6)


def _pixels(places: Array, side: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    row, column = _scaled(np.asarray(places, float), side).astype(np.int64).T
    return row, column


def _rgb(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)
