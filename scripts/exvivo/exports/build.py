"""Writing the files of an export, as a folder or as one zip.

A screen on hold is not exported: no program that reads these files would show its hold. In a zip the reason
stands in their place. A readout that is on hold by itself is left out in the same way.
"""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from exvivo.errors import ScoringError
from exvivo.exports import breeze, itrex
from exvivo.exports.names import safe_names
from exvivo.exports.profiles import profiles
from exvivo.exports.screen import Screen
from exvivo.exports.workbook import write_workbook
from exvivo.figures.curves import Panel, Point, panel
from exvivo.files import replacing, write_text
from exvivo.responses.curve import PARAMETERS

FORMATS = ("itrex", "breeze", "profiles")
HELD = "ON_HOLD.txt"
_DATE = (1980, 1, 1, 0, 0, 0)  # equal content, equal bytes


def export_screen(screen: Screen, formats: Iterable[str], out: Path | str) -> list[Path]:
    """Write the export of a screen into the folder `out`; return the files.

    Raises `ScoringError` for a screen on hold, of which nothing is written.
    """
    if screen.held:
        raise ScoringError(
            "this screen is on hold",
            expected="a screen that passed",
            found="; ".join(screen.held),
            where=f"screen {screen.name}",
            hint="mend it, or accept it by a decision; its tables in results hold what was measured",
        )
    writers = {"itrex": write_itrex, "breeze": write_breeze, "profiles": write_profiles}
    out = Path(out)
    for name in formats:
        writers[name](screen, out)
    if screen.left_out:
        write_text(out / HELD, _left_out(screen))
    return sorted(path for path in out.rglob("*") if path.is_file())


def export_file(screen: Screen, path: Path | str) -> None:
    """Write one export as the file `path`: `itrex.zip`, `breeze.zip` or `profiles.parquet`."""
    path = Path(path)
    if path.suffix == ".parquet":
        _write_parquet(screen, path)
        return
    with tempfile.TemporaryDirectory() as folder:
        if screen.held:
            write_text(Path(folder) / HELD, _held(screen))
        else:
            export_screen(screen, [path.stem], folder)
        _zip(Path(folder), path)


def write_itrex(screen: Screen, out: Path) -> None:
    """iTReX's tree of results, and the files it reads, in `input/`."""
    for readout in screen.readouts:
        name = itrex.sample_name(screen, readout)
        scores = screen.scores[screen.scores["readout"] == readout]
        data = itrex.screen_data(screen, readout)
        place, heat = out / name, out / "Heatmap_data"
        _itrex_tables(place, heat, name, scores)
        table = itrex.quality(data, name)
        write_workbook(place / f"{name}_QC.xlsx", {"QC": table})
        write_workbook(heat / "QC" / f"{name}_QC.xlsx", {"QC": table})
        _write_csv(data, place / "pre_process" / f"{name}_screenData.csv")
        _itrex_input(out / "input", name, data)
        _curves(screen, readout, place / "dose_response_curves")


def _itrex_tables(place: Path, heat: Path, name: str, scores: pd.DataFrame) -> None:
    mono = itrex.mono(scores, name)
    write_workbook(place / f"{name}_mono.xlsx", {"mono": mono})
    write_workbook(heat / "mono" / f"{name}_MRA.xlsx", {"mono": mono})
    if (scores["addon"] != "").any():
        effects = itrex.effects(scores)
        write_workbook(place / f"{name}_combo.xlsx", {"combo": itrex.combo(scores, name)})
        write_workbook(place / f"{name}_CRA.xlsx", {"CRA": effects})
        write_workbook(heat / "combo" / f"{name}_CRA.xlsx", {"CRA": effects})


def _itrex_input(folder: Path, name: str, data: pd.DataFrame) -> None:
    """Layout, layout with readouts, and one text matrix per plate."""
    layout = data[itrex.LAYOUT_COLUMNS].assign(Sample="")
    write_workbook(folder / f"{name}_layout.xlsx", {"Data": layout})
    both = data[[*itrex.LAYOUT_COLUMNS, "Readout"]]
    write_workbook(folder / f"{name}_layout_and_readouts.xlsx", {"Data": both})
    for plate, own in data.groupby("Plate"):
        write_text(folder / name / f"{name}_{plate}.txt", itrex.matrix_text(own))


def _curves(screen: Screen, readout: str, folder: Path) -> None:
    """One figure per drug, named after it as far as a file can be."""
    wells = screen.wells(readout)
    wells = wells[(wells["role"] == "treatment") & wells["viability"].notna()]
    curves = screen.curves
    curves = curves[(curves["readout"] == readout) & (curves["replicate"] == 0)]
    drugs = dict(list(wells.groupby(["treatment", "addon"])))
    files = safe_names(breeze.drug_name(*drug) for drug in drugs)
    for drug, own in drugs.items():
        name = breeze.drug_name(*drug)
        points = [
            Point(r.concentration, r.viability, int(r.replicate), bool(r.used))
            for r in own.itertuples()
        ]
        if not any(point.dose > 0 for point in points):
            continue
        curve = curves[(curves["treatment"] == drug[0]) & (curves["addon"] == drug[1])]
        fitted = curve[list(PARAMETERS)].to_numpy(dtype=float)
        parameters = fitted[0].tolist() if len(fitted) and pd.notna(fitted[0]).all() else None
        figure = panel(Panel(name, points, parameters))
        write_text(folder / f"{files[name]}.svg", figure.standalone())


def write_breeze(screen: Screen, out: Path) -> None:
    """Breeze's input in both forms and a table with the columns of its output, per readout."""
    for readout in screen.readouts:
        name = itrex.sample_name(screen, readout)
        folder = out / name
        write_workbook(folder / f"{name}_signals.xlsx", {"Data": breeze.signals(screen, readout)})
        table = breeze.inhibitions(screen, readout)
        write_workbook(folder / f"{name}_inhibition.xlsx", {"Data": table})
        table = breeze.results(screen, readout)
        write_workbook(folder / f"Original_DSS2_{name}.xlsx", {"DSS": table})


def write_profiles(screen: Screen, out: Path) -> None:
    """Profiles as `{screen}_profiles.parquet`."""
    _write_parquet(screen, out / f"{screen.name}_profiles.parquet")


def _write_parquet(screen: Screen, path: Path) -> None:
    frame = profiles(screen)
    table = pa.Table.from_pandas(frame.iloc[:0] if screen.held else frame, preserve_index=False)
    if screen.held or screen.left_out:
        told = _held(screen) if screen.held else _left_out(screen)
        table = table.replace_schema_metadata(
            {**(table.schema.metadata or {}), b"on_hold": told.encode()}
        )
    with replacing(path) as partial:
        pq.write_table(table, partial)


def _held(screen: Screen) -> str:
    return "\n".join([f"Screen {screen.name} is on hold and is not exported.", *screen.held]) + "\n"


def _left_out(screen: Screen) -> str:
    parts = [
        [f"{name} of screen {screen.name} is on hold and is not exported.", *reasons]
        for name, reasons in screen.left_out.items()
    ]
    return "\n".join(line for part in parts for line in part) + "\n"


def _write_csv(frame: pd.DataFrame, path: Path) -> None:
    """For programs: names letter by letter, all texts quoted."""
    with replacing(path) as partial:
        frame.to_csv(partial, index=False, na_rep="NA", quoting=2, lineterminator="\n")


def _zip(folder: Path, path: Path) -> None:
    with replacing(path) as partial, zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(file for file in folder.rglob("*") if file.is_file()):
            info = zipfile.ZipInfo(file.relative_to(folder).as_posix(), _DATE)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(info, file.read_bytes())
