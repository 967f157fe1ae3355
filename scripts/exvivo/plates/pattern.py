"""Plates of any other instrument: a regular expression in the configuration says what file names mean."""

from __future__ import annotations

import re
from collections.abc import Mapping

from exvivo.errors import ConfigError
from exvivo.plates.base import IMAGE_NAME, Instrument, Listing, RawFile, normal_well
from exvivo.plates.tree import Tree, join

GROUPS = ("well", "row", "column", "field", "channel", "plane")
_WHERE = "config, imaging: pattern"


class Pattern(Instrument):
    """Plates whose image names follow a pattern with the named groups of `GROUPS`.

    Needed is `well`, or `row` and `column`. Without `field` there is one (1), without `channel` one ("1"),
    without `plane` one. The pattern has to fit the whole file name; if it holds a `/`, the whole path from the
    plate's folder. Numbers lose leading zeros. Planes are counted from 0 or from 1, as the plate does.
    """

    name = "pattern"

    def __init__(self, pattern: str | None):
        """Compile `pattern`. Raises `ConfigError` if it is missing, broken, or lacks or misnames a group."""
        if not pattern:
            raise ConfigError(
                "the instrument 'pattern' needs a pattern",
                expected="a regular expression with the named group well",
                found="nothing",
                where=_WHERE,
                hint=r"for example (?P<well>[A-P]\d\d)_f(?P<field>\d+)_c(?P<channel>\d)\.tif",
            )
        try:
            self.regex = re.compile(pattern)
        except re.error as error:
            raise ConfigError(
                "this is not a regular expression",
                expected="Python's syntax",
                found=f"{error} in {pattern!r}",
                where=_WHERE,
                hint="in YAML, put it into single quotes",
            ) from error
        self.pattern = pattern
        self.expects = f"TIFF images whose names match {pattern}"
        self._check_groups(set(self.regex.groupindex))

    def _check_groups(self, groups: set[str]) -> None:
        unknown = sorted(groups - set(GROUPS))
        missing = [] if "well" in groups else [g for g in ("row", "column") if g not in groups]
        if unknown or missing:
            lacking = "well (or row and column)" if len(missing) == 2 else " and ".join(missing)
            found = [f"unknown: {', '.join(unknown)}"] if unknown else []
            raise ConfigError(
                "the pattern has other named groups",
                expected=f"well, or row and column; besides {', '.join(GROUPS[3:])}",
                found="; ".join(found + ([f"missing: {lacking}"] if missing else [])),
                where=_WHERE,
                hint="write groups as (?P<well>…)",
            )

    @property
    def signature(self) -> str:
        """Name and pattern: another pattern reads the same files differently."""
        return f"pattern {self.pattern}"

    def parse(self, tree: Tree) -> Listing:
        """Tell what each file of `tree` is, by its name or path alone."""
        listing = Listing()
        rows: list[RawFile] = []
        for folder, name, stat in tree.files():
            path = join(folder, name)
            match = self.regex.fullmatch(path if "/" in self.pattern else name)
            if not IMAGE_NAME.search(name) or name.startswith("."):
                listing.ignored.append((path, "not an image"))
                continue
            row = _read(match.groupdict(), path, stat.bytes) if match else None
            if row is None:
                listing.unrecognised.append(path)
            else:
                rows.append(row)
        first = min((row.plane for row in rows), default=0)
        shift = 1 if first > 0 else 0
        listing.files = [
            RawFile(r.well, r.field, r.channel, r.plane - shift, r.path, r.bytes) for r in rows
        ]
        return listing


def _read(groups: Mapping[str, str | None], path: str, size: int) -> RawFile | None:
    """Return the image with its plane as numbered; None if well, field or plane cannot be read."""
    text = groups.get("well") or f"{groups.get('row') or ''}{groups.get('column') or ''}"
    well = normal_well(re.sub(r"[-_ ]", "", text))
    field, plane = groups.get("field") or "1", groups.get("plane") or "0"
    channel = groups.get("channel") or "1"
    if well is None or not field.isdecimal() or not plane.isdecimal():
        return None
    return RawFile(
        well,
        int(field),
        str(int(channel)) if channel.isdecimal() else channel,
        int(plane),
        path,
        size,
    )
