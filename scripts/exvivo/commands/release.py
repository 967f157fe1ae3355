"""`exvivo release`, `revise`, `verify` and `release-network`: sign a screen's report, reopen it, check it; sign a network."""

from __future__ import annotations

import argparse
from typing import Any

from exvivo.commands.common import add_command, configuration


def add(commands: Any) -> None:
    """Add `release` to the parser."""
    parser = add_command(commands, "release", _release, "freeze the results of a screen, signed")
    _add_screen(parser)
    parser.add_argument("--note", default="", help="a sentence that stands in the release")
    parser.add_argument(
        "--despite-hold", default="", metavar="REASON", help="release a screen that is on hold"
    )


def add_revise(commands: Any) -> None:
    """Add `revise` to the parser."""
    parser = add_command(commands, "revise", _revise, "reopen a released screen for a revision")
    _add_screen(parser)
    parser.add_argument("--reason", required=True, help="why; it stands in the next release")


def add_verify(commands: Any) -> None:
    """Add `verify` to the parser."""
    parser = add_command(commands, "verify", _verify, "hash released screens again")
    parser.add_argument("screen", nargs="?", default="", help="default: all released screens")


def add_network(commands: Any) -> None:
    """Add `release-network` to the parser."""
    parser = add_command(
        commands,
        "release-network",
        _release_network,
        "freeze a network for the cells of many samples",
    )
    parser.add_argument("network", help="such as mcnn")
    parser.add_argument("--scope", default="all", help="all (default), or that of a diagnosis")
    parser.add_argument("--initials", required=True, help="two to four capital letters")
    parser.add_argument("--note", required=True, help="a sentence: why this one")


def _add_screen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("screen", help="id in screens.tsv")
    parser.add_argument("--initials", required=True, help="two to four capital letters")


def _release(options: argparse.Namespace) -> None:
    from exvivo.release.render import as_text
    from exvivo.release.sign import release

    done = release(
        *configuration(layouts_must_exist=False),
        options.screen,
        initials=options.initials,
        note=options.note,
        despite_hold=options.despite_hold,
    )
    if done.difference is not None:
        print(as_text(done.difference, options.screen), end="")
    print(f"{done.folder.as_posix()} is written; SHA-256 of its manifest: {done.digest}")
    _tell_sheet(done.sheet, options.screen, "released")


def _revise(options: argparse.Namespace) -> None:
    from exvivo.release.sign import revise

    config, sheets = configuration(layouts_must_exist=False)
    told = revise(config, sheets, options.screen, initials=options.initials, reason=options.reason)
    print(f"{options.screen} is open again; its releases stay as they are")
    _tell_sheet(told, options.screen, "open")


def _release_network(options: argparse.Namespace) -> None:
    from exvivo.release.networks import release_network

    words = {"initials": options.initials, "note": options.note}
    model = release_network(options.network, options.scope, **words)
    print(f"{model.as_posix()} is written; new screens use it once config/config.yaml says")
    print(f"  cells:\n    models:\n      {options.network}: {model.as_posix()}")


def _tell_sheet(told: bool, screen: str, status: str) -> None:
    if not told:
        print(f"screens.tsv has no cell that could be edited: set status {status} for {screen}")


def _verify(options: argparse.Namespace) -> int:
    from exvivo.release.folder import released_screens, released_versions
    from exvivo.release.verify import verify_release

    problems: list[str] = []
    for name in [options.screen] if options.screen else released_screens():
        for version in released_versions(name):
            wrong = verify_release(name, version)
            print(f"{name} v{version}: {'changed' if wrong else 'as signed'}")
            problems += wrong
    for problem in problems:
        print(f"  {problem}")
    return 1 if problems else 0
