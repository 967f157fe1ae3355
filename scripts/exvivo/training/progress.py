"""How far a run is: one line that rewrites itself on a terminal, a line now and then in a log."""

from __future__ import annotations

import logging
import sys
import time
from typing import TextIO

logger = logging.getLogger(__name__)


class Progress:
    """Counts work units and tells the time left, at most every `seconds` in a log."""

    def __init__(
        self,
        title: str,
        total: int,
        done: int = 0,
        *,
        stream: TextIO | None = None,
        seconds: float = 30.0,
    ):
        self.title, self.total, self.done = title, total, done
        self.stream = stream if stream is not None else sys.stderr
        self.on_terminal = self.stream.isatty()
        self.interval = 0.2 if self.on_terminal else seconds
        self._first_done, self._start = done, time.monotonic()
        self._last = self._start

    def advance(self, units: int, note: str = "") -> None:
        """Count `units` more; say so if it is time."""
        self.done += units
        now = time.monotonic()
        if now - self._last >= self.interval or self.done >= self.total:
            self._last = now
            self._say(now, note)

    def _say(self, now: float, note: str) -> None:
        rate = (self.done - self._first_done) / max(now - self._start, 1e-9)
        left = (self.total - self.done) / rate if rate > 0 else float("inf")
        share = 100 * self.done / max(self.total, 1)
        line = f"{self.title}: {self.done}/{self.total} ({share:.0f} %), {left_text(left)}"
        line += f", {note}" if note else ""
        if self.on_terminal:
            end = "\n" if self.done >= self.total else ""
            self.stream.write(f"\r\x1b[2K{line}{end}")
            self.stream.flush()
        else:
            logger.info("%s", line)


def left_text(seconds: float) -> str:
    """Seconds as "1 h 02 min left", "3 min 20 s left" or "12 s left"."""
    if seconds == float("inf"):
        return "time left unknown"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    if hours:
        return f"{hours} h {minutes:02d} min left"
    return f"{minutes} min {whole % 60:02d} s left" if minutes else f"{whole} s left"
