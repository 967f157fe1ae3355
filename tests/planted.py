"""A small facility with persons' names wherever an instrument or a person may write one, and a search for them."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import tifffile
import xlsxwriter
from tiny_screen import spot

from plates_made import htd_text

# Every planted text has one of these in it, and nothing else in a run has.
SECRETS = (
    "Zapfendorf",
    "Quirin",
    "Oberhuber",
    "Annika",
    "23.07.1951",
    "19510723",
    "KH7654321",
    "qzapf",
    "Hollerbusch",
)
NAMES = "Hollerbusch\nZapfendorf\n"
DOSES = (1, 10, 100, 1000, 10000)
CONFIG = """\
data_root: {root}
imaging: {{input_size: 64}}
admission: {{settle_minutes: 0}}
training: {{device: cpu}}
quality: {{robust_z_prime: {{good: 0.5, bad: -9, gate: true}}}}
exports: [itrex, breeze, profiles]
privacy: {{policy: {policy}, patterns: ['\\bKH[0-9]{{7}}\\b'], names: ../secret/names.txt, key_file: ../secret/key}}
"""
# screen: what names a person there, and the verdict without and with pseudonyms
SCREENS = {
    "S01": ("only the raw data", "pass", "pass"),
    "S02": ("file names", "hold", "pass"),
    "S03": ("the folder in plates.tsv", "hold", "pass"),
    "S04": ("a cell of the layout", "hold", "hold"),
    "S05": ("the instrument's name for a channel", "hold", "pass"),
    "S06": ("the name of a reader's file", "hold", "pass"),
    "S07": ("the head of a reader's file", "pass", "pass"),
}
PATHS = {
    "S03": "Oberhuber_Annika_19510723/S03_P1",
    "S06": "reader/Zapfendorf Quirin.txt",
    "S07": "reader/S07.txt",
}


def make_facility(work: Path, policy: str = "refuse") -> Path:
    """Write raw plates, sheets, layouts and configuration; return the raw data's folder, whose path holds a user."""
    root = work.parent / "home" / "qzapf" / "raw"
    secret = work.parent / "secret"
    secret.mkdir(parents=True, exist_ok=True)
    (secret / "names.txt").write_text(NAMES)
    (secret / "key").write_bytes(b"an adequate secret of some length")
    (secret / "key").chmod(0o600)
    for screen in SCREENS:
        path = root / PATHS.get(screen, f"{screen}_P1")
        (write_reader if screen in ("S06", "S07") else write_plate)(path, screen)
    write_layouts(work / "config" / "layouts")
    write_sheets(work / "config")
    (work / "config" / "config.yaml").write_text(CONFIG.format(root=root, policy=policy))
    return root


def write_sheets(config: Path) -> None:
    plates = ["plate\tscreen\tpath\tinstrument\tlayout"]
    screens = ["screen\tkind\treadouts"]
    for screen in SCREENS:
        reader = screen in ("S06", "S07")
        path = PATHS.get(screen, f"{screen}_P1")
        layout = f"layouts/{'S04.tsv' if screen == 'S04' else 'all.xlsx'}"
        plates.append(
            f"{screen}_P1\t{screen}\t{path}\t{'reader' if reader else 'imagexpress'}\t{layout}"
        )
        screens.append(f"{screen}\tdrug\t{'metabolic' if reader else 'mean_of_stack'}")
    (config / "plates.tsv").write_text("\n".join(plates) + "\n# kept by Annika Oberhuber\n")
    (config / "screens.tsv").write_text("\n".join(screens) + "\n")


def wells() -> list[tuple[str, str, str, float | str, float]]:
    """Well, role, treatment, nM, viability."""
    rows = [(f"B{c:02d}", "negative_control", "DMSO", "", 1.0) for c in range(2, 7)]
    rows += [(f"C{c:02d}", "positive_control", "Staurosporine", 250, 0.0) for c in range(2, 7)]
    for row, (drug, mid) in zip("DE", (("Dacarbazine", 3), ("Vincristine", 1)), strict=True):
        for i, dose in enumerate(DOSES):
            for k in (0, 1):
                rows.append(
                    (
                        f"{row}{2 + 2 * i + k:02d}",
                        "treatment",
                        drug,
                        dose,
                        1 / (1 + 4.0 ** (i - mid)),
                    )
                )
    return rows


