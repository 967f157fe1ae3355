"""The run record: what decides its digest, what does not, and its RO-Crate."""

import getpass
import json
import re
import socket
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from rocrate.rocrate import ROCrate

from exvivo.errors import StoreError
from exvivo.files import digest_file, write_json
from exvivo.runrecord.build import build_record, check_record, commit
from exvivo.runrecord.crate import FILE_NAME, crate
from exvivo.runrecord.settings import settings
from exvivo.sheets import load_config
from exvivo.tables import WELL_FLAGS, write_table

FOLDER = Path("results/screens/S1")
PLATE = Path("results/plates/P1")
MODEL = FOLDER / "small/phase2.safetensors"
ARGUMENTS = {
    "screen": "S1",
    "sheet": {"screen": "S1", "kind": "drug", "readouts": ["viability_phase2"]},
    "plates": [{"plate": "P1", "screen": "S1", "path": "day/P1", "instrument": "imagexpress"}],
    "settings": {"training.seed": 0},
    "decisions": [],
    "code": {"score_screen.py": "0123456789abcdef"},
    "layouts": ["config/layouts/S1.tsv"],
    "reference": [],
    "models": [str(MODEL)],
}


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def screen(tmp_path, monkeypatch):
    """A finished screen with one plate and one model, in the working directory."""
    monkeypatch.chdir(tmp_path)
    for name in ("scores.tsv", "quality.tsv", "curves.parquet", "responses.parquet"):
        write(FOLDER / name, name)
    write_json(FOLDER / "verdict.json", {"verdict": "pass", "reasons": []})
    row = {"plate": "P1", "well": "B02", "check": "fibre", "source": "image", "consequence": "warn"}
    row |= {"value": 1.0, "limit": 0.5, "text": "a fibre"}
    flags = pd.DataFrame([row, row | {"well": "B03"}, row | {"check": "empty"}])
    write_table(flags[WELL_FLAGS.names], FOLDER / "well_flags.parquet", WELL_FLAGS)
    for name in ("fingerprint.tsv", "admission.json", "hashes.tsv"):
        write(PLATE / name, name)
    for store in ("images", "wells"):
        write_json(PLATE / f"{store}.done.json", {"digest": store, "versions": {"zarr": "3"}})
    write(MODEL, "weights")
    write_json(
        MODEL.with_suffix(".json"), {"seed": 1, "start": "abc", "device": "cpu", "torch": "2"}
    )
    write(Path("config/layouts/S1.tsv"), "layout")
    write(
        Path("results/benchmarks/plates/P1/project_plate.tsv"), "s\tmax_rss\n1.5\tNA\n12.5\t300.1\n"
    )
    write(Path("results/benchmarks/screens/S1/small/train_phase2.tsv"), "s\tmax_rss\n60\t900\n")
    return tmp_path


def digest(**changes):
    return build_record(**ARGUMENTS | changes)["digest"]


def test_a_record_holds_what_the_results_were_made_from(screen):
    record = build_record(**ARGUMENTS)
    made_from, results = record["made_from"], record["results"]
    plate = made_from["plates"]["P1"]
    assert plate["fingerprint"] == digest_file(PLATE / "fingerprint.tsv")
    assert (plate["images"], plate["wells"], plate["path"]) == ("images", "wells", "day/P1")
    model = made_from["models"]["phase2"]
    assert model["sha256"] == digest_file(MODEL)
    assert (model["start"], model["seed"], model["device"]) == ("abc", 1, "cpu")
    assert made_from["layouts"] == {"config/layouts/S1.tsv": digest_file("config/layouts/S1.tsv")}
    assert results["well_flags"] == [
        {"check": "empty", "source": "image", "consequence": "warn", "wells": 1},
        {"check": "fibre", "source": "image", "consequence": "warn", "wells": 2},
    ]
    assert record["execution"]["rules"] == {
        "plates/P1/project_plate": {"seconds": 12.5, "max_rss_mb": 300.1},
        "screens/S1/small/train_phase2": {"seconds": 60.0, "max_rss_mb": 900.0},
    }
    check_record(record)


