"""Asking Snakemake whether a screen's results are what its inputs, settings and code would give now."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from exvivo.errors import StoreError
from exvivo.provenance import SCRIPTS

# Where results were computed (an environment, a container) is no input: releasing needs none of them.
_TRIGGERS = ("code", "input", "mtime", "params")
_STATS = re.compile(r"Job stats:\njob +count\n[- ]+\n(.*?)(?:\n\n|\Z)", re.S)
_TARGET_RULES = ("all", "total")


def pending_jobs(targets: list[str]) -> dict[str, int]:
    """Jobs (rule → number) that would have to run in the working directory to bring `targets` up to date.

    `targets` are files below results/. Raises `StoreError` if Snakemake is not there or cannot plan.
    """
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(SCRIPTS.parent / "Snakefile")]
    command += ["--directory", str(Path.cwd()), "--dry-run", "--cores", "1", "--nolock"]
    command += ["--rerun-triggers", *_TRIGGERS, "--", *targets]
    own = os.environ | {"PYTHONPATH": str(SCRIPTS)}
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=SCRIPTS.parent, env=own, check=False
    )
    output = done.stdout + done.stderr
    if done.returncode:
        raise StoreError(
            "Snakemake cannot say whether the results are up to date",
            expected="a dry run that succeeds",
            found=_last_words(output),
            hint="run snakemake --dry-run in the working directory and mend what it says",
        )
    table = _STATS.search(output)
    rows = [line.split() for line in table[1].splitlines()] if table else []
    return {row[0]: int(row[1]) for row in rows if row[0] not in _TARGET_RULES}


def running() -> bool:
    """Whether a run holds the working directory (or was killed while it did)."""
    return any(Path(".snakemake/locks").glob("*.lock"))


def _last_words(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return " / ".join(lines[-3:]).replace(str(Path.cwd()), ".") or "no output"
