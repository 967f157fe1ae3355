"""A real Slurm on one machine, for the tests: brought up in a folder, taken down by process id.

    python tests/cluster/harness.py up DIR      # then squeue, sbatch, snakemake … as on any cluster
    python tests/cluster/harness.py down DIR

Needs root and `apt-get install slurmctld slurmd slurm-client munge slurmdbd mariadb-server`: Snakemake's
Slurm plugins delete SLURM_CONF from the environment of jobs, so the configuration must be found in
/etc/slurm. It is put there as links; what was there before comes back when the cluster goes down, and
what an earlier, killed run left behind is taken down first.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import slurm_processes as processes
import slurm_settings as settings
from slurm_links import CONFIGURATION, link_configuration, linked_folder, unlink_configuration
from slurm_processes import ClusterError, run, wait_until

PROGRAMS = ("munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd", "sbatch", "sacct")
INSTALL = (
    "apt-get install --no-install-recommends slurmctld slurmd slurm-client munge slurmdbd"
    " mariadb-server"
)


def why_not() -> str | None:
    """One sentence that says why no test cluster can be brought up here, `None` if one can."""
    path = processes.environment()["PATH"]
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    if missing:
        return f"needs Slurm ({', '.join(missing)} not found): {INSTALL}"
    if os.geteuid() != 0:
        return "needs root, because a test cluster's configuration is linked into /etc/slurm"
    return None


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Bring up a cluster in a temporary folder; take it down and remove the folder at the end."""
    folder = Path(tempfile.mkdtemp(prefix="exvivo-slurm-"))
    slurm = Cluster(folder)
    try:
        slurm.up(owner=os.getpid())
        yield slurm
    finally:
        slurm.down()
        shutil.rmtree(folder, ignore_errors=True)


