"""What a night asks of the scheduler: submissions counted, requests measured.

    python benchmarks/submissions.py          # writes submissions.tsv; as root, with Slurm installed

1. Submissions of a night of 100 plates in 34 screens, by a dry run of the workflow with profiles/slurm, with its
   groups and without.
2. Requests, measured on the test cluster of tests/cluster: a night of the same shape whose jobs do nothing runs
   with the settings for a scheduler that allows 4 requests a minute, ten times faster than on a site (`2/6s`
   for `2/1m`, first look at the states after 10 s for 100 s). Every call of a Slurm command by the main
   process is counted by a wrapper on the PATH that then calls the real one.
3. From both: the minutes it takes until a night of 100 plates is submitted.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "benchmarks"), str(REPOSITORY / "tests/cluster")]

import harness  # noqa: E402
from dag import make_facility  # noqa: E402

COMMANDS = ("sbatch", "squeue", "sacct", "scontrol", "sinfo", "sacctmgr", "sshare", "scancel")
WRAPPER = """#!/bin/sh
[ -n "$SLURM_JOB_ID" ] || echo "$(date +%s.%N) {name}" >> {log}
exec {real} "$@"
"""
SPEED = 10  # how much faster than a site's the measured night runs
PER_MINUTE, FIRST_LOOK = (
    2,
    100,
)  # submissions, seconds until the states are asked for: the strict settings
PROFILES = ("--profile", "profiles/slurm", "--workflow-profile", "profiles/default")


def main() -> None:
    """Count, measure, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--plates", type=int, default=100)
    parser.add_argument("--screens", type=int, default=4, help="screens of the measured night")
    parser.add_argument("--out", type=Path, default=REPOSITORY / "benchmarks" / "submissions.tsv")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        make_facility(Path(folder) / "night", options.plates)
        submitted, jobs = submissions(Path(folder) / "night")
        measured = measure(Path(folder) / "tiny", options.screens)
    lines = ["what\tvalue"]
    lines += [f"plates\t{options.plates}", f"screens\t{-(-options.plates // 3)}"]
    lines += [f"jobs, each submitted alone\t{jobs}", f"submissions with the groups\t{submitted}"]
    lines += [f"measured night: {name}\t{value}" for name, value in measured.items()]
    lines += [f"minutes to submit the night at {PER_MINUTE} a minute\t{submitted / PER_MINUTE:.0f}"]
    lines += [f"the same without groups\t{jobs / PER_MINUTE:.0f}"]
    options.out.write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def submissions(folder: Path) -> tuple[int, int]:
    """Submissions of a night with the groups of profiles/slurm, and jobs in it, by a dry run."""
    command = [sys.executable, "-m", "snakemake", *PROFILES, "-n", "--directory", str(folder)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    text = done.stdout + done.stderr
    jobs = int(re.search(r"^total +(\d+)$", text, re.M).group(1)) - 1  # `rule all` is local
    groups = len(re.findall(r"Group job ", text))
    alone = len(re.findall(r"^rule (?!all:)", text, re.M))  # members of a group are indented
    return groups + alone, jobs


def measure(folder: Path, screens: int) -> dict[str, str]:
    """Requests of a night of `screens` screens of three plates, as a table of words and figures."""
    folder.mkdir()
    log = folder / "requests"
    program = [sys.executable, "-m", "snakemake", *PROFILES, "--directory", str(folder)]
    program += ["--snakefile", str(REPOSITORY / "benchmarks" / "submissions.smk")]
    program += ["--config", f"screens={screens}", "--latency-wait", "5"]
    program += ["--max-jobs-per-timespan", f"{PER_MINUTE}/{60 // SPEED}s"]
    program += ["--slurm-init-seconds-before-status-checks", str(FIRST_LOOK // SPEED)]
    with harness.cluster():
        path = f"{wrappers(folder, log)}:{os.environ['PATH']}"
        subprocess.run(program, cwd=REPOSITORY, env=os.environ | {"PATH": path}, check=True)
    calls = [line.split() for line in log.read_text().splitlines()]
    times = [float(moment) for moment, _ in calls]
    counts = Counter(name for _, name in calls)
    window = 60 / SPEED
    within = [sum(t <= u < t + window for u in times) for t in times]
    later = [count for t, count in zip(times, within, strict=True) if t >= times[0] + window]
    polls = counts["squeue"] + counts["sacct"]
    return {
        "plates": str(3 * screens),
        "requests": " ".join(f"{name} {number}" for name, number in counts.most_common()),
        "requests in the first minute": str(within[0]),
        "requests in the busiest minute after it": str(max(later)),
        "requests for each look at the states": f"{(polls + counts['scontrol']) / polls:.1f}",
    }


def wrappers(folder: Path, log: Path) -> Path:
    """A folder of commands that write down that they were called, and then are the real ones."""
    where = folder / "bin"
    where.mkdir()
    for name in COMMANDS:
        real = subprocess.run(["which", name], capture_output=True, text=True).stdout.strip()
        if real:
            script = where / name
            script.write_text(WRAPPER.format(name=name, real=real, log=log))
            script.chmod(0o755)
    return where


if __name__ == "__main__":
    main()
