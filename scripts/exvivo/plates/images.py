"""Opening every image for a moment: is its file whole, and of the size and type of the others?"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exvivo.plates.base import PROJECTION, RawFile, Reason
from exvivo.plates.findings import Findings
from exvivo.plates.patterns import Channel
from exvivo.plates.pixels import Sample, sample
from exvivo.plates.places import place
from exvivo.plates.tiff import TiffFault, TiffHead, read_head

# A copy that stopped within a file made at its full length ends in zeros. Where more images of a channel
# do, their background is zero and nothing is wrong with them (ours).
ZERO_TAIL_SHARE = 0.1

_BATCH = 64  # files per task of a thread

# MetaXpress writes its calibration into ImageDescription, in micrometres per pixel.
_CALIBRATION = re.compile(r'id="spatial-calibration-x"[^>]*value="([0-9.eE+-]{1,20})"')
_UNITS = re.compile(r'id="spatial-calibration-units"[^>]*value="(um|µm|microns?)"', re.IGNORECASE)


@dataclass(slots=True)
class Look:
    """What one look at a raw image showed: shape, type and sample, or what is wrong with it."""

    file: RawFile
    shape: tuple[int, int] = (0, 0)
    dtype: str = ""
    sample: Sample | None = None
    fault: str = ""
    detail: str = ""
    pixel_size_um: float | None = None


def used_files(files: Iterable[RawFile]) -> list[RawFile]:
    """Return the images that are used: all planes, and the instrument's projection where there are none."""
    files = list(files)
    stacks = {(f.well, f.field, f.channel) for f in files if f.plane != PROJECTION}
    return [f for f in files if f.plane != PROJECTION or (f.well, f.field, f.channel) not in stacks]


def check_images(
    files: list[RawFile],
    folder: Path,
    settings: dict[str, Any],
    channels: dict[str, Channel],
    findings: Findings,
    threads: int,
) -> list[Look]:
    """Look at each image of `files`; put faults into `findings`, shapes and types into `channels`.

    Returns the looks at whole images. Needs a few kilobytes of each file and a few hundred bytes of memory
    per image.
    """
    first = {min(paths) for paths in _by(files, lambda f: f.channel, lambda f: f.path).values()}

    def look(batch: list[RawFile]) -> list[Look]:
        return [_look(file, folder, settings, describe=file.path in first) for file in batch]

    batches = [files[start : start + _BATCH] for start in range(0, len(files), _BATCH)]
    with ThreadPoolExecutor(threads) as pool:
        looks = [entry for batch in pool.map(look, batches) for entry in batch]
    changed = [look.file.path for look in looks if look.fault == "changed"]
    if changed:
        findings.plate(
            Reason(
                "changed",
                "arriving",
                found=f"{len(changed)} file(s) of another size than at the scan, such as {min(changed)}",
                expected="a plate at rest",
                hint="run the workflow again: the next full scan sees the change",
            )
        )
    for look in looks:
        if look.fault and look.fault != "changed":
            findings.damage(look.file.well, look.fault, f"{look.file.path}: {look.detail}")
    whole = [look for look in looks if not look.fault]
    for name, group in _by(whole, lambda k: k.file.channel, lambda k: k).items():
        _compare(name, channels[name], group, findings)
    return whole


def _look(file: RawFile, folder: Path, settings: dict[str, Any], *, describe: bool) -> Look:
    limit = settings["max_file_mb"] * 1_000_000
    if file.bytes > limit:
        return Look(file, fault="too_large", detail=f"{file.bytes:,} bytes; at most {limit:,.0f}")
    try:
        with place(folder, file.path).open("rb") as handle:
            head = read_head(handle, max_side=settings["max_image_side"], description=describe)
            if handle.seek(0, 2) != file.bytes:
                return Look(file, fault="changed")
            return Look(
                file, head.shape, head.dtype, sample(handle, head), pixel_size_um=_pixel_size(head)
            )
    except TiffFault as fault:
        return Look(
            file, fault=fault.code, detail=f"found {fault.found}; expected {fault.expected}"
        )
    except OSError as error:
        return Look(file, fault="unreadable", detail=f"{error.strerror}")


def _compare(name: str, channel: Channel, looks: list[Look], findings: Findings) -> None:
    """All images of a channel have one size and one type; the few that do not are damaged."""
    shape = _usual(name, "sizes", [look.shape for look in looks], findings)
    dtype = _usual(name, "types", [look.dtype for look in looks], findings)
    if shape is None or dtype is None:
        return
    channel.shape, channel.dtype = list(shape), dtype
    channel.pixel_size_um = next((k.pixel_size_um for k in looks if k.pixel_size_um), None)
    for look in looks:
        if look.shape != shape:
            detail = f"{look.file.path}: {_pixels(look.shape)}, the others have {_pixels(shape)}"
            findings.damage(look.file.well, "other_size", detail)
        if look.dtype != dtype:
            detail = f"{look.file.path}: {look.dtype}, the others are {dtype}"
            findings.damage(look.file.well, "other_type", detail)
    tails = [
        look for look in looks if look.sample and look.sample.zero_tail and not look.sample.constant
    ]
    if len(tails) <= ZERO_TAIL_SHARE * len(looks):
        for look in tails:
            detail = f"{look.file.path}: its last rows are zero, those of the others are not"
            findings.damage(look.file.well, "zero_tail", detail)


def _usual(name: str, word: str, values: list[Any], findings: Findings) -> Any:
    """Return the value that more than half of the images have; None, and refuse the plate, without one."""
    counts = Counter(values).most_common()
    if counts[0][1] * 2 > len(values):
        return counts[0][0]
    shown = ", ".join(f"{n} × {value}" for value, n in sorted(counts)[:5])
    findings.plate(
        Reason(
            f"mixed_{word}",
            "refused",
            found=f"channel {name}: {shown}",
            expected=f"images of one of these {word} in a channel",
            hint="are these the images of one plate, taken with one setting?",
        )
    )
    return None


def _pixel_size(head: TiffHead) -> float | None:
    size, units = _CALIBRATION.search(head.description), _UNITS.search(head.description)
    try:
        return (float(size[1]) or None) if size and units else None
    except ValueError:
        return None


def _pixels(shape: tuple[int, int]) -> str:
    return f"{shape[0]} × {shape[1]} pixels"


def _by(
    items: Iterable[Any], key: Callable[[Any], Any], value: Callable[[Any], Any]
) -> dict[Any, list]:
    groups: dict[Any, list] = defaultdict(list)
    for item in items:
        groups[key(item)].append(value(item))
    return groups