class Cluster:
    """One throw-away cluster in `folder`: its nodes are `settings.NODES`."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()

    def up(self, owner: int | None = None) -> None:
        """Start everything and wait until all nodes are idle; about 4 s.

        `owner` is the process the cluster shall not outlive: once it is gone, the cluster counts as left over.
        """
        if reason := why_not():
            raise ClusterError(reason)
        clear_left_overs()
        self._make_folders()
        (self.folder / "owner").write_text(str(owner or ""))
        ports, password = free_ports(), secrets.token_hex(8)
        host = socket.gethostname().split(".")[0]
        self._write("slurm.conf", settings.slurm_conf(self.folder, host, ports))
        self._write("gres.conf", settings.gres_conf(self.folder))
        self._write("slurmdbd.conf", settings.slurmdbd_conf(self.folder, ports, password))
        link_configuration(self.folder)
        try:
            self._start_munge()
            self._start_accounting(ports, password)
            self.start_controller("-c")
            for node in settings.NODES:
                run("slurmd", "-N", node)
            wait_until(self._all_idle, "all nodes are idle")
        except ClusterError:
            self.down()
            raise

    def down(self) -> None:
        """End every process of this cluster, jobs too, and put /etc/slurm back as it was."""
        for name in [f"slurmd-{node}" for node in settings.NODES]:
            self._end(name)
        self.end_jobs()
        for name in ("slurmctld", "slurmdbd", "mariadbd", "munged"):
            self._end(name)
        unlink_configuration(self.folder)

    def left_overs(self) -> list[str]:
        """What of this cluster is still there: links in /etc/slurm, processes by number and command."""
        there = [str(CONFIGURATION)] if linked_folder() == self.folder else []
        return there + [f"{pid} {text}" for pid, text in processes.mentioning(str(self.folder))]

    # -- faults ------------------------------------------------------------------------------------

    def start_controller(self, *options: str) -> None:
        """Start slurmctld; without options it takes up the state it saved."""
        run("slurmctld", *options)
        wait_until(lambda: "UP" in run("scontrol", "ping", check=False), "slurmctld answers")

    def stop_controller(self) -> None:
        """End slurmctld as an administrator would; jobs go on."""
        self._end("slurmctld")

    def kill_daemon(self, node: str) -> None:
        """Kill the slurmd of `node` and nothing else: its jobs live on (a split brain)."""
        self._end(f"slurmd-{node}", at_once=True)

    def kill_node(self, node: str) -> None:
        """Kill everything that runs on `node`, as a power cut would."""
        self.kill_daemon(node)
        self.end_jobs(node)

    def start_node(self, node: str) -> None:
        """Start the slurmd of `node` again and wait until Slurm counts on it."""
        run("slurmd", "-N", node)
        wait_until(lambda: self.state(node) in ("idle", "mix", "alloc"), f"{node} is back", 60)

    def state(self, node: str) -> str:
        """State of a node as sinfo abbreviates it: idle, mix, alloc, down, down* …"""
        return run("sinfo", "-h", "-N", "-n", node, "-o", "%t", check=False).split("\n")[0]

    def freeze(self, node: str) -> None:
        """Stop all jobs on `node`, as a machine does that hangs."""
        self._signal_jobs(signal.SIGSTOP, node)

    def thaw(self, node: str) -> None:
        """Let the jobs on `node` go on."""
        self._signal_jobs(signal.SIGCONT, node)

    def end_jobs(self, node: str = "") -> None:
        """Kill the processes of all jobs, or of those on one node."""
        while self._signal_jobs(signal.SIGKILL, node):
            time.sleep(0.1)

    def _signal_jobs(self, sign: signal.Signals, node: str) -> list[int]:
        log = f"{self.folder}/log/slurmd-{node}"  # slurmstepd holds the log of its slurmd open
        mine = [f"SLURM_CLUSTER_NAME={settings.CLUSTER}"]
        mine += [f"SLURM_JOB_NODELIST={node}"] if node else []
        # slurmstepd first: it would report the end of its job to slurmctld
        pids = [
            *processes.with_open_file("slurmstepd", log),
            *processes.with_environment(*mine),
        ]
        for pid in pids:
            with suppress(ProcessLookupError):  # ended meanwhile
                os.kill(pid, sign)
        return pids

    # -- pieces ------------------------------------------------------------------------------------

    def _make_folders(self) -> None:
        for name in ("munge", "controller", "log", "pids", "gpu", "database"):
            (self.folder / name).mkdir(parents=True, exist_ok=True)
        for node in settings.NODES:
            (self.folder / f"spool-{node}").mkdir(exist_ok=True)
        self.folder.chmod(0o755)  # mkdtemp's 0700 would keep mariadbd, which is not root, out
        (self.folder / "munge").chmod(0o755)
        for number in range(sum(settings.NODES.values())):
            device = self.folder / "gpu" / f"gpu{number}"
            if not device.exists():  # a copy of /dev/null: Slurm asks for a character device only
                os.mknod(device, 0o666 | stat.S_IFCHR, os.makedev(1, 3))

    def _write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.touch(mode=0o600)  # slurmdbd insists, for its password
        path.write_text(text)

    def _start_munge(self) -> None:
        munge = self.folder / "munge"
        (munge / "key").write_bytes(secrets.token_bytes(128))
        (munge / "key").chmod(0o400)
        options = {
            "key-file": munge / "key",
            "socket": munge / "socket",
            "seed-file": munge / "seed",
        }
        options |= {
            "pid-file": self._pid_file("munged"),
            "log-file": self.folder / "log/munged.log",
        }
        run("munged", "--force", *(f"--{name}={path}" for name, path in options.items()))

    def _start_accounting(self, ports: settings.Ports, password: str) -> None:
        data, log = self.folder / "database", self.folder / "log" / "mariadbd.log"
        shutil.chown(data, "mysql")
        common = ("--no-defaults", "--user=mysql", f"--datadir={data}")
        if not (data / "mysql").is_dir():
            quiet = ("--auth-root-authentication-method=normal", "--skip-test-db")
            run("mariadb-install-db", *common, *quiet)
        where = (f"--socket={data}/socket", f"--port={ports.database}", "--bind-address=127.0.0.1")
        small = ("--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900")
        pid_file = f"--pid-file={data}/pid"
        self._database = processes.start("mariadbd", *common, *where, *small, pid_file, log=log)
        self._pid_file("mariadbd").write_text(str(self._database.pid))
        client = ("mariadb", "--no-defaults", "-uroot", "-S", data / "socket")
        wait_until(lambda: run(*client, "-Ne", "select 1", check=False) == "1", "mariadb answers")
        run(*client, stdin=settings.database_sql(password))
        run("slurmdbd")
        accounts = ("sacctmgr", "-n", "list", "cluster")
        wait_until(lambda: _works(*accounts), "slurmdbd answers")
        run("sacctmgr", "-i", "add", "cluster", settings.CLUSTER, check=False)

    def _all_idle(self) -> bool:
        return all(self.state(node) == "idle" for node in settings.NODES)

    def _pid_file(self, name: str) -> Path:
        return self.folder / "pids" / f"{name}.pid"

    def _end(self, name: str, *, at_once: bool = False) -> None:
        """End the daemon `name` if the process in its pid file is still that program."""
        pid = processes.pid_in(self._pid_file(name))
        if pid and processes.name_of(pid) == name.split("-")[0]:
            processes.end(pid, at_once=at_once)
        self._pid_file(name).unlink(missing_ok=True)


def free_ports() -> settings.Ports:
    """Ports nobody listens on, below those the kernel hands out to outgoing connections."""
    needed, found = 3 + len(settings.NODES), []
    for port in range(16817, 32768):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
        if len(found) == needed:
            break
    return settings.Ports(*found[:3], nodes=tuple(found[3:]))


def clear_left_overs() -> None:
    """Take down a test cluster whose owner is gone; `ClusterError` if it is somebody's still."""
    folder = linked_folder()
    if folder is None:
        return
    owner = folder / "owner"
    if not owner.is_file() and folder.is_dir():
        return  # not one of ours: link_configuration sets it aside
    pid = processes.pid_in(owner)
    if owner.is_file() and (pid is None or processes.name_of(pid)):
        whose = f"process {pid} uses it" if pid else "it was brought up by hand"
        command = f"python tests/cluster/harness.py down {folder}"
        raise ClusterError(f"a test cluster is up already in {folder} ({whose}): {command}")
    Cluster(folder).down()


def _works(*command: str) -> bool:
    try:
        run(*command)
    except ClusterError:
        return False
    return True


def main(arguments: list[str]) -> int:
    """`up DIR` or `down DIR`."""
    if len(arguments) != 2 or arguments[0] not in ("up", "down"):
        sys.stderr.write(__doc__ or "")
        return 2
    slurm = Cluster(Path(arguments[1]))
    if arguments[0] == "down":
        slurm.down()
        return 0
    slurm.up()
    sys.stdout.write(run("sinfo", "-N", "-o", "%N %P %t %c %m %G") + "\n")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except ClusterError as error:
        sys.exit(str(error))
