"""Cut crops out of a field: centred on each cell, on the network's pixel size, border cells left out.

Heinemann et al. 2022, Methods: 20 × 20 pixels of bright-field and DAPI at 2.6 µm (10×, binned), cell in the
centre; cells whose crop crosses the border of the field are neither trained on nor classified.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exvivo.errors import ConfigError, StoreError

Image = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class CropSettings:
    """What a crop is.

    Attributes: `size` side that the network sees, in pixels; `margin` pixels stored around it, so that an image
    turned by 45° has no empty corners (our default reaches size × √2); `pixel_um` side of a crop's pixel
    in µm, 0 to take the field's own pixels as they are; `channels` names of the channels, in order.
    """

    size: int = 20
    margin: int = 5
    pixel_um: float = 2.6
    channels: tuple[str, ...] = ("DAPI", "BF")

    def __post_init__(self) -> None:
        good = 4 <= self.size <= 512 and 0 <= self.margin <= 256 and self.channels
        if not good or not 0 <= self.pixel_um < 100:
            raise ConfigError(
                "no crops can be cut with these settings",
                expected="size 4 to 512, margin 0 to 256, at least one channel, pixels below 100 µm",
                found=f"size {self.size}, margin {self.margin}, {self.pixel_um} µm, channels {self.channels}",
                where="cells: crops",
            )

    @property
    def stored(self) -> int:
        """Side of a stored crop in pixels."""
        return self.size + 2 * self.margin

    def to_json(self) -> list[Any]:
        """Plain values."""
        return [self.size, self.margin, self.pixel_um, list(self.channels)]

    @classmethod
    def from_json(cls, content: list[Any]) -> CropSettings:
        """What `to_json` gave."""
        size, margin, pixel_um, channels = content
        return cls(size, margin, pixel_um, tuple(channels))


def rescale(field: Image, pixel_um: float, target_um: float) -> tuple[Image, float]:
    """Bring a field (C, H, W) to pixels of `target_um`; return it and the factor its coordinates shrink by.

    Smaller pixels are averaged over their area before they are sampled (no aliasing); larger ones are interpolated
    linearly. Within 1 % of the target the field stays as it is. Raises `ConfigError` where the field's own pixel
    size is not known.
    """
    if target_um == 0:
        return field, 1.0
    if not pixel_um or not math.isfinite(pixel_um) or pixel_um < 0:
        raise ConfigError(
            "crops of a given pixel size need that of the field",
            expected="a pixel size in µm in the instrument's files or in samples.tsv",
            found=str(pixel_um),
            where="cells: crops: pixel_um",
            hint="set pixel_um to 0 to cut the field's own pixels",
        )
    factor = pixel_um / target_um
    if abs(factor - 1) < 0.01:
        return field, 1.0
    from skimage.transform import resize

    height, width = (max(1, round(side * factor)) for side in field.shape[-2:])
    scaled = resize(
        field.astype(np.float32),
        (field.shape[0], height, width),
        order=1,
        mode="reflect",
        anti_aliasing=factor < 1,
        preserve_range=True,
    )
    return _as_type(scaled, field.dtype), factor


def inside(centres: NDArray[np.floating], shape: tuple[int, int], size: int) -> NDArray[np.bool_]:
    """Which cells (n, 2: y, x in pixels of the field) have their whole crop of `size` inside a field of `shape`.

    A crop of centre c covers [round(c) - size // 2, round(c) - size // 2 + size).
    """
    first = _corner(centres, size)
    return ((first >= 0) & (first + size <= np.asarray(shape))).all(axis=1)


def cut_crops(field: Image, centres: NDArray[np.floating], settings: CropSettings) -> Image:
    """Cut a crop around each centre: (n, C, stored, stored) in the field's dtype.

    `centres` (n, 2) are y, x in pixels of `field` (C, H, W), which is on the crops' pixel size. What of a margin lies
    outside the field is mirrored. Raises `StoreError` for a centre whose crop itself crosses the border.
    """
    if len(centres) == 0:
        side = settings.stored
        return np.empty((0, field.shape[0], side, side), field.dtype)
    fits = inside(centres, field.shape[-2:], settings.size)
    if not fits.all():
        first = centres[~fits][0]
        raise StoreError(
            "a crop crosses the border of its field",
            expected=f"centres at least {settings.size // 2} px inside {field.shape[-2:]}",
            found=f"{int((~fits).sum())} outside, such as y {first[0]:.1f}, x {first[1]:.1f}",
            hint="leave border cells out with exvivo.crops.inside",
        )
    margin, side = settings.margin, settings.stored
    padded = np.pad(field, ((0, 0), (margin, margin), (margin, margin)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(-2, -1))
    rows, columns = _corner(centres, settings.size).T
    return np.ascontiguousarray(windows[:, rows, columns].swapaxes(0, 1))


def _corner(centres: NDArray[np.floating], size: int) -> NDArray[np.int64]:
    """First row and column of each crop. Halves are rounded up: to the even would favour some pixels."""
    return np.floor(np.asarray(centres, float) + 0.5).astype(np.int64) - size // 2


def _as_type(values: NDArray[np.floating], dtype: np.dtype) -> Image:
    if np.issubdtype(dtype, np.integer):
        limits = np.iinfo(dtype)
        values = np.clip(np.rint(values), limits.min, limits.max)
    return values.astype(dtype)
