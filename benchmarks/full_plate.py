"""A plate of the published size through the workflow's admission and projection: time, memory, bytes.

    python benchmarks/full_plate.py [--wells 308] [--planes 30] [--side 2048] [--out benchmarks/full_plate.tsv]

Wells of a 384-well plate without its border, from B02 on, as an ImageXpress writes them, uncompressed. 308 wells × 30 × 2048² are 77.5 GB: the disk
says how many wells there are room for. The files are written first and leave the page cache as far as memory is smaller
than they are; a plain read of the first wells, one file after the other, stands beside.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / name) for name in ("scripts", "tests", "tests/cluster")]

from tiny_screen import write  # noqa: E402

from exvivo.files import write_text  # noqa: E402
from plates_made import htd_text, write_image  # noqa: E402

COLUMNS = ("step", "wells", "gigabytes", "seconds", "mb_per_second", "peak_mb", "files_written")
PLATE = "FULL01_P1"
NAMES = [f"{row}{column:02d}" for row in "BCDEFGHIJKLMNO" for column in range(2, 24)]
DIFFERENT = 7  # images drawn; each file holds one of them


def make_plate(folder: Path, wells: int, planes: int, side: int) -> int:
    """Raw plate, sheets, layout and configuration; bytes of the raw files."""
    generator = np.random.default_rng(0)
    images = [
        generator.integers(200, 4000, (side, side), dtype=np.uint16) for _ in range(DIFFERENT)
    ]
    root, names = folder / "raw" / PLATE, NAMES[:wells]
    total = 0
    for number, well in enumerate(names):
        for plane in range(planes):
            path = root / "TimePoint_1" / f"ZStep_{plane + 1}" / f"P_{well}_w1.TIF"
            write_image(path, images[(number + plane) % DIFFERENT])
            total += path.stat().st_size
    text = htd_text(names, (1,), (1,), planes, rows=16, columns=24)
    text = text.replace('"Sites", TRUE', '"Sites", FALSE')
    (root / "P.HTD").write_text(text, newline="\r\n")
    kinds = [
        ("negative_control", "DMSO", ""),
        ("positive_control", "STS", 250),
        ("treatment", "Drug-A", 100),
    ]
    rows = ["row\tcolumn\trole\ttreatment\tconcentration_nM"]
    for number, well in enumerate(names):
        role, treatment, dose = kinds[min(number % 12, 2)]
        rows.append(f"{well[0]}\t{int(well[1:])}\t{role}\t{treatment}\t{dose}")
    write(folder / "config/layout.tsv", *rows)
    write(folder / "config/plates.tsv", "plate\tscreen\tpath\tinstrument\tlayout",
          f"{PLATE}\tFULL01\t{PLATE}\timagexpress\tconfig/layout.tsv")  # fmt: skip
    write(folder / "config/screens.tsv", "screen\tkind\tsample\tnetwork\treadouts\ttraining_screen",
          "FULL01\tdrug\tPT-FULL01\t\tmean_of_stack\t")  # fmt: skip
    write(folder / "config/config.yaml", "data_root: raw", "admission: {settle_minutes: 0}")
    return total


def run(folder: Path) -> None:
    """Admission and projection as the workflow runs them."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--directory", str(folder), "--profile", str(REPOSITORY / "profiles/default")]
    command += [
        "--cores",
        str(len(os.sched_getaffinity(0))),
        f"results/plates/{PLATE}/wells.done.json",
    ]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])


def plain_read(folder: Path, files: int) -> tuple[int, float]:
    """Bytes and seconds of reading the first files one after the other."""
    total, begin = 0, time.perf_counter()
    for path in sorted((folder / "raw").rglob("*.TIF"))[:files]:
        with path.open("rb", buffering=0) as handle:
            while block := handle.read(2**22):
                total += len(block)
    return total, time.perf_counter() - begin


def measure(folder: Path, wells: int, planes: int, side: int) -> list[dict[str, str]]:
    """Rows of the table."""
    size = make_plate(folder, wells, planes, side)
    os.sync()
    read, seconds = plain_read(folder, 10 * planes)
    rows = [row("plain read of the first files", 10, read, seconds)]
    run(folder)
    for rule in ("admit_plate", "project_plate"):
        with (folder / f"results/benchmarks/plates/{PLATE}/{rule}.tsv").open(newline="") as handle:
            (found,) = csv.DictReader(handle, delimiter="\t")
        rows.append(row(rule, wells, size, float(found["s"]), found["max_rss"]))
    written = sum(path.is_file() for path in (folder / "results").rglob("*"))
    rows[1]["mb_per_second"] = ""  # admission reads headers, sizes and times, not pixels
    rows[-1]["files_written"] = str(written)
    return rows


def row(step: str, wells: int, size: int, seconds: float, peak: str = "") -> dict[str, str]:
    """One row; `size` in bytes."""
    values = (
        step,
        wells,
        f"{size / 1e9:.1f}",
        f"{seconds:.1f}",
        f"{size / 1e6 / seconds:.0f}",
        peak,
        "",
    )
    return dict(zip(COLUMNS, map(str, values), strict=True))


def main() -> None:
    """Measure, write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wells", type=int, default=len(NAMES))
    parser.add_argument("--planes", type=int, default=30)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "full_plate.tsv")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        rows = measure(Path(name), options.wells, options.planes, options.side)
    lines = ["\t".join(COLUMNS)] + ["\t".join(row[name] for name in COLUMNS) for row in rows]
    write_text(options.out, "\n".join(lines) + "\n")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
