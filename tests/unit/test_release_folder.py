import json

import pytest

from exvivo.errors import StoreError
from exvivo.release.folder import (
    frozen_screens,
    released_versions,
    reopening,
    versions,
)


@pytest.fixture
def released(tmp_path):
    def make(screen, version, reopened=None):
        folder = tmp_path / "released" / screen / f"v{version}"
        folder.mkdir(parents=True)
        (folder / "SHA256SUMS").write_text("")
        if reopened is not None:
            text = reopened if isinstance(reopened, str) else json.dumps(reopened)
            (folder.parent / "reopened.json").write_text(text)
        return folder

    return make


def test_nothing_is_frozen_where_nothing_is_released(tmp_path):
    assert frozen_screens(tmp_path) == {} and versions("S1", tmp_path) == []


def test_the_newest_release_counts_and_unfinished_folders_do_not(tmp_path, released):
    for version in (1, 2, 10):
        released("S1", version)
    (tmp_path / "released/S1/.v11.partial").mkdir()
    (tmp_path / "released/S1/v12").mkdir()  # no manifest
    (tmp_path / "released/S1/v1.sha256").write_text("")
    assert versions("S1", tmp_path) == [1, 2, 10]
    assert frozen_screens(tmp_path) == {"S1": "released/S1/v10"}


def test_a_reopened_screen_is_not_frozen_until_its_next_release(tmp_path, released):
    released("S1", 1, reopened={"version": 1, "reason": "x"})
    assert frozen_screens(tmp_path) == {} and reopening("S1", tmp_path)["reason"] == "x"
    released("S1", 2)  # the process died before it removed the note
    assert frozen_screens(tmp_path) == {"S1": "released/S1/v2"}
    assert reopening("S1", tmp_path) is None


@pytest.mark.parametrize("note", ["{", "[]", '"x"', "{}", '{"version": "1"}', "\xff"])
def test_a_note_that_cannot_be_read_opens_nothing(tmp_path, released, note):
    released("S1", 1, reopened=note)
    assert frozen_screens(tmp_path) == {"S1": "released/S1/v1"}


@pytest.mark.parametrize("name", ["../S1", "/etc", "S1/v1", "", ".", "..", "S2", "S1\n"])
def test_only_an_id_is_looked_up(tmp_path, released, name):
    released("S1", 1)
    with pytest.raises(StoreError, match="no such release"):
        released_versions(name, tmp_path)
