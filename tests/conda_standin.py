"""A stand-in for `conda`: the few calls that Snakemake 9.27 makes, answered by rattler.

Solving, packages and environments are real (rattler is the library below mamba's successors); the program is not
conda. It takes the channels of an environment file from one address, as `channel_alias` in a .condarc would.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """\
#!/bin/sh
exec '{python}' -I '{script}' --base '{base}' --alias '{alias}' "$@"
"""
ACTIVATE = """\
# sourced: `source activate PREFIX`
export CONDA_PREFIX="$1" CONDA_DEFAULT_ENV="$1" CONDA_SHLVL=1 PATH="$1/bin:$PATH"
"""
NO_CHANNEL = "nodefaults"  # a word in the list of channels, not a channel


def install_standin(base: Path, alias: str) -> Path:
    """Write `conda` and `activate` below `base`; the folder to have in PATH."""
    folder = base / "bin"
    folder.mkdir(parents=True)
    program = folder / "conda"
    program.write_text(
        PROGRAM.format(python=sys.executable, script=Path(__file__), base=base, alias=alias)
    )
    program.chmod(0o755)
    (folder / "activate").write_text(ACTIVATE)
    return folder


async def create(file: Path, prefix: Path, alias: str, cache: Path) -> None:
    """Solve an environment file and install what was found; pip's part last, as conda does."""
    import rattler
    import yaml

    wanted = yaml.safe_load(file.read_text())
    specs = [text for text in wanted["dependencies"] if isinstance(text, str)]
    channels = [name for name in wanted["channels"] if name != NO_CHANNEL]
    place = rattler.ChannelConfig(channel_alias=alias)
    records = await rattler.solve(
        sources=[rattler.Channel(name, place) for name in channels],
        specs=specs,
        platforms=["linux-64", "noarch"],
        virtual_packages=rattler.VirtualPackage.detect(),
    )
    await rattler.install(records, target_prefix=prefix, cache_dir=cache, show_progress=False)
    for part in wanted["dependencies"]:
        if isinstance(part, dict):
            command = [str(prefix / "bin/python"), "-m", "pip", "install", "--quiet", *part["pip"]]
            subprocess.run(command, check=True)


def main() -> int:
    """Answer one call."""
    parser = argparse.ArgumentParser(prog="conda")
    parser.add_argument("--base", type=Path, required=True)
    parser.add_argument("--alias", required=True)
    parser.add_argument("--version", action="version", version="conda 24.11.0")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("info").add_argument("--json", action="store_true", required=True)
    config = commands.add_parser("config")
    config.add_argument("--get", choices=["channel_priority"], required=True)
    config.add_argument("--json", action="store_true", required=True)
    env = commands.add_parser("env").add_subparsers(dest="subcommand", required=True)
    made = env.add_parser("create")
    made.add_argument("--quiet", action="store_true")
    made.add_argument("--no-default-packages", action="store_true")
    made.add_argument("--file", type=Path, required=True)
    made.add_argument("--prefix", type=Path, required=True)
    clean = commands.add_parser("clean")
    clean.add_argument("-y", action="store_true", required=True)
    clean.add_argument("--tarballs", action="store_true", required=True)
    given = parser.parse_args()
    if given.command == "info":
        print(json.dumps({"conda_prefix": str(given.base), "platform": "linux-64"}))
    elif given.command == "config":
        print(json.dumps({"get": {"channel_priority": "strict"}, "success": True}))
    elif given.command == "clean":
        for archive in (given.base / "pkgs").glob("*.conda"):
            archive.unlink()
    else:
        asyncio.run(create(given.file, given.prefix, given.alias, given.base / "pkgs"))
    return 0


if __name__ == "__main__":
    status = main()
    sys.stdout.flush()
    os._exit(status)  # threads of rattler that are still ending would abort Python's own end
