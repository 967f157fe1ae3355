"""What the doctor finds: one line per thing looked at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from exvivo.errors import ExvivoError

OK, WARNING, ERROR = "ok", "warning", "error"
SEVERITIES = (OK, WARNING, ERROR)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at.

    Attributes: `check` what it is about; `severity` (`ok`; `warning`: something waits or is not known; `error`:
    something will fail); `found`, `expected`, `remedy` in words.
    """

    check: str
    severity: str
    found: str
    expected: str = ""
    remedy: str = ""

    @classmethod
    def of(cls, check: str, severity: str, error: ExvivoError) -> Finding:
        """Make a finding of an error."""
        parts = [error.where, error.problem or str(error), error.found]
        found = ": ".join(part for part in parts if part)
        return cls(check, severity, found, error.expected, error.hint)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    def __str__(self) -> str:
        parts = [f"{self.severity:<8}{self.check}: {self.found}"]
        if self.severity != OK:
            parts += [f"        expected: {self.expected}"] if self.expected else []
            parts += [f"        what to do: {self.remedy}"] if self.remedy else []
        return "\n".join(parts)


def status(findings: Sequence[Finding]) -> int:
    """Exit status: 0 all is well, 1 with warnings, 2 with errors."""
    return max((SEVERITIES.index(f.severity) for f in findings), default=0)


def some(names: Sequence[str], limit: int = 6) -> str:
    """The first names, and how many more there are."""
    more = len(names) - limit
    return ", ".join(names[:limit]) + (f" and {more} more" if more > 0 else "")
