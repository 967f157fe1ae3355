"""Wells whose image, or whose features, somebody or something took offence at, each beside a healthy neighbour."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from exvivo.figures.words import count, figures
from exvivo.inspection.flags import DECISION, EXCLUDE, HOLD, INCLUDE, WARN, excluded_wells
from exvivo.report.context import ROLES, Context, names, number, text
from exvivo.sheets.names import parse_well

MOST = 12  # pictures of one check; the other wells are named
CHECKS = {
    "empty": "Empty",
    "no_stain": "No stain",
    "off_field": "At the border of the field",
    "out_of_focus": "Out of focus",
    "saturated": "Saturated",
    "fibre": "Fibre",
    "dust": "Dust",
    "contamination": "Contamination",
    "side_light": "Light from one side",
    "novel": "Like neither control",
}
CONSEQUENCES = {
    WARN: "shown only",
    EXCLUDE: "left out of fits, quality and training",
    HOLD: "holds the screen",
    INCLUDE: "kept",
}


@dataclass(frozen=True)
class Picture:
    """A well in a picture: `key` opens it in the page, `uri` is empty where there is no image."""

    key: str
    well: str
    uri: str


@dataclass(frozen=True)
class Finding:
    """One flag: the well, a healthy neighbour of the same plate (None if there is none), and what is said of it."""

    own: Picture
    neighbour: Picture | None
    content: str
    value: str
    limit: str
    text: str
    consequence: str
    kept: bool


@dataclass(frozen=True)
class Group:
    """The flags of one check; `others` are wells without a picture here."""

    title: str
    source: str
    findings: list[Finding]
    others: list[str]
    total: int


@dataclass(frozen=True)
class Seen:
    """The section's content; `wells` flagged, `excluded` of them, `known` whether anybody looked."""

    groups: list[Group]
    wells: int
    excluded: int
    known: bool


def seen(context: Context) -> Seen:
    """Flags by check, those that exclude or hold first; decisions of people have a section of their own."""
    flags = context.inputs.flags
    shown = flags[(flags["source"] != DECISION) & (flags["well"] != "")]
    out = excluded_wells(flags)
    flagged = set(zip(shown["plate"], shown["well"], strict=True))
    order = [HOLD, EXCLUDE, WARN, INCLUDE]
    groups = [
        _group(context, str(check), part, flagged, out)
        for check, part in shown.groupby("check", sort=False)
    ]
    first = {
        c: min(map(order.index, shown.loc[shown["check"] == c, "consequence"]))
        for c in names(shown["check"])
    }
    groups = [
        g for _, g in sorted(zip(first.values(), groups, strict=True), key=lambda pair: pair[0])
    ]
    known = "well_flags.parquet" not in context.inputs.missing
    return Seen(groups, len(flagged), len(flagged & set(out)), known)


def remarks(context: Context) -> dict[str, str]:
    """What the checks say of each well that is not left out by them, by "plate/well": for its card in the page."""
    found: dict[str, list[str]] = {}
    for row in context.inputs.flags.to_dict("records"):
        if row["well"] and row["source"] != DECISION:
            name = CHECKS.get(row["check"], row["check"].replace("_", " ")).lower()
            found.setdefault(f"{row['plate']}/{row['well']}", []).append(f"{name}: {row['text']}")
    return {key: "; ".join(told) for key, told in found.items()}


def _group(
    context: Context,
    check: str,
    part: pd.DataFrame,
    flagged: set[tuple[str, str]],
    out: dict[tuple[str, str], list[str]],
) -> Group:
    rows = part.to_dict("records")
    findings = [_finding(context, row, flagged, out) for row in rows[:MOST]]
    others = [f"{row['plate']} {row['well']}" for row in rows[MOST:]]
    title = CHECKS.get(check, check.replace("_", " ").capitalize())
    return Group(title, str(rows[0]["source"]), findings, others, len(rows))


def _finding(
    context: Context,
    row: dict[str, object],
    flagged: set[tuple[str, str]],
    out: dict[tuple[str, str], list[str]],
) -> Finding:
    plate, well = str(row["plate"]), str(row["well"])
    consequence = CONSEQUENCES[str(row["consequence"])]
    kept = row["consequence"] == EXCLUDE and (plate, well) not in out
    if kept:
        consequence = "kept by decision of a person"
    beside = _neighbour(context, plate, well, flagged)
    return Finding(
        own=_picture(context, plate, well),
        neighbour=_picture(context, plate, beside) if beside else None,
        content=_content(context, plate, well),
        value=_figure(row["value"]),
        limit=_figure(row["limit"]),
        text=text(row["text"]),
        consequence=consequence,
        kept=kept,
    )


def _picture(context: Context, plate: str, well: str) -> Picture:
    return Picture(f"{plate}/{well}", well, context.image(plate, well))


def _neighbour(context: Context, plate: str, well: str, flagged: set[tuple[str, str]]) -> str:
    """The nearest well of the plate that has an image and no flag; of equally near ones the first by name."""
    row, column = parse_well(well)
    near = []
    for key in context.images.uris:
        other_plate, _, other = key.rpartition("/")
        if other_plate == plate and (plate, other) not in flagged:
            r, c = parse_well(other)
            near.append(((r - row) ** 2 + (c - column) ** 2, other))
    return min(near)[1] if near else ""


def _content(context: Context, plate: str, well: str) -> str:
    layout = context.inputs.layout
    found = layout[(layout["plate"] == plate) & (layout["well"] == well)]
    if not len(found):
        return "not in the layout"
    role, treatment = found["role"].iloc[0], text(found["treatment"].iloc[0])
    return ", ".join(filter(None, [ROLES.get(role, role), treatment]))


def _figure(value: object) -> str:
    known = number(value)
    return "" if known is None else figures(known, 3)


def count_text(content: Seen) -> str:
    """Entry of the section in the list of sections: how many wells are flagged."""
    return count(content.wells, "well") if content.wells else ""
