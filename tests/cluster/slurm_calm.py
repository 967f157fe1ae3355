"""The runs on a cluster where nothing happens to it, all at once: most of each is waiting."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from slurm_nights import Night, run_here
from tiny_screen import make_tiny_screen

PLATES = ("T01_P1", "T02_P1")
WELLS = tuple(f"results/plates/{plate}/wells.done.json" for plate in PLATES)
TOO_SMALL, ENOUGH = "size=200k", "size=50m"  # the stores of a plate take 1.4 MB


class Calm:
    """`profile`: the tiny workflow; `screen`: the tiny screen, and the same without cluster in `here`;
    `disk`: two plates, the first of them on a disk too small for its stores, given up at once; `hopeless`:
    jobs that are given up after two attempts; `arrays`: three jobs as an array."""

    def __init__(self, code: Path, folders: pytest.TempPathFactory):
        own = Path(__file__).parent / "workflow"
        workflow = code / "Snakefile"
        screens = {
            name: make_tiny_screen(folders.mktemp(name)) for name in ("screen", "here", "disk")
        }
        self.code = code
        self.profile = Night(code, folders.mktemp("profile"), own / "Snakefile")
        hopeless = (own / "hopeless.smk", "--config", f"code={code}")
        self.hopeless = Night(code, folders.mktemp("hopeless"), *hopeless)
        self.arrays = Night(code, folders.mktemp("arrays"), own / "arrays.smk")
        self.screen = Night(code, screens["screen"], workflow)
        self.disk = Night(code, screens["disk"], workflow, *WELLS)
        self.here = screens["here"]

    @contextmanager
    def started(self) -> Iterator[Calm]:
        """Start all; end what is left at the end."""
        small = self.disk.folder / "results/plates" / PLATES[0]
        small.mkdir(parents=True)
        self.disk_mounted = mount(small, TOO_SMALL)
        self.profile.start()
        self.screen.start()
        self.disk.start("--restart-times", "0")
        self.hopeless.start("--restart-times", "1")
        self.arrays.start("--restart-times", "0", "--slurm-array-jobs", "wide")
        self.local = run_here(self.code, self.here)
        try:
            yield self
        finally:
            self.local.kill()
            for night in (self.profile, self.screen, self.disk, self.hopeless, self.arrays):
                night.kill()
            if self.disk_mounted:
                subprocess.run(["umount", str(small)], check=True)

    def enlarge_disk(self) -> None:
        """Make room."""
        assert mount(self.disk.folder / "results/plates" / PLATES[0], "remount", ENOUGH)


def mount(folder: Path, *options: str) -> bool:
    """Mount a tmpfs; whether that was allowed."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
