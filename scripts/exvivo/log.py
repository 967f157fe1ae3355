"""Logging for scripts: one file per job, the same lines on the terminal, no exception unlogged, no name in any."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from types import TracebackType

from exvivo.privacy import ScrubbingFormatter, name_root, use_recorded
from exvivo.provenance import check_library

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure_logging(path: Path | str | None = None, level: int = logging.INFO) -> None:
    """Send log records to standard error and, if given, to the file `path`; log uncaught exceptions."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        handlers.append(logging.FileHandler(path, mode="w", encoding="utf-8"))
    for handler in handlers:
        handler.setFormatter(ScrubbingFormatter(FORMAT))
    logging.basicConfig(level=level, handlers=handlers, force=True)
    logging.captureWarnings(True)
    sys.excepthook = _log_uncaught


def start_script(script: str, log: str, *, raw: str | None = None) -> None:
    """What every script of a rule does first: log to the rule's file, and refuse a foreign copy of exvivo.

    `raw` is the raw plate that the script reads: the log calls it so. No line of the log holds an absolute path
    or a personal value (`exvivo.privacy`).
    """
    if raw is not None:
        name_root(raw, "<raw plate>")
    configure_logging(log)
    check_library(script)
    use_recorded()


def _log_uncaught(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    logging.getLogger("exvivo").critical(
        "stopped by %s", kind.__name__, exc_info=(kind, error, trace)
    )
