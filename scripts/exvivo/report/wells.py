"""What the page's script knows of each well: shown when a person points at it or chooses it."""

from __future__ import annotations

import json
from typing import Any

from exvivo.figures.waterfall import drug_name
from exvivo.figures.words import MISSING, dose, figures, percent
from exvivo.report.context import (
    ROLES,
    Context,
    drugs_of,
    flags_text,
    natural,
    number,
    readout_name,
    text,
)
from exvivo.report.plates import missing_reason
from exvivo.report.seen import remarks


def well_data(context: Context) -> dict[str, Any]:
    """Compact description of all wells, and the images that the page does not show already.

    wells: "plate/well" -> [role, drug key, content, dose, replicate, remark, [[value, viability], …]] with the
    last list in the order of `readouts`; null where a readout has no value.
    """
    readouts = context.inputs.readouts
    wells: dict[str, list[Any]] = {}
    for index, readout in enumerate(readouts):
        frame = context.inputs.of(readout)
        for drug, row in zip(drugs_of(frame), frame.to_dict("records"), strict=True):
            _add(context, wells, drug, row, index, len(readouts))
    for key, told in remarks(context).items():
        if key in wells:
            wells[key][5] = f"{wells[key][5]}; {told}".lstrip("; ")
    rest = {k: uri for k, uri in context.images.uris.items() if k not in context.shown}
    return {
        "readouts": [readout_name(name) for name in readouts],
        "headline": readout_name(context.inputs.headline),
        "drugs": {key: drug_name(*drug) for drug, key in context.keys.items()},
        "wells": dict(sorted(wells.items(), key=lambda item: natural(item[0]))),
        "images": rest,
        "noImage": context.images.reason or "no image of this well",
    }


def _add(
    context: Context,
    wells: dict[str, list[Any]],
    drug: tuple[str, str],
    row: dict[str, Any],
    index: int,
    total: int,
) -> None:
    key = f"{row['plate']}/{row['well']}"
    if row["role"] == "empty":
        return  # what was measured there is background
    entry = wells.setdefault(key, _entry(context, drug, row, total))
    value = number(row["value"])
    if value is not None:
        entry[6][index] = [figures(value, 4), percent(row["viability"], 1)]
    remark = missing_reason(row, {}) or flags_text(row["flag"])
    if remark and remark not in entry[5]:
        entry[5] = f"{entry[5]}; {remark}".lstrip("; ")


def _entry(context: Context, drug: tuple[str, str], row: dict[str, Any], total: int) -> list[Any]:
    concentration = number(row["concentration"])
    return [
        ROLES.get(row["role"], text(row["role"])),
        context.keys.get(drug, ""),
        drug_name(*drug) if drug[0] else "",
        dose(concentration) if concentration else MISSING,
        int(row["replicate"]) if number(row["replicate"]) is not None else 0,
        "",
        [None] * total,
    ]


def script_json(content: Any) -> str:
    """JSON that may stand inside a script element: no character in it can end the element or a line."""
    text_ = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text_ = text_.replace(character, f"\\u{ord(character):04x}")
    return text_
