"""What all instruments share: the words for a raw image, a listing, an expectation, a fingerprint."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

from exvivo.errors import ExvivoError, PlateError, StoreError
from exvivo.plates.tree import Tree, walk
from exvivo.sheets.names import parse_well, well_name

PROJECTION = -1  # the plane of an instrument's own projection
COLUMNS = ("well", "field", "channel", "plane", "path", "bytes", "revision")
IMAGE_NAME = re.compile(r"\.tiff?$", re.IGNORECASE)
_EXAMPLES = 10

Key = tuple[str, int, str, int]  # well, field, channel, plane


@dataclass(frozen=True, slots=True)
class RawFile:
    """One raw image.

    Attributes: `well` (B02), `field` as the instrument numbers it, `channel` its number or name as text,
    `plane` 0-based in z order or -1 for the instrument's own projection, `path` relative to the plate's
    folder (posix), `bytes` its size, `revision` how often its content has changed since it was first seen.
    """

    well: str
    field: int
    channel: str
    plane: int
    path: str
    bytes: int = 0
    revision: int = 0

    @property
    def key(self) -> Key:
        """Which image of the plate this is: well, field, channel, plane."""
        return self.well, self.field, self.channel, self.plane


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing to know about a plate.

    Attributes: `code` for machines, `level` (`refused`, `arriving`, `damaged`, `warning`), and the sentence
    parts `found`, `expected`, `where` and `hint` (what to do).
    """

    code: str
    level: str
    found: str
    expected: str = ""
    where: str = ""
    hint: str = ""

    @classmethod
    def of(cls, code: str, level: str, error: ExvivoError) -> Reason:
        """Make a reason of an error."""
        found = ": ".join(part for part in (error.problem, error.found) if part)
        return cls(code, level, found, error.expected, error.where, error.hint)

    def __str__(self) -> str:
        error = PlateError(
            self.code.replace("_", " "),
            expected=self.expected,
            found=self.found,
            where=self.where,
            hint=self.hint,
        )
        return str(error)


@dataclass(slots=True)
class Listing:
    """What an instrument makes of a plate's folder.

    Attributes: `files` the images; `ignored` (path, reason) of what is not an image of the plate by design;
    `unrecognised` image files that fit no known name; `problems`; `indexes` (path, bytes) of the files from
    which `Instrument.expected` reads.
    """

    files: list[RawFile] = field(default_factory=list)
    ignored: list[tuple[str, str]] = field(default_factory=list)
    unrecognised: list[str] = field(default_factory=list)
    problems: list[Reason] = field(default_factory=list)
    indexes: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the instrument's own index says the plate holds.

    Attributes: `source` the index's path; `wells`; `fields` and `channels` per well (None where the index
    does not say); `planes` of a stack (1: no stack); `images` every single image, where the index lists
    them; `channel_names` the instrument's names; `pixel_size_um` in micrometres; `time_points`;
    `size_px` (height, width); `notes` what is odd in the index.
    """

    source: str
    wells: tuple[str, ...]
    fields: int | None = None
    field_numberings: tuple[tuple[int, ...], ...] = ()
    channels: tuple[str, ...] | None = None
    planes: int = 1
    images: frozenset[Key] | None = None
    channel_names: dict[str, str] = field(default_factory=dict)
    pixel_size_um: float | None = None
    time_points: int = 1
    size_px: tuple[int, int] | None = None
    notes: tuple[Reason, ...] = ()


class Instrument(ABC):
    """Knows the folders, file names and index of one kind of instrument."""

    name: str
    expects: str  # the files it looks for, in words

    @property
    def signature(self) -> str:
        """Name of the instrument and of what else decides how files are read; for caches."""
        return self.name

    def list_files(self, folder: Path | str) -> Listing:
        """List the plate at `folder`. Raises `PlateError` if there is no such folder."""
        return self.list_tree(walk(folder))

    def list_tree(self, tree: Tree) -> Listing:
        """List a plate whose folders have been listed, and say what could not be looked at.

        Raises `PlateError` if the instrument's index is needed and damaged.
        """
        listing = self.parse(tree)
        listing.problems += [_not_listed(path, why) for path, why in tree.refused()]
        listing.problems += _case_doubles(tree)
        return listing

    @abstractmethod
    def parse(self, tree: Tree) -> Listing:
        """Tell what each file of `tree` is. Opens index files at most, never an image."""

    def expected(self, folder: Path | str) -> Expectation | None:
        """Return what the index says the plate at `folder` holds; None if there is none.

        Raises `PlateError` if the index is damaged.
        """
        return None


def _not_listed(path: str, why: str) -> Reason:
    return Reason(
        "not_listed",
        "warning",
        found=why,
        expected="readable files and folders within the plate's folder",
        where=path,
        hint="images behind it are not used",
    )


def _case_doubles(tree: Tree) -> list[Reason]:
    """Report names that differ in case only: on Windows they would be one file."""
    paths: dict[str, list[str]] = {}
    for path in tree.stats():
        paths.setdefault(path.casefold(), []).append(path)
    doubles = [" and ".join(sorted(same)) for same in paths.values() if len(same) > 1]
    if not doubles:
        return []
    return [
        Reason(
            "case_doubles",
            "warning",
            found=f"{len(doubles)} pair(s) of files, such as {min(doubles)}",
            expected="names that differ in more than upper and lower case",
            hint="one of them is probably a copy: remove it",
        )
    ]


@dataclass(slots=True)
class Fingerprint:
    """A plate's fingerprint: its raw images, and what the scan noticed beside them."""

    files: list[RawFile] = field(default_factory=list)
    settled: bool = False
    indexes: list[tuple[str, int, int]] = field(default_factory=list)  # path, bytes, revision
    unrecognised: list[str] = field(default_factory=list)
    unrecognised_count: int = 0
    problems: list[Reason] = field(default_factory=list)

    def text(self) -> str:
        """The fingerprint as it is written: the same plate always gives the same bytes."""
        header = {
            "settled": self.settled,
            "indexes": sorted(self.indexes),
            "unrecognised": {
                "count": self.unrecognised_count,
                "examples": sorted(self.unrecognised)[:_EXAMPLES],
            },
            "problems": [asdict(problem) for problem in self.problems],
        }
        lines = [
            f"# {key}: {json.dumps(value, ensure_ascii=False)}" for key, value in header.items()
        ]
        lines.append("\t".join(COLUMNS))
        lines += [
            "\t".join(str(getattr(file, column)) for column in COLUMNS)
            for file in sorted_files(self.files)
        ]
        return "\n".join(lines) + "\n"


