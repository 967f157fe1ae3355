"""The column `status` of screens.tsv, edited in place: one cell, every other byte as it was.

What freezes a screen is its folder below released/ (`exvivo.release.folder`). The sheet says the same for
people to read. A sheet that cannot be edited safely is left alone, and the person is told.
"""

from __future__ import annotations

from pathlib import Path

from exvivo.files import replacing
from exvivo.sheets.text import DELIMITERS


def set_status(sheet: Path, screen: str, status: str) -> bool:
    """Set the status of a screen; return whether the sheet says it now.

    Only a UTF-8 sheet with a column `status` is edited, and only a row without quotation marks that has that cell.
    """
    content = sheet.read_bytes()
    edited = _edited(content, screen, status)
    if edited is None:
        return False
    if edited != content:
        mode = sheet.stat().st_mode
        with replacing(sheet) as partial:
            partial.write_bytes(edited)
            partial.chmod(mode)
    return True


def _edited(content: bytes, screen: str, status: str) -> bytes | None:
    lines = content.split(b"\n")
    header = next((i for i, line in enumerate(lines) if _cells_count(line)), None)
    if header is None or content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return None
    first = lines[header].removeprefix(b"\xef\xbb\xbf")
    separator = max((c.encode() for c in DELIMITERS), key=first.count)
    names = [_plain(cell) for cell in first.split(separator)]
    if b"screen" not in names or b"status" not in names:
        return None
    key, place = names.index(b"screen"), names.index(b"status")
    rows = [
        i
        for i, line in enumerate(lines[header + 1 :], header + 1)
        if _names(line, separator, key, screen)
    ]
    if len(rows) != 1 or b'"' in lines[rows[0]]:
        return None
    ending = b"\r" if lines[rows[0]].endswith(b"\r") else b""
    cells = lines[rows[0]].removesuffix(ending).split(separator)
    if len(cells) > len(names):
        return None
    cells += [b""] * (place + 1 - len(cells))
    cells[place] = status.encode()
    lines[rows[0]] = separator.join(cells) + ending
    return b"\n".join(lines)


def _cells_count(line: bytes) -> bool:
    """Whether a line is neither empty nor a comment."""
    text = line.removeprefix(b"\xef\xbb\xbf").strip()
    return bool(text) and not text.startswith(b"#")


def _names(line: bytes, separator: bytes, key: int, screen: str) -> bool:
    cells = line.split(separator)
    return _cells_count(line) and len(cells) > key and _plain(cells[key]) == screen.encode()


def _plain(cell: bytes) -> bytes:
    return cell.strip().strip(b'"')