def test_the_same_inputs_give_the_same_digest_whatever_happened_meanwhile(screen):
    before = build_record(**ARGUMENTS)
    write(Path("results/benchmarks/plates/P1/project_plate.tsv"), "s\n99\n")
    write_json(PLATE / "wells.done.json", {"digest": "wells", "versions": {"zarr": "4"}})
    after = build_record(**ARGUMENTS)
    assert before["digest"] == after["digest"]
    assert before["execution"] != after["execution"]


@pytest.mark.parametrize(
    "path",
    [
        PLATE / "fingerprint.tsv", PLATE / "admission.json", PLATE / "hashes.tsv", MODEL,
        FOLDER / "scores.tsv", FOLDER / "responses.parquet", Path("config/layouts/S1.tsv"),
    ],
)  # fmt: skip
def test_every_file_counts(screen, path):
    before = digest()
    path.write_text("other")
    assert digest() != before


@pytest.mark.parametrize(
    "change",
    [
        {"settings": {"training.seed": 1}},
        {"code": {"score_screen.py": "f"}},
        {"decisions": [{"decision": "D1", "plate": "P1", "well": "B02"}]},
        {"sheet": {"screen": "S1", "kind": "drug", "readouts": ["mean_of_stack"]}},
    ],
)
def test_every_parameter_counts(screen, change):
    assert digest(**change) != digest()


def test_a_record_that_was_changed_is_told(screen):
    record = build_record(**ARGUMENTS)
    record["results"]["verdict"] = "hold"
    with pytest.raises(StoreError, match="changed after"):
        check_record(record)


def test_nothing_in_it_names_a_place_a_machine_or_a_user(screen):
    own = load_config(
        {"data_root": "/data/somebody", "scoring": {"reference": "/home/jane/ref.tsv"}}
    )
    record = build_record(**ARGUMENTS | {"settings": settings(own)})
    text = json.dumps([record, crate(record, "2026-01-01")])
    assert str(screen) not in text and socket.gethostname() not in text
    assert not re.search(rf'"{re.escape(getpass.getuser())}[@:"]', text)
    assert "jane" not in text and "somebody" not in text
    assert not re.search(r'": "/', text)


def test_settings_that_change_no_number_are_left_out():
    kept = settings(load_config({}))
    assert kept["training.seed"] == 0 and "scoring.method" in kept
    assert not {"training.device", "training.allow_cpu"} & set(kept)
    assert not [k for k in kept if k.split(".")[0] in ("report", "night", "release", "plates")]


def test_the_crate_is_one_that_the_library_reads(screen):
    record = build_record(**ARGUMENTS)
    write_json(FOLDER / "run_record.json", record)
    (FOLDER / "report.html").touch()
    write_json(FOLDER / FILE_NAME, crate(record, "2026-01-01"))
    read = ROCrate(FOLDER)
    assert read.root_dataset["identifier"] == f"sha256:{record['digest']}"
    files = {part.id: part for part in read.root_dataset["hasPart"]}
    assert set(files) == {
        "scores.tsv", "quality.tsv", "verdict.json", "curves.parquet", "responses.parquet",
        "run_record.json", "report.html",
    }  # fmt: skip
    assert files["scores.tsv"]["sha256"] == digest_file(FOLDER / "scores.tsv")
    run = read.get("#run")
    assert {entry.id for entry in run["object"]} == {
        "#plate-P1", "#layout-config-layouts-S1.tsv", "#model-phase2",
    }  # fmt: skip
    assert run["instrument"]["name"] == "exvivo"


def test_the_commit_is_that_of_git(tmp_path):
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    assert commit(tmp_path) == ""
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "commit", "-q", "--allow-empty", "-m", "one"], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    assert commit(tmp_path) == head.stdout.strip()
    subprocess.run([*git, "worktree", "add", "-q", str(tmp_path / "w"), "-b", "w"], check=True)
    subprocess.run([*git, "pack-refs", "--all"], check=True)
    assert commit(tmp_path / "w") == head.stdout.strip()
