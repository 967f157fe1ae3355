"""Files of plate readers as tables of text: delimited text, workbooks, and zip archives of both.

Nothing is unpacked to disk, sizes are bounded before anything is read, and no cell becomes a number here.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from exvivo.errors import ScoringError
from exvivo.sheets.values import clean

WORKBOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
TEXTS = (".txt", ".csv", ".tsv", ".asc", ".dat", "")
MAX_BYTES = 64 * 2**20  # of one file, packed or not; a 1,536-well plate has some 20 kB
MAX_MEMBERS = 5000
_DAMAGE = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, OSError, RuntimeError)
SEPARATORS = ("\t", ";", ",", " ")  # the last stands for any white space


@dataclass(frozen=True)
class Table:
    """Rows of cells of one file, archive member or worksheet.

    Attributes: `name` the file's or worksheet's name without suffix, `where` how messages call it, `rows`
    its (1-based line, cells) under each separator that could be meant, likeliest first.
    """

    name: str
    where: str
    readings: tuple[tuple[tuple[int, tuple[str, ...]], ...], ...]


def read_tables(path: Path) -> list[Table]:
    """All tables of the file at `path`; `ScoringError` if it is missing, too large, damaged or of no known kind."""
    if not path.is_file():
        found = "a folder" if path.is_dir() else "no such file"
        raise ScoringError("cannot read this read-out", found=found, where=str(path))
    _check_size(path.stat().st_size, str(path))
    if path.suffix.lower() == ".zip":
        return [t for name, data in _members(path) for t in _tables(name, data, f"{path}:{name}")]
    return _tables(path.name, path.read_bytes(), str(path))


def _tables(name: str, data: bytes, where: str) -> list[Table]:
    file = PurePosixPath(name)
    suffix = file.suffix.lower()
    if suffix in WORKBOOKS:
        return list(_worksheets(file.stem, data, where))
    if suffix in TEXTS:
        return [_text(file.stem, data, where)]
    raise ScoringError(
        "this is not a read-out",
        expected=f"text, a workbook or a zip ({', '.join(s for s in (*TEXTS, *WORKBOOKS) if s)}, .zip)",
        found=suffix,
        where=where,
    )


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the visible files of an archive, sorted by name."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_archive(members, str(path))
            for member in sorted(members, key=lambda m: m.filename):
                if not _hidden(member.filename):
                    yield member.filename, b"".join(_unpack(archive, member))
    except _DAMAGE as error:
        raise ScoringError(
            "a damaged archive", expected="a zip file", found=str(error), where=str(path)
        ) from error


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    """Content in pieces, so that a member that unpacks to more than it says fails its checksum instead."""
    with archive.open(member) as handle:
        while piece := handle.read(2**20):
            yield piece


def _check_archive(members: list[zipfile.ZipInfo], where: str) -> None:
    """Refuse an archive that is not a plain packet of small files, before unpacking any of it."""
    if len(members) > MAX_MEMBERS:
        found = f"{len(members)} files"
        raise ScoringError(
            "too many files in an archive", expected=str(MAX_MEMBERS), found=found, where=where
        )
    _check_size(sum(member.file_size for member in members), where)
    for member in members:
        file = PurePosixPath(member.filename.replace("\\", "/"))
        outside = file.is_absolute() or ".." in file.parts or re.match(r"[A-Za-z]:", str(file))
        if outside or member.flag_bits & 1:
            found = "an encrypted file" if member.flag_bits & 1 else "a path that leads outside"
            raise ScoringError(
                "refused this archive",
                expected="plain files",
                found=f"{found}: {member.filename!r}",
                where=where,
            )


def _hidden(name: str) -> bool:
    """Files that operating systems and spreadsheet programs add."""
    parts = PurePosixPath(name).parts
    return any(part.startswith((".", "~$", "__MACOSX")) for part in parts)


def _check_size(size: int, where: str) -> None:
    if size > MAX_BYTES:
        raise ScoringError(
            "too large for a read-out",
            expected=f"at most {MAX_BYTES // 2**20} MB",
            found=f"{size / 2**20:.0f} MB",
            where=where,
            hint="export the plates one by one, without raw kinetics",
        )


def _worksheets(stem: str, data: bytes, where: str) -> Iterator[Table]:
    """The worksheets of a workbook; one alone has the file's name, several have their own."""
    from python_calamine import CalamineError, CalamineWorkbook

    try:
        if zipfile.is_zipfile(io.BytesIO(data)):
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                _check_size(sum(member.file_size for member in archive.infolist()), where)
                for member in archive.infolist():
                    deque(_unpack(archive, member), maxlen=0)
        book = CalamineWorkbook.from_filelike(io.BytesIO(data))
        sheets = {
            name: book.get_sheet_by_name(name).to_python(skip_empty_area=False)
            for name in book.sheet_names
        }
    except (CalamineError, *_DAMAGE) as error:
        raise ScoringError("a damaged workbook", found=str(error), where=where) from error
    for name, values in sheets.items():
        rows = tuple((i, tuple(_cell(v) for v in row)) for i, row in enumerate(values, start=1))
        title = name if len(sheets) > 1 else stem
        yield Table(title, f"{where}, sheet {name}", (rows,))


def _cell(value: object) -> str:
    """The shortest text that means the same number; other values as they print."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return clean(str(value))


def _text(stem: str, data: bytes, where: str) -> Table:
    """A text file split at every separator that it contains."""
    text = _decode(data)
    if "\0" in text:
        raise ScoringError("binary content", expected="text", found="zero bytes", where=where)
    lines = [(i, line) for i, line in enumerate(text.splitlines(), start=1) if line.strip()]
    readings = [
        tuple((i, _split(line, separator)) for i, line in lines) for separator in SEPARATORS
    ]
    return Table(stem, where, tuple(readings))


def _split(line: str, separator: str) -> tuple[str, ...]:
    """Cells of a line; a separator within quotation marks is none, spaces at the ends are none."""
    cells = line.split() if separator == " " else next(csv.reader([line], delimiter=separator))
    return tuple(clean(cell).strip("\"'") for cell in cells)


def _decode(data: bytes) -> str:
    """UTF-8 or UTF-16 with its mark, else the old Windows encoding that readers' programs write."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")
