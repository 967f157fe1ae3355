"""Runs of Snakemake on the test cluster with the profile that is shipped, and what the cluster saw of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import slurm_processes as processes

SHORT_WAITS = (  # all that differs from a run on a site: seconds where it has a minute
    "--latency-wait=5",
    "--slurm-init-seconds-before-status-checks=1",
    "--max-status-checks-per-second=1",
)


class Night:
    """One `snakemake --profile profiles/slurm` of the code in `code`, in a working directory `folder`."""

    def __init__(self, code: Path, folder: Path, snakefile: Path, *options: str):
        self.code, self.folder, self.log = code, folder, folder / "snakemake.log"
        program = [sys.executable, "-m", "snakemake", "--snakefile", str(snakefile)]
        profiles = ["--profile", "profiles/slurm", "--workflow-profile", "profiles/default"]
        where = ["--directory", str(folder)]
        self.command = [*program, *profiles, *where, *SHORT_WAITS, *options]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> Night:
        """Start the main process and return at once."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, *options],
                cwd=self.code,
                stdout=log,
                stderr=log,
                env=environment(self.code),
                start_new_session=True,
            )
        return self

    def finish(self, seconds: float = 400) -> int:
        """Wait for the main process; return its exit status."""
        assert self.process is not None
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            pytest.fail(f"snakemake did not end within {seconds:g} s:\n{self.text()[-6000:]}")

    def run(self, *options: str, seconds: float = 400) -> None:
        """Run to the end; fail with the end of the log unless all went well."""
        status = self.start(*options).finish(seconds)
        assert status == 0, self.text()[-6000:]

    def kill(self) -> None:
        """Kill the main process, as the end of a login session would; jobs go on."""
        assert self.process is not None
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()

    def text(self) -> str:
        """What Snakemake wrote so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def wait_for(self, name: str, seconds: float = 120) -> Path:
        """Wait until a job has written something to the file `name`."""
        path = self.folder / name
        self.wait_until(lambda: path.exists() and path.stat().st_size, name, seconds)
        return path

    def wait_until(self, there: Callable[[], object], what: str, seconds: float = 120) -> None:
        """Wait until `there()` is true; fail if the main process ends before or `seconds` pass."""
        end = time.monotonic() + seconds
        while not there():
            assert self.process is not None and self.process.poll() is None, self.text()[-6000:]
            if time.monotonic() > end:
                self.kill()
                pytest.fail(f"no {what} after {seconds:g} s:\n{self.text()[-6000:]}")
            time.sleep(0.2)


def environment(code: Path) -> dict[str, str]:
    """Variables under which scripts import the exvivo beside them, not the one that is installed."""
    return processes.environment() | {"PYTHONPATH": str(code / "scripts")}


def run_here(code: Path, folder: Path, *targets: str) -> subprocess.Popen[bytes]:
    """Start Snakemake on this machine, behind the jobs of the cluster."""
    command = ["nice", "-n", "5", sys.executable, "-m", "snakemake", "--cores", "2"]
    with (folder / "snakemake.log").open("wb") as log:
        return subprocess.Popen(
            [*command, "--directory", str(folder), *targets],
            cwd=code,
            env=environment(code),
            stdout=log,
            stderr=log,
        )


def finish_here(run: subprocess.Popen[bytes], folder: Path, seconds: float = 600) -> Path:
    """Wait for what `run_here` started in `folder`; return the folder."""
    status = run.wait(seconds)
    assert status == 0, (folder / "snakemake.log").read_text()[-6000:]
    return folder


def accounting(*fields: str) -> list[dict[str, str]]:
    """What the accounting database says of every run of every job, requeued ones one by one."""
    wanted = ("JobID", "Comment", *fields)
    options = ("-X", "-D", "-n", "-P", "--starttime", "now-1day", f"--format={','.join(wanted)}")
    rows = processes.run("sacct", *options).splitlines()
    return [dict(zip(wanted, row.split("|"), strict=True)) for row in rows]


def jobs_of(rule: str, *fields: str) -> list[dict[str, str]]:
    """The Slurm jobs of one rule in the order of submission (the plugin writes it into the comment)."""
    names = (f"rule_{rule}", f"rule_{rule}_wildcards_")
    return [
        job
        for job in accounting(*fields)
        if job["Comment"] == names[0] or job["Comment"].startswith(names[1])
    ]


def jobs_of_group(name: str, night: Night, *fields: str) -> list[dict[str, str]]:
    """The Slurm jobs of one run that each hold a group of jobs, in the order of submission."""
    jobs = accounting(*fields, "WorkDir")
    mine = [job for job in jobs if job["WorkDir"] == str(night.folder)]
    return [job for job in mine if job["Comment"].startswith(f"rule_{name}_")]


def written(path: Path) -> dict[str, str]:
    """`a=1 b=2` as a dictionary: what a job of the tiny workflow leaves."""
    return dict(word.split("=", 1) for word in path.read_text().split())
