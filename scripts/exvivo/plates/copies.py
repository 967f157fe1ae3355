"""No image may be a copy of another, with one exception: a wave not taken as a stack.

MetaXpress repeats the one image of such a wave in every ZStep folder. Images are compared by samples of
their stored data; only those whose samples agree are read in full, and only so many.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

from exvivo.plates.base import Reason
from exvivo.plates.findings import Findings
from exvivo.plates.images import Look
from exvivo.plates.patterns import Channel, Stack
from exvivo.plates.pixels import pixel_digest
from exvivo.plates.places import place
from exvivo.plates.tiff import TiffFault, read_head

# Samples of different images agree only where there is no noise, in dark or empty images. So many images are
# read in full to decide.
MAX_READ = 200
REPEATED_SHARE = (
    0.5  # a wave is "not a stack" if in more than this share of its stacks all planes agree
)


class _Comparer:
    """Reads images in full, as long as there are not too many."""

    def __init__(self, folder: Path):
        self.folder, self.budget = folder, MAX_READ

    def identical(self, group: list[Look]) -> list[list[Look]] | None:
        """Split a group by its full data; None if that would be too much to read.

        Images of one value throughout (an empty exposure) are left to quality control.
        """
        if len(group) > self.budget:
            return None
        self.budget -= len(group)
        same: dict[bytes, list[Look]] = defaultdict(list)
        for look in group:
            try:
                with place(self.folder, look.file.path).open("rb") as handle:
                    digest, constant = pixel_digest(handle, read_head(handle, max_side=1 << 20))
            except (OSError, TiffFault):
                continue  # it was whole a moment ago; the next scan will see what became of it
            if not constant:
                same[digest].append(look)
        return [copies for copies in same.values() if len(copies) > 1]


def check_copies(
    looks: list[Look], folder: Path, channels: dict[str, Channel], findings: Findings
) -> None:
    """Find images that are copies; damage their wells, or mark the channel as repeated in every plane."""
    groups: dict[bytes, list[Look]] = defaultdict(list)
    for look in looks:
        if look.sample is not None:
            groups[look.sample.digest].append(look)
    alike = [sorted(group, key=_path) for group in groups.values() if len(group) > 1]
    alike.sort(key=lambda group: _path(group[0]))
    comparer = _Comparer(folder)
    for group in _without_repeated(alike, looks, channels, findings, comparer):
        same = comparer.identical(group)
        if same is None:
            _not_compared(group, findings)
        for copies in same or []:
            for look in copies:
                other = copies[1] if look is copies[0] else copies[0]
                detail = f"{look.file.path}: same image as {other.file.path}"
                findings.damage(look.file.well, "copied_image", detail)


def _without_repeated(
    alike: list[list[Look]],
    looks: list[Look],
    channels: dict[str, Channel],
    findings: Findings,
    comparer: _Comparer,
) -> list[list[Look]]:
    """Take out the groups that are one stack each, if most stacks of their channel are such groups."""
    depth = Counter(_stack(look) for look in looks)
    stacks = Counter(channel for (_, _, channel), planes in depth.items() if planes > 1)
    whole: dict[str, list[list[Look]]] = defaultdict(list)
    for group in alike:
        if len({_stack(k) for k in group}) == 1 and len(group) == depth[_stack(group[0])]:
            whole[group[0].file.channel].append(group)
    taken: set[int] = set()
    for name, repeated in sorted(whole.items()):
        if len(repeated) <= REPEATED_SHARE * stacks[name]:
            continue
        # Noise is never the same twice. Where the samples are dark the whole images decide, as far as they can be read.
        sure = [g for g in repeated if not _dark(g) or comparer.identical(g) == [g]]
        channels[name].repeated_planes = bool(sure)
        for group in sure:
            file = group[0].file
            detail = f"field {file.field}, channel {name}: {len(group)} times the same image"
            findings.note(file.well, "repeated_planes", detail)
        taken |= {id(group) for group in sure}
    return [group for group in alike if id(group) not in taken]


def _dark(group: list[Look]) -> bool:
    return any(look.sample is None or look.sample.constant for look in group)


def _not_compared(group: list[Look], findings: Findings) -> None:
    findings.plate(
        Reason(
            "copies_not_checked",
            "warning",
            found=f"{len(group)} images that look alike where they were sampled, such as {group[0].file.path}",
            expected="images with noise",
            hint="look at these images: copies among them would not have been found",
        )
    )


def _stack(look: Look) -> Stack:
    return look.file.well, look.file.field, look.file.channel


def _path(look: Look) -> str:
    return look.file.path
