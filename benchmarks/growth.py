"""What a facility costs as it grows: time, memory, files and jobs of more and more tiny plates, run whole.

    python benchmarks/growth.py [--plates 1 10 100] [--out benchmarks/growth.tsv]

Screens of up to four plates of 13 wells (64² pixels, 2 planes), readout `mean_of_stack`, go from raw plates to
reports on this machine's cores; then the same is asked for again, which has nothing to do. With dag.tsv, which plans
up to 1,000 plates of screens with networks, it makes docs/growth.svg. The growth counts, not the seconds.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / name) for name in ("scripts", "tests", "tests/cluster")]

from tiny_screen import layout, write, write_plate  # noqa: E402

from exvivo.files import write_text  # noqa: E402
from night_facility import wells  # noqa: E402

PER_SCREEN = 4
CONFIG = """\
data_root: raw
imaging: {input_size: 64}
admission: {settle_minutes: 0}
training: {allow_cpu: true}
"""
COLUMNS = (
    "plates", "screens", "jobs", "seconds", "again_s", "memory_mb", "files", "files_mb", "seconds_per_plate",
)  # fmt: skip


def make_facility(folder: Path, plates: int) -> int:
    """Raw plates, sheets, layouts and configuration; the number of screens."""
    names = [(f"S{i // PER_SCREEN + 1:04d}", f"P{i % PER_SCREEN + 1}") for i in range(plates)]
    lines = [line for line in layout(wells()).splitlines() if line]
    numbers = [f"P{number + 1}" for number in range(PER_SCREEN)]
    rows = [f"{number}\t{line}" for number in numbers for line in lines[1:]]
    write(folder / "config/layout.tsv", "plate\t" + lines[0], *rows)
    sheet = ["plate\tscreen\tpath\tinstrument\tlayout\tlayout_plate"]
    for screen, number in names:
        plate = f"{screen}_{number}"
        write_plate(folder / "raw" / plate, plate, wells())
        sheet.append(f"{plate}\t{screen}\t{plate}\timagexpress\tconfig/layout.tsv\t{number}")
    write(folder / "config/plates.tsv", *sheet)
    screens = list(dict.fromkeys(screen for screen, _ in names))
    rows = [f"{screen}\tdrug\tPT-{screen}\t\tmean_of_stack\t" for screen in screens]
    write(
        folder / "config/screens.tsv",
        "screen\tkind\tsample\tnetwork\treadouts\ttraining_screen",
        *rows,
    )
    write(folder / "config/config.yaml", CONFIG)
    return len(screens)


def run(folder: Path) -> tuple[float, float, int]:
    """Run the workflow: seconds, peak megabytes of the largest process, jobs finished."""
    command = ["/usr/bin/time", "-f", "peak %M", sys.executable, "-m", "snakemake"]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(folder)]
    command += ["--profile", str(REPOSITORY / "profiles/default"), "--cores", str(_cores())]
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - begin
    if done.returncode:
        sys.exit(done.stdout[-3000:] + done.stderr[-3000:])
    jobs = re.findall(r"(\d+) of \d+ steps", done.stdout + done.stderr)
    peak = re.search(r"^peak (\d+)$", done.stderr, re.MULTILINE)
    return seconds, int(peak.group(1)) / 1024, int(jobs[-1]) if jobs else 0


def _cores() -> int:
    return len(os.sched_getaffinity(0))


def measure(plates: int) -> dict[str, str]:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        screens = make_facility(folder, plates)
        seconds, memory, jobs = run(folder)
        again, _, _ = run(folder)
        written = [
            path
            for part in ("results", "logs")
            for path in (folder / part).rglob("*")
            if path.is_file()
        ]
        size = sum(path.stat().st_size for path in written) / 1e6
    values = (
        plates, screens, jobs, f"{seconds:.0f}", f"{again:.1f}", f"{memory:.0f}", len(written), f"{size:.1f}",
        f"{seconds / plates:.1f}",
    )  # fmt: skip
    return dict(zip(COLUMNS, map(str, values), strict=True))


def draw(found: list[dict[str, str]], planned: list[dict[str, str]], path: Path) -> None:
    """Four panels on logarithmic axes; a grey line of slope one for each."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    panels = (
        ("seconds", found, ("seconds", "again_s"), ("run", "run again, nothing to do")),
        ("seconds to plan", planned, ("cold_s", "warm_s"), ("first time", "again")),
        ("megabytes of the main process", found, ("memory_mb",), ("run",)),
        ("jobs and files", found, ("jobs", "files"), ("jobs", "files")),
    )
    figure, axes = plt.subplots(1, 4, figsize=(12, 3), layout="constrained")
    for axis, (title, rows, columns, names) in zip(axes, panels, strict=True):
        x = [int(row["plates"]) for row in rows]
        for column, name in zip(columns, names, strict=True):
            axis.loglog(x, [float(row[column]) for row in rows], "o-", label=name)
        first = float(rows[0][columns[0]])
        axis.loglog(x, [first * n / x[0] for n in x], ":", color="0.6", label="linear")
        axis.set_title(title, fontsize=9)
        axis.set_xlabel("plates")
        axis.legend(fontsize=7)
    plt.rcParams["svg.hashsalt"] = "exvivo"
    figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Measure each size, write the table and the plot."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "growth.tsv")
    parser.add_argument("--plot", type=Path, default=REPOSITORY / "docs" / "growth.svg")
    options = parser.parse_args()
    rows = []
    for plates in options.plates:
        rows.append(measure(plates))
        print(rows[-1], flush=True)
    lines = ["\t".join(COLUMNS)] + ["\t".join(row[name] for name in COLUMNS) for row in rows]
    write_text(options.out, "\n".join(lines) + "\n")
    with (REPOSITORY / "benchmarks/dag.tsv").open(encoding="utf-8", newline="") as handle:
        draw(rows, list(csv.DictReader(handle, delimiter="\t")), options.plot)


if __name__ == "__main__":
    main()
