"""What has changed among the raw plates, looked at before anything is planned. No image library at import."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from exvivo.archive.register import frozen
from exvivo.errors import PrivacyError
from exvivo.privacy import current, record
from exvivo.rawplates import carried_path, scan_reader
from exvivo.sheets import Sheets
from exvivo.targets import READER, raw_path


def scan(sheets: Sheets, config: dict[str, Any], results: Path, *, full: bool = False) -> list[str]:
    """Bring the fingerprints of all plates of open screens up to date; return the plates that changed.

    Archived plates keep the fingerprint they left with (`exvivo.archive`).
    """
    from exvivo.plates import get_instrument
    from exvivo.plates.scan import refuse_plate, scan_plates

    record(current())
    away = set(frozen(sheets.plates, results))
    names, watched, changed = {}, [], []
    for plate in sheets.plates.values():
        if sheets.screens[plate.screen].status == "released" or plate.plate in away:
            continue
        try:
            names[plate.plate] = carried_path(plate).rpartition("/")[2]
            watched.append(plate)
        except PrivacyError as error:
            changed += [plate.plate] if refuse_plate(error, results / plate.plate) else []
    changed += [
        plate.plate
        for plate in watched
        if plate.instrument == READER
        and scan_reader(raw_path(config, plate), names[plate.plate], results / plate.plate)
    ]
    pattern, settle = config["imaging"]["pattern"], config["admission"]["settle_minutes"]
    jobs = [
        (
            plate.plate,
            raw_path(config, plate),
            get_instrument(plate.instrument, pattern=pattern),
            results / plate.plate,
        )
        for plate in watched
        if plate.instrument != READER
    ]
    return changed + scan_plates(jobs, full=full, settle_minutes=settle)
