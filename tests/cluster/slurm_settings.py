"""The configuration files of the throw-away cluster, as text.

One host plays all nodes (`config_overrides` lets each claim CPUs and memory of its own). Timeouts are
seconds where a site has minutes, so that a test of a lost node does not wait for ever; nothing else is
special about this Slurm.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CLUSTER = "exvivotest"
NODES: Mapping[str, int] = {"cpu1": 0, "cpu2": 0, "gpu1": 2, "gpu2": 1, "gpu3": 1}  # name -> GPUs
CPUS_PER_NODE = 4
MEMORY_PER_NODE = 64000  # MB, whatever the machine has
SECONDS_UNTIL_NODE_IS_LOST = 10


@dataclass(frozen=True)
class Ports:
    """TCP ports of the daemons; `nodes` one each."""

    controller: int
    accounting: int
    database: int
    nodes: tuple[int, ...]


def slurm_conf(folder: Path, host: str, ports: Ports) -> str:
    """Text of slurm.conf for a cluster that lives in `folder` on the machine `host`."""
    return f"""
ClusterName={CLUSTER}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports.controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# a job is requeued when its credential has run out, by default after two minutes
AuthInfo=socket={folder}/munge/socket,cred_expire=15
CredType=cred/munge
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
# no cgroups in a container: memory is watched by polling
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill,UsePss
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=localhost
AccountingStoragePort={ports.accounting}
AccountingStoragePass={folder}/munge/socket
AccountingStorageTRES=gres/gpu
AccountingStoreFlags=job_comment
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=2,bf_interval=2,sched_min_interval=100000
PriorityType=priority/basic
# the partition "urgent" takes nodes from "gpu": the job taken off is requeued
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
GresTypes=gpu
ReturnToService=2
SlurmdTimeout={SECONDS_UNTIL_NODE_IS_LOST}
SlurmctldTimeout=30
InactiveLimit=0
KillWait=2
MinJobAge=300
WaitTime=0
StateSaveLocation={folder}/controller
SlurmctldPidFile={folder}/pids/slurmctld.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdPidFile={folder}/pids/slurmd-%n.pid
SlurmdSpoolDir={folder}/spool-%n
SlurmdLogFile={folder}/log/slurmd-%n.log
SlurmdParameters=config_overrides
{_nodes(host, ports)}
PartitionName=cpu Nodes={_names(gpu=False)} Default=YES MaxTime=1-0 DefMemPerCPU=500 State=UP
PartitionName=gpu Nodes={_names(gpu=True)} MaxTime=1-0 DefMemPerCPU=500 State=UP
PartitionName=urgent Nodes={_names(gpu=True)} MaxTime=1-0 DefMemPerCPU=500 PriorityTier=10 State=UP
"""


def gres_conf(folder: Path) -> str:
    """Text of gres.conf: which device files are which node's GPUs."""
    lines, first = [], 0
    for name, gpus in NODES.items():
        if gpus:
            lines.append(
                f"NodeName={name} Name=gpu File={folder}/gpu/gpu[{first}-{first + gpus - 1}]"
            )
            first += gpus
    return "\n".join(lines) + "\n"


def slurmdbd_conf(folder: Path, ports: Ports, password: str) -> str:
    """Text of slurmdbd.conf; the file must be readable by its owner alone."""
    return f"""
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
DbdHost=localhost
DbdPort={ports.accounting}
SlurmUser=root
StorageType=accounting_storage/mysql
StorageHost=127.0.0.1
StoragePort={ports.database}
StorageUser=slurm
StoragePass={password}
StorageLoc=slurm_acct_db
PidFile={folder}/pids/slurmdbd.pid
LogFile={folder}/log/slurmdbd.log
"""


def database_sql(password: str) -> str:
    """Statements that make the accounting database and its user."""
    grants = [
        f"create or replace user slurm@'{host}' identified by '{password}';"
        f"grant all on slurm_acct_db.* to slurm@'{host}';"
        for host in ("127.0.0.1", "localhost")
    ]
    return "create database if not exists slurm_acct_db;" + "".join(grants)


def _names(*, gpu: bool) -> str:
    return ",".join(name for name, gpus in NODES.items() if bool(gpus) == gpu)


def _nodes(host: str, ports: Ports) -> str:
    lines = []
    for number, (name, gpus) in enumerate(NODES.items()):
        line = (
            f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1"
            f" Port={ports.nodes[number]} CPUs={CPUS_PER_NODE} RealMemory={MEMORY_PER_NODE}"
        )
        lines.append(line + (f" Gres=gpu:{gpus}" if gpus else ""))
    return "\n".join(lines)
