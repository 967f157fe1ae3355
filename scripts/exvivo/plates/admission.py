"""Admission: which wells of a plate may be used, decided before an image is decoded."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from exvivo.errors import StoreError
from exvivo.plates.base import PROJECTION, Instrument, Reason, load_fingerprint, natural


@dataclass(slots=True)
class Well:
    """One well: `verdict` (`admitted`, `damaged`), fields and channels found, planes per channel, flags.

    `flags` are short codes, `details` the same in words.
    """

    verdict: str = "admitted"
    fields: list[int] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    planes: dict[str, int] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    details: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Channel:
    """One channel of the plate: its name, the usual planes, image size (height, width) and type.

    `projection_only`: no well has planes, only the instrument's own projection (plane -1).
    `repeated_planes`: the instrument repeated one image in every plane.
    """

    name: str = ""
    planes: int = 0
    shape: list[int] = field(default_factory=list)
    dtype: str = ""
    projection_only: bool = False
    repeated_planes: bool = False
    pixel_size_um: float | None = None


@dataclass(slots=True)
class Admission:
    """What admission found: `verdict` (`admitted`, `arriving`, `refused`), reasons, wells, channels."""

    verdict: str
    reasons: list[Reason] = field(default_factory=list)
    wells: dict[str, Well] = field(default_factory=dict)
    channels: dict[str, Channel] = field(default_factory=dict)
    expected: dict[str, int] = field(default_factory=dict)
    found: dict[str, int] = field(default_factory=dict)
    shape: list[int] = field(default_factory=list)
    dtype: str = ""
    pixel_size_um: float | None = None
    projection_only: bool = False
    index: str = ""

    def to_json(self) -> dict[str, Any]:
        """Return plain dicts, lists, texts and numbers; the same plate always gives the same."""
        return asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Admission:
        """Build from what `to_json` returned. Raises `StoreError` if it is something else."""
        try:
            values = dict(content)
            values["reasons"] = [Reason(**reason) for reason in values["reasons"]]
            values["wells"] = {name: Well(**well) for name, well in values["wells"].items()}
            values["channels"] = {name: Channel(**c) for name, c in values["channels"].items()}
            return cls(**values)
        except (KeyError, TypeError, AttributeError) as error:
            raise StoreError(
                "this is not an admission",
                expected="what exvivo's admission wrote",
                found=f"{type(error).__name__}: {error}",
                hint="remove admission.json and run the workflow again",
            ) from error

    def admitted_wells(self) -> list[str]:
        """Names of the wells that may be used, in plate order; none unless the plate is admitted."""
        if self.verdict != "admitted":
            return []
        return [name for name, well in self.wells.items() if well.verdict == "admitted"]


def admit_plate(
    fingerprint: Path | str,
    folder: Path | str,
    instrument: Instrument,
    settings: dict[str, Any],
    now: float | None = None,
) -> Admission:
    """Judge the plate at `folder` by its fingerprint and the heads of its images."""
    print_ = load_fingerprint(fingerprint)
    if not print_.settled:
        return Admission(
            "arriving", reasons=[Reason("arriving", "arriving", found="still changing")]
        )
    wells: dict[str, Well] = {}
    for file in print_.files:
        well = wells.setdefault(file.well, Well())
        if file.field not in well.fields:
            well.fields.append(file.field)
        if file.channel not in well.channels:
            well.channels.append(file.channel)
        if file.plane != PROJECTION and file.field == well.fields[0]:
            well.planes[file.channel] = well.planes.get(file.channel, 0) + 1
    channels = {
        c: Channel(planes=max((w.planes.get(c, 0) for w in wells.values()), default=0))
        for c in sorted({c for w in wells.values() for c in w.channels}, key=natural)
    }
    return Admission("admitted" if wells else "refused", wells=wells, channels=channels)
