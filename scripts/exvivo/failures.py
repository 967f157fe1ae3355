"""Jobs that were given up: which plate or screen, why, where to look, and what to change.

Snakemake says which jobs failed for good; why, stands in the log of the rule (an exception) or in that of
Slurm (killed for memory or time, a lost node). Both are read here and put into sentences for the people of a
facility. No request goes to the scheduler. Standard library only: imported whenever Snakemake starts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from exvivo.files import read_json, write_json

SLURM_LOGS = Path("logs/slurm")
RECORD = Path("logs/failures.json")
_TAIL = 200_000  # characters of a log that are read, from its end
_ERROR_LINES = 6

# What Slurm writes into the log of a job it ended: (cause, words).
_SLURM_ENDS = (
    ("memory", ("oom-kill", "oom_kill", "Exceeded job memory limit", "exceeded memory limit")),
    ("time", ("DUE TO TIME LIMIT",)),
    ("node", ("DUE TO NODE FAILURE",)),
    ("preempted", ("DUE TO PREEMPTION",)),
    ("cancelled", ("CANCELLED AT",)),
)
_WORDS = {
    "memory": "killed for memory",
    "time": "killed for time",
    "node": "its node failed",
    "preempted": "its node was taken for a more urgent job",
    "cancelled": "cancelled",
    "disk": "the disk is full",
    "error": "stopped by an error",
    "killed": "ended without a word",
    "unseen": "never started, or its outputs were not seen",
}


@dataclass(frozen=True)
class GivenUp:
    """One job that Snakemake gave up, as the workflow knows it.

    Attributes: `wildcards` as plain names and values, `log` relative to the working directory, `attempts` how
    often it was tried, `mem_mb` and `runtime` (minutes) what the last attempt was allowed, 0 for no limit.
    """

    rule: str
    wildcards: Mapping[str, str]
    log: str
    attempts: int = 1
    mem_mb: int = 0
    runtime: int = 0


@dataclass(frozen=True)
class Failure:
    """Why a job was given up, for people: `cause` is one of the keys of the sentences, `text` the error itself."""

    rule: str
    plate: str
    screen: str
    log: str
    cause: str
    sentence: str
    text: str
    remedy: str

    @property
    def where(self) -> str:
        """The plate, else the screen that the job was for; empty for jobs of the whole cohort."""
        if self.plate:
            return f"plate {self.plate}"
        return f"screen {self.screen}" if self.screen else ""


def explain(
    given_up: Iterable[GivenUp], folder: Path | str = ".", run: Path | str = ""
) -> list[Failure]:
    """Say why each of these jobs failed, from the logs below `folder`, the working directory.

    Of a group, which fails as one, the jobs that had ended well are left out. `run` is Snakemake's own log:
    what Slurm wrote before that run began belongs to another night.
    """
    slurm = _slurm_logs(Path(folder) / SLURM_LOGS, began(run))
    found = []
    for job in given_up:
        ending = next((text for text in slurm if job.log and job.log in text), "")
        if not ending or job.log in unfinished(ending):
            found.append(_explain(job, Path(folder), ending))
    return found


def began(run: Path | str) -> float:
    """When a run began (seconds since 1970), from the name of its log in .snakemake/log; 0 if it has none."""
    found = re.match(r"(\d{4}-\d\d-\d\dT\d{6})", Path(run).name)
    return datetime.strptime(found.group(1), "%Y-%m-%dT%H%M%S").timestamp() if found else 0.0


def unfinished(slurm_log: str) -> list[str]:
    """Logs of the rules that a Slurm job began and did not finish, by what Snakemake wrote inside it."""
    begun: dict[str, str] = {}
    log, inside = "", False
    for line in slurm_log.splitlines():
        if not line.startswith(
            " "
        ):  # what is indented further lists the jobs of a group beforehand
            inside = re.match(r"(local)?rule \w+:$", line) is not None
        if found := re.match(r"Finished jobid: (\d+) ", line):
            begun = {name: number for name, number in begun.items() if number != found.group(1)}
        elif inside and (found := re.match(r" {4}log: (\S+?)(,| |$)", line)):
            log = found.group(1)
        elif inside and log and (found := re.match(r" {4}jobid: (\d+)$", line)):
            begun[log], log = found.group(1), ""
    return list(begun)


def as_text(failures: Iterable[Failure]) -> str:
    """Sentences for the end of a night: each job with its log and its remedy."""
    failures = list(failures)
    number = "1 job was" if len(failures) == 1 else f"{len(failures)} jobs were"
    lines = [f"{number} given up. What does not depend on them went on; the next run tries again."]
    for failure in failures:
        title = " · ".join(part for part in (failure.where, failure.rule, failure.sentence) if part)
        lines += ["", title]
        lines += [f"    {line}" for line in failure.text.splitlines()]
        lines += [f"    log: {failure.log}", f"    what to do: {failure.remedy}"]
    return "\n".join(lines)


def record(failures: Iterable[Failure], run: Path | str, path: Path | str = RECORD) -> None:
    """Write down what became of a run: `run` is Snakemake's own log, in .snakemake/log."""
    write_json(path, {"run": Path(run).name, "failures": [asdict(failure) for failure in failures]})


