"""`exvivo scan`: look for new and changed raw plates."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from exvivo.commands.common import add_command, configuration


def add(commands: Any) -> None:
    """Add `scan` to the parser."""
    parser = add_command(commands, "scan", _scan, "look for new and changed raw plates")
    parser.add_argument(
        "--full", action="store_true", help="look at every file, not only at changed folders"
    )


def _scan(options: argparse.Namespace) -> None:
    from exvivo import watch

    config, sheets = configuration()
    changed = watch.scan(sheets, config, Path("results/plates"), full=options.full)
    print(f"{len(sheets.plates)} plates looked at, {len(changed)} new or changed")
    for plate in changed:
        print(f"  {plate}")
