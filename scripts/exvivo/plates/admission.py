"""Admission: which wells of a plate may be used, decided before an image is decoded.

The verdict follows from the fingerprint, the instrument's index and the heads of the images alone, not from
the clock: the scan has noted in the fingerprint whether the plate is at rest, and rewrites it when that changes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from exvivo.errors import PlateError, PrivacyError, StoreError
from exvivo.plates.base import Expectation, Fingerprint, Instrument, Reason, load_fingerprint
from exvivo.plates.completeness import check_completeness
from exvivo.plates.copies import check_copies
from exvivo.plates.findings import Findings, Well
from exvivo.plates.images import check_images, used_files
from exvivo.plates.patterns import Channel
from exvivo.plates.tree import at_rest, walk
from exvivo.privacy.policy import current
from exvivo.privacy.rawdata import personal_fields

DEFAULTS = {
    "damaged_wells_limit": 0.05,
    "settle_minutes": 30,
    "max_image_side": 8192,
    "max_file_mb": 2048,
}


@dataclass(slots=True)
class Admission:
    """What admission found.

    Attributes: `verdict` (`admitted`, `arriving`, `refused`); `reasons`, worst first; `wells` in plate order;
    `channels`; counts `expected` and `found` of wells and images; `shape` (height, width) and `dtype` of the
    first channel's images; `pixel_size_um` if known; `projection_only`: no channel has planes; `index`: the
    instrument's own file that said what to expect, if there is one.
    """

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
    *,
    threads: int = 4,
) -> Admission:
    """Judge the plate at `folder` by its fingerprint, its index and the heads of its images.

    `settings` is the section `admission` of the configuration. Whether the plate is still arriving stands
    in the fingerprint; with `now` (seconds since 1970) it is judged anew from the files' times.

    A bad plate is a verdict, not an exception. Raises `StoreError` if the fingerprint cannot be read.
    """
    settings = DEFAULTS | settings
    folder = Path(folder)
    seen = load_fingerprint(fingerprint)
    findings = Findings()
    for problem in seen.problems:
        findings.plate(problem)
    _note_unrecognised(seen, findings)
    settled = seen.settled if now is None else _settled(folder, now, settings["settle_minutes"])
    index = _index(folder, instrument, findings) if settled and seen.files else None
    result = Admission("admitted", index=index.source if index else "")
    if not settled:
        result.found = {"wells": len({f.well for f in seen.files}), "images": len(seen.files)}
        findings.plate(_arriving(result.found, settings["settle_minutes"]))
    elif not seen.files and not any(problem.level == "refused" for problem in seen.problems):
        findings.plate(_no_images(seen, instrument))
    elif not any(reason.level == "refused" for reason in findings.reasons):
        _examine(seen, folder, settings, index, result, findings, threads)
        _note_personal(seen, folder, findings)
    return _without_names(_conclude(result, findings, settings))


def _without_names(result: Admission) -> Admission:
    """The admission with every text as results may hold it, of channels as of reasons; else a refusal."""
    try:
        return Admission.from_json(
            current().carry_all(result.to_json(), "the instrument's own words")
        )
    except PrivacyError as error:
        return Admission("refused", reasons=[Reason.of("personal_data", "refused", error)])


def _note_personal(seen: Fingerprint, folder: Path, findings: Findings) -> None:
    """Say what personal values the raw files hold that nobody carries over."""
    images = [file.path for file in seen.files]
    if found := personal_fields(folder, images):
        findings.plate(
            Reason(
                "personal_data_in_raw",
                "warning",
                found="; ".join(found),
                expected="nothing: it stays in the raw data and is not carried over",
                hint="mind it when you pass the raw data on",
            )
        )


def _examine(
    seen: Fingerprint,
    folder: Path,
    settings: dict[str, Any],
    index: Expectation | None,
    result: Admission,
    findings: Findings,
    threads: int,
) -> None:
    """Check what is there, then each image's head, then whether images are copies."""
    result.channels, result.expected, result.found = check_completeness(seen.files, index, findings)
    if any(reason.level == "refused" for reason in findings.reasons):
        return
    files = used_files(seen.files)
    looks = check_images(files, folder, settings, result.channels, findings, threads)
    check_copies(looks, folder, result.channels, findings)
    first = next(iter(result.channels.values()))
    result.shape, result.dtype, result.pixel_size_um = first.shape, first.dtype, first.pixel_size_um
    if index is not None:
        _compare_size(result, index, findings)
    result.projection_only = all(c.projection_only for c in result.channels.values())


