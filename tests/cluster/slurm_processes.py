"""Starting programs, and ending exactly those that are ours: by process id, checked against /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path


class ClusterError(RuntimeError):
    """The test cluster cannot be brought up, or did not do what was asked of it."""


def run(*command: str | Path, check: bool = True, stdin: str | None = None) -> str:
    """Run a program to its end and return its standard output; `ClusterError` if it fails."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, input=stdin, capture_output=True, text=True, env=environment(), check=False
    )
    if check and done.returncode != 0:
        raise ClusterError(f"{' '.join(words)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def start(*command: str | Path, log: Path) -> subprocess.Popen[bytes]:
    """Start a program that stays in the foreground, in a session of its own."""
    with log.open("ab") as handle:
        return subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=handle,
            stderr=handle,
            env=environment(),
            start_new_session=True,
        )


def environment() -> dict[str, str]:
    """Our environment without SLURM_* (they would point to another cluster) and with sbin on the path."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    return kept | {"PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"}


def wait_until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Poll `condition` until it is true; `ClusterError` naming `what` after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise ClusterError(f"waited {seconds:g} s in vain until {what}")
        time.sleep(0.1)


def name_of(pid: int) -> str:
    """Name of the program of a living process, `""` if there is none (a zombie counts as ended)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return ""
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    return "" if fields["State"].startswith("Z") else fields["Name"]


def pid_in(path: Path) -> int | None:
    """The process id a daemon wrote to `path`."""
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None


def with_environment(*settings: str) -> Iterator[int]:
    """Processes whose environment at their start held all of `settings` (`NAME=value`)."""
    wanted = {setting.encode() for setting in settings}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                found = set((entry / "environ").read_bytes().split(b"\0"))
            except OSError:  # ended meanwhile
                continue
            if wanted <= found:
                yield int(entry.name)


def with_open_file(program: str, beginning: str) -> Iterator[int]:
    """Processes of `program` that hold a file open whose path has this beginning."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and name_of(int(entry.name)) == program:
            try:
                targets = [str(link.readlink()) for link in (entry / "fd").iterdir()]
            except OSError:  # ended meanwhile
                continue
            if any(target.startswith(beginning) for target in targets):
                yield int(entry.name)


def mentioning(text: str) -> Iterator[tuple[int, str]]:
    """Processes with `text` in their command or environment, and their command."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid() and name_of(int(entry.name)):
            try:
                command = (entry / "cmdline").read_bytes()
                found = text.encode() in command + (entry / "environ").read_bytes()
            except OSError:  # ended meanwhile
                continue
            if found:
                yield int(entry.name), command.replace(b"\0", b" ").decode(errors="replace")


def end(pid: int, *, seconds: float = 10, at_once: bool = False) -> None:
    """End one process: ask, wait, then kill. `at_once` does not ask."""
    for sign in (signal.SIGKILL,) if at_once else (signal.SIGTERM, signal.SIGKILL):
        try:
            os.kill(pid, sign)
        except ProcessLookupError:
            return
        stop = time.monotonic() + seconds
        while name_of(pid):
            if time.monotonic() > stop:
                break
            time.sleep(0.05)
        else:
            return
