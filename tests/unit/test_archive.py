"""Raw plates leave and come back: register, manifest, patterns."""

import re

import numpy as np
import pytest

from exvivo.archive import manifest, register
from exvivo.archive.manifest import Difference
from exvivo.checksums import ALGORITHM, FileHash, checksum_file
from exvivo.errors import StoreError


@pytest.mark.parametrize(
    "names",
    [["P1"], ["P1", "P10", "P2"], ["A.1", "A-1", "AB"], ["S01_P1", "S01", "S02_P1", "T1"]],
)
def test_the_compact_pattern_matches_its_names_and_no_other(names):
    pattern = re.compile(register.compact(names))
    others = ["P", "P11", "P100", "A", "A1", "AxB", "S0", "S01_", "S01_P", "S01_P11", "", "T"]
    assert [n for n in names if pattern.fullmatch(n)] == names
    assert [n for n in others if pattern.fullmatch(n)] == []


def test_the_compact_pattern_is_right_for_many_names():
    rng = np.random.default_rng(1)
    names = {f"S{a:03d}_P{b}" for a, b in rng.integers(0, 300, (1000, 2))}
    pattern = re.compile(register.compact(names))
    assert all(pattern.fullmatch(name) for name in names)
    probes = [f"S{a:03d}_P{b}" for a in range(60) for b in range(300)]
    assert {p for p in probes if pattern.fullmatch(p)} == names & set(probes)


def test_no_names_match_nothing():
    assert re.fullmatch(register.compact([]), "") is None


def archived_facility(folder, plates):
    for plate in plates:
        for name in register.OUTPUTS:
            path = folder / "results/plates" / plate / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
    register.write_register({plate: {} for plate in plates}, folder / "results/archive")


def test_a_pattern_leaves_out_archived_plates_only(tmp_path, monkeypatch):
    archived_facility(tmp_path, ["P1", "P2"])
    monkeypatch.chdir(tmp_path)
    pattern = re.compile(register.without_archived("[A-Z0-9]+", ["P1", "P2", "P3"]) + "/x")
    found = {p: bool(pattern.fullmatch(f"{p}/x")) for p in ("P1", "P2", "P3", "P10")}
    assert found == {"P1": False, "P2": False, "P3": True, "P10": True}


def test_a_plate_that_lost_a_result_counts_as_not_archived(tmp_path, monkeypatch):
    archived_facility(tmp_path, ["P1"])
    monkeypatch.chdir(tmp_path)
    assert register.frozen(["P1"]) == ["P1"]
    (tmp_path / "results/plates/P1/wells.done.json").unlink()
    assert register.frozen(["P1"]) == []


def test_without_a_register_nothing_is_archived(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert register.without_archived("x+", ["P1"]) == "x+"


def test_a_damaged_register_is_refused_and_not_taken_for_empty(tmp_path):
    (tmp_path / "archived.json").write_text("{")
    with pytest.raises(StoreError, match=r"archived\.json"):
        register.read_register(tmp_path)


@pytest.fixture
def plate(tmp_path):
    folder = tmp_path / "raw"
    for name in ("a/1.tif", "a/2.tif", "index.xml"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"content of {name}")
    return folder


def hashes_of(folder, *names):
    return {
        n: FileHash(n, (folder / n).stat().st_size, ALGORITHM, checksum_file(folder / n))
        for n in names
    }


def test_a_manifest_holds_every_file_and_says_which_were_projected(plate, tmp_path):
    entries, differences = manifest.make_manifest(plate, hashes_of(plate, "a/1.tif"))
    assert differences == []
    assert [(e.path, e.used, e.sha256) for e in entries] == [
        ("a/1.tif", "yes", checksum_file(plate / "a/1.tif", "sha256")),
        ("a/2.tif", "", checksum_file(plate / "a/2.tif", "sha256")),
        ("index.xml", "", checksum_file(plate / "index.xml", "sha256")),
    ]
    manifest.write_manifest(tmp_path / "m.tsv", entries)
    assert manifest.read_manifest(tmp_path / "m.tsv") == entries
    assert manifest.compare(plate, entries) == []


def test_a_manifest_is_refused_if_a_file_is_not_what_was_projected(plate):
    hashes = hashes_of(plate, "a/1.tif", "a/2.tif")
    (plate / "a/1.tif").write_text("CONTENT of a/1.tif")
    (plate / "a/2.tif").unlink()
    _, differences = manifest.make_manifest(plate, hashes)
    assert differences == [Difference("a/1.tif", "changed"), Difference("a/2.tif", "missing")]


def test_every_kind_of_difference_is_named(plate):
    entries, _ = manifest.make_manifest(plate, {})
    (plate / "a/1.tif").write_text("CONTENT of a/1.tif")
    (plate / "a/2.tif").unlink()
    (plate / "index.xml").write_text("longer than it was before")
    (plate / "new.tif").touch()
    assert list(map(str, manifest.compare(plate, entries))) == [
        "a/1.tif: changed", "a/2.tif: missing", "index.xml: changed", "new.tif: added",
    ]  # fmt: skip


def test_a_plate_gone_before_it_was_marked_is_compared_by_the_checksums_of_projection(plate):
    entries = manifest.manifest_of_hashes(hashes_of(plate, "a/1.tif"))
    assert manifest.compare(plate, entries, complete=False) == []
    (plate / "a/1.tif").write_text("CONTENT of a/1.tif")
    assert manifest.compare(plate, entries, complete=False) == [Difference("a/1.tif", "changed")]


def test_the_signature_tells_a_change_and_a_missing_folder(plate, tmp_path):
    before = manifest.signature(plate)
    (plate / "a/1.tif").write_text("x")
    assert manifest.signature(plate) not in ("", before)
    assert manifest.signature(tmp_path / "none") == ""


def test_a_damaged_manifest_is_refused(tmp_path):
    (tmp_path / "m.tsv").write_text("path\tbytes\n")
    with pytest.raises(StoreError, match="archived files"):
        manifest.read_manifest(tmp_path / "m.tsv")
