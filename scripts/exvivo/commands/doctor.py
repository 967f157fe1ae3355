"""`exvivo doctor`: is everything there that the night will need?"""

from __future__ import annotations

import argparse
import json
from typing import Any

from exvivo.commands.common import add_command, settings


def add(commands: Any) -> None:
    """Add `doctor` to the parser."""
    text = "look at everything that a night needs; exit status 0 all well, 1 warnings, 2 errors"
    parser = add_command(commands, "doctor", _doctor, text)
    parser.add_argument(
        "--profile", default="profiles/slurm", help="profile of the night (default: profiles/slurm)"
    )
    parser.add_argument(
        "--hours", type=float, default=12, help="how long the night is, for GPU time (default 12)"
    )
    parser.add_argument("--json", action="store_true", help="findings as JSON")


def _doctor(options: argparse.Namespace) -> int:
    from exvivo.doctor.examine import examine
    from exvivo.doctor.findings import ERROR, Finding, status
    from exvivo.errors import ConfigError

    try:
        findings = examine(settings(), options.profile, options.hours)
    except ConfigError as error:
        findings = [Finding.of("configuration", ERROR, error)]
    if options.json:
        print(json.dumps([finding.to_json() for finding in findings], indent=1, ensure_ascii=False))
    else:
        for finding in findings:
            print(finding)
    return status(findings)