def write_layouts(folder: Path) -> None:
    """all.xlsx has a person in its properties only, S04.tsv in a cell that nobody reads."""
    folder.mkdir(parents=True, exist_ok=True)
    header = ["row", "column", "role", "treatment", "concentration_nM", "remark"]
    table = [[w[0], int(w[1:]), role, drug, dose, ""] for w, role, drug, dose, _ in wells()]
    book = xlsxwriter.Workbook(folder / "all.xlsx")
    book.set_properties({"author": "Annika Oberhuber", "comments": "geb. 23.07.1951"})
    sheet = book.add_worksheet()
    for number, row in enumerate([header, *table]):
        sheet.write_row(number, 0, row)
    book.close()
    table[3][5] = "patient Oberhuber, Annika"
    (folder / "S04.tsv").write_text("\n".join("\t".join(map(str, row)) for row in [header, *table]))


def write_plate(folder: Path, screen: str) -> None:
    """An ImageXpress plate of two planes whose tags, HTD and stray documents name people."""
    prefix = "Oberhuber_Annika_23.07.1951" if screen == "S02" else "P"
    for well, *_, viability in wells():
        for step in (1, 2):
            path = folder / f"ZStep_{step}" / f"{prefix}_{well}_w1.TIF"
            path.parent.mkdir(parents=True, exist_ok=True)
            pixels = spot(f"{well} {step}", viability)
            extra = [
                (315, "s", 0, "Quirin Zapfendorf", True),
                (316, "s", 0, "PC-of-qzapf", True),
                (33432, "s", 0, "Dr. Hollerbusch", True),
                (65000, "s", 0, "KH7654321", True),
            ]
            about = '<OME><Experimenter UserName="qzapf"/><Description>Annika Oberhuber, geb. 23.07.1951</Description></OME>'
            tifffile.imwrite(path, pixels, description=about, extratags=extra, metadata=None)
    names = [well for well, *_ in wells()]
    text = htd_text(names, (1,), (1,), 2).replace('"Sites", TRUE', '"Sites", FALSE')
    text = text.replace('"Description", "', '"Description", "Operator: qzapf Patient KH7654321 ', 1)
    wave = "Zapfendorf blue" if screen == "S05" else "DAPI"
    text = text.replace("dye 1", wave)
    (folder / "P.HTD").write_text(text, newline="\r\n")
    (folder / "Index.xml").write_text("<Data><User>Quirin Zapfendorf</User></Data>")


def write_reader(file: Path, screen: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((8, 12), int)
    for well, *_, viability in wells():
        values["ABCDEFGH".index(well[0]), int(well[1:]) - 1] = (
            10 + 1000 * viability + 5 * (int(well[1:]) % 3)
        )
    lines = (
        ["User: Quirin Zapfendorf", "Sample: Annika Oberhuber 23.07.1951", ""]
        if screen == "S07"
        else []
    )
    lines += ["\t" + "\t".join(map(str, range(1, 13)))]
    lines += [
        "\t".join([letter, *map(str, row)]) for letter, row in zip("ABCDEFGH", values, strict=True)
    ]
    file.write_text("\n".join(lines) + "\n")


def leaks(*folders: Path, texts: tuple[str, ...] = ()) -> list[str]:
    """Every place below `folders`, names included, and in `texts`, that holds a planted text."""
    found = [
        f"text {i}: {s}"
        for i, text in enumerate(texts)
        for s in SECRETS
        if s.casefold() in text.casefold()
    ]
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            content = str(path.relative_to(folder)).encode()
            if path.is_file() and not path.is_symlink():
                content += b"\n" + _content(path)
            folded = content.lower()
            found += [
                f"{path.relative_to(folder)}: {s}" for s in SECRETS if s.lower().encode() in folded
            ]
    return found


def _content(path: Path) -> bytes:
    """All bytes of a file, and what is packed in it."""
    data = path.read_bytes()
    if path.suffix == ".parquet":
        data += pd.read_parquet(path).to_csv().encode()
    if zipfile.is_zipfile(io.BytesIO(data)):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data += b"".join(archive.read(name) for name in archive.namelist())
    return data