def _compare_size(result: Admission, index: Expectation, findings: Findings) -> None:
    for channel in result.channels.values():
        channel.pixel_size_um = channel.pixel_size_um or index.pixel_size_um
    result.pixel_size_um = result.pixel_size_um or index.pixel_size_um
    if index.size_px and result.shape and list(index.size_px) != result.shape:
        findings.plate(
            Reason(
                "size_differs",
                "refused",
                found=f"images of {result.shape[0]} × {result.shape[1]} pixels",
                expected=f"{index.size_px[0]} × {index.size_px[1]}, as the index says",
                where=index.source,
                hint="check that the index belongs to these images",
            )
        )


def _conclude(result: Admission, findings: Findings, settings: dict[str, Any]) -> Admission:
    damaged, wells = len(findings.damaged), max(1, len({*findings.damaged, *findings.wells}))
    limit = settings["damaged_wells_limit"]
    if damaged > limit * wells + 1e-9:  # 29 of 100 wells are 29 %, whatever 0.29 * 100 is
        findings.plate(
            Reason(
                "too_many_damaged",
                "refused",
                found=f"{damaged} of {wells} wells damaged ({damaged / wells:.1%})",
                expected=f"at most {limit:.1%}",
                hint="see the other reasons; the limit is admission: damaged_wells_limit",
            )
        )
    result.wells, result.reasons = findings.finish()
    levels = {reason.level for reason in result.reasons}
    result.verdict = next((v for v in ("arriving", "refused") if v in levels), "admitted")
    return result


def _settled(folder: Path, now: float, minutes: float) -> bool:
    try:
        return at_rest(walk(folder), int(now * 1e9), minutes)
    except PlateError:
        return True  # it is not arriving but missing, which the fingerprint says too


def _index(folder: Path, instrument: Instrument, findings: Findings) -> Expectation | None:
    if not folder.is_dir():
        findings.plate(
            Reason(
                "folder_not_found",
                "refused",
                found="the raw plate is no longer there",
                expected="the plate's folder as it was at the scan",
                hint="restore it to judge it anew",
            )
        )
        return None
    try:
        index = instrument.expected(folder)
    except PrivacyError as error:
        findings.plate(Reason.of("personal_data", "refused", error))
        return None
    except PlateError as error:
        findings.plate(Reason.of("index_damaged", "refused", error))
        return None
    for note in index.notes if index else ():
        findings.plate(note)
    return index


def _note_unrecognised(seen: Fingerprint, findings: Findings) -> None:
    if seen.unrecognised_count and seen.files:
        findings.plate(
            Reason(
                "unrecognised_images",
                "warning",
                found=f"{seen.unrecognised_count} image file(s), such as {', '.join(seen.unrecognised[:3])}",
                expected="names as the instrument writes them",
                hint="they are not used",
            )
        )


def _arriving(found: dict[str, int], minutes: float) -> Reason:
    return Reason(
        "arriving",
        "arriving",
        found=f"{found['images']} images of {found['wells']} wells, and changes within the last {minutes:g} minutes",
        expected=f"nothing changed for {minutes:g} minutes (admission: settle_minutes)",
        hint="run the workflow again later: it looks again by itself",
    )


def _no_images(seen: Fingerprint, instrument: Instrument) -> Reason:
    found = "no image files"
    if seen.unrecognised_count:
        examples = ", ".join(seen.unrecognised[:3])
        found = f"{seen.unrecognised_count} image file(s) of other names, such as {examples}"
    return Reason(
        "no_images",
        "refused",
        found=found,
        expected=instrument.expects,
        hint="check columns 'path' and 'instrument' of plates.tsv",
    )
