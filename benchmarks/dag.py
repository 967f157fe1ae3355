"""How long Snakemake takes to plan a night: plates against seconds, memory and jobs.

    python benchmarks/dag.py [--plates 10 100 1000] [--out benchmarks/dag.tsv]

Each screen has three plates of 30 tiny raw files. The first dry run of a size lists all folders (cold), the
second finds them unchanged (warm), the third prints no jobs (quiet: `snakemake -n -q all`). Absolute figures belong to the machine; the growth is what counts.
"""

from __future__ import annotations

import argparse
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
FILES = 30


def make_facility(folder: Path, plates: int) -> None:
    """Sheets, one layout and the raw folders of `plates` plates, three to a screen."""
    config = folder / "config"
    config.mkdir(parents=True)
    (config / "config.yaml").write_text("data_root: raw\nadmission: {settle_minutes: 0}\n")
    rows = ["plate\trow\tcolumn\trole\ttreatment\tconcentration"]
    for column in range(1, 13):
        rows += [
            f"1\tB\t{column}\tnegative_control\tDMSO\t",
            f"1\tC\t{column}\tpositive_control\tSTS\t250",
        ]
        rows += [f"1\tD\t{column}\ttreatment\tX\t{2**column}"]
    (config / "layout.tsv").write_text("\n".join(rows) + "\n")
    sheet = ["plate\tscreen\tpath\tinstrument\tlayout\tlayout_plate"]
    screens = ["screen\tkind\ttraining_screen\tsample\tnetwork\treadouts", "T1\ttraining\t\t\t\t"]
    names = [("T1P1", "T1")] + [(f"S{i // 3}P{i % 3}", f"S{i // 3}") for i in range(plates)]
    for plate, screen in names:
        sheet.append(f"{plate}\t{screen}\t{plate}\timagexpress\tconfig/layout.tsv\t1")
        raw = folder / "raw" / plate
        raw.mkdir(parents=True)
        for number in range(FILES):
            (raw / f"x_B{number % 12 + 1:02d}_s{number // 12 + 1}_w1.tif").write_bytes(b"II*\0")
    screens += [
        f"{screen}\tdrug\tT1\t{screen}\tvgg19\tviability_phase3,viability_phase2,mean_of_stack"
        for screen in dict.fromkeys(screen for _, screen in names[1:])
    ]
    (config / "plates.tsv").write_text("\n".join(sheet) + "\n")
    (config / "screens.tsv").write_text("\n".join(screens) + "\n")


def dry_run(folder: Path, *quiet: str) -> tuple[float, float, int]:
    """Seconds, megabytes at most, and jobs (if it prints them) of one dry run."""
    command = [sys.executable, "-m", "snakemake", "--dry-run", "--quiet", *quiet]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(folder)]
    begin = time.perf_counter()
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    seconds = time.perf_counter() - begin
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    jobs = re.search(r"^total +(\d+)$", done.stdout + done.stderr, re.M)
    return seconds, memory, int(jobs.group(1)) if jobs else 0


def main() -> None:
    """Measure each size and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", type=int, nargs="+", default=[1, 10, 100, 1000])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "dag.tsv")
    options = parser.parse_args()
    lines = ["plates\tjobs\tcold_s\twarm_s\tquiet_s\tmemory_mb"]
    for plates in options.plates:
        with tempfile.TemporaryDirectory() as folder:
            make_facility(Path(folder), plates)
            cold, _, jobs = dry_run(Path(folder), "host", "reason")
            warm, memory, _ = dry_run(Path(folder), "host", "reason")
            quiet, _, _ = dry_run(Path(folder), "all")
        lines.append(f"{plates}\t{jobs}\t{cold:.1f}\t{warm:.1f}\t{quiet:.1f}\t{memory:.0f}")
        print(lines[-1], flush=True)
    options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
