"""The reference in config/README.md, made from the schemas, so that it cannot say anything else.

`make docs` (`python -m exvivo.sheets.document`) writes it again; a test compares.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exvivo.errors import ExvivoError
from exvivo.files import write_text
from exvivo.sheets.schema import SCHEMAS, read_schema, resolve

README = SCHEMAS.parents[1] / "config" / "README.md"
SHEETS = ("plates", "screens", "samples", "drugs", "layouts", "decisions")
_MARKERS = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def parameters_table() -> str:
    """Return every parameter of the configuration as a Markdown table: key, values, default, meaning."""
    schema = read_schema("config")
    lines = ["| key | values | default | what it does |", "|---|---|---|---|"]
    for key, node in _walk(schema, schema, ""):
        default = _literal(node["default"]) if "default" in node else "the network's own"
        cells = (f"`{key}`", _values(node), default, node.get("description", ""))
        lines.append("| " + " | ".join(_escape(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def sheet_table(name: str) -> str:
    """Return the columns of a sheet as a Markdown table: column, needed, an example, meaning."""
    schema = read_schema(name)
    lines = ["| column | needed | example | what it says |", "|---|---|---|---|"]
    for column, node in schema["properties"].items():
        needed = "yes" if column in schema["required"] else _otherwise(node.get("default", ""))
        example = node.get("examples", [""])[0]
        text = node["description"]
        if "enum" in node:
            text += " One of " + ", ".join(f"`{value}`" for value in node["enum"]) + "."
        elif "x-expected" in node:
            text += f" Form: {node['x-expected']}."
        cells = (f"`{column}`", needed, f"`{example}`" if example else "", text)
        lines.append("| " + " | ".join(_escape(cell) for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def render(text: str) -> str:
    """Return a Markdown text with all parts between `<!-- made: … -->` and `<!-- end -->` made again.

    The word after `made:` is `parameters` or the name of a sheet. Raises `ExvivoError` for another one.
    """

    def replace(match: re.Match[str]) -> str:
        if match[2] not in ("parameters", *SHEETS):
            known = f"parameters, {', '.join(SHEETS)}"
            raise ExvivoError("an unknown part of the reference", expected=known, found=match[2])
        part = parameters_table() if match[2] == "parameters" else sheet_table(match[2])
        return f"{match[1]}\n{part}\n{match[3]}"

    return _MARKERS.sub(replace, text)


def _walk(
    node: dict[str, Any], root: dict[str, Any], prefix: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every leaf of a schema with its dotted key; keys with the same schema are told once."""
    children = list(node.get("properties", {}).items())
    children += [("", child) for child in node.get("patternProperties", {}).values()]
    told: list[Any] = []
    for key, child in children:
        if child in told:
            continue
        told.append(child)
        twins = [other for other, sibling in children if sibling == child]
        full = resolve(child, root)
        if not key or len(twins) > 3:
            key = f"<{full.get('x-name', 'name')}>"
        elif len(twins) > 1:
            key = f"<{'|'.join(twins)}>"
        path = f"{prefix}.{key}".lstrip(".")
        section = full.get("type") == "object" and not full.get("x-merge")
        if not section or full.get("default"):
            yield path, full
        if section:
            yield from _walk(full, root, path)


def _values(node: dict[str, Any]) -> str:
    if node.get("x-merge"):
        return "`good`, `bad`: numbers; `gate`: true or false"
    if "x-expected" in node:
        return str(node["x-expected"])
    if "enum" in node:
        return ", ".join(_literal(value) for value in node["enum"])
    words = {
        "string": "text",
        "integer": "whole number",
        "boolean": "true, false",
        "object": "section",
    }
    kinds = node["type"] if isinstance(node["type"], list) else [node["type"]]
    text = " or ".join(words.get(kind, kind) for kind in kinds)
    bounds = [
        f"{sign} {node[key]}"
        for key, sign in (
            ("minimum", "≥"),
            ("exclusiveMinimum", ">"),
            ("maximum", "≤"),
            ("exclusiveMaximum", "<"),
        )
        if key in node
    ]
    return f"{text} {' and '.join(bounds)}".strip()


def _literal(value: Any) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{key}: {json.dumps(item)}" for key, item in value.items())
        return f"`{{{inner}}}`"
    return f"`{json.dumps(value, ensure_ascii=False)}`" if value != "" else '`""`'


def _otherwise(default: str) -> str:
    return f"no; else `{default}`" if default else "no"


def _escape(cell: str) -> str:
    return cell.replace("|", "\\|").replace("\n", " ")


def main(path: Path = README) -> None:
    """Write the made parts of the Markdown file at `path` again."""
    write_text(path, render(path.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
