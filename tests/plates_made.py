"""Small raw plates for tests, written as instruments write them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import tifffile

from exvivo.plates import get_instrument
from exvivo.plates.admission import Admission, admit_plate
from exvivo.plates.base import Instrument
from exvivo.plates.scan import scan_plate
from exvivo.sheets.names import parse_well

GUID = "64FBEEF7-F77C-4892-86F5-72D0160D4FB2"
SETTINGS = {
    "damaged_wells_limit": 0.05,
    "settle_minutes": 0,
    "max_image_side": 512,
    "max_file_mb": 1,
}


def noise(name: str, shape: tuple[int, int] = (24, 20), dtype: str = "uint16") -> np.ndarray:
    """An image of noise that depends on `name` alone."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    return rng.integers(100, 250 if dtype == "uint8" else 4000, shape).astype(dtype)


def write_image(path: Path, image: np.ndarray | None = None, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    tifffile.imwrite(path, noise(str(path)) if image is None else image, **options)
    return path


def make_imagexpress(
    root: Path,
    *,
    wells: tuple[str, ...] = ("B02", "B03", "C02", "C03"),
    sites: tuple[int, ...] = (1, 2),
    waves: tuple[int, ...] = (1, 2),
    planes: int = 3,
    under: str = "TimePoint_1",
    htd: bool = True,
) -> Path:
    """Write a plate as MetaXpress exports it; `planes` 0: no ZStep folders."""
    for well in wells:
        for site in sites:
            for wave in waves:
                for step in range(1, planes + 1) if planes else [0]:
                    folder = root / under / (f"ZStep_{step}" if planes else "")
                    write_image(folder / f"P_{well}_s{site}_w{wave}.TIF")
    if htd:
        (root / "P.HTD").write_text(htd_text(wells, sites, waves, planes), newline="\r\n")
    return root


def htd_text(wells, sites, waves, planes, *, rows=8, columns=12) -> str:
    taken = {parse_well(well) for well in wells}
    lines = ['"HTSInfoFile", Version 1.0', '"Description", "made"', '"TimePoints", 1']
    lines += [f'"ZSeries", {str(planes > 1).upper()}', f'"ZSteps", {planes}', '"ZProjection", TRUE']
    lines += [f'"XWells", {columns}', f'"YWells", {rows}']
    for row in range(rows):
        flags = ", ".join(str((row, column) in taken).upper() for column in range(columns))
        lines.append(f'"WellsSelection{row + 1}", {flags}')
    lines += ['"Sites", TRUE', f'"XSites", {len(sites)}', '"YSites", 1']
    lines += [f'"SiteSelection1", {", ".join(["TRUE"] * len(sites))}', '"Waves", TRUE']
    lines += [f'"NWavelengths", {len(waves)}', *(f'"WaveName{w}", "dye {w}"' for w in waves)]
    return "\n".join([*lines, '"EndFile"', ""])


def make_operetta(
    root: Path,
    *,
    wells: tuple[str, ...] = ("B02", "B03"),
    fields: int = 2,
    channels: int = 2,
    planes: int = 3,
    version: int = 5,
    index: str = "Index.idx.xml",
    write: bool = True,
) -> Path:
    """Write a plate as Harmony 5, 6 or 7 exports it."""
    images = []
    for well in wells:
        row, column = (part + 1 for part in parse_well(well))
        for field in range(1, fields + 1):
            for plane in range(1, planes + 1):
                for channel in range(1, channels + 1):
                    name = (
                        f"r{row:02d}c{column:02d}f{field:02d}p{plane:02d}-ch{channel}sk1fk1fl1.tiff"
                    )
                    images.append((name, row, column, field, plane, channel))
                    if write:
                        write_image(root / "Images" / name)
    (root / "Images").mkdir(parents=True, exist_ok=True)
    (root / "Images" / index).write_text(harmony_text(images, version), encoding="utf-8-sig")
    return root


def harmony_text(images, version: int = 5) -> str:
    space = "http://www.perkinelmer.com/PEHH/HarmonyV" + str(version)
    if version == 7:
        space = "43B2A954-E3C3-47E1-B392-6635266B0DD3/HarmonyV7"
    detail = (
        "<ChannelName>dye {0}</ChannelName><ImageSizeX>20</ImageSizeX><ImageSizeY>24</ImageSizeY>"
        '<ImageResolutionX Unit="m">5E-07</ImageResolutionX>'
    )
    channels = sorted({image[5] for image in images})
    maps = "".join(f'<Entry ChannelID="{c}">{detail.format(c)}</Entry>' for c in channels)
    parts = [
        f'<?xml version="1.0" encoding="utf-8"?><EvaluationInputData Version="1" xmlns="{space}">',
        "<User>SECRET PERSON</User><InstrumentType>Phenix</InstrumentType><Plates><Plate>",
        "<PlateID>SECRET PLATE</PlateID>",
        *(f'<Well id="{r:02d}{c:02d}" />' for r, c in sorted({(i[1], i[2]) for i in images})),
        "</Plate></Plates><Maps><Map><Entry ChannelID='1'><FlatfieldProfile>{}</FlatfieldProfile>",
        f"</Entry></Map><Map>{'' if version == 5 else maps}</Map></Maps><Images>",
    ]
    for name, row, column, field, plane, channel in images:
        parts.append(
            f"<Image Version='1'><id>x</id><State>Ok</State><URL>{name}</URL><Row>{row}</Row>"
            f"<Col>{column}</Col><FieldID>{field}</FieldID><PlaneID>{plane}</PlaneID>"
            f"<TimepointID>0</TimepointID><ChannelID>{channel}</ChannelID>"
            f"{detail.format(channel) if version == 5 else ''}</Image>"
        )
    return "\n".join([*parts, "</Images></EvaluationInputData>"])


def admit(
    folder: Path, out: Path, instrument: Instrument | None = None, *, full: bool = True, **settings
) -> Admission:
    """Scan and admit a plate at once."""
    instrument = instrument or get_instrument("imagexpress")
    settings = SETTINGS | settings
    scan_plate("p", folder, instrument, out, full=full, settle_minutes=settings["settle_minutes"])
    return admit_plate(out / "fingerprint.tsv", folder, instrument, settings)


def codes(admission: Admission, level: str | None = None) -> list[str]:
    return [r.code for r in admission.reasons if level is None or r.level == level]


def classic_tiff(
    tags: list[tuple[int, int, int, int]], *, data: bytes = b"", next_ifd: int = 0, order: str = "<"
) -> bytes:
    """A classic TIFF with one directory at byte 8, raw entries (tag, type, count, value), then `data`."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8)
    body = struct.pack(order + "H", len(tags))
    for tag, kind, count, value in tags:
        layout = "HHIHH" if kind == 3 else "HHII"
        body += struct.pack(order + layout, tag, kind, count, value, *([0] if kind == 3 else []))
    return head + body + struct.pack(order + "I", next_ifd) + data
