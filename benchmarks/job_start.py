"""What a job spends before its own work: Snakemake, the rules, the sheets.

    python benchmarks/job_start.py [--plates 10 1000] [--out benchmarks/job_start.tsv]

Runs one small job (admit_plate of a plate of 30 empty files) as Snakemake runs it inside a Slurm job, with sheets
of that many plates, and counts seconds of CPU of the process and its script; the least of several runs, since
other load only adds. A Slurm job starts Snakemake twice, so `start_s` counts twice in it. The table in git was
made on a machine under load: what it shows is that the number of plates does not matter, and what share is
Snakemake's own.

    snakemake_s  `import snakemake.cli` alone, plugins included
    job_s        the whole process, the script's own work included
    script_s     the script alone: interpreter, imports, work
    start_s      job_s without script_s: what one start costs
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from dag import make_facility

REPOSITORY = Path(__file__).resolve().parents[1]
JOB = ("--target-jobs", "admit_plate:plate=S0P0", "--allowed-rules", "admit_plate")
INSIDE = (
    *("--cores", "all", "--attempt", "1", "--force-use-threads", "--force", "--nolock"),
    *("--target-files-omit-workdir-adjustment", "--max-inventory-time", "0", "--retries", "0"),
    *("--no-hooks", "--ignore-incomplete", "--latency-wait", "5", "--mode", "remote"),
)
SCRIPT = """
import runpy, sys, types
sys.path.insert(0, sys.argv[1])
runpy.run_path(sys.argv[1] + "/admit_plate.py", run_name="imported")
"""


def cpu_seconds(*command: str, runs: int = 5) -> float:
    """Least CPU time of a command and its children."""
    found = []
    for _ in range(runs):
        before = os.times()
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stdout + done.stderr)
        after = os.times()
        found.append(sum(after[2:4]) - sum(before[2:4]))
    return min(found)


def main() -> None:
    """Measure each number of plates and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "job_start.tsv")
    options = parser.parse_args()
    python, lines = sys.executable, ["plates\tsnakemake_s\tjob_s\tscript_s\tstart_s"]
    alone = cpu_seconds(python, "-c", "import snakemake.cli")
    script = cpu_seconds(python, "-c", SCRIPT, str(REPOSITORY / "scripts"))
    for plates in options.plates:
        with tempfile.TemporaryDirectory() as folder:
            make_facility(Path(folder), plates)
            where = ("--snakefile", str(REPOSITORY / "Snakefile"), "--directory", folder)
            cpu_seconds(python, "-m", "snakemake", "-n", "-q", "all", *where, runs=1)  # scans
            job = cpu_seconds(python, "-m", "snakemake", *where, *JOB, *INSIDE)
        figures = (alone, job, script, job - script)
        lines.append("\t".join([str(plates), *(f"{seconds:.2f}" for seconds in figures)]))
        print(lines[-1], flush=True)
    options.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
