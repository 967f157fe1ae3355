"""Small images of wells: the maximum projection in the colour of its light, one scale for a whole screen."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Colour of 461 nm (Hoechst) as linear sRGB; hue kept where the image is brighter than the screen can show.
PSEUDO_COLOUR = (0.0329, 0.0, 1.0)
_QUALITY = 88  # of JPEG
SIDES = (96, 80, 64, 48)
BUDGET = 4_500_000  # bytes of the page that the images of all wells may take
_BYTES_PER_PIXEL = 0.36  # of a data URI, measured on wells with spheroids
_WINDOW = (0.01, 0.995)  # quantiles of a typical image that become black and full colour


@dataclass(frozen=True)
class Thumbnails:
    """Data URIs by "plate/well"; `black` and `full` are the grey values at the ends of the scale.

    `side` in pixels; `reason` says why there are none.
    """

    uris: Mapping[str, str]
    black: float = 0.0
    full: float = 1.0
    side: int = 0
    reason: str = ""


def thumbnails(stores: Mapping[str, Path], *, wells: int) -> Thumbnails:
    """Thumbnails of all wells of some plates, read plate by plate.

    Parameters: `stores` plate -> wells.zarr; `wells` how many wells there are in all, which sets the size of
    an image so that the page stays small. A well with several fields shows its first.
    """
    from exvivo.wells import read_wells

    if not stores:
        return Thumbnails(
            {}, reason="no imaged plate is part of this screen: it is made of readout files"
        )
    side = image_side(wells)
    small: dict[str, NDArray[np.float32]] = {}
    for plate, store in stores.items():
        content = read_wells(store)
        for index, well in enumerate(content.wells):
            if f"{plate}/{well}" not in small:
                small[f"{plate}/{well}"] = shrink(content.images[index, 0], side)
    if not small:
        return Thumbnails({}, reason="the image stores hold no wells")
    return encode(small)


def image_side(wells: int) -> int:
    """The largest side of an image with which all wells fit into the budget of the page."""
    for side in SIDES:
        if wells * side * side * _BYTES_PER_PIXEL <= BUDGET:
            return side
    return SIDES[-1]


def shrink(image: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """A square image averaged by area to `side` pixels; one that is smaller already stays as it is."""
    from exvivo.wells.resample import area_average

    return image if image.shape[0] <= side else area_average(image, side)


def encode(images: Mapping[str, NDArray[np.float32]], budget: int = BUDGET) -> Thumbnails:
    """Colour and compress grey images with one scale for all of them, smaller if they exceed `budget`.

    `budget` is in bytes of all data URIs together; the smallest step is used even if it exceeds it.
    """
    black, full = window(list(images.values()))
    scaled = {name: (im - black) / (full - black) for name, im in images.items()}
    whole = max(im.shape[0] for im in images.values())
    for side, quality in ((whole, _QUALITY), (whole, 75), *((s, 75) for s in SIDES if s < whole)):
        small = {name: shrink(im, side) for name, im in scaled.items()}
        uris = {name: data_uri(pseudo_colour(im), quality) for name, im in small.items()}
        if sum(len(uri) for uri in uris.values()) <= budget:
            break
    return Thumbnails(uris, black=black, full=full, side=side)


def window(images: Sequence[NDArray[np.float32]]) -> tuple[float, float]:
    """Grey values that become black and full colour: medians over the images of their quantiles.

    So a typical image uses the whole scale, and what is brighter is full colour. Never equal.
    """
    low, full = np.median([np.quantile(image, _WINDOW) for image in images], axis=0)
    return float(low), float(full) if full > low else float(low) + 1.0


def pseudo_colour(intensity: NDArray[np.floating]) -> NDArray[np.uint8]:
    """Linear intensities (H, W), 0 black and 1 full, as sRGB (H, W, 3)."""
    held = np.clip(intensity, 0.0, 1.0)[..., None] * np.asarray(PSEUDO_COLOUR)
    coded = np.where(
        held <= 0.0031308, 12.92 * held, 1.055 * np.maximum(held, 1e-9) ** (1 / 2.4) - 0.055
    )
    return np.round(255 * coded).astype(np.uint8)


def data_uri(colours: NDArray[np.uint8], quality: int = _QUALITY) -> str:
    """An sRGB image as a JPEG inside an address.

    4:4:4: the picture lives in the blue channel, which halved chroma would blur.
    """
    buffer = io.BytesIO()
    image = Image.fromarray(colours)
    image.save(buffer, format="JPEG", quality=quality, subsampling=0, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
