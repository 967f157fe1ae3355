"""Personal values that instruments write into raw files, found by kind and place. They are noted, never carried over.

Fields that are personal by definition count if they hold anything but a placeholder: Artist and HostComputer of a TIFF
(TIFF 6.0), Experimenter and UserName of OME-XML, `<User>` of Harmony's index, the operator's tags 33005 and 33026 of an
imaging flow cytometer. All other text counts if it looks like a name, a date of birth or a record number.
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from exvivo.privacy.detect import OPERATOR, WORDS, is_placeholder
from exvivo.privacy.policy import current

MAX_IMAGES = 64  # images of a plate whose tags are read, evenly over the plate
MAX_DOCUMENTS = 40
MAX_BYTES = 2_000_000  # of a document
MAX_TAG = 262_144  # bytes of one tag
_MAX_ENTRIES, _MAX_DIRECTORIES = 1024, 8
_TEXT_TYPES = (1, 2, 7)  # BYTE, ASCII, UNDEFINED
_DOCUMENTS = re.compile(
    r"\.(xml|htd|txt|csv|log|json|ini|mes|kw\.txt|companion\.ome)$", re.IGNORECASE
)
PERSONAL_TAGS = {315: "Artist", 316: "HostComputer", 33005: "33005", 33026: "33026"}
_FREE_TAGS = (269, 270, 305, 337, 700, 33432, 33628, 34377, 65200, 65500)
_NAMED = r"User|UserName|Operator|Creator|Experimenter|Performer|Technician|Author|lastModifiedBy|Manager"
_ELEMENT = re.compile(
    rf"<(?:\w+:)?(?P<field>{_NAMED})(?:\s[^>]*)?>(?P<value>[^<]+)</", re.IGNORECASE
)
_ATTRIBUTE = re.compile(
    rf"\b(?P<field>{_NAMED}|FirstName|MiddleName|LastName|Email|DisplayName)\s*=\s*[\"'](?P<value>[^\"']+)[\"']",
    re.IGNORECASE,
)


def personal_fields(folder: Path, images: Sequence[str]) -> list[str]:
    """What personal values the raw files of a plate hold, in words: kind, place and how often.

    `images` are the plate's images as results know them. Looks at `MAX_IMAGES` of them, and at the text
    files beside them.
    """
    from exvivo.plates.places import place

    found: Counter[str] = Counter()
    step = max(1, -(-len(images) // MAX_IMAGES))
    for path in images[::step]:
        found.update(of_tiff(place(folder, path)))
    for path in _documents(folder):
        found.update(of_document(path))
    return [f"{what} in {count} file(s)" for what, count in sorted(found.items())]


def of_tiff(path: Path) -> list[str]:
    """What a TIFF or CIF file's tags hold: "operator in TIFF tag Artist"; empty if it cannot be read."""
    try:
        with path.open("rb") as handle:
            tags = dict(_tags(handle))
    except (OSError, struct.error):
        return []  # admission says what is wrong with it
    found = [
        f"{WORDS[OPERATOR]} in TIFF tag {PERSONAL_TAGS[tag]}"
        for tag in PERSONAL_TAGS.keys() & tags.keys()
        if not is_placeholder(tags[tag])
    ]
    for tag in sorted(tags.keys() - PERSONAL_TAGS.keys()):
        found += [f"{told} in TIFF tag {tag}" for told in of_text(tags[tag])]
    return found


def of_document(path: Path) -> list[str]:
    """What a text file, an XML file or a workbook's properties hold; empty if it cannot be read."""
    name = re.sub(r".*(\.[A-Za-z.]+)$", r"a \1 file", path.name.lower())
    try:
        if path.suffix.lower() in (".xlsx", ".xlsm", ".ods"):
            return [f"{told} in a workbook's properties" for told in of_text(_properties(path))]
        with path.open("rb") as handle:
            text = _decode(handle.read(MAX_BYTES))
    except (OSError, zipfile.BadZipFile):
        return []
    return [f"{told} in {name}" for told in of_text(text)]


def of_text(text: str) -> list[str]:
    """The kinds of personal values in a document, in words."""
    kinds = [WORDS[kind] for line in text.splitlines() or [text] for kind in current().kinds(line)]
    for pattern in (_ELEMENT, _ATTRIBUTE):
        kinds += [WORDS[OPERATOR] for m in pattern.finditer(text) if not is_placeholder(m["value"])]
    return list(dict.fromkeys(kinds))


def _documents(folder: Path) -> Iterator[Path]:
    """Text files of the plate, nearest to its root first."""
    left = MAX_DOCUMENTS
    for place, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            if _DOCUMENTS.search(PurePosixPath(name).name) and left:
                left -= 1
                yield Path(place, name)


def _properties(path: Path) -> str:
    """docProps and comments of a workbook: who made it, who changed it, who commented."""
    with zipfile.ZipFile(path) as archive:
        parts = [
            member
            for member in archive.infolist()
            if re.match(r"(docProps/|xl/comments|meta\.xml)", member.filename)
        ]
        return "\n".join(
            archive.open(part).read(MAX_BYTES).decode("utf-8", "replace") for part in parts[:20]
        )


def _tags(handle) -> Iterator[tuple[int, str]]:
    """Number and text of the text tags of all directories; bounded, whatever the file says."""
    head = handle.read(16)
    order = {b"II": "<", b"MM": ">"}.get(head[:2], "")
    if not order or struct.unpack(order + "H", head[2:4])[0] not in (42, 43):
        return
    big = struct.unpack(order + "H", head[2:4])[0] == 43
    word, count_format, step = ("Q", "Q", 20) if big else ("I", "H", 12)
    offset = struct.unpack(order + word, head[8:16] if big else head[4:8])[0]
    for _ in range(_MAX_DIRECTORIES):
        if not offset:
            return
        handle.seek(offset)
        size = struct.calcsize(order + count_format)
        (entries,) = struct.unpack(order + count_format, handle.read(size))
        table = handle.read(min(entries, _MAX_ENTRIES) * step)
        rest = handle.read(struct.calcsize(order + word))
        for start in range(0, len(table) - step + 1, step):
            yield from _entry(handle, table[start : start + step], order, word)
        offset = struct.unpack(order + word, rest)[0] if entries <= _MAX_ENTRIES else 0


def _entry(handle, entry: bytes, order: str, word: str) -> Iterator[tuple[int, str]]:
    tag, kind = struct.unpack(order + "HH", entry[:4])
    width = struct.calcsize(order + word)
    (count,) = struct.unpack(order + word, entry[4 : 4 + width])
    if (
        kind not in _TEXT_TYPES
        or not count
        or (tag not in PERSONAL_TAGS and tag not in _FREE_TAGS and tag < 32768)
    ):
        return
    value = entry[4 + width :]
    if count > width:
        handle.seek(struct.unpack(order + word, value)[0])
        value = handle.read(min(count, MAX_TAG))
    yield tag, _decode(value[: min(count, MAX_TAG)])


def _decode(data: bytes) -> str:
    """Text of a tag or a file: UTF-16 with its mark, else UTF-8 or the old Windows encoding, printable parts only."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return data.decode("utf-16", errors="replace")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    return re.sub(r"[\x00-\x08\x0e-\x1f]+", "\n", text).strip("\n\0 ")
