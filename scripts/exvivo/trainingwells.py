"""Which wells of a layout a model learns from, as a digest: a parameter of the rules that train.

As `exvivo.targets`: no image library, no pandas at import.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from exvivo.celltargets import cell_contrast, cell_readouts
from exvivo.files import digest_bytes, digest_file, read_json, write_json
from exvivo.provenance import code_digest
from exvivo.rawplates import recorded_path
from exvivo.sheets import Plate, Sheets
from exvivo.targets import imaged_ids, layout_files, viability_contrast

NOT_READABLE = "layout not readable"


def training_wells_digest(sheets: Sheets, config: dict[str, Any], screen: str, kind: str) -> str:
    """Digest of the wells that training reads: the contrast, and for phase III the duplicates.

    `kind` is `phase2`, `phase3` or, for limits and labels of single cells, `cells`. Every process that plans asks
    for it, for each screen several times. It is kept beside the screen's results
    and worked out anew when a layout, the sheets, the contrast or the code that reads layouts changes.
    """
    plates = [sheets.plates[plate] for plate in imaged_ids(sheets, screen)]
    contrasts = {f"phase{n}": viability_contrast(sheets, config, screen, n) for n in (2, 3)}
    if cell_readouts(sheets, screen):
        contrasts["cells"] = cell_contrast(sheets, config, screen)
    layouts = [[name, digest_file(name)] for name in layout_files(sheets, screen)]
    facts = [
        layouts,
        [vars(p) | {"path": recorded_path(p)} for p in plates],
        contrasts,
        config["pseudonym_pattern"],
    ]
    key = digest_bytes(json.dumps([*facts, code_digest("check_screen.py")]).encode())
    path = Path("results/screens") / screen / "training_wells.json"
    known = read_json(path) if path.is_file() else {}
    if known.get("key") != key:
        known = {"key": key} | _training_wells(plates, contrasts, config["pseudonym_pattern"])
        write_json(path, known)
    return known[kind]


def _training_wells(
    plates: list[Plate], contrasts: dict[str, dict[str, Any]], pattern: str
) -> dict[str, str]:
    from exvivo.errors import ExvivoError
    from exvivo.sheets.layouts import screen_layout, selection_digest

    try:
        layout = screen_layout(plates, Path.cwd(), pseudonym_pattern=pattern)
        return {kind: selection_digest(layout, kind, side) for kind, side in contrasts.items()}
    except (ExvivoError, OSError):
        return dict.fromkeys(contrasts, NOT_READABLE)  # check_screen says why and holds the screen
