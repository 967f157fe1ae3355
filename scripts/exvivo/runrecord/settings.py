"""The configuration as a record keeps it. Standard library only: used at DAG time."""

from __future__ import annotations

from pathlib import PurePath
from typing import Any

# Where things lie, who is told, and how pages are headed changes no number.
_NO_SETTINGS = (
    "plates",
    "screens",
    "samples",
    "drugs",
    "data_root",
    "decisions",
    "report",
    "release",
    "night",
    "exports",
    "container",
)
# Where a model was trained is told among the execution's facts, and no reason to make anything again.
_NOWHERE = ("training.device", "training.allow_cpu")


def settings(config: dict[str, Any]) -> dict[str, Any]:
    """The configuration's keys that can change a number, dotted; of an absolute path only the last part."""
    kept = _flatten("", {k: v for k, v in config.items() if k not in _NO_SETTINGS})
    return {key: value for key, value in kept if key not in _NOWHERE}


def shown(value: Any) -> Any:
    """`value` without an absolute path: it may hold the name of a person."""
    absolute = isinstance(value, str) and (PurePath(value).is_absolute() or value.startswith("~"))
    return PurePath(value).name if absolute else value


def _flatten(prefix: str, content: Any) -> list[tuple[str, Any]]:
    if isinstance(content, dict) and content:
        found = []
        for key, value in content.items():
            found += _flatten(f"{prefix}.{key}".lstrip("."), value)
        return found
    return [(prefix, shown(content))]
