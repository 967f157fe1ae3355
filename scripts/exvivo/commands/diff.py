"""`exvivo diff`: what moved between two releases of a screen, or since a release, and because of what."""

from __future__ import annotations

import argparse
from typing import Any

from exvivo.commands.common import add_command, configuration

CURRENT = "current"


def add(commands: Any) -> None:
    """Add `diff` to the parser."""
    parser = add_command(
        commands, "diff", _diff, "what moved between two states of a screen, and why"
    )
    parser.add_argument("screen", help="id in screens.tsv")
    parser.add_argument("before", nargs="?", default="", help="v1, v2, … (default: the newest)")
    parser.add_argument("after", nargs="?", default=CURRENT, help=f"v2, … or {CURRENT} (default)")
    parser.add_argument("--format", choices=("text", "tsv", "json"), default="text")


def _diff(options: argparse.Namespace) -> None:
    import json

    from exvivo.release.compare import compare, find_release, of_results
    from exvivo.release.record import build_record
    from exvivo.release.render import as_json, as_text, as_tsv

    before = find_release(options.screen, options.before)
    if options.after == CURRENT:
        config, sheets = configuration(layouts_must_exist=False)
        after = of_results(options.screen, build_record(config, sheets, options.screen))
    else:
        after = find_release(options.screen, options.after)
    found = compare(before, after)
    if options.format == "json":
        print(json.dumps(as_json(found), indent=1, ensure_ascii=False))
    else:
        text = as_tsv(found) if options.format == "tsv" else as_text(found, options.screen)
        print(text, end="")
