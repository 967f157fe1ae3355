"""The one summary of a night: as text for people, as JSON for programs, and handed to the site's mail command."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from exvivo.failures import Failure, as_text
from exvivo.files import write_json, write_text
from exvivo.night.outcome import FAILED, FINISHED, NOT_REACHED, STATES, Outcome

DONE, STOPPED, TROUBLE = "done", "stopped", "trouble"
_MAIL_SECONDS = 120

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Summary:
    """What a night did.

    Attributes: `night` its id; `began` and `ended` as UTC; `state` (`done`, `stopped` by a signal, `trouble` where
    the workflow could not run) and `trouble` why; `screens`; `failures`; `added`, `changed` plates; `arriving`,
    `for_a_person` folders with reasons; `returned` archived plates whose files differ; `jobs_done`; `notes`; `log`
    of Snakemake; `mail` what became of it.
    """

    night: str
    began: str
    ended: str = ""
    state: str = DONE
    trouble: str = ""
    screens: list[Outcome] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    arriving: dict[str, str] = field(default_factory=dict)
    for_a_person: dict[str, str] = field(default_factory=dict)
    returned: dict[str, str] = field(default_factory=dict)
    jobs_done: int = 0
    notes: list[str] = field(default_factory=list)
    log: str = ""
    mail: str = ""

    def of(self, state: str) -> list[Outcome]:
        """The screens in a state."""
        return [screen for screen in self.screens if screen.state == state]

    def needs_a_person(self) -> bool:
        """Whether something did not run as it should; a screen on hold is a result, and waiting is no fault."""
        broken = self.state != DONE or self.failures or self.of(FAILED) or self.of(NOT_REACHED)
        return bool(broken or self.for_a_person or self.returned)

    def subject(self) -> str:
        """One line of plain characters with the numbers."""
        numbers = [f"{len(self.of(state))} {state}" for state in STATES if self.of(state)]
        return (
            f"exvivo night {self.night}: "
            + (", ".join(numbers) or "no screens")
            + (f" ({self.state})" if self.state != DONE else "")
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values; screens by state."""
        content = asdict(self)
        content["screens"] = {
            state: [asdict(screen) for screen in self.of(state)] for state in STATES
        }
        return content | {"subject": self.subject()}

    def text(self) -> str:
        """The summary for people: what needs somebody first, what went well last."""
        parts = [self.subject(), f"from {self.began} to {self.ended}, {self.jobs_done} jobs done"]
        if self.trouble:
            parts += ["", f"The night was cut short ({self.state}): {self.trouble}"]
        parts += ["", as_text(self.failures)] if self.failures else []
        parts += _list("Folders for a person to look at", self.for_a_person)
        parts += _list("Archived plates that came back otherwise", self.returned)
        for state in STATES[1:]:
            lines = {s.screen: "; ".join(s.reasons) for s in self.of(state)}
            parts += _list(f"Screens {state}", lines)
        made = [s for s in self.of(FINISHED) if s.made]
        parts += _list("Screens finished tonight", {s.screen: _took(s) for s in made})
        if unchanged := len(self.of(FINISHED)) - len(made):
            parts += ["", f"Finished before and unchanged: {unchanged} screen(s)"]
        parts += _list("Plates still arriving", self.arriving)
        for title, plates in (("New plates", self.added), ("Changed plates", self.changed)):
            if plates:
                parts += ["", f"{title}: {', '.join(plates)}"]
        parts += ["", *self.notes] if self.notes else []
        return "\n".join(parts) + "\n"


def _list(title: str, lines: dict[str, str]) -> list[str]:
    if not lines:
        return []
    return [
        "",
        title,
        *(f"  {name}: {text}" if text else f"  {name}" for name, text in lines.items()),
    ]


def _took(screen: Outcome) -> str:
    return "" if screen.hours is None else f"report {screen.hours:.1f} h after its last raw file"


def write(summary: Summary, folder: Path) -> None:
    """Write `{night}.json` and `{night}.txt` to `folder`."""
    write_json(folder / f"{summary.night}.json", summary.to_json())
    write_text(folder / f"{summary.night}.txt", summary.text())


def send(summary: Summary, command: Sequence[str] | None) -> str:
    """Hand the text to the site's mail command on its standard input; return what became of it.

    `{subject}` in an argument becomes the subject line. No shell is involved: the text may say anything.
    """
    if not command:
        return "no mail command"
    words = [word.replace("{subject}", summary.subject()) for word in command]
    try:
        done = subprocess.run(
            words,
            input=summary.text().encode(),
            capture_output=True,
            timeout=_MAIL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        log.error("the mail command failed: %s", reason)
        return f"failed: {reason}"
    if done.returncode:
        log.error("the mail command ended with status %d", done.returncode)
        return f"failed: status {done.returncode}"
    return "handed over"
