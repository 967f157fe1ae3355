"""One night at a time in a working directory: a lock that a killed night does not leave behind for ever."""

from __future__ import annotations

import json
import logging
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from exvivo.errors import ExvivoError
from exvivo.files import digest_bytes, write_json

BEAT_SECONDS = 60  # how often a night says that it is alive
STALE_SECONDS = 900  # a night on another machine that has said nothing for so long is over

log = logging.getLogger(__name__)


class NightRunningError(ExvivoError, RuntimeError):
    """Another night is at work in this directory."""


class Lock:
    """A held lock: `taken_over` is the id of the dead night it was taken from, if any."""

    def __init__(self, path: Path, night: str):
        self.path, self.taken_over, self._held = path, "", False
        self._content: dict[str, Any] = {"night": night, "host": _host(), "pids": []}
        self.add_process(os.getpid())

    def add_process(self, pid: int) -> None:
        """Note a process that belongs to this night: while it lives, no other night begins."""
        self._content["pids"].append([pid, _started(pid)])
        if self._held:
            write_json(self.path, self._content)

    def take(self) -> None:
        """Make the lock file. Raises `NightRunningError` if a living night has it."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(3):
            if self._create():
                self._held = True
                return
            other = _read(self.path)
            if alive(other, self.path):
                raise _running(other)
            with suppress(FileNotFoundError):
                self._set_aside(other)
        raise _running({})

    def _set_aside(self, dead: dict[str, Any]) -> None:
        """Remove the lock of a dead night: renamed, so that of two nights that see it one alone removes it."""
        aside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        self.path.rename(aside)
        if _read(aside) != dead:  # another night was quicker, and this is its lock
            with suppress(FileExistsError):
                os.link(aside, self.path)
            aside.unlink()
            raise _running(_read(self.path))
        aside.unlink()
        self.taken_over = str(dead.get("night", "unknown"))
        log.warning("the lock of night %s is taken over: it no longer runs", self.taken_over)

    def _create(self) -> bool:
        """Create the file whole, or leave the one that is there."""
        own = self.path.with_name(f".{self.path.name}.{os.getpid()}.new")
        own.write_text(json.dumps(self._content, indent=1), encoding="utf-8")
        try:
            os.link(own, self.path)  # atomic over NFS too, unlike an exclusive open
        except FileExistsError:
            return False
        finally:
            own.unlink()
        return True

    def beat(self) -> None:
        """Say that this night is alive."""
        with suppress(OSError):
            os.utime(self.path)

    def release(self) -> None:
        """Remove the lock file if it is still this night's."""
        if self._held and _read(self.path).get("night") == self._content["night"]:
            self.path.unlink(missing_ok=True)
        self._held = False


@contextmanager
def locked(path: Path, night: str) -> Iterator[Lock]:
    """Hold the lock at `path`, beating. Raises `NightRunningError` if another night has it."""
    lock = Lock(path, night)
    lock.take()
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_SECONDS):
            lock.beat()

    thread = threading.Thread(target=beat, name="beat", daemon=True)
    thread.start()
    try:
        yield lock
    finally:
        over.set()
        thread.join()
        lock.release()


def alive(content: dict[str, Any], path: Path) -> bool:
    """Whether the night that wrote a lock still runs.

    On this machine its processes are asked for; on another one, only the beat of the lock file can tell.
    """
    if content.get("host") == _host():
        return any(_started(pid) == started != "" for pid, started in content.get("pids", []))
    try:
        return time.time() - path.stat().st_mtime < STALE_SECONDS
    except OSError:
        return False


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return content if isinstance(content, dict) else {}
    except (OSError, ValueError):
        return {}


def _host() -> str:
    """Which machine this is, without its name."""
    return digest_bytes(socket.gethostname().encode())[:12]


def _started(pid: int) -> str:
    """When a process began, so that another one with its number is not taken for it; empty if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    state, *rest = text.rpartition(")")[2].split()
    return "" if state == "Z" else rest[18]  # field 22 of proc(5), in clock ticks


def _running(other: dict[str, Any]) -> NightRunningError:
    return NightRunningError(
        "another night is running in this directory",
        expected="one night at a time",
        found=f"night {other.get('night', 'unknown')}",
        hint="wait for its summary in results/nights, or end it with SIGTERM",
    )
