"""What admission collects: flags per well, reasons for the plate, and what to do about each."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from exvivo.plates.base import Reason, well_key

_DETAILS = 5  # sentences kept per well and code
_NAMED = 12  # wells named in a reason

# What is wrong, and what a person can do about it, by code.
EXPECTED = {
    "missing_well": "images of every well that the index names",
    "missing_images": "every field and channel of the plate once in each well",
    "missing_planes": "every plane of a stack",
    "doubled_image": "one file per well, field, channel and plane",
    "copied_image": "no image that is a copy of another",
    "other_size": "images of one size in a channel",
    "other_type": "images of one pixel type in a channel",
    "zero_tail": "image data to the end of the file",
    "unreadable": "files that may be read",
    "zero_bytes": "a TIFF image",
    "not_tiff": "a TIFF image",
    "truncated": "whole files",
    "unexpected_images": "only the images of the plate's own pattern",
    "unexpected_well": "only wells that the index names",
    "uneven_fields": "the same fields in every well",
    "uneven_channels": "the same channels in every well",
    "repeated_planes": "planes that differ",
}
_COPY = "compare with the instrument's own data and copy the plate again"
HINTS = {
    "missing_well": f"{_COPY}, or take the wells out of the layout",
    "missing_images": _COPY,
    "missing_planes": _COPY,
    "doubled_image": "remove the file that does not belong to the plate",
    "copied_image": "one of them is not what its name says: " + _COPY,
    "unreadable": "give the account that runs the workflow the right to read the plate",
    "uneven_fields": "nothing, if it was meant: a well's value is the mean over its own fields",
    "uneven_channels": "nothing, if it was meant: a well without the channel in use has no value",
    "repeated_planes": "nothing, if the wave was not taken as a stack: its planes count as one",
    "unexpected_images": "nothing, if it was meant: they are used where they belong to a stack",
    "unexpected_well": "check that the folder holds one plate and its own index",
}


@dataclass(slots=True)
class Well:
    """One well of a plate.

    Attributes: `verdict` (`admitted`, `damaged`); the `fields` and `channels` found; `planes` found per
    channel (of the field that has most; 0: the instrument's own projection only); `flags` as short codes;
    `details` the same in words.
    """

    verdict: str = "admitted"
    fields: list[int] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    planes: dict[str, int] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)


class Findings:
    """Collects what is wrong with wells and with the plate; the order of the calls does not matter."""

    def __init__(self) -> None:
        self.wells: dict[str, Well] = {}
        self.reasons: list[Reason] = []
        self._details: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(
            lambda: defaultdict(list)
        )

    def damage(self, well: str, code: str, detail: str) -> None:
        """The well cannot be used."""
        self._details["damaged", code][well].append(detail)

    def note(self, well: str, code: str, detail: str) -> None:
        """Something to know about the well, which can be used."""
        self._details["warning", code][well].append(detail)

    def plate(self, reason: Reason) -> None:
        """Something to know about the plate."""
        self.reasons.append(reason)

    @property
    def damaged(self) -> set[str]:
        """Names of the wells that cannot be used."""
        return {
            w for (level, _), wells in self._details.items() if level == "damaged" for w in wells
        }

    def finish(self) -> tuple[dict[str, Well], list[Reason]]:
        """Return the wells in plate order with their flags, and the reasons, worst first."""
        for (level, code), wells in sorted(self._details.items()):
            for name, details in wells.items():
                well = self.wells.setdefault(name, Well())
                well.verdict = "damaged" if level == "damaged" else well.verdict
                well.flags = sorted({*well.flags, code})
                well.details += _shorten(sorted(details))
        summary = [_summary(level, code, wells) for (level, code), wells in self._details.items()]
        rank = {"refused": 0, "arriving": 1, "damaged": 2, "warning": 3}
        reasons = sorted(
            {*self.reasons, *summary}, key=lambda r: (rank[r.level], r.code, r.where, r.found)
        )
        return {name: self.wells[name] for name in sorted(self.wells, key=well_key)}, reasons


def _summary(level: str, code: str, wells: dict[str, list[str]]) -> Reason:
    names = sorted(wells, key=well_key)
    shown = ", ".join(names[:_NAMED]) + (" …" if len(names) > _NAMED else "")
    return Reason(
        code,
        level,
        found=f"{len(names)} well(s), first: {sorted(wells[names[0]])[0]}",
        expected=EXPECTED.get(code, "a TIFF image that can be used"),
        where=shown,
        hint=HINTS.get(code, _COPY),
    )


def _shorten(details: list[str]) -> list[str]:
    more = len(details) - _DETAILS
    return details[:_DETAILS] + ([f"and {more} more"] if more > 0 else [])
