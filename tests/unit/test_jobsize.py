"""Sizes of jobs from what is on disk."""

from __future__ import annotations

import pytest

from exvivo.files import write_json
from exvivo.jobsize import RawSize, amount, by_plate, megabytes, raw_size, wells

COMMENTS = "# settled: true\n# problems: []\nwell\tfield\tchannel\tplane\tpath\tbytes\trevision\n"


def fingerprint(folder, files, size=8_000_000):
    rows = [
        f"B02\t1\t1\t{n % 10}\tTimePoint_1/P_{n:06d}_w1.TIF\t{size + 100 * (n % 3)}\t0\n"
        for n in range(files)
    ]
    path = folder / "fingerprint.tsv"
    path.write_text(COMMENTS + "".join(rows))
    return path


@pytest.mark.parametrize("files", [1, 3, 300, 30_000])
def test_size_of_a_raw_plate(tmp_path, files):
    size = raw_size(fingerprint(tmp_path, files))
    assert size.files == pytest.approx(files, rel=0.02)
    assert size.file_mb == pytest.approx(8, rel=0.001)
    assert size.gigabytes == pytest.approx(files * 8e6 / 1e9, rel=0.02)


def test_a_plate_without_files_or_fingerprint_has_no_size(tmp_path):
    assert raw_size(fingerprint(tmp_path, 0)) == RawSize(0, 0.0, 0.0)
    assert raw_size(tmp_path / "missing.tsv") == RawSize(0, 0.0, 0.0)


def test_wells_of_the_stores_that_are_there(tmp_path):
    for name, images in (("a", 38), ("b", 300)):
        write_json(tmp_path / f"{name}.json", {"images": images})
    done = [tmp_path / "a.json", tmp_path / "b.json", tmp_path / "not_yet.json"]
    assert wells(done) == 338 and wells([]) == 0


def test_megabytes_of_the_files_that_are_there(tmp_path):
    (tmp_path / "a").write_bytes(bytes(3_000_000))
    assert megabytes([tmp_path / "a", tmp_path / "not_yet"]) == 3


def test_more_at_each_attempt_and_whole_numbers(tmp_path):
    plate = fingerprint(tmp_path, 1000)
    assert by_plate(plate, 1, 1000, 20, 0, 0) == pytest.approx(1020, abs=2)
    assert by_plate(plate, 3, 15, 0, 0, 2) == pytest.approx(93, abs=2)
    assert by_plate(tmp_path / "missing.tsv", 2, 1000, 20, 60, 2) == 2000
    assert [amount(attempt, 10, 0.25) for attempt in (1, 2, 3)] == [11, 21, 31]
