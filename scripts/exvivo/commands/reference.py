"""`exvivo reference build`: a versioned table of scores of finished screens."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

from exvivo.commands.common import add_command, configuration

FOLDER = Path("config/references")


def add(commands: Any) -> None:
    """Add `reference build` to the parser."""
    reference = commands.add_parser("reference", help="references that screens are scored with")
    kinds = reference.add_subparsers(dest="kind", required=True, metavar="KIND")
    build = add_command(
        kinds, "build", _build, "gather the scores of finished screens under a name of their own"
    )
    build.add_argument("--name", required=True, help="version, such as 2026-11 or healthy-2026-11")
    build.add_argument(
        "--screens", nargs="+", metavar="SCREEN", help="these screens (default: all that passed)"
    )


def _build(options: argparse.Namespace) -> None:
    from exvivo.context import DrugNames, build_reference, reference_text
    from exvivo.context.finished import find_finished
    from exvivo.errors import ConfigError
    from exvivo.files import write_text
    from exvivo.sheets.names import ID_PATTERN

    out = FOLDER / f"{options.name}.tsv"
    if not re.fullmatch(ID_PATTERN, options.name):
        expected = "letters and digits, joined by single dots, hyphens or underscores"
        raise ConfigError("this is not a name", expected=expected, found=repr(options.name))
    if out.exists():
        raise ConfigError(
            "there is a reference of this name",
            expected="a name of its own for each version, since reports name the one they were made with",
            found=str(out),
            hint="choose another name",
        )
    config, sheets = configuration()
    drug_screens = [s.screen for s in sheets.screens.values() if s.kind == "drug"]
    unknown = [name for name in options.screens or [] if name not in drug_screens]
    if unknown:
        expected = f"drug screens of {config['screens']}"
        raise ConfigError("unknown screens", expected=expected, found=", ".join(unknown))
    signed = {screen: Path(folder) for screen, folder in sheets.frozen.items()}
    found = find_finished(options.screens or drug_screens, Path("results"), signed)
    table = build_reference(found.sources, DrugNames.of(sheets.drugs.values()))
    write_text(out, reference_text(options.name, found.sources, table))
    out.chmod(0o444)  # a version is never rewritten
    print(f"{out}: {len(table)} rows from {len(found.sources)} screens")
    for screen, reason in found.left_out.items():
        print(f"  {screen} left out: {reason}")
