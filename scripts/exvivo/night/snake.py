"""Running Snakemake as a process that ends properly when the night is told to end."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exvivo.files import write_text
from exvivo.provenance import SCRIPTS

REPOSITORY = SCRIPTS.parent
LOCKED = "Directory cannot be locked"
_GRACE_SECONDS = 120  # what Snakemake gets to cancel its jobs before it is killed

_STEPS = re.compile(r"^(\d+) of \d+ steps", re.MULTILINE)
_NAMES = re.compile(r"^  (?:Host|User): .*\n", re.MULTILINE)

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Run:
    """A run of Snakemake: exit status, number of jobs done, the signal that ended it, its last lines."""

    status: int
    done: int = 0
    signal: str = ""
    tail: list[str] = field(default_factory=list)


def command(profile: str, directory: Path, options: Sequence[str] = ()) -> list[str]:
    """The command line of Snakemake for this copy of exvivo; `profile` as from its repository or from here."""
    chosen = profile_folder(profile)
    line = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    line += ["--profile", str(chosen)]
    if chosen != REPOSITORY / "profiles/default":
        # Snakemake looks for it where it is started, which is not its own repository.
        line += ["--workflow-profile", str(REPOSITORY / "profiles/default")]
    return [*line, "--directory", str(directory.resolve()), *options]


def profile_folder(profile: str) -> Path:
    """Folder of a profile named as from exvivo's repository, or as from here."""
    own = REPOSITORY / profile
    return own if own.is_dir() else Path(profile).resolve()


def run(
    line: Sequence[str], output: Path, started: Callable[[int], None] = lambda pid: None
) -> Run:
    """Run Snakemake to its end with its output in the file `output`; SIGTERM and SIGINT end it properly.

    Either becomes an interrupt to Snakemake, which then cancels its jobs; what is half done is made again next
    time. `started` is told its process id.
    """
    output.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | {"PYTHONPATH": _python_path(), "PYTHONUNBUFFERED": "1"}
    with output.open("wb") as handle, _Interrupts() as interrupts:
        process = subprocess.Popen(
            list(line),
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            env=environment,
            cwd=REPOSITORY,
            start_new_session=True,  # a Ctrl-C reaches it once, through us
        )
        started(process.pid)
        interrupts.watch(process)
        status = process.wait()
    text = _without_names(output)
    steps = _STEPS.findall(text)
    done = int(steps[-1]) if steps else 0
    return Run(status, done, interrupts.name, text.strip().splitlines()[-15:])


def _without_names(output: Path) -> str:
    """Take out of the log what Snakemake says of host and user; return its text."""
    text = output.read_text(encoding="utf-8", errors="replace")
    kept = _NAMES.sub("", text)
    if kept != text:
        write_text(output, kept)
    return kept


def _python_path() -> str:
    known = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join([str(SCRIPTS), *filter(None, [known])])


class _Interrupts:
    """While it is open, SIGTERM and SIGINT go to the process watched, and to nobody else."""

    def __init__(self) -> None:
        self.name = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._before: dict[int, object] = {}

    def __enter__(self) -> _Interrupts:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._pass_on)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def watch(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        if self.name:  # it came before the process did
            self._interrupt(process)

    def _pass_on(self, number: int, _frame: object) -> None:
        if self.name or self._process is None:
            self.name = self.name or signal.Signals(number).name
            return
        self.name = signal.Signals(number).name
        self._interrupt(self._process)

    def _interrupt(self, process: subprocess.Popen[bytes]) -> None:
        log.warning("%s: Snakemake is told to cancel its jobs", self.name)
        _send(process, signal.SIGINT)
        timer = threading.Timer(_GRACE_SECONDS, _send, (process, signal.SIGKILL))
        timer.daemon = True
        timer.start()


def _send(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to Snakemake and, on one machine, its jobs; they are one group."""
    if process.poll() is None:
        os.killpg(process.pid, number)
