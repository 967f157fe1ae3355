"""How the kernels of training on a CPU start: the trial, what is kept, and what happens without them."""

from __future__ import annotations

import ast
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from exvivo.networks import build
from exvivo.training import bottleneck, processor

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def test_without_numba_the_network_keeps_its_own_passes_and_says_so(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "numba", None)
    processor.available.cache_clear()
    processor._entry.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert bottleneck.take_over(build("efficientnet_lite0", seed=0)) is None
    finally:
        monkeypatch.undo()
        processor.available.cache_clear()
    assert "slower" in caplog.text
    assert "numba" in caplog.text


@pytest.mark.parametrize(
    "kernel",
    ["depthwise", "depthwise_backward", "normalise", "normalise_backward", "pool", "pool_backward", "patches"],
)  # fmt: skip
def test_a_kernel_that_computes_wrongly_is_found_before_it_is_used(kernel, monkeypatch, caplog):
    sound = processor.prepared

    def spoilt(name, *values):
        call = sound(name, *values)
        tensors = [value for value in values if isinstance(value, torch.Tensor)]

        def wrong():
            call()
            for tensor in tensors if name == kernel else ():
                tensor.mul_(1.01)

        return wrong

    monkeypatch.setattr(processor, "prepared", spoilt)
    processor.available.cache_clear()
    try:
        with caplog.at_level(logging.WARNING):
            assert not processor.available()
    finally:
        processor.available.cache_clear()
    assert "slower" in caplog.text and "differs by" in caplog.text


def test_compiled_kernels_are_kept_for_copies_of_the_code(tmp_path):
    """A second process, with the same code elsewhere, compiles nothing; with other code it does."""
    code = """
import sys, torch
sys.path.insert(0, sys.argv[1])
from exvivo.training import processor
print(processor._entry("normalise").cache_hits)
"""
    env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")}
    found = []
    for name in ("one", "two"):
        shutil.copytree(
            SCRIPTS / "exvivo",
            tmp_path / name / "exvivo",
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    for name in ("one", "two", "changed"):
        if name == "changed":
            (tmp_path / "two").rename(tmp_path / name)
            with (tmp_path / name / "exvivo/training/processor/vectors.py").open("a") as handle:
                handle.write("# changed\n")
        command = [sys.executable, "-c", code, str(tmp_path / name)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)
        assert done.returncode == 0, done.stderr
        found.append(done.stdout.strip())
    assert found == ["0", "1", "0"]


def test_without_a_folder_to_keep_them_kernels_are_compiled_each_time(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    processor._stand_in.cache_clear()
    processor._entry.cache_clear()
    try:
        assert processor._stand_in() is None
        assert processor._entry("normalise").cache_hits == 0
    finally:
        processor._stand_in.cache_clear()
        processor._entry.cache_clear()


def test_the_team_of_threads_is_that_of_pytorch():
    """Two teams would wait for each other's processors."""
    code = """
import sys, torch
sys.path.insert(0, sys.argv[1])
from exvivo.training import processor
assert processor.available()
names = {line.split()[-1].rpartition("/")[2] for line in open("/proc/self/maps") if "r-xp" in line}
print([name for name in names if name.startswith(("libgomp", "libomp", "libiomp"))])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(SCRIPTS)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert len(ast.literal_eval(done.stdout)) == 1, done.stdout


def test_the_record_of_a_run_says_whether_kernels_were_used(monkeypatch):
    cpu = torch.device("cpu")
    assert bottleneck.used_for("efficientnet_lite0", cpu)
    assert not bottleneck.used_for("resnet50", cpu)
    monkeypatch.setattr(processor, "available", lambda: False)
    assert not bottleneck.used_for("efficientnet_lite0", cpu)
    assert bottleneck.take_over(build("efficientnet_lite0", seed=0)) is None
