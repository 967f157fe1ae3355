"""A training plate and a screen small enough to go through the whole workflow on a test cluster.

Round spots on noise: the more alive, the wider and the dimmer. What comes out is of no interest, only that it
is the same wherever it is computed.
"""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np

from plates_made import htd_text, write_image

SIDE, PLANES = 64, 2
DOSES_NM = (1, 10, 100, 1000, 10000)
# viability at each dose
DRUGS = {"Drug-A": (1, 1, 0.8, 0.3, 0), "Drug-B": (1, 1, 1, 1, 0.9), "Drug-C": (1, 0.7, 0.4, 0, 0)}
CONFIG = """\
data_root: raw
imaging: {input_size: 64}
admission: {settle_minutes: 0}
training:
  allow_cpu: true
  recipes:
    small: {phase1: {epochs: EPOCHS}, phase2: {epochs: EPOCHS}, phase3: {epochs: 2}}
"""
SCREENS = """\
screen\tkind\ttraining_screen\tsample\tnetwork\treadouts
T01\ttraining\t\tLINE-01\t\t
T02\ttraining\t\tLINE-02\t\t
S01\tdrug\tT01\tPT-0001\tsmall\tviability_phase3,mean_of_stack
"""
Well = tuple[str, str, str, int | str, float]  # well, role, treatment, nM, viability


def make_tiny_screen(folder: Path, *, epochs: int = 3) -> Path:
    """Write raw plates, sheets, layouts and a configuration into `folder`; the same each time."""
    plates = {"T01_P1": training_wells(), "T02_P1": training_wells(), "S01_P1": screen_wells()}
    for plate, wells in plates.items():
        write_plate(folder / "raw" / plate, plate.replace("T02", "T01"), wells)  # equal images
        write(folder / f"config/layouts/{plate}.tsv", layout(wells))
    rows = [f"{p}\t{p[:3]}\t{p}\timagexpress\tconfig/layouts/{p}.tsv" for p in plates]
    write(folder / "config/plates.tsv", "plate\tscreen\tpath\tinstrument\tlayout", *rows)
    write(folder / "config/screens.tsv", SCREENS)
    write(folder / "config/config.yaml", CONFIG.replace("EPOCHS", str(epochs)))
    return folder


def training_wells() -> list[Well]:
    """Controls of a cell line."""
    return controls("B", 6) + controls("C", 6)


def screen_wells() -> list[Well]:
    """Controls of a sample, and three drugs at five doses in two replicates."""
    wells = controls("B", 4)
    for drug, (row, viabilities) in zip(
        DRUGS, zip("CDE", DRUGS.values(), strict=True), strict=True
    ):
        for dose, viability in enumerate(viabilities):
            for replicate in (0, 1):
                well = f"{row}{2 + 2 * dose + replicate:02d}"
                wells.append((well, "treatment", drug, DOSES_NM[dose], viability))
    return wells


def controls(row: str, each: int) -> list[Well]:
    """`each` negative controls and as many positive ones in turn along a row, from column 2."""
    kinds = [("negative_control", "DMSO", "", 1), ("positive_control", "STS", 250, 0)] * each
    return [(f"{row}{column:02d}", *kind) for column, kind in enumerate(kinds[:10], start=2)]


def write_plate(root: Path, plate: str, wells: list[Well]) -> None:
    """Write a plate as an ImageXpress does: one site, one wave, a short stack."""
    for well, *_, viability in wells:
        for plane in range(PLANES):
            path = root / "TimePoint_1" / f"ZStep_{plane + 1}" / f"P_{well}_w1.TIF"
            write_image(path, spot(f"{plate} {well} {plane}", viability))
    names = [well for well, *_ in wells]
    text = htd_text(names, (1,), (1,), PLANES).replace('"Sites", TRUE', '"Sites", FALSE')
    (root / "P.HTD").write_text(text, newline="\r\n")


def spot(name: str, viability: float) -> np.ndarray:
    """uint16 (SIDE, SIDE): wide and dim if alive, small and bright if dead."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 + rng.normal(0, 2, (2, 1, 1))
    width = 6 + 8 * viability
    light = (4000 - 2500 * viability) * np.exp(-(x**2 + y**2) / (2 * width**2))
    return (300 + light + rng.normal(0, 60, light.shape)).clip(0, 65535).astype("uint16")


def layout(wells: list[Well]) -> str:
    """A long layout."""
    rows = [
        f"{well[0]}\t{int(well[1:])}\t{role}\t{treatment}\t{nanomolar}"
        for well, role, treatment, nanomolar, _ in wells
    ]
    return "\n".join(["row\tcolumn\trole\ttreatment\tconcentration_nM", *rows])


def write(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
