"""Checksums of raw files."""

from __future__ import annotations

import hashlib
import zlib

import pytest

from exvivo.checksums import (
    FileHash,
    checksum_file,
    new_checksum,
    read_hashes,
    write_hashes,
)
from exvivo.errors import StoreError

CONTENT = bytes(range(256)) * 9000  # more than one block


def test_fast_and_standard_functions_agree():
    codecs = pytest.importorskip("imagecodecs")
    for fast, plain, start in (
        (codecs.deflate_crc32, zlib.crc32, 0),
        (codecs.deflate_adler32, zlib.adler32, 1),
    ):
        for cut in (0, 1, 17, len(CONTENT)):
            grown = fast(CONTENT[cut:], fast(CONTENT[:cut], start))
            assert grown == plain(CONTENT)


def test_the_way_it_is_cut_into_blocks_does_not_matter(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    checksum = new_checksum()
    for start in range(0, len(CONTENT), 999_983):
        checksum.update(memoryview(CONTENT)[start : start + 999_983])
    expected = f"{zlib.crc32(CONTENT):08x}{zlib.adler32(CONTENT):08x}"
    assert checksum.hexdigest() == checksum_file(tmp_path / "file") == expected


def test_sha256_can_be_compared_too(tmp_path):
    (tmp_path / "file").write_bytes(CONTENT)
    assert checksum_file(tmp_path / "file", "sha256") == hashlib.sha256(CONTENT).hexdigest()


def test_an_unknown_algorithm_is_refused():
    with pytest.raises(StoreError, match="md5"):
        new_checksum("md5")


def test_hashes_are_written_sorted_and_read_back(tmp_path):
    rows = [
        FileHash("b/ü 1.tif", 12, "sha256", "ab"),
        FileHash("a.tif", 3, "crc32-adler32", "00ff"),
    ]
    write_hashes(tmp_path / "hashes.tsv", rows)
    assert list(read_hashes(tmp_path / "hashes.tsv").values()) == rows[::-1]
    write_hashes(tmp_path / "hashes.tsv", [])
    assert read_hashes(tmp_path / "hashes.tsv") == {}


@pytest.mark.parametrize(
    "text", ["", "path\tsha256\nx\ty\n", "path\tbytes\talgorithm\tdigest\nx\n"]
)
def test_damaged_hashes_are_refused(tmp_path, text):
    (tmp_path / "hashes.tsv").write_text(text)
    with pytest.raises(StoreError, match="checksums"):
        read_hashes(tmp_path / "hashes.tsv")
    with pytest.raises(StoreError):
        read_hashes(tmp_path / "none.tsv")
