"""`exvivo compare`: compare the scores of a simulated screen with its truth."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from exvivo.commands.common import add_command


def add(commands: Any) -> None:
    """Add `compare` to the parser."""
    add_command(
        commands, "compare", _compare, "compare the scores of a simulated screen with its truth"
    )


def _compare(options: argparse.Namespace) -> None:
    from exvivo.simulate.compare import compare_screens, render

    print(render(compare_screens(Path())))
