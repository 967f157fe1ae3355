"""`exvivo export`: a finished screen for other programs."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from exvivo.commands.common import add_command, configuration


def add(commands: Any) -> None:
    """Add `export` to the parser."""
    parser = add_command(commands, "export", _export, "write a finished screen for iTReX, Breeze or as profiles")  # fmt: skip
    parser.add_argument("screen", help="id of the screen in screens.tsv")
    parser.add_argument(
        "--format", action="append", choices=("itrex", "breeze", "profiles"), dest="formats",
        help="which export (may be given several times; default: all)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")


def _export(options: argparse.Namespace) -> None:
    from exvivo import targets
    from exvivo.errors import ScoringError
    from exvivo.exports.build import FORMATS, export_screen
    from exvivo.exports.screen import read_screen

    config, sheets = configuration()
    if options.screen not in sheets.screens:
        raise ScoringError("no such screen", expected="an id of screens.tsv", found=options.screen)
    contrasts = targets.contrasts(sheets, config, options.screen)
    screen = read_screen(Path("results/screens") / options.screen, options.screen, contrasts)
    files = export_screen(screen, options.formats or FORMATS, options.out)
    print(f"{len(files)} files of screen {options.screen} are in {options.out}")
