"""`exvivo night`: what a facility runs every night."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from exvivo.commands.common import add_command, settings, sheets_of

STOPPED = 3


def add(commands: Any) -> None:
    """Add `night` to the parser."""
    text = "find new and changed plates, run the workflow, and sum up what became of every screen"
    parser = add_command(commands, "night", _night, text)
    parser.add_argument(
        "--profile",
        default="profiles/slurm",
        help="Snakemake profile, as from exvivo's own folder or from here (default: profiles/slurm)",
    )
    parser.add_argument("--screen", default="", metavar="SCREEN", help="run this screen only")
    parser.add_argument(
        "--urgent", action="store_true", help="with --screen: run it first, then all others"
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be entered in the sheets; run nothing",
    )
    parser.add_argument(
        "options",
        nargs="*",
        metavar="-- OPTION",
        help="further options for Snakemake, after a lone --",
    )


def _night(options: argparse.Namespace) -> int:
    from exvivo.errors import ConfigError
    from exvivo.night.run import Order, run_night
    from exvivo.night.summary import STOPPED as STOPPED_STATE

    config = settings()
    if options.urgent and not options.screen:
        raise ConfigError("--urgent needs a screen", expected="--screen SCREEN --urgent")
    if options.dry_run:
        return _preview(config)
    order = Order(options.profile, options.screen, options.urgent, tuple(options.options))
    summary = run_night(config, order)
    print(summary.text(), end="")
    if summary.mail.startswith("failed"):
        print(f"the summary could not be mailed: {summary.mail}", file=sys.stderr)
    if summary.state == STOPPED_STATE:
        return STOPPED
    return 1 if summary.needs_a_person() else 0


def _preview(config: dict[str, Any]) -> int:
    from exvivo.night.discover import NEW
    from exvivo.night.run import preview

    sheets = sheets_of(config, layouts_must_exist=False)
    found = preview(config, sheets)
    for one in found:
        if one.state == NEW:
            row = ", ".join(f"{column} {value}" for column, value in one.plate.items() if value)
            new = "" if one.plate["screen"] in sheets.screens else " (a new screen)"
            print(f"{one.path}: would be entered: {row}{new}")
        else:
            print(f"{one.path}: {one.state}: {one.reason}")
    print(f"{len(found)} folders that no sheet knows; nothing was written")
    return 0
