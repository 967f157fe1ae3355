"""Fields of a plate with all channels that cells are measured in, read one at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from exvivo.errors import ConfigError, ExvivoError
from exvivo.files import read_json
from exvivo.plates.admission import Admission
from exvivo.plates.base import RawFile, read_fingerprint, well_key
from exvivo.projection.plan import choose_channel
from exvivo.projection.planes import PlaneError
from exvivo.projection.stack import StackProjector

ADMITTED, REFUSED = "admitted", "refused"
BRIGHT_FIELD = "BF"  # taken from the middle plane: a maximum over planes has no focus


@dataclass(frozen=True)
class Field:
    """Raw images of one field: well, the instrument's number, and for each channel its planes."""

    well: str
    field: int
    files: Mapping[str, tuple[RawFile, ...]]


@dataclass(frozen=True)
class CellPlate:
    """A plate for cells.

    Attributes: `folder` of the raw data; `verdict` and `reason`; `fields` by well and number; `damaged` wells with
    reasons; `pixel_um` side of a pixel in µm, 0 if not known.
    """

    folder: Path
    verdict: str
    reason: str
    fields: tuple[Field, ...]
    damaged: Mapping[str, str]
    pixel_um: float

    @property
    def wells(self) -> list[str]:
        """Wells with a field, in order."""
        return list(dict.fromkeys(field.well for field in self.fields))

    def by_well(self) -> Iterator[tuple[str, list[Field]]]:
        """The fields of each well."""
        groups: dict[str, list[Field]] = {}
        for field in self.fields:
            groups.setdefault(field.well, []).append(field)
        yield from groups.items()


def plan_cells(
    folder: Path | str,
    fingerprint: Path | str,
    admission: Path | str,
    channels: Mapping[str, str],
) -> CellPlate:
    """Which fields of a plate there are; `channels` maps names (DAPI, BF, …) to the instrument's channels.

    A well without one of the channels in one of its fields is damaged; a plate that was not admitted has no fields, and one
    without a channel is refused.
    """
    admitted = Admission.from_json(read_json(admission))
    if admitted.verdict != ADMITTED:
        reason = "; ".join(reason.code for reason in admitted.reasons)
        return CellPlate(Path(folder), admitted.verdict, reason, (), {}, 0.0)
    if len(set(channels.values())) < len(channels):
        raise ConfigError(
            "two channels of the cells are the same of the instrument",
            expected="nuclear stain, bright-field and markers in channels of their own",
            found=", ".join(f"{name}: {channel}" for name, channel in channels.items()),
            where="imaging: channel, cells: bright_field, samples: markers",
        )
    try:
        keys = {
            name: choose_channel(admitted.channels, wanted) for name, wanted in channels.items()
        }
    except ExvivoError as error:
        return CellPlate(Path(folder), REFUSED, f"{error.problem}: {error.found}", (), {}, 0.0)
    pixels = [admitted.channels[key].pixel_size_um for key in keys.values()]
    pixel = next(filter(None, [*pixels, admitted.pixel_size_um]), 0.0)
    damaged = {
        name: "; ".join(well.details or well.flags) or "damaged"
        for name, well in admitted.wells.items()
        if well.verdict != ADMITTED
    }
    fields = _fields(read_fingerprint(fingerprint), keys, damaged)
    return CellPlate(Path(folder), ADMITTED, "", tuple(fields), damaged, float(pixel))


def _fields(files: list[RawFile], keys: Mapping[str, str], damaged: dict[str, str]) -> list[Field]:
    names = {key: name for name, key in keys.items()}
    found: dict[tuple[str, int], dict[str, list[RawFile]]] = {}
    for file in files:
        if file.channel in names and file.well not in damaged:
            own = found.setdefault((file.well, file.field), {})
            own.setdefault(names[file.channel], []).append(file)
    fields = []
    for (well, number), own in sorted(found.items(), key=lambda i: (well_key(i[0][0]), i[0][1])):
        if lacking := [name for name in keys if name not in own]:
            damaged[well] = f"field {number} has no image of {', '.join(lacking)}"
        fields.append(Field(well, number, {name: tuple(f) for name, f in own.items()}))
    return [field for field in fields if field.well not in damaged]


def read_field(folder: Path, field: Field, names: list[str]) -> NDArray[np.generic]:
    """Images (C, H, W) of a field in the order of `names`: maximum over planes, of bright-field the middle one.

    Raises `PlaneError` if a plane cannot be used, or channels differ in size or type.
    """
    images: list[NDArray[np.generic]] = []
    for name in names:
        stack = StackProjector().project(folder, list(field.files[name]))
        images.append(stack.images[1 if name == BRIGHT_FIELD else 0])
    if len({(image.shape, image.dtype) for image in images}) > 1:
        raise PlaneError(f"channels differ: {', '.join(str(i.shape) for i in images)}")
    return np.stack(images)
