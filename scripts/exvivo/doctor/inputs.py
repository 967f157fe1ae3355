"""Sheets, layouts, weights and raw plates: what a person gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exvivo import targets
from exvivo.archive.register import frozen
from exvivo.doctor.findings import ERROR, OK, WARNING, Finding, some
from exvivo.errors import ExvivoError, WeightsError
from exvivo.night.discover import ARRIVING, NEW, PERSON
from exvivo.night.run import preview
from exvivo.plates import get_instrument
from exvivo.plates.base import RawFile
from exvivo.plates.images import used_files
from exvivo.readiness import check_layouts
from exvivo.sheets import Sheets

PLATES = Path("results/plates")
_SAMPLED = 3  # planes read of each new plate


def check_sheets(config: dict[str, Any], sheets: Sheets) -> list[Finding]:
    """Layouts of all screens; the sheets themselves have been read by now."""
    numbers = f"{len(sheets.plates)} plates of {len(sheets.screens)} screens"
    findings = [Finding("sheets", OK, numbers)]
    problems = check_layouts(sheets, config, Path.cwd())
    findings += [
        Finding(
            "layout", WARNING, text, remedy="mend the layout: until then it holds this screen alone"
        )
        for text in problems
    ]
    return findings if problems else [*findings, Finding("layouts", OK, "all can be read")]


def check_weights(config: dict[str, Any], sheets: Sheets) -> list[Finding]:
    """The ImageNet weights of each network in use, compared with their pinned hash; fetched ones count as there."""
    findings = []
    for network in targets.networks(sheets):
        if Path(f"results/models/{network}/imagenet.safetensors").is_file():
            findings.append(Finding("weights", OK, f"{network}: converted already"))
            continue
        try:
            from exvivo.networks.weights import locate

            path = locate(network, config["training"]["weights"].get(network))
        except WeightsError as error:
            findings.append(Finding.of("weights", ERROR, error))
        except ImportError:
            found = f"{network}: not checked, torch is not in this environment"
            findings.append(Finding("weights", WARNING, found, remedy="run where the jobs run"))
        else:
            found = "needs none" if path is None else "the pinned file"
            findings.append(Finding("weights", OK, f"{network}: {found}"))
    return findings


@dataclass(frozen=True, slots=True)
class Waiting:
    """A plate that is to be projected: its name for messages, raw folder and images; `problem` why they are not known."""

    name: str
    folder: Path
    files: list[RawFile]
    problem: str = ""


def waiting_plates(config: dict[str, Any], sheets: Sheets) -> list[Waiting]:
    """Imaged plates of open screens that are not projected, and those that the next night would enter."""
    found = []
    archived = set(frozen(sheets.plates, PLATES))
    for plate in map(sheets.plates.__getitem__, targets.open_imaged_ids(sheets)):
        folder = targets.raw_path(config, plate)
        new = plate.plate not in archived and not (PLATES / plate.plate / "hashes.tsv").is_file()
        if new and folder.exists():
            found.append(_waiting(config, f"plate {plate.plate}", folder, plate.instrument))
    for one in preview(config, sheets):
        if one.state == NEW:
            folder = Path(config["data_root"]) / one.path
            found.append(_waiting(config, f"folder {one.path}", folder, one.plate["instrument"]))
    return found


def _waiting(config: dict[str, Any], name: str, folder: Path, instrument: str) -> Waiting:
    try:
        reader = get_instrument(instrument, pattern=config["imaging"]["pattern"])
        return Waiting(name, folder, used_files(reader.list_files(folder).files))
    except ExvivoError as error:
        return Waiting(name, folder, [], ": ".join(filter(None, [error.problem, error.found])))


def check_new(config: dict[str, Any], sheets: Sheets) -> list[Finding]:
    """Folders that the next night would enter in the sheets, and those it would leave to a person."""
    found = preview(config, sheets)
    odd = [one for one in found if one.state == PERSON]
    remedy = "name the folder by the rule, write the layout, or move the folder away"
    findings = [
        Finding("new plates", WARNING, f"{one.path}: {one.reason}", "a plate by the rule", remedy)
        for one in odd
    ]
    new, late = (sum(one.state == state for one in found) for state in (NEW, ARRIVING))
    return [*findings, Finding("new plates", OK, f"{new} to enter, {late} arriving")]


def check_raw(config: dict[str, Any], sheets: Sheets) -> list[Finding]:
    """Raw plates that are not there, and whether that was meant so."""
    archived = set(frozen(sheets.plates, PLATES))
    plates = [
        plate
        for plate in sheets.plates.values()
        if sheets.screens[plate.screen].status == "open" and plate.plate not in archived
    ]
    absent = [p for p in plates if not targets.raw_path(config, p).exists()]
    done = [p.plate for p in absent if (PLATES / p.plate / "hashes.tsv").is_file()]
    lost = [p.plate for p in absent if p.plate not in done]
    findings = []
    if lost:
        findings.append(
            Finding(
                "raw plates", ERROR, f"not there: {some(lost)}", "a folder below data_root",
                "correct column path of plates.tsv, or mount the storage",
            )
        )  # fmt: skip
    if done:
        findings.append(
            Finding(
                "raw plates", WARNING, f"gone, and not marked as archived: {some(done)}",
                "archived plates marked, so that a newer exvivo does not look for their images",
                f"exvivo archive-ready --mark {' '.join(done[:6])}",
            )
        )  # fmt: skip
    return findings or [Finding("raw plates", OK, f"{len(plates)} there")]


def check_images(waiting: Sequence[Waiting]) -> list[Finding]:
    """Read a few planes of each plate that is to be projected."""
    findings = [finding for plate in waiting for finding in _sample(plate)]
    read = f"{_SAMPLED} planes of each of {len(waiting)} new plates can be read"
    return findings or [Finding("raw images", OK, read)]


def _sample(plate: Waiting) -> list[Finding]:
    try:
        from exvivo.projection.planes import PlaneError, decode_plane
    except ImportError as error:
        return [Finding("raw images", WARNING, f"not sampled: {error.name} is not installed here")]
    files = plate.files
    if not files:
        found = plate.problem or "no image of the expected names"
        expected = "images as its instrument writes them"
        return [Finding(plate.name, WARNING, found, expected, "check columns path and instrument")]
    chosen = [files[i * (len(files) - 1) // (_SAMPLED - 1)] for i in range(_SAMPLED)]
    findings = []
    for path in dict.fromkeys(file.path for file in chosen):
        try:
            decode_plane((plate.folder / path).read_bytes())
        except (PlaneError, OSError) as error:
            problem = error.problem if isinstance(error, PlaneError) else error.strerror
            remedy = "copy the plate again; else its well is left out, or the plate refused"
            expected = "an image that can be read"
            findings.append(Finding(plate.name, WARNING, f"{path}: {problem}", expected, remedy))
    return findings
