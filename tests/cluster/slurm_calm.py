"""The runs on a cluster where nothing happens to it, all at once: most of each is waiting."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from slurm_nights import Night
from tiny_screen import make_tiny_screen

PLATES = ("T01_P1", "T02_P1")
WELLS = tuple(f"results/plates/{plate}/wells.done.json" for plate in PLATES)
TOO_SMALL, ENOUGH = "size=200k", "size=50m"  # the stores of a plate take 1.4 MB


class Calm:
    """`profile`: the tiny workflow; `screen`: the screen of `make demo`, which ran without cluster in `demo`;
    `disk`: two plates, the first of them on a disk too small for its stores, given up at once; `hopeless`:
    jobs that are given up after two attempts; `arrays`: three jobs as an array."""

    def __init__(self, code: Path, folders: pytest.TempPathFactory):
        own = Path(__file__).parent / "workflow"
        workflow = code / "Snakefile"
        disk = make_tiny_screen(folders.mktemp("disk"))
        self.demo = finished_demo()
        self.code = code
        self.profile = Night(code, folders.mktemp("profile"), own / "Snakefile")
        hopeless = (own / "hopeless.smk", "--config", f"code={code}")
        self.hopeless = Night(code, folders.mktemp("hopeless"), *hopeless)
        self.arrays = Night(code, folders.mktemp("arrays"), own / "arrays.smk")
        self.screen = Night(code, raw_demo(self.demo, folders.mktemp("screen")), workflow)
        self.disk = Night(code, disk, workflow, *WELLS)

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
        try:
            yield self
        finally:
            for night in (self.profile, self.screen, self.disk, self.hopeless, self.arrays):
                night.kill()
            if self.disk_mounted:
                subprocess.run(["umount", str(small)], check=True)

    def enlarge_disk(self) -> None:
        """Make room."""
        assert mount(self.disk.folder / "results/plates" / PLATES[0], "remount", ENOUGH)


def finished_demo() -> Path:
    """Folder of `make demo`, which `make test-cluster` and CI run before."""
    folder = Path(os.environ.get("EXVIVO_DEMO", ""))
    if not (folder / "results/cohort").is_dir():
        pytest.fail(
            "EXVIVO_DEMO should name the folder of a finished `make demo`, to which the run on the cluster is"
            f" compared; found {str(folder)!r}. `make test-cluster` sees to that."
        )
    return folder


def raw_demo(demo: Path, folder: Path) -> Path:
    """The demo before its run: sheets and raw plates. Its rules ask for a GPU, and do without where none is."""
    shutil.copytree(demo / "config", folder / "config")
    shutil.copytree(demo / "raw", folder / "raw")
    config = folder / "config/config.yaml"
    text = config.read_text()
    assert "  device: cpu\n" in text
    config.write_text(text.replace("  device: cpu\n", "  allow_cpu: true\n"))
    return folder


def mount(folder: Path, *options: str) -> bool:
    """Mount a tmpfs; whether that was allowed."""
    command = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
