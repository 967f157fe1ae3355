"""The command `exvivo`: what a person runs beside `snakemake`. Thin; each subcommand calls one function.

Heavy modules are imported inside the subcommands, so that `exvivo --help` is quick.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from pathlib import Path
from typing import Any

from exvivo import __version__
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

    scan = _command(commands, "scan", _scan, "look for new and changed raw plates")
    scan.add_argument(
        "--full", action="store_true", help="look at every file, not only at changed folders"
    )
    _command(commands, "check", _check, "check the configuration, all sheets and all layouts")
    _command(
        commands, "compare", _compare, "compare the scores of a simulated screen with its truth"
    )

    simulate = commands.add_parser("simulate", help="make screens with a known answer")
    kinds = simulate.add_subparsers(dest="kind", required=True, metavar="KIND")
    demo = _output(kinds, "demo", _simulate_demo, "a training plate and a screen, ready to run")
    demo.add_argument("--workers", type=int, default=os.cpu_count(), help="processes")
    plate = _output(
        kinds, "plate", _simulate_plate, "one plate of any format, image size and depth"
    )
    for name, default, text in (
        ("format", 384, "wells of the plate format"),
        ("wells", 308, "wells imaged"),
        ("image-size", 2048, "pixels along each side"),
        ("planes", 30, "planes of each stack"),
        ("workers", os.cpu_count(), "processes"),
    ):
        plate.add_argument(
            f"--{name}", type=int, default=default, help=f"{text} (default {default})"
        )
    return parser


def _command(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument(
        "--directory", type=Path, help="working directory (default: here), as for snakemake"
    )
    parser.set_defaults(run=run)
    return parser


def _output(commands: Any, name: str, run: Any, text: str) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    parser.add_argument(
        "--seed", type=int, default=1, help="equal seeds make equal files (default 1)"
    )
    parser.set_defaults(run=run)
    return parser


def _configuration() -> tuple[dict[str, Any], Any]:
    import yaml

    from exvivo.errors import ConfigError
    from exvivo.sheets import load_config, read_sheets

    path = Path("config/config.yaml")
    if not path.is_file():
        raise ConfigError(
            "there is no configuration here",
            expected=f"a file {path}",
            found=f"none in {Path.cwd().name}/",
            hint="go to the folder you run snakemake in, or name it with --directory",
        )
    config = load_config(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    return config, read_sheets(config, Path.cwd())


def _scan(options: argparse.Namespace) -> None:
    from exvivo import targets

    config, sheets = _configuration()
    changed = targets.scan(sheets, config, Path("results/plates"), full=options.full)
    print(f"{len(sheets.plates)} plates looked at, {len(changed)} new or changed")
    for plate in changed:
        print(f"  {plate}")


def _check(options: argparse.Namespace) -> int:
    from exvivo.readiness import check_layouts

    config, sheets = _configuration()
    problems = check_layouts(sheets, config, Path.cwd())
    for problem in problems:
        print(problem)
    print(f"{len(sheets.plates)} plates of {len(sheets.screens)} screens, {len(problems)} problems")
    return 1 if problems else 0


def _compare(options: argparse.Namespace) -> None:
    from exvivo.simulate.compare import compare_screens, render

    print(render(compare_screens(Path())))


def _simulate_demo(options: argparse.Namespace) -> None:
    from exvivo.simulate import simulate_demo

    simulate_demo(options.out, options.seed, workers=options.workers)
    print(f"a screen with a known answer is in {options.out}")


def _simulate_plate(options: argparse.Namespace) -> None:
    from exvivo.simulate import simulate_plate

    simulate_plate(
        options.out,
        plate_format=options.format,
        wells=options.wells,
        image_size=options.image_size,
        planes=options.planes,
        seed=options.seed,
        workers=options.workers,
    )
    print(f"a plate is in {options.out}")


if __name__ == "__main__":
    sys.exit(main())
