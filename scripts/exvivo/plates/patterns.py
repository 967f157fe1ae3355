"""What a plate has in common: its channels, the depth of their stacks, the fields and channels of its wells.

A plate without an index is judged by its own pattern. What most of its wells have in common is expected of
all; where no such pattern exists the unevenness is reported and nothing is guessed. Planes are an
exception: stacks of unequal depth cannot be compared, so the deeper ones set what is expected.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from exvivo.plates.base import PROJECTION, Expectation, Key, Reason, natural
from exvivo.plates.findings import Findings

Stack = tuple[str, int, str]  # well, field, channel

# Ours. A pattern of fields or channels is the plate's own if so many of its wells have it; else it is uneven.
PATTERN_SHARE = 0.8
# A wave is a single plane if so many of its stacks have the same one plane; mind that one may be damaged.
SINGLE_SHARE = 0.9
# A depth found in fewer stacks than this is odd itself and not what the others lack.
DEPTH_SHARE = 0.05


@dataclass(slots=True)
class Channel:
    """One channel of the plate.

    Attributes: its `name`; `planes` expected per stack; image `shape` (height, width) and `dtype`;
    `projection_only`: no well has planes, only the instrument's own projection (plane -1);
    `repeated_planes`: the instrument repeated one image in every plane; `pixel_size_um` if known.
    """

    name: str = ""
    planes: int = 0
    shape: list[int] = field(default_factory=list)
    dtype: str = ""
    projection_only: bool = False
    repeated_planes: bool = False
    pixel_size_um: float | None = None


@dataclass(slots=True)
class Inventory:
    """What the plate holds: per stack its planes and whether it has the instrument's own projection."""

    planes: dict[Stack, set[int]] = field(default_factory=lambda: defaultdict(set))
    wells: dict[str, dict[int, set[str]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(set))
    )

    @classmethod
    def of(cls, keys: Iterable[Key]) -> Inventory:
        """Sort images by stack and by well."""
        inventory = cls()
        for well, fov, channel, plane in keys:
            inventory.planes[well, fov, channel].add(plane)
            inventory.wells[well][fov].add(channel)
        return inventory

    def channels(self) -> list[str]:
        """Channels of the plate, 2 before 10."""
        return sorted({channel for _, _, channel in self.planes}, key=natural)


def plate_channels(
    wanted: Inventory, index: Expectation | None, findings: Findings
) -> dict[str, tuple[Channel, frozenset[int]]]:
    """Return each channel with the set of planes expected of its stacks; empty for projections only."""
    stacks: dict[str, list[frozenset[int]]] = defaultdict(list)
    for (_, _, channel), planes in wanted.planes.items():
        stacks[channel].append(frozenset(planes - {PROJECTION}))
    single = {channel: _single_plane(sets) for channel, sets in stacks.items()}
    some_stack = any(single[c] is None and any(sets) for c, sets in stacks.items())
    names = index.channel_names if index else {}
    result = {}
    for name in wanted.channels():
        planes = _depth(stacks[name], index, single[name], some_stack)
        result[name] = (
            Channel(names.get(name, ""), len(planes), projection_only=not planes),
            planes,
        )
    _note_channels(list(result), index, findings)
    only = [name for name, (channel, _) in result.items() if channel.projection_only]
    if only:
        findings.plate(
            Reason(
                "projection_only",
                "warning",
                found=f"channel {', '.join(only)}: the instrument's own projections, no planes",
                expected="z planes",
                hint="the mid plane and the mean of the stack are then those of the projection",
            )
        )
    return result


def _single_plane(sets: list[frozenset[int]]) -> frozenset[int] | None:
    """Return the one plane of a wave that was not taken as a stack, None for any other wave."""
    filled = [planes for planes in sets if planes]
    if not filled:
        return None
    usual, count = Counter(filled).most_common(1)[0]
    return usual if len(usual) == 1 and count >= SINGLE_SHARE * len(filled) else None


