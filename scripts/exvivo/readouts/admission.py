"""Whether the file of a plate reader can be used: admission of a plate without images."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

from exvivo.errors import ExvivoError, PrivacyError, StoreError
from exvivo.plates.base import Reason, load_fingerprint
from exvivo.privacy import current, scrub
from exvivo.privacy.rawdata import of_document
from exvivo.readouts.reader import read_plate_reader

log = logging.getLogger(__name__)


def admit_plate_reader(
    fingerprint: Path | str, file: Path | str, layout_plate: str, plate: str
) -> dict[str, Any]:
    """The admission of one plate as plain values: `verdict` (`admitted`, `arriving`, `refused`), `reasons`, no `wells`.

    A file that is not there yet is arriving; one that cannot be read or whose name holds a personal value refuses its
    plate. What follows for its screen is the screen's policy; nobody else is stopped. Personal values in the file's head are noted: only its numbers are read.
    """
    reasons, bad = _scanned(fingerprint), "refused" if Path(file).exists() else "arriving"
    if not reasons:
        try:
            read_plate_reader(file, layout_plate, plate)
        except ExvivoError as error:
            reasons = [Reason.of("reader_file", bad, error)]
    verdict = bad if reasons else "admitted"
    for reason in reasons:
        log.warning("plate %s is %s: %s", plate, bad, reason)
    if verdict == "admitted" and (noted := of_document(Path(file))):
        hint = "mind it when you pass the raw data on"
        expected = "nothing: it stays in the raw data and is not carried over"
        reasons = [Reason("personal_data_in_raw", "warning", "; ".join(noted), expected, hint=hint)]
    told = [{name: scrub(text) for name, text in asdict(reason).items()} for reason in reasons]
    try:
        told = current().carry_all(told, "what the file says")
    except PrivacyError as error:
        verdict, told = "refused", [asdict(Reason.of("personal_data", "refused", error))]
    return {"verdict": verdict, "reasons": told, "wells": {}}


def _scanned(fingerprint: Path | str) -> list[Reason]:
    """Why the scan refused the file; nothing where it wrote the file's digest."""
    try:
        return load_fingerprint(fingerprint).problems
    except StoreError:  # the fingerprint of a plate reader's file is a line with its digest
        return []
