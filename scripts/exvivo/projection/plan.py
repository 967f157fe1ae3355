"""What is to be projected: which channel, which wells, which images of each field."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from exvivo.errors import PlateError
from exvivo.plates.admission import Admission
from exvivo.plates.base import RawFile, well_key
from exvivo.plates.patterns import Channel
from exvivo.plates.places import place
from exvivo.plates.tiff import TiffFault, read_head
from exvivo.projection.planes import PlaneFormat


@dataclass(frozen=True, slots=True)
class FieldTask:
    """The images of one field in the chosen channel."""

    well: str
    field: int
    files: tuple[RawFile, ...]


@dataclass(slots=True)
class Plan:
    """A plate's work.

    Attributes: `channel` the instrument's key; `tasks` by well and field; `damaged` wells that admission left
    out, with reasons; `not_imaged` wells that were not imaged in the channel, which may be meant so.
    """

    channel: str
    tasks: list[FieldTask] = field(default_factory=list)
    damaged: dict[str, str] = field(default_factory=dict)
    not_imaged: list[str] = field(default_factory=list)


def choose_channel(channels: dict[str, Channel], wanted: str) -> str:
    """Return the key of the channel that `wanted` means: its key, its number written otherwise, or its name.

    Raises `PlateError`, which lists the channels that the plate has, if there is none or more than one.
    """
    word = wanted.strip().casefold()
    digits = word.removeprefix("w").removeprefix("ch").lstrip("0")
    matches = [key for key in channels if key == wanted.strip()]
    matches = matches or [key for key in channels if key.casefold() == word]
    matches = matches or [k for k in channels if k.isdecimal() and k.lstrip("0") == digits]
    matches = matches or [k for k, entry in channels.items() if entry.name.casefold() == word]
    if len(matches) == 1:
        return matches[0]
    names = [f"{key} ({entry.name})" if entry.name else key for key, entry in channels.items()]
    raise PlateError(
        "more than one channel has this name" if matches else "the plate has no such channel",
        expected="one of " + ", ".join(names),
        found=repr(wanted),
        where="imaging: channel",
        hint="set imaging: channel to the number of the nuclear stain",
    )


def plan_plate(files: list[RawFile], admission: Admission, channel: str) -> Plan:
    """Sort the raw images `files` of an admitted plate into fields of the wells that may be used.

    Raises `PlateError` for a channel that the plate does not have.
    """
    plan = Plan(choose_channel(admission.channels, channel))
    fields: dict[tuple[str, int], list[RawFile]] = {}
    for file in files:
        if file.channel == plan.channel:
            fields.setdefault((file.well, file.field), []).append(file)
    wells = {well for well, _ in fields}
    for name, entry in admission.wells.items():
        if entry.verdict != "admitted":
            plan.damaged[name] = "; ".join(entry.details or entry.flags) or "damaged"
        elif name not in wells:
            plan.not_imaged.append(name)
    usable = admission.wells.keys() - plan.damaged.keys()
    for (well, fov), images in sorted(fields.items(), key=lambda i: (well_key(i[0][0]), i[0][1])):
        if well in usable:
            plan.tasks.append(FieldTask(well, fov, tuple(images)))
    return plan


def find_format(folder: Path, plan: Plan, channel: Channel) -> PlaneFormat | None:
    """Return size and type of the plate's images: as admission found them, or of the first readable image."""
    if channel.shape and channel.dtype:
        return PlaneFormat((channel.shape[0], channel.shape[1]), np.dtype(channel.dtype))
    for task in plan.tasks:
        try:
            with place(folder, task.files[0].path).open("rb") as handle:
                head = read_head(handle)
        except (OSError, TiffFault):
            continue
        return PlaneFormat(head.shape, np.dtype(head.dtype))
    return None
