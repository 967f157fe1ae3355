"""Runs of the real workflow on small simulated screens."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CODE = ("Snakefile", "workflow", "scripts", "envs", "profiles", "resources")


class Workflow:
    """A copy of the workflow's code and a working directory to run it in, so that a test may edit both."""

    def __init__(self, repository: Path, folder: Path):
        self.code, self.work = folder / "code", folder / "work"
        self.code.mkdir(parents=True)
        for name in CODE:
            source, target = repository / name, self.code / name
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(source, target, ignore=ignore) if source.is_dir() else shutil.copy2(source, target)

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run snakemake on the working directory; fail with its output unless it succeeds or `check` is off."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(self.code / "Snakefile")]
        command += ["--directory", str(self.work), "--profile", str(self.code / "profiles/default")]
        command += ["--cores", "2", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self.code)
        if check and done.returncode:
            pytest.fail(f"snakemake {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a run would have now: rule → number, without the target rule."""
        done = self.snakemake("--dry-run", "--quiet", "host", *arguments)
        table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\n\n", done.stdout + done.stderr + "\n\n", re.S)
        rows = [line.split() for line in table.group(1).splitlines()] if table else []
        return {name: int(count) for name, count in rows if name not in ("all", "total")}

    def result(self, path: str) -> Path:
        return self.work / "results" / path
