"""Is every expected image there, and once? Expected is what the index says, else what the plate shows itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from exvivo.plates.base import PROJECTION, Expectation, Key, RawFile, Reason, natural
from exvivo.plates.findings import Findings, Well
from exvivo.plates.patterns import (
    Channel,
    Inventory,
    plate_channels,
    shared_channels,
    shared_fields,
)

# With more than this share of doubled images the folder holds two acquisitions rather than a stray file.
ACQUISITIONS_SHARE = 0.1


def check_completeness(
    files: list[RawFile], index: Expectation | None, findings: Findings
) -> tuple[dict[str, Channel], dict[str, int], dict[str, int]]:
    """Compare what is there with what is expected; put what is wrong into `findings`.

    Returns the plate's channels, and the counts of wells and images expected and found.
    """
    found = Inventory.of(file.key for file in files)
    _find_doubled(files, findings)
    exact = index.images if index and index.images else frozenset()
    wanted = Inventory.of([*exact, *(file.key for file in files)])
    channels = plate_channels(wanted, index, findings)
    fields = shared_fields(wanted, index, findings)
    common = shared_channels(wanted, index, findings)
    expected: set[Key] = set(exact)
    for well in _expected_wells(found, index, findings):
        own = wanted.wells.get(well, {})
        for fov in fields if fields is not None else own:
            for channel in common if common is not None else own[fov]:
                depth = channels[channel][1]
                expected |= {(well, fov, channel, plane) for plane in depth or {PROJECTION}}
    _compare(found, expected, findings)
    _describe(found, findings)
    counts = {"wells": len({key[0] for key in expected}), "images": len(expected)}
    used = sum(len(used_planes(planes)) for planes in found.planes.values())
    return (
        {name: channel for name, (channel, _) in channels.items()},
        counts,
        {"wells": len(found.wells), "images": used},
    )


def used_planes(planes: set[int]) -> set[int]:
    """Return the planes that are used: the real ones, or the instrument's projection if there are none."""
    return planes - {PROJECTION} or planes


def _find_doubled(files: list[RawFile], findings: Findings) -> None:
    paths: dict[Key, list[str]] = defaultdict(list)
    for file in files:
        paths[file.key].append(file.path)
    doubled = {key: sorted(names) for key, names in paths.items() if len(names) > 1}
    for (well, fov, channel, plane), names in doubled.items():
        place = f"field {fov}, channel {channel}, plane {plane}"
        findings.damage(well, "doubled_image", f"{place}: {' and '.join(names)}")
    if len(doubled) > ACQUISITIONS_SHARE * len(paths) and len(doubled) > 1:
        first = min(doubled)
        findings.plate(
            Reason(
                "several_acquisitions",
                "refused",
                found=f"{len(doubled)} of {len(paths)} images twice, such as {' and '.join(doubled[first])}",
                expected="one acquisition of one plate",
                hint="let the plate's path in plates.tsv end in the folder of the acquisition that is meant",
            )
        )


def _expected_wells(found: Inventory, index: Expectation | None, findings: Findings) -> list[str]:
    if index is None or not index.wells:
        return sorted(found.wells)
    for well in sorted(set(found.wells) - set(index.wells)):
        findings.note(well, "unexpected_well", f"not in {index.source}")
    for well in sorted(set(index.wells) - set(found.wells)):
        findings.damage(well, "missing_well", f"in {index.source}, without any image")
    return sorted({*index.wells, *found.wells})


def _compare(found: Inventory, expected: set[Key], findings: Findings) -> None:
    wanted = Inventory.of(expected)
    for stack, planes in wanted.planes.items():
        well, fov, channel = stack
        there = found.planes.get(stack, set())
        missing = planes - there
        if not missing or well not in found.wells:
            continue  # a well without any image has been reported as such
        if there - {PROJECTION}:
            detail = f"field {fov}, channel {channel}: plane {ranges(missing)} of {len(planes)}"
            findings.damage(well, "missing_planes", detail)
        else:
            what = "only the instrument's own projection" if there else "nothing"
            findings.damage(well, "missing_images", f"field {fov}, channel {channel}: {what}")
    for stack, planes in found.planes.items():
        well, fov, channel = stack
        extra = planes - wanted.planes.get(stack, set()) - {PROJECTION}
        if extra:
            findings.note(
                well, "unexpected_images", f"field {fov}, channel {channel}: plane {ranges(extra)}"
            )


def _describe(found: Inventory, findings: Findings) -> None:
    """Put fields, channels and planes found into the wells."""
    for name, fields in found.wells.items():
        well = findings.wells.setdefault(name, Well())
        well.fields = sorted(fields)
        well.channels = sorted({c for channels in fields.values() for c in channels}, key=natural)
        well.planes = {
            c: max(
                len(found.planes[name, f, c] - {PROJECTION})
                for f in fields
                if (name, f, c) in found.planes
            )
            for c in well.channels
        }


def ranges(numbers: Iterable[int]) -> str:
    """Return whole numbers as text with ranges: 0, 3–5."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][1] + 1:
            parts[-1][1] = number
        else:
            parts.append([number, number])
    return ", ".join(str(a) if a == b else f"{a}–{b}" for a, b in parts)
