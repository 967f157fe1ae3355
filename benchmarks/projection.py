"""Projection measured: `python benchmarks/projection.py` writes projection.tsv and projection.md beside it.

Generates a set of full-size z-stacks in a temporary folder (1.5 GB by default; removed at the end), and runs
each method on the same files in turn, several rounds, with the page cache dropped (cold) or filled (warm).
The fastest round counts, because other load only ever adds time; medians stand beside it.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

from projection_methods import (  # noqa: E402
    Methods,
    cpu_seconds,
    drop_cache,
    generate,
    plate_arguments,
    wait_for_quiet,
)

from exvivo.checksums import new_checksum  # noqa: E402
from exvivo.files import read_buffer, write_text  # noqa: E402

RATIOS = (
    ("raw_read", "of raw read", "{:.0%}"),
    ("plain_max_of_stack", "× max of stack", "{:.1f}"),
    ("plain_max_of_list", "× max of list", "{:.1f}"),
    ("plain_equal_work", "× equal work", "{:.1f}"),
)


@dataclass
class Row:
    """One measured method; `seconds` of each round."""

    section: str
    method: str
    megabytes: float
    seconds: list[float]
    cores: float = float("nan")

    @property
    def best(self) -> float:
        """Megabytes of raw files per second in the fastest round."""
        return self.megabytes / min(self.seconds)

    @property
    def median(self) -> float:
        """Megabytes of raw files per second in the median round."""
        return self.megabytes / statistics.median(self.seconds)


def measure(
    section: str,
    methods: Methods,
    names: list[str],
    rounds: int,
    *,
    cold: bool = False,
    patience: float = 0.0,
) -> list[Row]:
    """Run the methods in turn, `rounds` times, each on a dropped or a filled page cache."""
    rows = {name: Row(section, name, methods.megabytes, []) for name in names}
    cores: dict[str, list[float]] = {name: [] for name in names}
    for _ in range(rounds):
        for name in names:
            wait_for_quiet(patience)
            drop_cache(methods.flat) if cold else methods.raw_read()
            used = cpu_seconds()
            start = time.perf_counter()
            getattr(methods, name)()
            rows[name].seconds.append(time.perf_counter() - start)
            cores[name].append((cpu_seconds() - used) / rows[name].seconds[-1])
    for name, row in rows.items():
        row.cores = cores[name][int(np.argmin(row.seconds))]
        print(f"{section:24} {name:20} {row.best:8.0f} MB/s (median {row.median:.0f})", flush=True)
    return list(rows.values())


def measure_hashes(rounds: int = 5) -> list[Row]:
    """Checksums of 64 MB in memory."""
    content, rows = os.urandom(1 << 26), []
    for algorithm in ("crc32-adler32", "sha256"):
        seconds = []
        for _ in range(rounds):
            start, checksum = time.perf_counter(), new_checksum(algorithm)
            for place in range(0, len(content), 1 << 21):
                checksum.update(memoryview(content)[place : place + (1 << 21)])
            checksum.hexdigest()
            seconds.append(time.perf_counter() - start)
        rows.append(Row("checksum, one core", algorithm, len(content) / 1e6, seconds, 1.0))
    return rows


def measure_targets(path: Path, rounds: int = 8) -> list[Row]:
    """Reading a file from the page cache into memory that starts with a page, or a little later in it."""
    memory, rows = read_buffer((2 << 20) + 4096), []
    with path.open("rb", buffering=0) as handle:
        for offset in (0, 16, 64):
            target, seconds = memory[offset : offset + (2 << 20)], []
            for _ in range(rounds):
                handle.seek(0)
                start = time.perf_counter()
                while handle.readinto(target):
                    pass
                seconds.append(time.perf_counter() - start)
            name = f"target starts {offset} bytes into its page"
            rows.append(Row("read, one core, warm", name, path.stat().st_size / 1e6, seconds, 1.0))
    return rows


def measure_codecs(rounds: int = 3) -> list[Row]:
    """Ways to compress a channel of images.zarr, on the real plates if they are at hand; with the ratio."""
    from numcodecs import Blosc, Zstd, blosc

    default = HERE.parents[1] / "shared" / "data"
    plates = Path(os.environ.get("EXVIVO_DATA", default)) / "plates"
    blosc.set_nthreads(1)
    codecs = {
        "blosc lz4 bitshuffle": Blosc("lz4", 1, Blosc.BITSHUFFLE),
        "blosc zstd bitshuffle": Blosc("zstd", 1, Blosc.BITSHUFFLE),
        "zstd": Zstd(1),
    }
    rows = []
    for name in ("imagexpress_bbbc022_names", "metaxpress_multisite", "operetta_cls"):
        paths = [
            p
            for p in plates.rglob("*")
            if name in p.parts and p.suffix.lower() in (".tif", ".tiff")
        ]
        if not paths:
            continue
        content = np.concatenate([tifffile.imread(path).ravel() for path in sorted(paths)])
        content = np.tile(content, -(-(1 << 23) // content.nbytes))
        for codec_name, codec in codecs.items():
            seconds = []
            for _ in range(rounds):
                start = time.perf_counter()
                size = len(codec.encode(content))
                seconds.append(time.perf_counter() - start)
            label = f"{codec_name}, {content.nbytes / size:.2f} times smaller"
            rows.append(Row(f"codec, one core, {name}", label, content.nbytes / 1e6, seconds, 1.0))
    return rows


def run_plate(methods: Methods) -> tuple[float, float, int]:
    """Run project_plate in a process of its own: seconds, peak memory in MB, files and folders written."""
    code = (
        "import json, pathlib, sys; sys.path.insert(0, sys.argv[1])\n"
        "from exvivo.projection import project_plate\n"
        "project_plate(**json.loads(sys.argv[2]))\n"
        # Not ru_maxrss: a child inherits its parent's.
        "print(pathlib.Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    with tempfile.TemporaryDirectory(dir=methods.folder.parent) as out:
        arguments = plate_arguments(methods.folder, methods.stacks, Path(out), methods.threads)
        text = json.dumps(arguments, default=str)
        command = [sys.executable, "-c", code, str(HERE.parent / "scripts"), text]
        start = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - start
        return seconds, int(done.stdout) * 1024 / 1e6, sum(1 for _ in Path(out).rglob("*"))


def measure_growth(plain: Methods, largest: int, planes: int, side: int) -> list[Row]:
    """A plate of more and more wells, each run cold and in a process of its own."""
    folder = plain.folder.parent / "growth"
    stacks, rows, count = generate(folder, largest, planes, side), [], largest
    while count:
        part = Methods(folder, stacks[:count], plain.threads)
        drop_cache(part.flat)
        seconds, peak, files = run_plate(part)
        label = f"{count} wells: peak {peak:.0f} MB, {files} files and folders"
        rows.insert(0, Row("growth, cold, start-up included", label, part.megabytes, [seconds]))
        count //= 4
    return rows


def write_tables(rows: list[Row], notes: list[str], out: Path) -> None:
    """Write projection.tsv, all rounds in it, and projection.md."""
    lines = ["section\tmethod\traw_mb\tbest_mb_per_s\tmedian_mb_per_s\tcores_used\tseconds"]
    for row in rows:
        seconds = " ".join(f"{value:.3f}" for value in row.seconds)
        lines.append(
            f"{row.section}\t{row.method}\t{row.megabytes:.1f}\t{row.best:.0f}\t{row.median:.0f}"
            f"\t{row.cores:.2f}\t{seconds}"
        )
    write_text(out / "projection.tsv", "\n".join(lines) + "\n")
    text = ["# Projection, measured", "", *(f"- {note}" for note in notes)]
    for section in dict.fromkeys(row.section for row in rows):
        text += ["", f"## {section}", "", *section_table([r for r in rows if r.section == section])]
    write_text(out / "projection.md", "\n".join(text) + "\n")


def goals(rows: list[Row]) -> list[str]:
    """What was asked of projection, and what was reached in the fastest rounds."""
    best = {
        (row.section.split(", ")[-1], row.method): row.best
        for row in rows
        if "uncomp" in row.section
    }
    cold = best["cold", "ours"] / best["cold", "raw_read"]
    stack, each = (
        best["warm", "ours"] / best["warm", f"plain_max_of_{n}"] for n in ("stack", "list")
    )
    return [
        f"goal: cold, at least 80 % of a raw read in sequence; reached: {cold:.0%}",
        "goal: warm, at least 3 times numpy.max(tifffile.imread(...)); reached: "
        f"{each:.1f} times with a file per call, {stack:.1f} times with a stack per call",
    ]


def section_table(rows: list[Row]) -> list[str]:
    """Markdown table of one section, with ratios to the reference methods that it has."""
    reference = {row.method: row.best for row in rows}
    ratios = [(name, head, form) for name, head, form in RATIOS if name in reference]
    heads = [
        "method",
        "s (fastest round)",
        "MB/s",
        "median MB/s",
        "cores used",
        *(r[1] for r in ratios),
    ]
    table = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [row.method, f"{min(row.seconds):.2f}", f"{row.best:.0f}", f"{row.median:.0f}"]
        cells.append("" if math.isnan(row.cores) else f"{row.cores:.1f}")
        cells += [form.format(row.best / reference[name]) for name, _, form in ratios]
        table.append("| " + " | ".join(cells) + " |")
    return table


def main() -> None:
    """Measure and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--wells", type=int, default=6)
    parser.add_argument("--planes", type=int, default=30)
    parser.add_argument("--side", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--patience", type=float, default=0, help="seconds to wait for idle cores")
    parser.add_argument(
        "--growth", type=int, default=0, help="wells of the largest plate of a series"
    )
    parser.add_argument(
        "--folder", help="where to put the made-up plate (default: the temporary folder)"
    )
    parser.add_argument("--out", type=Path, default=HERE)
    asked = parser.parse_args()
    names = ["raw_read", "plain_max_of_stack", "plain_max_of_list", "plain_equal_work"]
    try:
        import dask_image.imread  # noqa: F401

        names.append("dask_image")
        dask = "dask-image measured"
    except ImportError:
        dask = "dask-image: not installed here, not measured"
    names += ["ours_one_thread", "ours", "ours_with_stores"]
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="exvivo-projection-", dir=asked.folder) as temporary:
        folder = Path(temporary)
        stacks = generate(folder / "plain", asked.wells, asked.planes, asked.side)
        plain = Methods(folder / "plain", stacks, asked.threads)
        dropped = drop_cache(plain.flat)
        rows = []
        for state in ("cold", "warm"):
            title = f"uncompressed, {state}"
            cold = state == "cold"
            rows += measure(title, plain, names, asked.rounds, cold=cold, patience=asked.patience)
        _, peak, _ = run_plate(plain)
        if asked.growth:
            rows += measure_growth(plain, asked.growth, asked.planes, asked.side)
        rows += measure_targets(plain.flat[0])
        for name in ("lzw", "zlib"):
            stacks = generate(folder / name, 4, 6, asked.side, compression=name, predictor=True)
            packed = Methods(folder / name, stacks, asked.threads)
            chosen = [n for n in names if n not in ("plain_equal_work", "ours_with_stores")]
            title = f"{name} with predictor, warm"
            rows += measure(title, packed, chosen, asked.rounds, patience=asked.patience)
    rows += measure_hashes() + measure_codecs()
    notes = [
        *goals(rows),
        f"{asked.wells} wells × {asked.planes} planes of {asked.side}², uint16, {plain.megabytes:.0f} MB; "
        f"LZW and deflate 4 × 6 planes; {asked.threads} threads on {len(os.sched_getaffinity(0))} cores",
        f"MB are those of the raw files; {asked.rounds} rounds; cold: {dropped}",
        f"peak memory of project_plate: {peak:.0f} MB",
        f"{dask}; numpy {np.__version__}, tifffile {tifffile.__version__}, Python {platform.python_version()}",
        f"load of the machine before: {load:.1f}, after: {os.getloadavg()[0]:.1f}",
        *(f"`{name}`: {getattr(Methods, name).__doc__}" for name in names),
    ]
    write_tables(rows, notes, asked.out)
    print("\n".join(notes))


if __name__ == "__main__":
    main()