def _depth(
    sets: list[frozenset[int]],
    index: Expectation | None,
    single: frozenset[int] | None,
    some_stack: bool,
) -> frozenset[int]:
    """Return the planes expected of a channel's stacks."""
    filled = [planes for planes in sets if planes]
    if not filled:
        return frozenset()
    steps = index.planes if index and index.images is None else 1
    if single is not None and (some_stack or steps == 1):
        return single
    if steps > 1:
        return frozenset(range(steps))
    counts = Counter(filled)
    common = [planes for planes, n in counts.items() if n >= DEPTH_SHARE * len(filled)]
    deepest = max(max(planes) for planes in common or filled)
    return frozenset(range(deepest + 1))


def _note_channels(found: list[str], index: Expectation | None, findings: Findings) -> None:
    named = index.channels if index and index.channels else None
    if named is not None:
        missing, extra = [c for c in named if c not in found], [c for c in found if c not in named]
        if missing or extra:
            findings.plate(
                Reason(
                    "channels_differ",
                    "warning",
                    found=f"channels {', '.join(found)}",
                    expected=f"channels {', '.join(named)}",
                    where=index.source if index else "",
                    hint="nothing, if the other channels were left out on purpose",
                )
            )
        return
    numbers = [int(channel) for channel in found if channel.isdecimal()]
    gaps = sorted(set(range(1, max(numbers, default=0))) - set(numbers))
    if gaps and len(numbers) == len(found):
        findings.plate(
            Reason(
                "channel_gap",
                "warning",
                found=f"channels {', '.join(found)}; no {', '.join(map(str, gaps))}",
                expected="channels numbered without a gap",
                hint="nothing, if the other channels were left out on purpose",
            )
        )


def shared_fields(
    wanted: Inventory, index: Expectation | None, findings: Findings
) -> tuple[int, ...] | None:
    """Return the fields expected of every well; None if wells differ too much to say."""
    found = {fov for fields in wanted.wells.values() for fov in fields}
    if index and index.field_numberings:
        for numbering in index.field_numberings:
            if found <= set(numbering):
                return numbering
        findings.plate(
            Reason(
                "fields_differ",
                "warning",
                found=f"fields {', '.join(map(str, sorted(found)))}",
                expected=f"{index.fields} field(s)",
                where=index.source,
                hint="check that the folder holds one plate and its own index",
            )
        )
    own = {well: frozenset(fields) for well, fields in wanted.wells.items()}
    return _shared(own, "uneven_fields", "fields", index, findings)


def shared_channels(
    wanted: Inventory, index: Expectation | None, findings: Findings
) -> tuple[str, ...] | None:
    """Return the channels expected of every well; None if wells differ too much to say."""
    if index and index.channels:
        present = wanted.channels()
        return tuple(channel for channel in index.channels if channel in present)
    own = {well: frozenset().union(*fields.values()) for well, fields in wanted.wells.items()}
    return _shared(own, "uneven_channels", "channels", index, findings)


def _shared(
    own: dict[str, frozenset], code: str, word: str, index: Expectation | None, findings: Findings
) -> tuple | None:
    """Return what most wells have in common, sorted; None if there is nothing of the kind.

    Wells are then told to be uneven. Where an index lists every image, wells were taken as it says: none
    lacks anything, and those unlike the others are told.
    """
    if not own:
        return ()
    order = Counter(own.values()).items()
    usual, count = min(order, key=lambda item: (-item[1], -len(item[0]), sorted(item[0])))
    common = count >= PATTERN_SHARE * len(own)
    listed = index is not None and index.images is not None
    if common and not listed:
        return tuple(sorted(usual, key=lambda value: natural(str(value))))
    for well, values in own.items():
        if not common or values != usual:
            shown = ", ".join(map(str, sorted(values, key=lambda value: natural(str(value)))))
            findings.note(well, code, f"{word} {shown}")
    return None
