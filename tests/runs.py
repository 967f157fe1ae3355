"""Runs of the real workflow in folders of a test's own."""

from __future__ import annotations

import os
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
        (self.work / "config").mkdir(parents=True)
        for name in CODE:
            source, target = repository / name, self.code / name
            if source.is_dir():
                shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, target)

    @classmethod
    def at(cls, code: Path, work: Path) -> Workflow:
        """Code and working directory as they lie there, nothing copied."""
        found = object.__new__(cls)
        found.code, found.work = code, work
        return found

    def copy(self, folder: Path) -> Workflow:
        """The same code and working directory elsewhere, with its times, so that nothing is out of date."""
        shutil.copytree(self.code.parent, folder, symlinks=True)
        return self.at(folder / "code", folder / "work")

    def snakemake(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run snakemake on the working directory; fail the test with its output unless it succeeds."""
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(self.code / "Snakefile")]
        command += ["--profile", str(self.code / "profiles" / "default"), "--cores", "2"]
        command += ["--directory", str(self.work), *arguments]
        # Before an installed exvivo: the scripts must run with the library beside them.
        own = os.environ | {"PYTHONPATH": str(self.code / "scripts")}
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=self.code, env=own, check=False
        )
        if check and done.returncode:
            pytest.fail(f"snakemake {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
        return done

    def exvivo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a subcommand of exvivo, of the copied code, in the working directory."""
        return subprocess.run(
            [sys.executable, "-m", "exvivo.cli", *arguments],
            capture_output=True,
            text=True,
            cwd=self.work,
            env=os.environ | {"PYTHONPATH": str(self.code / "scripts")},
            check=False,
        )

    def planned(self, *arguments: str) -> dict[str, int]:
        """Jobs that a run would have now: rule → number, without the target rule."""
        done = self.snakemake("--dry-run", *arguments)
        output = done.stdout + done.stderr
        table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\n\n", output, re.S)
        if table is None:
            assert "Nothing to be done" in output, output
            return {}
        rows = [line.split() for line in table.group(1).splitlines()]
        return {name: int(count) for name, count in rows if name not in ("all", "total")}

    def result(self, path: str) -> Path:
        """A file below results/."""
        return self.work / "results" / path

    def write(self, path: str, text: str) -> Path:
        """Write a file of the working directory."""
        target = self.work / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def remember(self) -> dict[Path, tuple[bytes, int]]:
        """Content and time of all a test may change: code, configuration, raw plates, what a scan saw."""
        folders = (self.code, *(self.work / n for n in ("config", "raw", "results/archive")))
        files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        for name in ("fingerprint.tsv", "scan.json", "scan_files.json"):
            files += self.work.glob(f"results/plates/*/{name}")
        return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}

    def put_back(self, kept: dict[Path, tuple[bytes, int]]) -> None:
        """Undo what a test changed."""
        for path in set(self.remember()) - set(kept):
            if "__pycache__" not in path.parts:
                path.unlink()
        for path, (content, stamp) in kept.items():
            if not path.is_file() or path.read_bytes() != content:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
            os.utime(path, ns=(stamp, stamp))
