"""The schemas in workflow/schemas: reading them, filling their defaults, and their errors in words.

JSON Schema, Draft 2020-12, written in YAML. A key's `description`, `default` and, where a pattern needs
words, `x-expected` are the only place where these are said; the docs are made from them.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from exvivo.sheets.names import suggest

if TYPE_CHECKING:
    from jsonschema.exceptions import ValidationError
    from jsonschema.protocols import Validator

SCHEMAS = Path(__file__).resolve().parents[3] / "workflow" / "schemas"
# libyaml's loader is ten times as fast; PyYAML may have been built without it.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True)
class Finding:
    """One violation of a schema: `key` (dotted), and `found`, `expected`, `hint` in words."""

    key: str
    found: str
    expected: str
    hint: str = ""

    def __str__(self) -> str:
        place = f"key {self.key}" if self.key else "as a whole"
        text = f"{place}: found {self.found}; expected {self.expected}"
        return f"{text}. {self.hint}" if self.hint else text


@cache
def read_schema(name: str) -> dict[str, Any]:
    """Return the schema `workflow/schemas/{name}.schema.yaml`; do not change what is returned."""
    with (SCHEMAS / f"{name}.schema.yaml").open(encoding="utf-8") as handle:
        return yaml.load(handle, Loader=_LOADER)


@cache
def validator(name: str) -> Validator:
    """Return the compiled validator of a whole schema."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(read_schema(name))


@cache
def column_validator(name: str, column: str) -> Validator:
    """Return the compiled validator of one property of a schema, for sheets, which go cell by cell."""
    from jsonschema import Draft202012Validator

    return Draft202012Validator(read_schema(name)["properties"][column])


def resolve(node: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    """Return `node` with a reference of the form `#/$defs/…` replaced by its target; siblings win."""
    if "$ref" not in node:
        return node
    target: Any = root
    for part in node["$ref"].removeprefix("#/").split("/"):
        target = target[part]
    return {**resolve(target, root), **{k: v for k, v in node.items() if k != "$ref"}}


def fill_defaults(content: Any, node: dict[str, Any], root: dict[str, Any]) -> Any:
    """Return a copy of `content` with every missing key that has a default, recursively."""
    node = resolve(node, root)
    if not isinstance(content, dict):
        # JSON Schema takes 3.0 for an integer; range(3.0) does not.
        whole = node.get("type") == "integer" and isinstance(content, float)
        return int(content) if whole else copy.deepcopy(content)
    properties = node.get("properties", {})
    filled = {}
    for key, child in properties.items():
        child = resolve(child, root)
        if key in content:
            given = content[key]
            if child.get("x-merge") and isinstance(given, dict):
                given = {**child.get("default", {}), **given}
            filled[key] = fill_defaults(given, child, root)
        elif "default" in child:
            filled[key] = fill_defaults(child["default"], child, root)
    others = next(iter(node.get("patternProperties", {}).values()), {})
    for key in content.keys() - properties.keys():
        filled[key] = fill_defaults(content[key], others, root)
    return filled


def findings(name: str, content: Any) -> list[Finding]:
    """Return all violations of schema `name` by `content`, in the order of its keys."""
    errors = sorted(validator(name).iter_errors(content), key=lambda e: [str(p) for p in e.path])
    return [finding for error in errors for finding in describe(error)]


def describe(error: ValidationError) -> Iterator[Finding]:
    """Yield what is wrong in words: one finding per unknown key, one for anything else."""
    key = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        known = list(error.schema.get("properties", {}))
        patterns = error.schema.get("patternProperties", {})
        for extra in sorted(set(map(str, error.instance)) - set(known)):
            if not any(_matches(pattern, extra) for pattern in patterns):
                yield _unknown(extra, key, known)
        return
    if error.validator == "required":
        missing = [k for k in error.validator_value if k not in error.instance]
        yield Finding(key, "nothing", f"the key(s) {', '.join(missing)}")
        return
    expected = error.schema.get("x-expected") or _in_words(error)
    yield Finding(key, _show(error.instance), expected, _type_hint(error))


def _unknown(extra: str, key: str, known: list[str]) -> Finding:
    where = f"{key}.{extra}" if key else extra
    return Finding(where, "an unknown key", f"one of {', '.join(known)}", suggest(extra, known))


def _matches(pattern: str, text: str) -> bool:
    return re.search(pattern, text) is not None


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return f"a section with {', '.join(map(str, value)) or 'nothing in it'}"
    kinds = {
        str: "the text ",
        bool: "",
        int: "the number ",
        float: "the number ",
        list: "the list ",
    }
    return "nothing" if value is None else f"{kinds.get(type(value), '')}{value!r}"


_TYPES = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "a section with keys",
    "array": "a list",
    "null": "nothing",
}


def _in_words(error: ValidationError) -> str:
    value = error.validator_value
    words = {
        "type": lambda: " or ".join(
            _TYPES[t] for t in ([value] if isinstance(value, str) else value)
        ),
        "enum": lambda: "one of " + ", ".join(str(v) for v in value),
        "minimum": lambda: f"at least {value}",
        "maximum": lambda: f"at most {value}",
        "exclusiveMinimum": lambda: f"more than {value}",
        "exclusiveMaximum": lambda: f"less than {value}",
        "minLength": lambda: "a text that is not empty",
        "minProperties": lambda: f"at least {value} key(s)",
        "pattern": lambda: f"a text that matches {value}",
        "dependentRequired": lambda: "; ".join(
            f"with {key} also {', '.join(needed)}" for key, needed in value.items()
        ),
    }
    return words.get(str(error.validator), lambda: error.message)()


def _type_hint(error: ValidationError) -> str:
    """YAML 1.1 reads 1e-7 as text, because it has no dot: the commonest slip with learning rates."""
    if error.validator == "type" and "string" in error.validator_value:
        number = isinstance(error.instance, (int, float))
        return "YAML takes this for a number: put it in quotes" if number else ""
    if error.validator not in {"type", "anyOf"} or not isinstance(error.instance, str):
        return ""
    try:
        float(error.instance)
    except ValueError:
        return ""
    return "YAML takes this for a text: write it without quotes and with a dot, such as 1.0e-7"
