"""Progress on a terminal and in a log."""

from __future__ import annotations

import io
import logging

import pytest

from exvivo.training.progress import Progress, left_text


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test turns by hand."""
    now = [1000.0]
    monkeypatch.setattr("exvivo.training.progress.time.monotonic", lambda: now[0])
    return now


def test_a_terminal_gets_one_line_that_rewrites_itself(clock):
    terminal = Terminal()
    progress = Progress("phase 2 small", 4, stream=terminal)
    for _ in range(4):
        clock[0] += 10
        progress.advance(1, "loss 0.51")
    lines = terminal.getvalue().split("\r\x1b[2K")
    assert lines[1] == "phase 2 small: 1/4 (25 %), 30 s left, loss 0.51"
    assert lines[4] == "phase 2 small: 4/4 (100 %), 0 s left, loss 0.51\n"
    assert terminal.getvalue().count("\n") == 1


def test_a_log_gets_plain_lines_now_and_then(clock, caplog):
    stream = io.StringIO()
    progress = Progress("phase 1 vgg19", 100, stream=stream)
    with caplog.at_level(logging.INFO):
        for _ in range(100):
            clock[0] += 1
            progress.advance(1)
    assert stream.getvalue() == ""
    messages = [record.getMessage() for record in caplog.records]
    assert messages == [
        "phase 1 vgg19: 30/100 (30 %), 1 min 10 s left",
        "phase 1 vgg19: 60/100 (60 %), 40 s left",
        "phase 1 vgg19: 90/100 (90 %), 10 s left",
        "phase 1 vgg19: 100/100 (100 %), 0 s left",
    ]


def test_a_resumed_run_counts_its_own_speed_only(clock, caplog):
    progress = Progress("phase", 100, done=80, stream=io.StringIO())
    with caplog.at_level(logging.INFO):
        clock[0] += 100
        progress.advance(10)
    assert caplog.records[0].getMessage() == "phase: 90/100 (90 %), 1 min 40 s left"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (9.6, "10 s left"),
        (60, "1 min 00 s left"),
        (3725, "1 h 02 min left"),
        (float("inf"), "time left unknown"),
    ],
)
def test_time_left_in_words(seconds, text):
    assert left_text(seconds) == text
