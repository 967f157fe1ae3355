"""Checkpoints: whole or not used, and a killed run ends bit-equal to an unbroken one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from exvivo.training import checkpoints
from exvivo.training.checkpoints import Checkpoint, CheckpointFolder

EPOCHS = 40


def checkpoint(epoch, value=0.0):
    return Checkpoint(epoch, {"w": torch.full((3,), value + epoch)}, {"history": [epoch]})


@pytest.fixture
def folder(tmp_path):
    return CheckpointFolder(tmp_path / "checkpoints", "run-1", seconds=0)


def test_newest_comes_back_and_only_two_are_kept(folder):
    assert folder.newest() is None
    for epoch in (1, 2, 3):
        folder.write(checkpoint(epoch))
    found = folder.newest()
    assert found.epoch == 3
    assert found.content == {"history": [3]}
    assert torch.equal(found.tensors["w"], torch.full((3,), 3.0))
    names = sorted(p.name for p in folder.folder.iterdir())
    assert names == [f"epoch00000{n}.{kind}" for n in (2, 3) for kind in ("json", "safetensors")]
    folder.remove()
    assert not folder.folder.exists()


@pytest.mark.parametrize(
    "damage", ["truncate", "flip", "no sidecar", "empty sidecar", "half sidecar"]
)
def test_a_damaged_checkpoint_is_passed_over_for_the_one_before(folder, damage, caplog):
    for epoch in (1, 2):
        folder.write(checkpoint(epoch))
    path = folder.folder / "epoch000002.safetensors"
    content = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flip":
        content[-1] ^= 1  # one bit of one weight
        path.write_bytes(content)
    elif damage == "no sidecar":
        path.with_suffix(".json").unlink()
    elif damage == "empty sidecar":
        path.with_suffix(".json").write_text("{}")
    else:
        path.with_suffix(".json").write_text('{"run": "run-1", "ep')
    assert folder.newest().epoch == 1
    assert "not used" in caplog.text


def test_checkpoints_of_another_run_are_not_used(folder):
    folder.write(checkpoint(5))
    assert CheckpointFolder(folder.folder, "run-2").newest() is None
    assert CheckpointFolder(folder.folder, "run-1").newest().epoch == 5


def test_another_copy_of_the_job_that_drops_files_costs_a_checkpoint_only(
    folder, monkeypatch, caplog
):
    folder.write(checkpoint(1))
    real = Path.replace

    def renamed_by_the_other(partial, target):  # the other copy was faster
        partial.unlink()
        return real(partial, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", renamed_by_the_other)
        folder.write(checkpoint(2))
    assert "another copy of this job" in caplog.text
    assert folder.newest().epoch == 1
    folder.write(checkpoint(3))
    assert folder.newest().epoch == 3


def test_another_copy_of_the_job_that_still_writes_does_not_stop_the_end(folder, monkeypatch):
    folder.write(checkpoint(1))
    real = os.rmdir

    def written_meanwhile(path, **where):
        (folder.folder / "epoch000002.json").write_text("{}")
        return real(path, **where)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rmdir", written_meanwhile)
        folder.remove()
    assert (folder.folder / "epoch000002.json").is_file()  # the other copy's own
    folder.remove()
    assert not folder.folder.exists()


def test_at_most_one_in_the_given_time(tmp_path):
    slow = CheckpointFolder(tmp_path, "run", seconds=3600)
    assert not slow.due()
    assert CheckpointFolder(tmp_path, "run", seconds=0).due()
    none = CheckpointFolder(None, "run", seconds=0)
    assert not none.due()
    none.write(checkpoint(1))
    assert none.newest() is None


def test_checkpoints_take_a_twentieth_of_the_time_at_most(tmp_path, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(checkpoints.time, "monotonic", lambda: now[0])
    slow = CheckpointFolder(tmp_path, "run", seconds=60)

    def write(folder, what):
        now[0] += 6  # a large network on a slow disk

    monkeypatch.setattr(slow, "_write", write)
    due = []
    for epoch in range(1, 601):  # an epoch a second
        now[0] += 1
        if slow.due():
            slow.write(checkpoint(epoch))
            due.append(now[0])
    assert due[0] == 66  # the first after a minute, the next after twenty times what it took
    assert [later - earlier for earlier, later in pairwise(due)] == [126] * (len(due) - 1)
    assert len(due) == 5


# A run of its own process, so that it can be killed like one. Prints each epoch it starts.
SCRIPT = """
import sys
from pathlib import Path
import numpy as np
from exvivo.networks import recipe
from exvivo.training import trainer
from exvivo.training.phases import Run, train_phase2

