"""Plates as an ImageXpress writes them: folders, file names, .HTD files, uncompressed 16-bit TIFF.

Two arrangements are known (from faim-ipa's sample plates and a real export): the raw `database`,
`<plate>/<date>/<id>/ZStep_<z>/<name>_<well>_s<site>_w<wave><GUID>.tif`, and an `export`,
`<plate>/TimePoint_1/ZStep_<z>/<name>_<well>_s<site>_w<wave>.TIF`. `ZStep_0` holds the instrument's own
maximum projection. GUIDs and times follow from the seed, so that equal calls write equal files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import tifffile
from numpy.typing import NDArray

from exvivo.errors import ExvivoError, PlateError
from exvivo.sheets.names import well_name
from exvivo.simulate.parameters import Imaging
from exvivo.simulate.randomness import Purpose, guid, stream

STYLES = ("database", "export")
WAVE_NAMES = ("DAPI", "FITC", "TRITC", "Cy5")
_FIRST_DAY = datetime(2024, 5, 13, 8, tzinfo=UTC)


@dataclass(frozen=True)
class PlateWriter:
    """Writes the files of one plate.

    Attributes: `folder` of the plate; `name` that file names begin with; `rows`, `columns` of the format;
    `wells` to be imaged as 0-based (row, column); `imaging`; `pixel` in µm and `step` between planes in µm;
    `seed`; `style`, "database" or "export"; `compression` as tifffile names it, None for none;
    `wave_names` of the channels.
    """

    folder: Path
    name: str
    rows: int
    columns: int
    wells: tuple[tuple[int, int], ...]
    imaging: Imaging
    pixel: float
    step: float
    seed: int
    style: str = "database"
    compression: str | None = None
    wave_names: tuple[str, ...] = WAVE_NAMES

    def __post_init__(self) -> None:
        if self.style not in STYLES:
            raise ExvivoError(
                "there is no such arrangement of files",
                expected=", ".join(STYLES),
                found=self.style,
            )

    def acquired(self) -> datetime:
        """When the plate was imaged: a time long ago that follows from seed and name."""
        seconds = stream(self.seed, Purpose.NAMES, self.name).integers(0, 5 * 86400)
        return _FIRST_DAY + timedelta(seconds=int(seconds))

    def root(self) -> Path:
        """The folder that holds the ZStep folders."""
        if self.style == "export":
            return self.folder / "TimePoint_1"
        number = 1000 + int(stream(self.seed, Purpose.NAMES, self.name, 1).integers(0, 9000))
        return self.folder / self.acquired().date().isoformat() / str(number)

    def path(self, row: int, column: int, site: int, wave: int, plane: int) -> Path:
        """Path of an image; `site` and `wave` count from 0, `plane` from 0 with -1 for the projection."""
        stem = f"{self.name}_{well_name(row, column)}_s{site + 1}_w{wave + 1}"
        folder = self.root() / f"ZStep_{plane + 1}" if self.imaging.planes > 1 else self.root()
        if self.style == "export":
            return folder / f"{stem}.TIF"
        return folder / f"{stem}{guid(self.seed, f'{stem}/{plane}')}.tif"

    def prepare(self) -> None:
        """Make the folders and write the .HTD files; `PlateError` if images of another plate lie there."""
        self._check_folder()
        text = self._htd()
        folders = [self.root()]
        if self.imaging.planes > 1:
            first = 0 if self.imaging.projection else 1
            folders += [self.root() / f"ZStep_{z}" for z in range(first, self.imaging.planes + 1)]
        if self.style == "export":
            folders.append(self.folder)
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
            # The instrument writes its lines for Windows, in that system's code page.
            (folder / f"{self.name}.HTD").write_bytes(text.encode("cp1252"))

    def write_stack(
        self, place: tuple[int, int], site: int, wave: int, planes: Iterable[NDArray[np.uint16]]
    ) -> None:
        """Write the planes of one well, site and wave, the lowest first, and their maximum projection."""
        highest: NDArray[np.uint16] | None = None
        for number, image in enumerate(planes):
            self.write_image((*place, site, wave, number), image)
            highest = image if highest is None else np.maximum(highest, image)
        if self.imaging.projection and self.imaging.planes > 1 and highest is not None:
            self.write_image((*place, site, wave, -1), highest)

    def write_image(self, key: tuple[int, int, int, int, int], image: NDArray[np.uint16]) -> None:
        """Write one image; `key` is row, column, site, wave, plane as in `path`."""
        tifffile.imwrite(
            self.path(*key),
            image,
            photometric="minisblack",
            rowsperstrip=min(16, image.shape[0]),
            compression=self.compression,
            metadata=None,
            software="MetaSeries",
            datetime=self.acquired().replace(tzinfo=None),
            description=self._description(key, image.shape),
        )

    def finish(self) -> None:
        """Set the time of all files and folders to when the plate was imaged: it is at rest."""
        time = self.acquired().timestamp()
        for folder, _, files in os.walk(self.folder, topdown=False):
            for path in [*(Path(folder) / name for name in files), Path(folder)]:
                os.utime(path, (time, time))

    def _check_folder(self) -> None:
        there = [path for path in self.folder.rglob("*") if path.suffix.lower() == ".tif"]
        if not there:
            return
        first = -1 if self.imaging.projection and self.imaging.planes > 1 else 0
        own = {
            self.path(*place, site, wave, plane)
            for place in self.wells
            for site in range(self.imaging.sites)
            for wave in range(self.imaging.waves)
            for plane in range(first, self.imaging.planes)
        }
        strange = sorted(set(there) - own)
        if strange:
            raise PlateError(
                "the folder holds images of another simulation",
                expected="an empty folder, or this very plate",
                found=f"{len(strange)} other images, such as {strange[0].name}",
                where=self.folder.name,
                hint="remove the folder or choose another one",
            )

    def _htd(self) -> str:
        taken = set(self.wells)
        imaging, flags = self.imaging, {True: "TRUE", False: "FALSE"}
        grid = int(np.ceil(np.sqrt(imaging.sites)))
        lines = [
            '"HTSInfoFile", Version 1.0',
            '"Description", "made by exvivo simulate: no real cells"',
            '"PlateType", 6',
            '"TimePoints", 1',
            f'"ZSeries", {flags[imaging.planes > 1]}',
            f'"ZSteps", {imaging.planes}',
            f'"ZProjection", {flags[imaging.projection and imaging.planes > 1]}',
            f'"XWells", {self.columns}',
            f'"YWells", {self.rows}',
        ]
        for row in range(self.rows):
            chosen = [flags[(row, column) in taken] for column in range(self.columns)]
            lines.append(f'"WellsSelection{row + 1}", {", ".join(chosen)}')
        lines += [f'"Sites", {flags[imaging.sites > 1]}']
        if imaging.sites > 1:
            lines += [f'"XSites", {grid}', f'"YSites", {grid}']
            for row in range(grid):
                chosen = [flags[row * grid + column < imaging.sites] for column in range(grid)]
                lines.append(f'"SiteSelection{row + 1}", {", ".join(chosen)}')
        lines += [f'"Waves", {flags[True]}', f'"NWavelengths", {imaging.waves}']
        for wave in range(imaging.waves):
            lines.append(f'"WaveName{wave + 1}", "{self.wave_names[wave % len(self.wave_names)]}"')
        lines += [f'"WaveCollect{wave + 1}", 1' for wave in range(imaging.waves)]
        identifier = guid(self.seed, self.name).lower()
        lines += [f'"UniquePlateIdentifier", "{identifier}"', '"EndFile"']
        return "\r\n".join(lines) + "\r\n"

    def _description(self, key: tuple[int, int, int, int, int], shape: tuple[int, ...]) -> str:
        """MetaXpress' description of an image: the properties that a reader may look for."""
        row, column, site, wave, plane = key
        label = f"{well_name(row, column)} : Site {site + 1}"
        height = "0" if plane < 0 else f"{plane * self.step:g}"
        properties = [
            ("pixel-size-x", "int", shape[1]),
            ("pixel-size-y", "int", shape[0]),
            ("bits-per-pixel", "int", 16),
            ("spatial-calibration-state", "bool", "on"),
            ("spatial-calibration-x", "float", f"{self.pixel:.4f}"),
            ("spatial-calibration-y", "float", f"{self.pixel:.4f}"),
            ("spatial-calibration-units", "string", "um"),
            ("image-name", "string", self.wave_names[wave % len(self.wave_names)]),
            ("stage-label", "string", label),
            ("z-position", "float", height),
            ("wavelength", "float", 447),
            ("_MagSetting_", "string", "20X Plan Apo"),
            ("Z Step", "float", plane + 1),
        ]
        lines = [
            f'<prop id={quoteattr(name)} type="{kind}" value={quoteattr(str(value))}/>'
            for name, kind, value in properties
        ]
        return "\r\n".join(["<MetaData>", "<PlaneInfo>", *lines, "</PlaneInfo>", "</MetaData>"])