def read_fingerprint(path: Path | str) -> list[RawFile]:
    """Return the raw images of a fingerprint. Raises `StoreError` if it is missing or damaged."""
    return load_fingerprint(path).files


def load_fingerprint(path: Path | str) -> Fingerprint:
    """Return a whole fingerprint. Raises `StoreError` if it is missing or damaged."""
    try:
        lines = Path(path).read_text(encoding="utf-8").split("\n")
        start = next(i for i, line in enumerate(lines) if not line.startswith("# "))
        header = dict(line[2:].split(": ", 1) for line in lines[:start])
        values = {key: json.loads(value) for key, value in header.items()}
        if tuple(lines[start].split("\t")) != COLUMNS:
            raise ValueError(f"columns {lines[start]!r}")
        return Fingerprint(
            files=[_row(line) for line in lines[start + 1 :] if line],
            settled=bool(values["settled"]),
            indexes=[tuple(index) for index in values["indexes"]],
            unrecognised=list(values["unrecognised"]["examples"]),
            unrecognised_count=int(values["unrecognised"]["count"]),
            problems=[Reason(**problem) for problem in values["problems"]],
        )
    except (OSError, ValueError, KeyError, TypeError, StopIteration) as error:
        raise StoreError(
            "cannot read this fingerprint",
            expected="a fingerprint written by the scan",
            found=f"{type(error).__name__}: {error}",
            where=str(path),
            hint="remove it and scan the plate again",
        ) from error


def _row(line: str) -> RawFile:
    well, fov, channel, plane, path, size, revision = line.split("\t")
    return RawFile(well, int(fov), channel, int(plane), path, int(size), int(revision))


def sorted_files(files: Iterable[RawFile]) -> list[RawFile]:
    """Sort by well (row by row), field, channel, plane, path."""
    return sorted(
        files, key=lambda f: (well_key(f.well), f.field, natural(f.channel), f.plane, f.path)
    )


@lru_cache(maxsize=4096)
def normal_well(text: str) -> str | None:
    """Return the well's usual name (`b2` is `B02`), or None if `text` is not a well."""
    try:
        return well_name(*parse_well(text))
    except ExvivoError:
        return None


@lru_cache(maxsize=4096)
def well_key(well: str) -> tuple[int, int]:
    """Sort key of a well: its 0-based row and column."""
    return parse_well(well)


def natural(text: str) -> tuple[int, int, str]:
    """Sort key that puts channel 2 before channel 10, and numbers before names."""
    return (0, int(text), "") if text.isdecimal() else (1, 0, text)
