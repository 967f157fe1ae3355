"""The command `exvivo`: what a person runs beside `snakemake`.

Each subcommand is a module of `exvivo.commands`: thin, it calls one function of the library, and imports
heavy modules only when it runs, so that `exvivo --help` is quick.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys

from exvivo import __version__
from exvivo.commands import COMMANDS
from exvivo.errors import ExvivoError


def main(arguments: list[str] | None = None) -> int:
    """Run a subcommand; return the exit status: 0 done, 1 something is wrong with the input, 2 usage."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    if getattr(options, "directory", None):
        os.chdir(options.directory)
    try:
        return options.run(options) or 0
    except ExvivoError as error:
        print(f"exvivo: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="exvivo", description=__doc__.splitlines()[0])
    parser.add_argument("--version", action="version", version=f"exvivo {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for add in COMMANDS:
        add(commands)
    return parser


if __name__ == "__main__":
    sys.exit(main())
