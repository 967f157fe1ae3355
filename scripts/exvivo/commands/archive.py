"""`exvivo archive-ready` and `exvivo archive-check`: raw plates leave, and come back."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from typing import Any

from exvivo.commands.common import add_command, configuration


def add(commands: Any) -> None:
    """Add `archive-ready` and `archive-check` to the parser."""
    ready = add_command(
        commands, "archive-ready", _ready, "list raw plates that may leave; mark them as archived"
    )
    ready.add_argument("plates", nargs="*", metavar="PLATE", help="these only (default: all)")
    ready.add_argument("--format", choices=("text", "tsv", "json"), default="text")
    ready.add_argument(
        "--mark",
        action="store_true",
        help="read the raw files of those that are ready, write results/archive/PLATE.tsv with their SHA-256, "
        "and count the plates as archived from now on",
    )
    check = add_command(
        commands, "archive-check", _check, "compare restored raw plates with what left"
    )
    check.add_argument("plates", nargs="+", metavar="PLATE")
    check.add_argument(
        "--take-back", action="store_true", help="if they are the same, use the raw files again"
    )


def _ready(options: argparse.Namespace) -> int:
    from exvivo import watch
    from exvivo.archive import mark, ready
    from exvivo.archive.register import manifest_path
    from exvivo.errors import ExvivoError

    config, sheets = configuration()
    _known(options.plates, sheets)
    watch.scan(sheets, config, ready.RESULTS)
    found = ready.candidates(sheets, options.plates)
    marked, failed = {}, 0
    for candidate in found if options.mark else ():
        if candidate.ready:
            try:
                marked[candidate.plate] = mark.mark(sheets, candidate)
            except ExvivoError as error:
                candidate.ready, candidate.reasons, failed = False, [str(error)], failed + 1
    rows = [
        candidate.to_json()
        | {
            "marked": candidate.plate in marked,
            "manifest": str(manifest_path(candidate.plate)) if candidate.plate in marked else "",
        }
        for candidate in found
    ]
    _WRITERS[options.format](rows)
    return 1 if failed or (options.plates and not all(row["ready"] for row in rows)) else 0


def _check(options: argparse.Namespace) -> int:
    from exvivo.archive import mark

    _, sheets = configuration()
    _known(options.plates, sheets)
    status = 0
    for plate in options.plates:
        differences = mark.check(sheets, plate)
        if differences:
            status = 1
            print(f"{plate}: refused, {len(differences)} file(s) differ from what left")
            print("".join(f"  {difference}\n" for difference in differences), end="")
            continue
        if options.take_back:
            mark.take_back(sheets, plate)
        print(f"{plate}: the files that left" + (", in use again" * options.take_back))
    return status


def _known(plates: list[str], sheets: Any) -> None:
    from exvivo.errors import PlateError

    for plate in plates:
        if plate not in sheets.plates:
            raise PlateError("no such plate", expected="a plate of plates.tsv", found=plate)


def _text(rows: list[dict[str, Any]]) -> None:
    for row in rows:
        if row["ready"]:
            size = f"{row['files']} files, {row['bytes'] / 1e9:.1f} GB"
            state = "archived" if row["marked"] else "may leave"
            print(
                f"{row['plate']}: {state}, {size if row['present'] else 'raw files gone already'}"
            )
    for row in rows:
        if not row["ready"]:
            print(f"{row['plate']}: stays: " + "; ".join(row["reasons"]))
    ready = [row for row in rows if row["ready"]]
    size = sum(row["bytes"] for row in ready) / 1e9
    print(f"{len(ready)} of {len(rows)} raw plates may leave, {size:.1f} GB")


def _tsv(rows: list[dict[str, Any]]) -> None:
    columns = (
        "plate", "screen", "path", "ready", "marked", "files", "bytes", "verdict", "manifest", "reasons",
    )  # fmt: skip
    writer = csv.writer(sys.stdout, delimiter="\t", lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        flat = row | {"reasons": "; ".join(row["reasons"]).replace("\n", " ")}
        writer.writerow([flat[column] for column in columns])


def _json(rows: list[dict[str, Any]]) -> None:
    print(json.dumps(rows, indent=1, ensure_ascii=False))


_WRITERS = {"text": _text, "tsv": _tsv, "json": _json}