out, checkpoints, epochs = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
epoch = trainer.Trainer._epoch
def told(self, number):
    print(number, flush=True)
    epoch(self, number)
trainer.Trainer._epoch = told
images = np.random.default_rng(0).random((12, 2, 24, 24), dtype=np.float32)
wells = [f"A{i + 1:02d}" for i in range(12)]
train_phase2(
    images, [i % 2 for i in range(12)], ["P"] * 12, wells,
    recipe=recipe("small", "phase2", {"epochs": epochs, "batch_size": 4, "epoch": "best_validation"}),
    out=out, checkpoints=checkpoints,
    run=Run(device="cpu", threads=1, checkpoint_seconds=0),
)
"""


def start(tmp_path, name):
    out, folder = tmp_path / name / "phase2.safetensors", tmp_path / name / "checkpoints"
    scripts = Path(__file__).resolve().parents[2] / "scripts"
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(out), str(folder), str(EPOCHS)],
        env={**os.environ, "PYTHONPATH": str(scripts), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    return process, out, folder


def finish(process):
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    return [int(line) for line in stdout.split()]


def kill(process, after):
    """Kill once the run has printed the epoch `after`; the epoch it had reached."""
    for line in process.stdout:
        if int(line) >= after:
            break
    time.sleep(0.002 * (after % 7))  # at another moment of an epoch each time
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL


def everything(out):
    sidecar = json.loads(out.with_suffix(".json").read_text())
    history = out.with_name("phase2_history.tsv").read_bytes()
    return {name: t.numpy().tobytes() for name, t in load_file(out).items()}, history, sidecar


@pytest.mark.slow
def test_a_run_killed_again_and_again_ends_bit_equal(tmp_path):
    process, unbroken, folder = start(tmp_path, "unbroken")
    assert finish(process) == list(range(1, EPOCHS + 1))
    assert not folder.exists()  # removed once the model is written
    for after in (2, 9, 18, 31):
        process, killed, folder = start(tmp_path, "killed")
        kill(process, after)
        assert not killed.exists()
        assert list(folder.glob("epoch*.safetensors"))
    # and, mid-write, a half-written newest checkpoint
    newest = sorted(folder.glob("epoch*.safetensors"))[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    (folder / f".{newest.name}.partial").write_bytes(b"half")
    process, killed, folder = start(tmp_path, "killed")
    epochs = finish(process)
    assert 25 < epochs[0] < EPOCHS  # it went on, it did not start anew
    assert epochs[-1] == EPOCHS
    for found, expected in zip(everything(killed), everything(unbroken), strict=True):
        assert found == expected
    assert not folder.exists()


def test_a_finished_run_of_another_seed_differs(tmp_path):
    """The comparison above can fail."""
    from exvivo.networks import recipe
    from exvivo.training.phases import Run, train_phase2

    images = np.random.default_rng(0).random((12, 2, 24, 24), dtype=np.float32)
    wells = [f"A{i + 1:02d}" for i in range(12)]
    found = []
    for seed in (0, 0, 1):
        out = tmp_path / "phase2.safetensors"
        train_phase2(
            images,
            [i % 2 for i in range(12)],
            ["P"] * 12,
            wells,
            recipe=recipe("small", "phase2", {"epochs": 2}),
            out=out,
            run=Run(device="cpu", seed=seed),
        )
        found.append(everything(out)[0])
    assert found[0] == found[1]
    assert found[0] != found[2]
