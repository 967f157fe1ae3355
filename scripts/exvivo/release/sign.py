"""Signing a screen's report, and reopening it for a revision."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from exvivo.errors import ExvivoError, StoreError
from exvivo.files import digest_file, read_json, write_json
from exvivo.privacy import current
from exvivo.rawplates import recorded_path
from exvivo.release.compare import Difference, compare, of_release, of_results
from exvivo.release.folder import RELEASED, REOPENED, reopening, version_folder, versions
from exvivo.release.freeze import NEEDED, choose_files, releasing, write_release
from exvivo.release.pending import pending_jobs, running
from exvivo.release.record import build_record
from exvivo.release.render import as_json, as_text, as_tsv
from exvivo.release.status import set_status
from exvivo.responses.read import RANKED
from exvivo.runrecord.settings import shown
from exvivo.sheets import Sheets
from exvivo.sheets.names import suggest

INITIALS = re.compile(r"[A-Z]{2,4}")
REASON_LENGTH = (10, 500)  # characters


class ReleaseError(ExvivoError):
    """A screen that cannot be released or revised as asked."""


@dataclass(frozen=True)
class Release:
    """What was written: `digest` of the manifest, `difference` from the release before, `sheet` whether
    screens.tsv says the new status.
    """

    folder: Path
    digest: str
    difference: Difference | None
    sheet: bool


def release(
    config: dict[str, Any],
    sheets: Sheets,
    screen: str,
    *,
    initials: str,
    note: str = "",
    despite_hold: str = "",
) -> Release:
    """Freeze the results of a screen as its next release.

    Raises `ReleaseError` if the screen is unknown, frozen, incomplete, out of date, on hold without
    `despite_hold` (the reason to release it all the same), or the words are unfit; `StoreError` if another
    process is at it or the copy fails.
    """
    _check_screen(sheets, screen)
    check_words(initials, note, "note", needed=False)
    check_words(initials, despite_hold, "reason of --despite-hold", needed=False)
    if sheets.screens[screen].status == "released":
        raise _frozen(sheets, screen)
    with releasing():
        _check_complete(sheets, screen)
        decision = _decision(sheets, screen)
        held = decision["verdict"] not in RANKED
        if held and not despite_hold:
            raise ReleaseError(
                "this screen is on hold",
                expected="a screen that passed its gate, or whose failed checks a decision accepts",
                found="; ".join(map(str, decision["reasons"])) or "no reason given",
                where=screen,
                hint="mend what holds it, or give a reason with --despite-hold; it will stand in the release",
            )
        _check_current(sheets, screen)
        earlier = versions(screen)
        version = earlier[-1] + 1 if earlier else 1
        record = build_record(config, sheets, screen)
        difference = None
        if earlier and sheets.screens[screen].kind == "drug":
            difference = compare(of_release(screen, earlier[-1]), of_results(screen, record))
        signed = {
            "screen": screen,
            "version": version,
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "initials": initials,
            "note": note,
            "verdict": decision["verdict"],
            "reasons": decision["reasons"],
            "despite_hold": despite_hold if held else "",
            "revision": reopening(screen),
        }
        folder, digest = _write(config, sheets, signed, record, difference)
        (RELEASED / screen / REOPENED).unlink(missing_ok=True)
        return Release(folder, digest, difference, _set_status(config, screen, "released"))


def revise(
    config: dict[str, Any], sheets: Sheets, screen: str, *, initials: str, reason: str
) -> bool:
    """Reopen a released screen, so that the next run works on it again; its releases stay as they are.

    Returns whether screens.tsv says `open` now. Raises `ReleaseError` if there is nothing to reopen.
    """
    _check_screen(sheets, screen)
    check_words(initials, reason, "reason", needed=True)
    earlier = versions(screen)
    if not earlier:
        raise ReleaseError(
            "this screen has no release that could be revised",
            expected=f"a folder {version_folder(screen, 1).as_posix()}",
            found="none",
            where=screen,
        )
    if reopening(screen) is not None:
        raise ReleaseError(
            f"this screen is open since v{earlier[-1]} was reopened",
            where=screen,
            hint=f"run the workflow, then exvivo release {screen}",
        )
    with releasing():
        note = {
            "version": earlier[-1],
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
            "initials": initials,
            "reason": reason,
        }
        write_json(RELEASED / screen / REOPENED, note)
        return _set_status(config, screen, "open")


def _write(
    config: dict[str, Any],
    sheets: Sheets,
    signed: dict[str, Any],
    record: dict[str, Any],
    difference: Difference | None,
) -> tuple[Path, str]:
    screen, version = signed["screen"], signed["version"]
    copies = choose_files(sheets, screen, config["release"]["copy_up_to_mb"])
    signed = signed | {"left_out": copies.left_out}
    if "report.html" in copies.files:
        signed["report_before_signing"] = digest_file(copies.files["report.html"])
    records = {
        "release.json": signed,
        "record.json": record,
        "config.json": _without_paths(config),
        "sheets.json": _rows(sheets, screen),
    }
    texts = {}
    if difference is not None:
        records["diff.json"] = as_json(difference)
        texts = {"diff.tsv": as_tsv(difference), "diff.txt": as_text(difference, screen)}
    digest = write_release(screen, version, copies, records, texts, _words(signed))
    return version_folder(screen, version), digest


def _words(signed: dict[str, Any]) -> str:
    """The line in the head of the released report."""
    day = signed["time"][:10]
    told = [f"Released as v{signed['version']} on {day} by {signed['initials']}"]
    if signed["despite_hold"]:
        told.append(f"Released although the screen is on hold: {signed['despite_hold']}")
    if signed["revision"]:
        told.append(
            f"A revision of v{signed['revision']['version']}: {signed['revision']['reason']}"
        )
    told += [f"Note: {signed['note']}"] if signed["note"] else []
    return " ".join(sentence.rstrip(". ") + "." for sentence in told)


def _without_paths(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_paths(value) for key, value in content.items()}
    return shown(content)


def _rows(sheets: Sheets, screen: str) -> dict[str, Any]:
    """The rows of the sheets that concern a screen."""
    own = sheets.screens[screen]
    start = sheets.screens.get(own.training_screen)
    return {
        "screens": [vars(row) for row in (own, start) if row is not None],
        "plates": [vars(p) | {"path": recorded_path(p)} for p in sheets.plates_of(screen)],
        "samples": [sheets.samples[own.sample]] if own.sample in sheets.samples else [],
        "drugs": list(sheets.drugs.values()),
    }


def _set_status(config: dict[str, Any], screen: str, status: str) -> bool:
    return set_status(Path(config["screens"]).resolve(), screen, status)


def _check_screen(sheets: Sheets, screen: str) -> None:
    if screen not in sheets.screens:
        raise ReleaseError(
            "there is no such screen",
            expected="a screen in screens.tsv",
            found=repr(screen),
            hint=suggest(screen, sheets.screens),
        )


def check_words(initials: str, text: str, name: str, *, needed: bool) -> None:
    """Raise `ReleaseError` unless `initials` are initials, and `text` is one line that names nobody."""
    if not INITIALS.fullmatch(initials):
        raise ReleaseError(
            "these are no initials",
            expected="two to four capital letters, such as AB",
            found=f"{len(initials)} characters",  # never the text: it may be a name
            hint="give initials, not a name: they stand in the release",
        )
    low, high = REASON_LENGTH
    if (text or needed) and not (low <= len(text.strip()) <= high and text.isprintable()):
        raise ReleaseError(
            f"the {name} is unfit",
            expected=f"one line of {low} to {high} characters",
            found=f"{len(text.strip())} characters"
            + ("" if text.isprintable() else ", some of them control characters"),
        )
    if kinds := current().told(text):
        raise ReleaseError(
            f"the {name} names a person",
            expected="no personal data: it stands in the release",
            found=f"{kinds} (not shown)",
        )


def _frozen(sheets: Sheets, screen: str) -> ReleaseError:
    earlier = versions(screen)
    if earlier:
        return ReleaseError(
            f"this screen is released as v{earlier[-1]}",
            where=screen,
            hint=f"to change it: exvivo revise {screen} --reason …, run the workflow, release again",
        )
    return ReleaseError(
        "screens.tsv says that this screen is released, and there is no release of it",
        where=screen,
        hint="set its status to open, run the workflow, then release it",
    )


def _check_complete(sheets: Sheets, screen: str) -> None:
    folder = Path("results/screens") / screen
    missing = [
        name for name in NEEDED[sheets.screens[screen].kind] if not (folder / name).is_file()
    ]
    if sheets.screens[screen].kind == "training" and not _targets(sheets, screen):
        missing = ["a model of phase I"]
    if missing:
        raise ReleaseError(
            "this screen is not complete",
            expected="all results of a finished run",
            found=f"no {', '.join(missing)}",
            where=screen,
            hint="run the workflow first",
        )


def _decision(sheets: Sheets, screen: str) -> dict[str, Any]:
    if sheets.screens[screen].kind == "training":
        return {"verdict": "pass", "reasons": []}
    return read_json(Path("results/screens") / screen / "verdict.json")


def _targets(sheets: Sheets, screen: str) -> list[str]:
    """What must be up to date: the report, or the models that learned from a training screen."""
    if sheets.screens[screen].kind == "drug":
        return [f"results/screens/{screen}/report.html"]
    found = Path("results/models").glob(f"*/{screen}/phase1.safetensors")
    return sorted(path.as_posix() for path in found)


def _check_current(sheets: Sheets, screen: str) -> None:
    if running():
        raise StoreError(
            "a run is going on in this working directory",
            expected="no run while a screen is released",
            found=".snakemake/locks",
            hint="wait for its end; after one that was killed: snakemake --unlock",
        )
    if jobs := pending_jobs(_targets(sheets, screen)):
        raise ReleaseError(
            "the results of this screen are out of date",
            expected="results of the present plates, sheets, settings and code",
            found=", ".join(f"{number} {rule}" for rule, number in jobs.items()) + " would run",
            where=screen,
            hint="run the workflow, read the report again, then release it",
        )
