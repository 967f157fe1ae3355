"""The index that Harmony (Operetta, Opera Phenix) writes beside its images, read as a stream.

Real ones exceed 100 MB. Elements are told by their local names, which are the same from Harmony 5 to 7; the
channel's name, size and resolution stand in each image (5) or once per channel under Maps (6 and 7).
Nothing else is looked at: not who measured, nor the plate's id. A document type is refused, and with it
every entity: no index has one, and nested entities fill the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from xml.parsers import expat

from exvivo.errors import PlateError

MAX_TEXT = 4096  # of one element; the longest one that is read is a file name
MAX_DEPTH = 64
Record = dict[str, str]

_IMAGE = frozenset(
    [
        "URL",
        "Row",
        "Col",
        "FieldID",
        "PlaneID",
        "TimepointID",
        "ChannelID",
        "ChannelName",
        "State",
        "ImageResolutionX",
        "ImageSizeX",
        "ImageSizeY",
    ]
)
_CHANNEL = frozenset(["ChannelName", "ImageResolutionX", "ImageSizeX", "ImageSizeY"])


@dataclass(frozen=True, slots=True)
class IndexImage:
    """One image of the index; numbers as Harmony counts them, from 1."""

    url: str
    row: int
    column: int
    field: int
    plane: int
    channel: str
    time_point: int
    state: str


@dataclass(slots=True)
class Index:
    """What the index says: images, and per channel its name, pixel size (m) and image size (height, width)."""

    images: list[IndexImage] = field(default_factory=list)
    wells: list[tuple[int, int]] = field(default_factory=list)
    channel_names: dict[str, str] = field(default_factory=dict)
    resolution_m: dict[str, float] = field(default_factory=dict)
    size_px: dict[str, tuple[int, int]] = field(default_factory=dict)


def read_index(path: Path, *, source: str) -> Index:
    """Read Index.idx.xml or Index.xml.

    Raises `PlateError` if the file is unreadable, broken off, not a Harmony index, or has a document type.
    """
    index = Index()

    def add(kind: str, record: Record) -> None:
        if kind == "Image":
            _add_image(index, record, source)
        elif kind == "Entry":
            _add_channel(index, record.get("ChannelID", ""), record)
        elif kind == "Well" and record.get("id", "").isdecimal() and len(record["id"]) >= 4:
            middle = len(record["id"]) // 2
            index.wells.append((int(record["id"][:middle]), int(record["id"][middle:])))

    wanted = {
        ("Images", "Image"): _IMAGE,
        ("Map", "Entry"): _CHANNEL,
        ("Plate", "Well"): frozenset(),
    }
    _stream(path, wanted, add, source)
    if not index.images:
        raise _damaged(source, "no images", "an EvaluationInputData document that lists images")
    return index


def read_layout_wells(path: Path, *, source: str) -> set[tuple[int, int]]:
    """Return row and column (from 1) of the wells that an assay layout names; not what it says of them.

    A layout that lists the whole plate names those with a value only. Raises `PlateError` as `read_index`.
    """
    listed: set[tuple[int, int]] = set()
    valued: set[tuple[int, int]] = set()
    size = {"PlateRows": 0, "PlateCols": 0}

    def add(kind: str, record: Record) -> None:
        row, column = record.get("Row", ""), record.get("Col", "")
        if row.isdecimal() and column.isdecimal():
            listed.add((int(row), int(column)))
            if record.get("Value"):
                valued.add((int(row), int(column)))
        for key in size:
            if record.get(key, "").isdecimal():
                size[key] = int(record[key])

    wells = {("Layer", "Well"): frozenset({"Row", "Col", "Value"})}
    _stream(path, wells, add, source)
    # The plate's size stands in the root, whose other children are not to be kept: a second, short look.
    _stream(path, {("", "AssayLayout"): frozenset(size)}, add, source)
    return valued if len(listed) >= size["PlateRows"] * size["PlateCols"] > 0 else listed


def _add_image(index: Index, record: Record, source: str) -> None:
    try:
        numbers = [int(record[key]) for key in ("Row", "Col", "FieldID")]
        plane, time = int(record.get("PlaneID", "1")), int(record.get("TimepointID", "0"))
    except (KeyError, ValueError) as error:
        raise _damaged(
            source, f"an image without {error}", "Row, Col, FieldID and PlaneID as numbers"
        ) from error
    channel = record.get("ChannelID", "1")
    index.images.append(
        IndexImage(record.get("URL", ""), *numbers, plane, channel, time, record.get("State", "Ok"))
    )
    _add_channel(index, channel, record)


def _add_channel(index: Index, channel: str, record: Record) -> None:
    if name := record.get("ChannelName"):
        index.channel_names.setdefault(channel, name)
    try:
        if "ImageResolutionX" in record:
            index.resolution_m.setdefault(channel, float(record["ImageResolutionX"]))
        if "ImageSizeX" in record and "ImageSizeY" in record:
            index.size_px.setdefault(
                channel, (int(record["ImageSizeY"]), int(record["ImageSizeX"]))
            )
    except ValueError:
        return  # odd numbers here are no reason to refuse a plate: the images' own heads decide


class _Handler:
    """Collects the wanted children of the wanted elements as expat meets them."""

    def __init__(
        self, wanted: dict[tuple[str, str], frozenset[str]], add: Callable[[str, Record], None]
    ):
        self.wanted, self.add = wanted, add
        self.names: list[str] = []
        self.record: Record | None = None
        self.keys: frozenset[str] = frozenset()
        self.level = 0
        self.text: list[str] | None = None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        name = name.rpartition(":")[2]
        parent = self.names[-1] if self.names else ""
        self.names.append(name)
        if len(self.names) > MAX_DEPTH:
            raise ValueError(f"more than {MAX_DEPTH} nested elements")
        if self.record is None:
            keys = self.wanted.get((parent, name))
            if keys is not None:
                self.record, self.keys, self.level = {}, keys, len(self.names)
                self.record |= {k: attributes[k] for k in ("id", "ChannelID") if k in attributes}
        elif name in self.keys and len(self.names) == self.level + 1:
            self.text = []

    def characters(self, data: str) -> None:
        if self.text is not None:
            self.text.append(data)
            if sum(map(len, self.text)) > MAX_TEXT:
                raise ValueError(f"more than {MAX_TEXT} characters in {self.names[-1]}")

    def end(self, name: str) -> None:
        name = self.names.pop()
        if self.text is not None and self.record is not None:
            self.record[name] = "".join(self.text).strip()
            self.text = None
        elif self.record is not None and len(self.names) < self.level:
            record, self.record = self.record, None
            self.add(name, record)


def _stream(
    path: Path,
    wanted: dict[tuple[str, str], frozenset[str]],
    add: Callable[[str, Record], None],
    source: str,
) -> None:
    """Call `add` with the element's name and the wanted children's texts of each wanted (parent, element)."""
    handler = _Handler(wanted, add)
    parser = expat.ParserCreate()
    parser.buffer_text = True
    parser.StartElementHandler = handler.start
    parser.EndElementHandler = handler.end
    parser.CharacterDataHandler = handler.characters
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        with path.open("rb") as handle:
            parser.ParseFile(handle)
    except expat.ExpatError as error:
        raise _damaged(
            source, f"XML that breaks off or is damaged: {error}", "a whole XML file"
        ) from error
    except PlateError:
        raise
    except ValueError as error:
        raise _damaged(source, str(error), "an index as Harmony writes it") from error
    except OSError as error:
        raise _damaged(source, f"{error.strerror}", "a readable file") from error


def _refuse_doctype(*_: object) -> None:
    raise ValueError("a document type or entities")


def _damaged(source: str, found: str, expected: str) -> PlateError:
    return PlateError(
        "this index cannot be used",
        expected=expected,
        found=found,
        where=source,
        hint="copy it again from the instrument or export the plate again from Harmony",
    )
