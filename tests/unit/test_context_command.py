"""`exvivo reference build`, and which screens it finds."""

from __future__ import annotations

import pytest

from exvivo.cli import main
from exvivo.context.finished import find_finished, held_readouts
from exvivo.files import write_json
from exvivo.responses.reference import read_reference_table

HEAD = "screen\treadout\ttreatment\taddon\tdss_asym\tdss_asym_adj\thit\tstatus\tmin_concentration\tmax_concentration\n"


def finish(folder, screen: str, score: float, verdict: str = "pass") -> None:
    """Scores and verdict of a screen that has run."""
    folder.mkdir(parents=True)
    row = f"{screen}\tmetabolic\tPLX4032\t\t{score}\t{score}\tTrue\tok\t1\t10000\n"
    (folder / "scores.tsv").write_text(HEAD + row)
    single = {"metabolic": {"verdict": verdict, "reasons": []}}
    write_json(folder / "verdict.json", {"verdict": verdict, "reasons": [], "readouts": single})


@pytest.fixture
def facility(tmp_path, monkeypatch):
    """Five screens: two that passed, one on hold, one not finished, one with a damaged verdict."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config").mkdir()
    names = ["S1", "S2", "S3", "S4", "S5"]
    write = {
        "config.yaml": "drugs: config/drugs.tsv\n",
        "drugs.tsv": "drug\tsynonyms\nVemurafenib\tPLX4032\n",
        "layout.tsv": "well\trole\nA01\tnegative_control\n",
        "plates.tsv": "plate\tscreen\tpath\tinstrument\tlayout\n" + "".join(f"{n}_P1\t{n}\t{n}.txt\treader\tlayout.tsv\n" for n in names),
        "screens.tsv": "screen\tkind\treadouts\n" + "".join(f"{n}\tdrug\tmetabolic\n" for n in names),
    }  # fmt: skip
    for name, text in write.items():
        (tmp_path / "config" / name).write_text(text)
    results = tmp_path / "results" / "screens"
    finish(results / "S1", "S1", 10.0)
    finish(results / "S2", "S2", 20.0)
    finish(results / "S3", "S3", 30.0, "hold")
    finish(results / "S5", "S5", 30.0)
    (results / "S5" / "verdict.json").write_text("{")
    return tmp_path


def test_a_reference_is_built_from_what_passed(facility, capsys):
    assert main(["reference", "build", "--name", "2026-11"]) == 0
    out = capsys.readouterr().out
    assert "1 rows from 2 screens" in out and "S3 left out: on hold" in out
    assert "S4 left out: not finished" in out and "S5 left out: cannot read this file" in out
    path = facility / "config/references/2026-11.tsv"
    made = read_reference_table(path)
    assert made.name == "2026-11" and made.screens == ("S1", "S2")
    row = made.table.iloc[0]
    assert (row["drug"], row["mean"], row["n"]) == ("Vemurafenib", 15, 2)
    assert not path.stat().st_mode & 0o222, "nobody edits a version"


def test_a_name_is_used_once_and_safe(facility, capsys):
    assert main(["reference", "build", "--name", "a", "--screens", "S1"]) == 0
    assert main(["reference", "build", "--name", "a", "--screens", "S2"]) == 1
    assert "there is a reference of this name" in capsys.readouterr().err
    assert main(["reference", "build", "--name", "../a"]) == 1
    assert "this is not a name" in capsys.readouterr().err
    assert main(["reference", "build", "--name", "b", "--screens", "S9"]) == 1
    assert "unknown screens" in capsys.readouterr().err
    assert main(["reference", "build", "--name", "b", "--screens", "S3"]) == 1
    assert "nothing to make a reference from" in capsys.readouterr().err
    assert sorted(p.name for p in (facility / "config/references").iterdir()) == ["a.tsv"]


def test_a_released_screen_is_read_from_its_signed_copy(facility):
    finish(facility / "released/S4/v1", "S4", 40.0)
    found = find_finished(["S4"], facility / "results", {"S4": facility / "released/S4/v1"})
    assert [s.screen for s in found.sources] == ["S4"] and not found.left_out


def test_a_readout_without_verdict_is_held():
    assert held_readouts({}, ["a"]) == {"a"}
    single = {"a": {"verdict": "pass"}, "b": {"verdict": "hold"}}
    assert held_readouts({"readouts": single}, ["a", "b", "c"]) == {"b", "c"}
