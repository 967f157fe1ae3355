"""One night, from finding plates to the summary."""

from __future__ import annotations

import logging
import re
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exvivo import targets, watch
from exvivo.archive import mark
from exvivo.errors import ConfigError, ExvivoError
from exvivo.night import entries, outcome, snake, summary, turnaround
from exvivo.night.discover import ARRIVING, NEW, PERSON, Found, find_plates
from exvivo.night.lock import Lock, locked
from exvivo.release.folder import frozen_screens
from exvivo.sheets import Sheets, read_sheets

FOLDER = Path("results/nights")
PLATES = Path("results/plates")
_REPORT = re.compile(r"^    output: .*?results/screens/([^/]+)/report\.html", re.MULTILINE)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Order:
    """What is asked of a night: the Snakemake `profile`, `screen` (one only, or first if `urgent`), further options."""

    profile: str
    screen: str = ""
    urgent: bool = False
    options: tuple[str, ...] = ()


class Stopped(ExvivoError, RuntimeError):
    """The night was told to end while Snakemake was not running."""


@contextmanager
def _stopping() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the block with `Stopped`; while Snakemake runs, `snake.run` takes them over."""

    def stop(number: int, _frame: object) -> None:
        raise Stopped(f"{signal.Signals(number).name} was received while Snakemake was not running")

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def preview(config: dict[str, Any], sheets: Sheets) -> list[Found]:
    """The folders that a night would enter in the sheets, leave for later, or name for a person; writes nothing."""
    found = _find(config, sheets)
    entries.enter(found, config, sheets, Path.cwd(), dry_run=True)
    return found


def run_night(config: dict[str, Any], order: Order) -> summary.Summary:
    """Run one night in the working directory; write, hand over and return its summary.

    Raises `NightRunningError` if another night is running.
    """
    began = time.time()
    night = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(began))
    with locked(FOLDER / "lock.json", night) as lock:
        result = summary.Summary(night, turnaround.stamp(began))
        try:
            with _stopping():
                _work(result, config, order, lock, began)
        except Stopped as error:
            result.state, result.trouble = summary.STOPPED, str(error)
        except ExvivoError as error:
            result.state, result.trouble = summary.TROUBLE, str(error)
        result.ended = turnaround.stamp(time.time())
        result.mail = summary.send(result, config["night"]["mail_command"])
        summary.write(result, FOLDER)
    return result


def _work(
    result: summary.Summary, config: dict[str, Any], order: Order, lock: Lock, began: float
) -> None:
    sheets = _enter(result, config)
    screens = _wanted(sheets, order)
    result.changed = [
        plate
        for plate in watch.scan(sheets, config, PLATES, full=True)
        if plate not in result.added
    ]
    back = mark.returned(sheets)
    result.returned = {plate: mark.names(differences) for plate, differences in back.items()}
    result.log = f"logs/nights/{result.night}.log"
    options = _options(order, screens)
    if lock.taken_over:
        _unlock(result, order, lock.taken_over)
    line, started = snake.command(order.profile, Path.cwd(), options), time.time()
    done = snake.run(line, Path(result.log), lock.add_process)
    result.jobs_done = done.done
    result.failures = outcome.failures(started)
    outstanding = _judge_run(result, done, order, screens)
    result.screens = outcome.outcomes(
        sheets, screens, result.failures, outstanding, began, Path.cwd()
    )
    _turnaround(result, sheets)


def _enter(result: summary.Summary, config: dict[str, Any]) -> Sheets:
    """Enter new plates; return the sheets as they are then."""
    sheets = _sheets(config)
    found = _find(config, sheets)
    entries.enter(found, config, sheets, Path.cwd(), dry_run=False)
    result.added = [one.plate["plate"] for one in found if one.state == NEW]
    result.arriving = {one.path: one.reason for one in found if one.state == ARRIVING}
    result.for_a_person = {one.path: one.reason for one in found if one.state == PERSON}
    return _sheets(config) if result.added else sheets


def _sheets(config: dict[str, Any]) -> Sheets:
    """The sheets as the workflow reads them: a layout that is missing holds its own screen alone."""
    return read_sheets(config, Path.cwd(), layouts_must_exist=False, frozen=frozen_screens())


def _find(config: dict[str, Any], sheets: Sheets) -> list[Found]:
    root = Path(config["data_root"])
    known = {plate.path.rstrip("/") for plate in sheets.plates.values()}
    settle = config["admission"]["settle_minutes"]
    try:
        return find_plates(root, known, config["night"], settle, time.time())
    except OSError as error:
        raise ConfigError(
            "the folder of new plates cannot be listed",
            expected="a readable folder",
            found=str(error.strerror),
            where="config, keys data_root and night.root",
            hint="is the storage mounted?",
        ) from error


def _wanted(sheets: Sheets, order: Order) -> list[str]:
    """The screens that this night is about."""
    screens = targets.open_screens(sheets)
    if order.screen and order.screen not in screens:
        raise ConfigError(
            "no such screen to run",
            expected="an open drug screen of screens.tsv: " + ", ".join(screens),
            found=order.screen,
            where="option --screen",
        )
    return [order.screen] if order.screen and not order.urgent else screens


def _options(order: Order, screens: Sequence[str]) -> list[str]:
    options = list(order.options)
    report = f"results/screens/{order.screen}/report.html"
    if order.urgent:
        options += ["--prioritize", report]
    elif order.screen:
        options += ["--", report]
    return options


def _unlock(result: summary.Summary, order: Order, dead: str) -> None:
    """A night that was killed has left Snakemake's own lock; its Snakemake is gone as well, or we had not begun."""
    line = snake.command(order.profile, Path.cwd(), ["--unlock"])
    snake.run(line, Path(f"logs/nights/{result.night}-unlock.log"))
    result.notes.append(
        f"Night {dead} had been killed: its lock was taken over. Jobs it left in a cluster's queue run on; "
        "profiles/README.md says how to cancel them."
    )


def _judge_run(
    result: summary.Summary, done: snake.Run, order: Order, screens: Sequence[str]
) -> list[str]:
    """Note why a run did not go to its end; return the screens that still have jobs to run."""
    if done.signal:
        result.state = summary.STOPPED
        result.trouble = f"{done.signal} was received; the running jobs were cancelled"
    elif done.status and not result.failures:
        result.state = summary.TROUBLE
        result.trouble = _why("\n".join(done.tail))
    else:
        return []
    line = snake.command(order.profile, Path.cwd(), ["--dry-run"])
    log_file = Path(f"logs/nights/{result.night}-left.log")
    left = snake.run(line, log_file)
    if left.status:
        return list(screens)
    text = log_file.read_text(encoding="utf-8", errors="replace")
    return sorted(set(_REPORT.findall(text)) & set(screens))


def _why(tail: str) -> str:
    if snake.LOCKED in tail:
        return (
            "another Snakemake works in this directory, or one was killed in it. If none runs: "
            "snakemake --unlock, then start the night again"
        )
    return f"Snakemake did not run; it said last:\n{tail}"


def _turnaround(result: summary.Summary, sheets: Sheets) -> None:
    times = {}
    for screen in result.screens:
        if screen.made and screen.state in (outcome.FINISHED, outcome.HELD):
            arrived = turnaround.arrival(sheets.plates_of(screen.screen), PLATES)
            report = Path("results/screens") / screen.screen / "report.html"
            if arrived is not None:
                times[screen.screen] = (arrived, report.stat().st_mtime)
    hours = turnaround.record(FOLDER / "turnaround.tsv", result.night, times)
    for screen in result.screens:
        screen.hours = hours.get(screen.screen)
