"""What a screen's results were made from: digests and settings that two releases are compared by."""

from __future__ import annotations

import json
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from typing import Any

import exvivo
from exvivo import targets
from exvivo.files import digest_bytes, digest_file, read_json
from exvivo.provenance import SCRIPTS, module_digests
from exvivo.rawplates import recorded_path
from exvivo.runrecord.settings import settings
from exvivo.sheets import Sheets
from exvivo.sheets.decisions import rows
from exvivo.tables import LAYOUT, read_table

# The scripts that a screen's numbers and its verdict come from; those that others add are found by name.
_MAKERS = (
    "project_plate.py",
    "read_plate_reader.py",
    "inspect_plate.py",
    "train_phase.py",
    "crossfit_controls.py",
    "predict_screen.py",
    "check_screen.py",
    "judge_wells.py",
    "score_screen.py",
    "assess_screen.py",
)
_PACKAGES = ("numpy", "pandas", "scipy", "torch", "zarr", "snakemake")
_OF_A_MODEL = ("sha256", "run", "start", "data", "seed", "recipe", "torch", "device", "skipped")


def build_record(config: dict[str, Any], sheets: Sheets, screen: str) -> dict[str, Any]:
    """Everything that decides the numbers of a screen in the working directory, as plain values.

    Keys: `exvivo`, `software`, `code` (module → digest), `settings` (dotted key → value), `sheet` (the
    screen's row), `plates` (row, digests of fingerprint and admission), `layout`, `reference`, `drugs`,
    `decisions`, `models`. No absolute path, no name of a person.
    """
    own = sheets.screens[screen]
    folder = Path("results/screens") / screen
    layout = folder / "layout.parquet"
    record = {
        "screen": screen,
        "exvivo": exvivo.__version__,
        "software": _software(),
        "code": _code(),
        "settings": settings(config),
        "sheet": {name: getattr(own, name) for name in vars(own) if name != "status"},
        "sample": sheets.samples.get(own.sample, {}),
        "plates": {plate.plate: _plate(plate) for plate in sheets.plates_of(screen)},
        "layout": layout_digest(layout) if layout.is_file() else "",
        "reference": _digests(targets.reference_file(sheets, config, screen)),
        "decisions": rows(sheets.decisions_of(screen)),
        "models": _models(targets.model_files(sheets, screen, ".json")),
    }
    return json.loads(json.dumps(record))  # as it will be read back: lists for tuples


def layout_digest(path: Path) -> str:
    """Digest of what a layout says, whatever the order of its rows."""
    frame = read_table(path, LAYOUT).sort_values(["plate", "well"])
    return digest_bytes(frame.to_csv(index=False).encode())


def _software() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _code() -> dict[str, str]:
    found: dict[str, str] = {}
    for script in _MAKERS:
        if (SCRIPTS / script).is_file():
            found |= module_digests(script)
    return dict(sorted(found.items()))


def _plate(plate: Any) -> dict[str, Any]:
    folder = Path("results/plates") / plate.plate
    row = {name: value for name, value in vars(plate).items() if name != "plate"}
    row["path"] = recorded_path(plate)  # with pseudonyms, where the policy replaces names
    files = {"fingerprint": "fingerprint.tsv", "admission": "admission.json"}
    return row | {k: digest_file(folder / f) for k, f in files.items() if (folder / f).is_file()}


def _digests(files: list[str]) -> dict[str, str]:
    return {PurePath(name).name: digest_file(name) for name in files if Path(name).is_file()}


def _models(sidecars: list[str]) -> dict[str, dict[str, Any]]:
    records = {Path(path).stem: read_json(path) for path in sidecars if Path(path).is_file()}
    return {
        phase: {name: content[name] for name in _OF_A_MODEL if name in content}
        for phase, content in records.items()
    }
