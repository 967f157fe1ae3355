"""The configuration: validation against its schema, and defaults."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from exvivo.errors import ConfigError
from exvivo.sheets.names import CELL_READOUTS
from exvivo.sheets.schema import Finding, fill_defaults, findings, read_schema

DEFAULT_CONTRAST: dict[str, dict[str, Any]] = {
    "negative": {"role": "negative_control", "treatment": None, "concentration": None},
    "positive": {"role": "positive_control", "treatment": None, "concentration": None},
}
SOLVENT_CONTRAST: dict[str, Any] = {"negative": DEFAULT_CONTRAST["negative"], "positive": None}


def load_config(content: dict[str, Any]) -> dict[str, Any]:
    """Check a configuration and return a copy of it with all defaults filled in.

    `content` is what the YAML files and `--config` hold together. Raises `ConfigError` that lists every
    unknown key (with a suggestion) and every value that does not fit, each with its dotted key.
    """
    schema = read_schema("config")
    problems = [*findings("config", content), *_not_finite("", content)]
    if not problems:
        content = fill_defaults(content, schema, schema)
        problems = _cross_checks(content)
    if problems:
        lines = "\n  ".join(f"config, {problem}" for problem in problems)
        raise ConfigError(f"{len(problems)} problem(s) in the configuration:\n  {lines}")
    return content


def contrast_of(config: dict[str, Any], readout: str) -> dict[str, Any]:
    """Return the contrast of `readout`: `{"negative": …, "positive": …}`, each role, treatment, concentration.

    A readout that the configuration does not mention has the roles of the layout as its contrast; one that counts cells
    has the negative control alone, its positive side is None: 0 % is then the value 0.
    """
    settings = config["readouts"].get(readout)
    if settings:
        return settings["contrast"]
    return SOLVENT_CONTRAST if readout in CELL_READOUTS else DEFAULT_CONTRAST


def _cross_checks(config: dict[str, Any]) -> list[Finding]:
    """What a schema cannot say: patterns that compile, limits that differ."""
    problems = _check_pattern("pseudonym_pattern", config["pseudonym_pattern"], ())
    for number, pattern in enumerate(config["privacy"]["patterns"]):
        problems += _check_pattern(f"privacy.patterns.{number}", pattern, ())
    if config["imaging"]["pattern"] is not None:
        problems += _check_pattern("imaging.pattern", config["imaging"]["pattern"], ("well",))
    problems += _check_night(config["night"])
    expected = "two different limits: their order says whether more is better"
    problems += [
        Finding(f"quality.{metric}", f"good and bad both {limits['good']}", expected)
        for metric, limits in config["quality"].items()
        if isinstance(limits, dict) and "good" in limits and limits["good"] == limits["bad"]
    ]
    return problems


def _check_night(night: dict[str, Any]) -> list[Finding]:
    """The folder pattern compiles, and has every group that a row is to be made of."""
    if night["folder"] is None:
        return []
    rows = {key: value for key, value in night.items() if key in _NIGHT_CELLS}
    rows |= {f"new_screen.{key}": value for key, value in night["new_screen"].items()}
    problems = _check_pattern("night.folder", night["folder"], ())
    groups = set() if problems else re.compile(night["folder"]).groupindex
    for key, text in rows.items() if not problems else ():
        for name in re.findall(r"\{(\w+)\}", text):
            if name not in groups:
                expected = "names of groups of night.folder: " + (
                    ", ".join(groups) or "it has none"
                )
                problems.append(Finding(f"night.{key}", f"{{{name}}}", expected))
    return problems


_NIGHT_CELLS = ("plate", "screen", "instrument", "layout", "layout_plate")


def _not_finite(key: str, content: Any) -> Iterator[Finding]:
    """YAML knows .nan and .inf, and no comparison with a limit refuses the former."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from _not_finite(f"{key}.{name}".lstrip("."), value)
    elif isinstance(content, float) and not math.isfinite(content):
        yield Finding(key, str(content), "a finite number")


def _check_pattern(key: str, pattern: str, groups: tuple[str, ...]) -> list[Finding]:
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        return [Finding(key, repr(pattern), f"a regular expression ({error})")]
    missing = [group for group in groups if group not in compiled.groupindex]
    expected = "the named group(s) " + ", ".join(f"(?P<{group}>…)" for group in missing)
    return [Finding(key, repr(pattern), expected)] if missing else []
