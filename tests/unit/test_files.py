"""Files written aside and renamed: what is left of broken attempts, and two copies of a job at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from exvivo import files
from exvivo.errors import StoreError
from exvivo.files import read_json, replacing, write_json, write_text


def put(folder, writer, *, age=0.0):
    """The temporary file of another writer of `a.json`."""
    path = folder / f".a.json.{writer}.partial"
    path.write_text("half")
    stamp = path.stat().st_mtime - age
    os.utime(path, (stamp, stamp))
    return path


def dead_process():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


def test_an_error_leaves_the_old_file(tmp_path):
    write_text(tmp_path / "a.json", "old")
    with pytest.raises(RuntimeError), replacing(tmp_path / "a.json") as partial:
        partial.write_text("new")
        raise RuntimeError
    assert (tmp_path / "a.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


def test_what_a_killed_process_left_goes(tmp_path):
    left_by = dead_process()
    left = put(tmp_path, f"{files._HOST}-{dead_process()}")
    store = tmp_path / f".a.json.{files._HOST}-{left_by}.partial"
    store.mkdir()
    write_json(tmp_path / "a.json", 1)
    assert not left.exists() and not store.exists()
    assert read_json(tmp_path / "a.json") == 1


def test_what_somebody_still_writes_stays(tmp_path):
    alive, elsewhere = put(tmp_path, f"{files._HOST}-{os.getppid()}"), put(tmp_path, "node7-123")
    old = put(tmp_path, "node8-123", age=2 * files._ABANDONED_S)
    earlier = put(tmp_path, "", age=2 * files._ABANDONED_S)
    write_json(tmp_path / "a.json", 1)
    assert alive.exists() and elsewhere.exists()
    assert not old.exists() and not earlier.exists()


def test_two_copies_of_a_job_do_not_meet(tmp_path):
    """Each writes its own whole file; the last to end wins."""
    code = (
        "import sys; from exvivo.files import replacing\n"
        "with replacing(sys.argv[1]) as partial:\n"
        "    partial.write_text('first'); print('open', flush=True); input()\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.json")]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as first:
        assert first.stdout.readline() == "open\n"
        write_text(tmp_path / "a.json", "second")
        assert (tmp_path / "a.json").read_text() == "second"
        first.communicate("\n")
    assert first.returncode == 0
    assert (tmp_path / "a.json").read_text() == "first"


def test_a_folder_is_replaced_whole(tmp_path):
    for name in ("one", "two"):
        with replacing(tmp_path / "store") as partial:
            partial.mkdir()
            (partial / name).touch()
    assert [path.name for path in (tmp_path / "store").iterdir()] == ["two"]


def test_names_with_brackets_are_names(tmp_path):
    left = tmp_path / f".a[1].json.{files._HOST}-{dead_process()}.partial"
    left.touch()
    write_json(tmp_path / "a[1].json", 1)
    assert not left.exists()


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "a.json").write_text("{")
    with pytest.raises(StoreError, match=r"a\.json"):
        read_json(tmp_path / "a.json")
