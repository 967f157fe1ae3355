"""What several subcommands need."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

Run = Callable[[argparse.Namespace], int | None]


def add_command(commands: Any, name: str, run: Run, text: str) -> argparse.ArgumentParser:
    """Add a subcommand that works in the directory Snakemake runs in."""
    parser = commands.add_parser(name, help=text, description=text)
    parser.add_argument(
        "--directory", type=Path, help="working directory (default: here), as for snakemake"
    )
    parser.set_defaults(run=run)
    return parser


def configuration(*, layouts_must_exist: bool = True) -> tuple[dict[str, Any], Any]:
    """The configuration of the working directory, complete with defaults, and its sheets.

    `layouts_must_exist` is as for `exvivo.sheets.read_sheets`.
    Raises `ConfigError` if there is none, `SheetError` with everything that is wrong in them.
    """
    config = settings()
    return config, sheets_of(config, layouts_must_exist=layouts_must_exist)


def settings() -> dict[str, Any]:
    """The configuration of the working directory, complete with defaults; `ConfigError` if there is none."""
    import yaml

    from exvivo.errors import ConfigError
    from exvivo.sheets import load_config

    path = Path("config/config.yaml")
    if not path.is_file():
        raise ConfigError(
            "there is no configuration here",
            expected=f"a file {path}",
            found=f"none in {Path.cwd().name}/",
            hint="go to the folder you run snakemake in, or name it with --directory",
        )
    return load_config(yaml.safe_load(path.read_text(encoding="utf-8")) or {})


def sheets_of(config: dict[str, Any], *, layouts_must_exist: bool = True) -> Any:
    """The sheets that a configuration names, released screens frozen; `SheetError` as for `configuration`."""
    from exvivo.release.folder import frozen_screens
    from exvivo.sheets import read_sheets

    return read_sheets(
        config, Path.cwd(), layouts_must_exist=layouts_must_exist, frozen=frozen_screens()
    )