def read_record(path: Path | str = RECORD) -> tuple[str, list[Failure]]:
    """What `record` wrote: the name of the run's log, and the failures. `StoreError` if there is none."""
    content = read_json(path)
    return content["run"], [Failure(**failure) for failure in content["failures"]]


def _explain(job: GivenUp, folder: Path, ending: str) -> Failure:
    own = _tail(folder / job.log) if job.log else ""
    text = _exception(own)
    cause = _cause(text, own, ending)
    sentence = _WORDS[cause] + (f", {job.attempts} times" if job.attempts > 1 else "")
    if cause in ("memory", "time"):
        sentence += f", at last with {job.mem_mb} MB" if cause == "memory" else ""
        sentence += f", at last after {job.runtime} min" if cause == "time" else ""
    plate, screen = job.wildcards.get("plate", ""), job.wildcards.get("screen", "")
    return Failure(
        job.rule, plate, screen, job.log, cause, sentence, text, _remedy(cause, job, text)
    )


def _cause(text: str, own: str, ending: str) -> str:
    for cause, words in _SLURM_ENDS[
        :2
    ]:  # what was killed has no exception of its own worth reading
        if any(word in ending for word in words):
            return cause
    if "No space left on device" in text or "Disk quota exceeded" in text:
        return "disk"
    if text:
        return "memory" if "MemoryError" in text or "OutOfMemoryError" in text else "error"
    for cause, words in _SLURM_ENDS[2:]:
        if any(word in ending for word in words):
            return cause
    return "killed" if own or ending else "unseen"


def _remedy(cause: str, job: GivenUp, text: str) -> str:
    profile = "in the profile, under set-resources: "
    if cause == "memory":
        more = f"{2 * job.mem_mb}" if job.mem_mb else "<more>"
        return f"give it more memory {profile}{job.rule}: {{mem_mb: {more}}}"
    if cause == "time":
        more = f"{2 * job.runtime}" if job.runtime else "<more>"
        return f"give it more time {profile}{job.rule}: {{runtime: {more}}}"
    if cause == "error":
        hint = re.search(r"what to do: (.+)", text)
        return hint.group(1) if hint else "read the log; if it is no fault of the data, report it"
    return {
        "disk": "free space (results/ or the jobs' tmpdir) and run again; nothing half-written was kept",
        "node": "run again; if it happens again, ask the administrators about the node",
        "preempted": "run again; if it happens every night, ask for a partition that is not preempted",
        "cancelled": "run again, if it was cancelled by mistake",
        "killed": "run again; if it happens again, give it more memory "
        f"{profile}{job.rule}: {{mem_mb: {2 * job.mem_mb or '<more>'}}}",
        "unseen": "look for sbatch and for MissingOutputException in the output of Snakemake: the scheduler"
        " refused the job, or the storage shows files later than latency-wait allows",
    }[cause]


def _exception(log: str) -> str:
    """The last exception in the log of a rule, its message without the traceback."""
    _, stopped, after = log.rpartition("CRITICAL exvivo: stopped by ")
    if not stopped:
        return ""
    lines = after.splitlines()
    heads = [n for n, line in enumerate(lines) if re.match(r"[A-Za-z_][\w.]*(: |$)", line)]
    message = lines[heads[-1] :] if heads else lines[:1]
    message[0] = re.sub(r"^(\w+\.)+", "", message[0])
    return "\n".join(message[:_ERROR_LINES]).rstrip()


def _slurm_logs(folder: Path, since: float) -> list[str]:
    """The logs of the Slurm jobs of a run, newest first: only those of failed jobs are kept."""
    times = {path: path.stat().st_mtime for path in folder.rglob("*.log")}
    newest = sorted(times, key=times.__getitem__, reverse=True)
    return [_tail(path) for path in newest if times[path] >= since]


def _tail(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[-_TAIL:]
    except OSError:
        return ""


def given_up(jobs: Iterable[Any]) -> list[GivenUp]:
    """The jobs that Snakemake's scheduler gave up, those of a group one by one."""
    found = []
    for one in jobs:
        for job in one.jobs if one.is_group() else [one]:
            memory, runtime = (one.resources.get(name) for name in ("mem_mb", "runtime"))
            found.append(
                GivenUp(
                    rule=job.rule.name,
                    wildcards=dict(job.wildcards_dict),
                    log=str(job.log[0]) if job.log else "",
                    attempts=job.attempt,
                    mem_mb=memory if isinstance(memory, int) else 0,
                    runtime=runtime if isinstance(runtime, int) else 0,
                )
            )
    return sorted(found, key=lambda job: (job.log, job.rule))
