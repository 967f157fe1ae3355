"""`exvivo check`: check the configuration, all sheets and all layouts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from exvivo.commands.common import add_command, configuration


def add(commands: Any) -> None:
    """Add `check` to the parser."""
    add_command(commands, "check", _check, "check the configuration, all sheets and all layouts")


def _check(options: argparse.Namespace) -> int:
    from exvivo.readiness import check_layouts

    config, sheets = configuration()
    problems = check_layouts(sheets, config, Path.cwd())
    for problem in problems:
        print(problem)
    print(f"{len(sheets.plates)} plates of {len(sheets.screens)} screens, {len(problems)} problems")
    return 1 if problems else 0
