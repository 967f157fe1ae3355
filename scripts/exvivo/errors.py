"""Errors that say what was expected, what was found, where, and what to do.

Every class also subclasses the builtin a caller would expect, so that library users can catch
either. Raise the most specific one; never raise with a bare sentence.
"""

from __future__ import annotations

from dataclasses import dataclass


class ExvivoError(ValueError):
    """Base of all errors that a user can cause and a user can mend.

    Parameters are sentence parts; `where` names a file (relative where possible), row, column, well.
    """

    def __init__(
        self, problem: str, *, expected: str = "", found: str = "", where: str = "", hint: str = ""
    ):
        hidden = map(_hidden, (problem, expected, found, where, hint))
        self.problem, self.expected, self.found, self.where, self.hint = hidden
        super().__init__(str(self))

    def __str__(self) -> str:
        parts = [f"{self.where}: {self.problem}" if self.where else self.problem]
        parts += [
            f"{name}: {text}"
            for name, text in (
                ("expected", self.expected),
                ("found", self.found),
                ("what to do", self.hint),
            )
            if text
        ]
        return "\n  ".join(parts)


def _hidden(text: str) -> str:
    """Whatever a sheet, an index or a file name holds, a message names no person."""
    from exvivo.privacy.policy import current  # here: it needs these classes

    return current().mask(text)


class ConfigError(ExvivoError):
    """A key or value of the configuration."""


class PlateError(ExvivoError):
    """A raw plate, its folder, index or images."""


class WeightsError(ExvivoError):
    """Model weights: missing, damaged, of another network, or not the pinned file."""


class TrainingError(ExvivoError):
    """Training data or settings from which no model can be trained."""


class ScoringError(ExvivoError):
    """Readouts and layouts from which no score can be computed."""


class DeviceError(ExvivoError, RuntimeError):
    """A GPU was asked for and there is none."""


class PrivacyError(ExvivoError):
    """A personal value that would get into results, or a check for them that cannot be made."""


class StoreError(ExvivoError, OSError):
    """A file or store of exvivo's own that is missing, unfinished or damaged."""


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a sheet.

    Attributes: `file` as the user named it, `row` the 1-based line in the file (header is line 1; 0 when
    the problem is not in a row), `column` the column's name, `found`, `expected`, `hint` sentence parts.
    """

    file: str
    row: int
    column: str
    found: str
    expected: str
    hint: str = ""

    def __str__(self) -> str:
        place = self.file + (f", row {self.row}" if self.row else "")
        place += f", column {self.column}" if self.column else ""
        text = f"{place}: found {self.found}; expected {self.expected}"
        return _hidden(f"{text}. {self.hint}" if self.hint else text)


class SheetError(ExvivoError):
    """All problems of one or more sheets at once; `problems` holds them one by one."""

    def __init__(self, problems: list[Problem]):
        self.problems = list(problems)
        lines = [str(problem) for problem in self.problems]
        super().__init__(f"{len(lines)} problem(s) in the sheets:\n  " + "\n  ".join(lines))
