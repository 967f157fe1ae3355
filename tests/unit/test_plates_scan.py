"""The scan: what changes a fingerprint and what does not."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from exvivo.checksums import ALGORITHM, ALGORITHMS, FileHash, checksum_file, write_hashes
from exvivo.errors import StoreError
from exvivo.plates import get_instrument, read_fingerprint
from exvivo.plates.base import RawFile, load_fingerprint
from exvivo.plates.scan import scan_plate, scan_plates
from plates_made import make_imagexpress, make_operetta, noise, write_image

HOUR = 3600
FIRST = "TimePoint_1/ZStep_1/P_B02_s1_w1.TIF"


@pytest.fixture
def plate(tmp_path) -> Path:
    return make_imagexpress(tmp_path / "raw", wells=("B02", "C03"), sites=(1,), planes=2)


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / "results" / "plates" / "p"


def scan(plate: Path, out: Path, **options) -> bool:
    options = {"settle_minutes": 0} | options
    return scan_plate("p", plate, get_instrument("imagexpress"), out, **options)


def text(out: Path) -> str:
    return (out / "fingerprint.tsv").read_text()


def row(out: Path, path: str = FIRST) -> RawFile:
    return next(file for file in read_fingerprint(out / "fingerprint.tsv") if file.path == path)


def project(plate: Path, out: Path, *, channel: str = "1", algorithm: str = ALGORITHM) -> None:
    """Leave behind what admission and projection leave behind."""
    files = [f for f in read_fingerprint(out / "fingerprint.tsv") if f.channel == channel]
    digests = [checksum_file(plate / f.path, algorithm) for f in files]
    write_hashes(
        out / "hashes.tsv",
        [FileHash(f.path, f.bytes, algorithm, d) for f, d in zip(files, digests, strict=True)],
    )
    wells = {f.well: {"verdict": "admitted"} for f in files}
    (out / "admission.json").write_text(json.dumps({"verdict": "admitted", "wells": wells}))


def touch(path: Path, ahead: float = 100) -> None:
    stamp = path.stat().st_mtime + ahead
    os.utime(path, (stamp, stamp))


def test_fingerprint_as_it_is_written(plate, out):
    assert scan(plate, out)
    lines = text(out).splitlines()
    assert lines[:5] == [
        "# settled: true",
        f'# indexes: [["P.HTD", {(plate / "P.HTD").stat().st_size}, 0]]',
        '# unrecognised: {"count": 0, "examples": []}',
        "# problems: []",
        "well\tfield\tchannel\tplane\tpath\tbytes\trevision",
    ]
    size = (plate / FIRST).stat().st_size
    assert lines[5] == f"B02\t1\t1\t0\t{FIRST}\t{size}\t0"
    assert len(lines) == 5 + 2 * 2 * 2
    files = read_fingerprint(out / "fingerprint.tsv")
    assert files[0] == RawFile("B02", 1, "1", 0, FIRST, size, 0)
    assert [f.key for f in files] == sorted(f.key for f in files)
    assert str(plate) not in text(out) + (out / "scan.json").read_text()


def test_the_same_plate_gives_the_same_bytes(plate, out, tmp_path):
    scan(plate, out)
    copy = shutil.copytree(plate, tmp_path / "copy")
    scan(copy, tmp_path / "other")
    assert text(out) == text(tmp_path / "other")


@pytest.mark.parametrize("full", [False, True])
def test_a_second_scan_writes_nothing(plate, out, full):
    assert scan(plate, out)
    before = (out / "fingerprint.tsv").stat()
    assert not scan(plate, out, full=full)
    assert (out / "fingerprint.tsv").stat() == before


@pytest.mark.parametrize("algorithm", ["", *ALGORITHMS])
def test_a_touch_changes_nothing(plate, out, algorithm):
    scan(plate, out)
    if algorithm:
        project(plate, out, algorithm=algorithm)
    before = text(out)
    for path in plate.rglob("*.*"):
        touch(path)
    assert not scan(plate, out, full=True)
    assert text(out) == before
    assert not scan(plate, out, full=True)


def test_a_change_in_place_raises_the_revision_of_that_file(plate, out):
    scan(plate, out)
    project(plate, out)
    write_image(plate / FIRST, noise("other"))
    touch(plate / FIRST)
    assert scan(plate, out, full=True)
    assert row(out).revision == 1
    assert sum(file.revision for file in read_fingerprint(out / "fingerprint.tsv")) == 1
    touch(plate / FIRST)
    assert not scan(plate, out, full=True)  # touched again, before the projection ran
    project(plate, out)
    touch(plate / FIRST, 200)
    assert not scan(plate, out, full=True)


def test_a_change_back_after_the_projection_is_a_change(plate, out):
    scan(plate, out)
    original = (plate / FIRST).read_bytes()
    write_image(plate / FIRST, noise("other"))
    touch(plate / FIRST)
    project(plate, out)  # it read the other image
    scan(plate, out, full=True)
    before = row(out).revision
    (plate / FIRST).write_bytes(original)
    touch(plate / FIRST, 200)
    assert scan(plate, out, full=True)
    assert row(out).revision == before + 1


def test_a_change_of_size_raises_the_revision(plate, out):
    scan(plate, out)
    write_image(plate / FIRST, noise("larger", (30, 20)))
    assert scan(plate, out, full=True)
    assert row(out).revision == 1
    assert row(out).bytes == (plate / FIRST).stat().st_size


def test_files_that_were_not_read_may_change_their_time(plate, out):
    scan(plate, out)
    project(plate, out, channel="1")
    path = FIRST.replace("_w1", "_w2")
    write_image(plate / path, noise("other"))
    touch(plate / path)
    assert not scan(plate, out, full=True)


def test_a_repair_in_place_of_a_damaged_well_is_seen(plate, out):
    scan(plate, out)
    project(plate, out)
    admission = {"verdict": "admitted", "wells": {"B02": {"verdict": "damaged"}}}
    (out / "admission.json").write_text(json.dumps(admission))
    write_hashes(out / "hashes.tsv", [FileHash("other", 1, ALGORITHM, "00")])
    write_image(plate / FIRST, noise("repaired"))
    touch(plate / FIRST)
    assert scan(plate, out, full=True)
    assert row(out).revision == 1


def test_new_and_missing_files_change_the_fingerprint(plate, out):
    scan(plate, out)
    write_image(plate / "TimePoint_1" / "ZStep_2" / "P_D04_s1_w1.TIF")
    assert scan(plate, out)
    assert row(out, "TimePoint_1/ZStep_2/P_D04_s1_w1.TIF").well == "D04"
    (plate / FIRST).unlink()
    assert scan(plate, out)
    assert all(file.path != FIRST for file in read_fingerprint(out / "fingerprint.tsv"))


def test_a_file_that_returns_changed_has_a_new_revision(plate, out):
    scan(plate, out)
    project(plate, out)
    content = (plate / FIRST).read_bytes()
    (plate / FIRST).unlink()
    scan(plate, out)
    (plate / FIRST).write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    touch(plate / FIRST)
    scan(plate, out)
    assert row(out).revision == 1


def test_the_htd_counts_as_part_of_the_plate(plate, out):
    scan(plate, out)
    htd = plate / "P.HTD"
    htd.write_bytes(htd.read_bytes().replace(b'"dye 1"', b'"dye 7"'))
    touch(htd)
    assert scan(plate, out, full=True)
    assert load_fingerprint(out / "fingerprint.tsv").indexes == [("P.HTD", htd.stat().st_size, 1)]


def _age(plate: Path, seconds: float) -> None:
    """Make files and folders older than the moment they were made, bottom up."""
    stamp = time.time() - seconds
    for path in sorted(plate.rglob("*"), key=lambda p: -len(p.parts)):
        os.utime(path, (stamp, stamp))
    os.utime(plate, (stamp, stamp))


def test_a_quick_scan_lists_only_changed_folders(plate, out, monkeypatch):
    _age(plate, HOUR)
    listed = []
    later = time.time() + HOUR  # folders listed just after a change are not trusted
    scan(plate, out, now=later)
    from exvivo.plates import tree

    real = tree.list_folder
    monkeypatch.setattr(
        tree, "list_folder", lambda root, path, home: listed.append(path) or real(root, path, home)
    )
    assert not scan(plate, out, now=later)
    assert listed == []
    write_image(plate / "TimePoint_1" / "ZStep_2" / "P_D04_s1_w1.TIF")
    assert scan(plate, out, now=later)
    assert listed == ["TimePoint_1/ZStep_2"]


def test_a_quick_scan_sees_a_new_folder(plate, out):
    later = time.time() + HOUR
    scan(plate, out, now=later)
    write_image(plate / "TimePoint_1" / "ZStep_3" / "P_B02_s1_w1.TIF")
    assert scan(plate, out, now=later)
    assert row(out, "TimePoint_1/ZStep_3/P_B02_s1_w1.TIF").plane == 2


def test_only_a_full_scan_sees_changes_in_place(plate, out):
    later = time.time() + HOUR
    scan(plate, out, now=later)
    write_image(plate / FIRST, noise("larger", (30, 20)))
    assert not scan(plate, out, now=later)
    assert scan(plate, out, full=True, now=later)


def test_a_plate_settles_once(plate, out):
    now = time.time()
    assert scan(plate, out, settle_minutes=30, now=now)
    assert not load_fingerprint(out / "fingerprint.tsv").settled
    assert not scan(plate, out, settle_minutes=30, now=now + 29 * 60)
    assert scan(plate, out, settle_minutes=30, now=now + 31 * 60)
    assert load_fingerprint(out / "fingerprint.tsv").settled
    assert not scan(plate, out, settle_minutes=30, now=now + 60 * 60)


def test_a_touch_does_not_unsettle_but_a_change_does(plate, out):
    now = time.time()
    scan(plate, out, settle_minutes=30, now=now + HOUR)
    touch(plate / FIRST, HOUR - 10)
    assert not scan(plate, out, settle_minutes=30, now=now + HOUR, full=True)
    write_image(plate / FIRST, noise("larger", (30, 20)))
    assert scan(plate, out, settle_minutes=30, now=now + 60, full=True)
    assert not load_fingerprint(out / "fingerprint.tsv").settled


def test_a_copy_that_keeps_old_times_is_still_arriving(plate, out):
    _age(plate, 100 * HOUR)
    scan(plate, out, settle_minutes=30)
    assert not load_fingerprint(out / "fingerprint.tsv").settled


def test_a_file_that_changes_and_keeps_its_time_is_still_arriving(plate, out):
    time.sleep(0.6)
    stamp = (plate / FIRST).stat().st_mtime
    with (plate / FIRST).open("ab") as handle:
        handle.write(b"more")
    os.utime(plate / FIRST, (stamp, stamp))
    scan(plate, out, settle_minutes=0.5 / 60)
    assert not load_fingerprint(out / "fingerprint.tsv").settled


def test_a_clock_far_ahead_does_not_keep_a_plate_arriving(plate, out):
    _age(plate, -1000 * HOUR)
    scan(plate, out, settle_minutes=30, now=time.time() + HOUR)
    assert load_fingerprint(out / "fingerprint.tsv").settled


def test_a_growing_file_is_seen_while_the_plate_arrives(plate, out):
    now = time.time()
    scan(plate, out, settle_minutes=30, now=now)
    with (plate / FIRST).open("ab") as handle:
        handle.write(b"more")
    assert scan(plate, out, settle_minutes=30, now=now)
    assert row(out).bytes == (plate / FIRST).stat().st_size


def test_a_missing_folder_is_no_exception(tmp_path, out):
    assert scan(tmp_path / "nothing", out)
    fingerprint = load_fingerprint(out / "fingerprint.tsv")
    assert fingerprint.files == []
    assert [problem.code for problem in fingerprint.problems] == ["folder_not_found"]
    assert "folder not found" in json.loads((out / "scan.json").read_text())["note"]
    assert not scan(tmp_path / "nothing", out)


@pytest.mark.parametrize("keep_folder", [False, True])
def test_an_archived_plate_keeps_its_fingerprint(plate, out, keep_folder):
    scan(plate, out)
    project(plate, out)
    before = text(out)
    shutil.rmtree(plate)
    if keep_folder:
        plate.mkdir()
        (plate / "moved to tape.txt").write_text("x")
    assert not scan(plate, out, full=True)
    assert text(out) == before
    assert "no longer there" in json.loads((out / "scan.json").read_text())["note"]


def test_a_plate_that_vanished_before_it_was_used_is_missing(plate, out):
    scan(plate, out)
    shutil.rmtree(plate)
    assert scan(plate, out)
    assert read_fingerprint(out / "fingerprint.tsv") == []


def test_while_an_archive_takes_files_away_the_fingerprint_waits(plate, out):
    now = time.time()
    scan(plate, out, settle_minutes=30, now=now + HOUR)
    project(plate, out)
    before = text(out)
    shutil.rmtree(plate / "TimePoint_1" / "ZStep_1")
    assert not scan(plate, out, settle_minutes=30, now=now + 60)
    assert text(out) == before
    assert scan(plate, out, settle_minutes=30, now=now + HOUR)  # what is left at rest is a change
    assert len(read_fingerprint(out / "fingerprint.tsv")) == 4


def test_an_index_damaged_later_is_not_an_archived_plate(tmp_path, out):
    plate = make_operetta(tmp_path / "raw")
    operetta = get_instrument("operetta")
    scan_plate("p", plate, operetta, out, settle_minutes=0)
    project(plate, out)
    (plate / "Images" / "Index.idx.xml").write_text("<x>")
    assert scan_plate("p", plate, operetta, out, settle_minutes=0, full=True)
    assert load_fingerprint(out / "fingerprint.tsv").problems[0].code == "index_damaged"


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"version": 1, "folders": 3}'])
def test_a_lost_or_damaged_memory_changes_nothing(plate, out, damage):
    scan(plate, out)
    project(plate, out)
    before = text(out)
    for name in ("scan.json", "scan_files.json"):
        (out / name).write_text(damage)
    assert not scan(plate, out)
    (out / "scan_files.json").unlink()
    assert not scan(plate, out)
    assert text(out) == before


def test_without_memory_a_later_change_in_place_is_still_seen(plate, out):
    scan(plate, out)
    project(plate, out)
    (out / "scan_files.json").unlink()
    write_image(plate / FIRST, noise("other"))
    touch(plate / FIRST)
    assert scan(plate, out, full=True)
    assert row(out).revision == 1


def test_a_damaged_fingerprint_is_written_anew(plate, out):
    scan(plate, out)
    before = text(out)
    (out / "fingerprint.tsv").write_text("half a")
    with pytest.raises(StoreError, match="scan the plate again"):
        read_fingerprint(out / "fingerprint.tsv")
    assert scan(plate, out, full=True)
    assert text(out) == before


def test_a_moved_plate_is_the_same_plate(plate, out, tmp_path):
    scan(plate, out)
    project(plate, out)
    moved = plate.rename(tmp_path / "elsewhere")
    assert not scan(moved, out)


def test_many_plates_and_one_that_cannot_be_written(tmp_path, caplog):
    imagexpress = get_instrument("imagexpress")
    jobs = []
    for name in ("p1", "p2", "p3"):
        folder = make_imagexpress(tmp_path / name, wells=("B02",), planes=0)
        jobs.append((name, folder, imagexpress, tmp_path / "out" / name))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "p2").write_text("a file where a folder should be")
    assert scan_plates(jobs, settle_minutes=0) == ["p1", "p3"]
    assert "plate p2: the scan failed" in caplog.text
    assert scan_plates(jobs[:1], settle_minutes=0) == []


def test_ten_thousand_files_take_less_than_a_second(tmp_path, out):
    content = write_image(tmp_path / "one.tif").read_bytes()
    plate = tmp_path / "raw"
    for step in range(1, 26):
        folder = plate / f"ZStep_{step}"
        folder.mkdir(parents=True)
        for row_ in "BCDEFGHIJKLMNOPQ":
            for column in range(1, 26):
                (folder / f"P_{row_}{column:02d}_s1_w1.tif").write_bytes(content)
    start = time.process_time()
    scan(plate, out)
    assert time.process_time() - start < 1.5  # CPU time: 0.25 s on an idle machine
    later = time.time() + HOUR
    scan(plate, out, now=later)
    start = time.process_time()
    assert not scan(plate, out, now=later)
    assert time.process_time() - start < 0.05


def test_scans_while_files_come_and_go(plate, out):
    """A folder that changes under the scan is no reason for an exception."""
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            path = write_image(plate / "TimePoint_1" / "ZStep_9" / "P_B02_s1_w1.TIF")
            path.unlink()
            path.parent.rmdir()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        for _ in range(100):
            scan(plate, out, full=True)
    finally:
        stop.set()
        thread.join()
    scan(plate, out, full=True)
    assert len(read_fingerprint(out / "fingerprint.tsv")) == 8
