"""What the doctor finds on a facility where one thing at a time is wrong."""

import json
import os
from collections import namedtuple
from pathlib import Path

import pytest

from exvivo.cli import main
from exvivo.doctor import inputs, machine, needs, scheduler
from exvivo.doctor.findings import ERROR, OK, WARNING, Finding, status
from exvivo.sheets import load_config, read_sheets
from night_facility import make_facility
from runs import Workflow


@pytest.fixture(scope="module")
def made(repository, tmp_path_factory):
    run = Workflow(repository, tmp_path_factory.mktemp("doctor"))
    make_facility(run)
    return run


@pytest.fixture
def facility(made, tmp_path, monkeypatch):
    """A facility of one known plate and eleven new ones, which a test may spoil."""
    import shutil

    folder = tmp_path / "work"
    shutil.copytree(made.work, folder)
    monkeypatch.chdir(folder)
    return folder


def doctor(*options):
    """Exit status and findings other than ok, by check."""
    return main(["doctor", "--profile", "profiles/default", *options])


def findings(capsys):
    rows = json.loads(capsys.readouterr().out)
    return {row["check"]: row for row in rows if row["severity"] != OK}, rows


def configuration(**changes):
    import yaml

    content = yaml.safe_load(Path("config/config.yaml").read_text()) | changes
    config = load_config(content)
    return config, read_sheets(config, Path.cwd(), layouts_must_exist=False)


def test_a_sound_facility_passes_and_nothing_is_written(facility, capsys):
    before = {path for path in facility.rglob("*")}
    assert doctor("--json") == 0
    odd, rows = findings(capsys)
    assert odd == {}
    text = {row["check"]: row["found"] for row in rows}
    assert text["new plates"] == "11 to enter, 0 arriving"
    assert text["raw images"] == "3 planes of each of 12 new plates can be read"
    new = {path.name for path in facility.rglob("*")} - {path.name for path in before}
    assert new <= {"results", "logs"}


def test_what_is_wrong_is_told_with_a_remedy(facility, capsys):
    (facility / "raw/incoming/2026-11-24/N99_P1").mkdir()
    (facility / "raw/incoming/2026-11-24/N99_P1/a.TIF").touch()
    image = next((facility / "raw/incoming/2026-11-24/N03_P1").rglob("P_B02_w1.TIF"))
    image.write_bytes(image.read_bytes()[:1000])
    (facility / "config/layouts/N01.tsv").write_text("row\tcolumn\trole\nB\t2\tnonsense\n")
    assert doctor() == 1
    text = capsys.readouterr().out
    for words in ("layouts/N99.tsv", "nonsense", "P_B02_w1.TIF", "what to do: mend the layout"):
        assert words in text


def test_broken_sheets_are_errors_one_by_one(facility, capsys):
    sheet = facility / "config/plates.tsv"
    sheet.write_text(sheet.read_text().replace("imagexpress", "imagexpres"))
    assert doctor() == 2
    assert "imagexpres" in capsys.readouterr().out
    (facility / "config/config.yaml").write_text("nights: {}\n")
    assert doctor() == 2
    assert "nights" in capsys.readouterr().out


def test_raw_plates_that_are_gone_are_told_apart(facility):
    config, sheets = configuration()
    plate = Path("raw/incoming/2026-11-24/N01_P1")
    plate.rename("elsewhere")
    (lost,) = inputs.check_raw(config, sheets)
    assert lost.severity == ERROR and "N01_P1" in lost.found
    hashes = Path("results/plates/N01_P1/hashes.tsv")
    hashes.parent.mkdir(parents=True)
    hashes.touch()
    (gone,) = inputs.check_raw(config, sheets)
    assert gone.severity == WARNING and "--mark N01_P1" in gone.remedy


def test_weights_are_compared_with_their_hash(facility):
    Path("weights.pth").write_text("something else")
    sheet = Path("config/screens.tsv")
    row = "\nV01\tdrug\tPT-0002\tvgg19\tviability_phase2\t\n"
    sheet.write_text(sheet.read_text() + row)
    plates = Path("config/plates.tsv")
    plates.write_text(plates.read_text() + "V01_P1\tV01\tx\timagexpress\tlayouts/N01.tsv\tP1\n")
    config, sheets = configuration(training={"weights": {"vgg19": "weights.pth"}})
    (bad,) = inputs.check_weights(config, sheets)
    assert bad.severity == ERROR and "weights.pth" in bad.found + bad.remedy
    config, sheets = configuration()
    (none,) = inputs.check_weights(config, sheets)
    assert none.severity == ERROR and "vgg19-dcbb9e9d.pth" in none.expected


def test_space_is_counted_from_the_planes(facility, monkeypatch):
    config, sheets = configuration()
    waiting = inputs.waiting_plates(config, sheets)
    assert len(waiting) == 12
    size, files = needs.needed(config, waiting)
    wells = 13  # of one field of 64 x 64 pixels of two bytes each
    plane = waiting[0].files[0].bytes
    one = int(2 * wells * plane * needs._PYRAMID) + wells * 8 * 64 * 64
    assert size == 12 * one
    assert files == 12 * (wells * needs._FILES_PER_FIELD + needs._FILES_PER_PLATE)
    Place = namedtuple("Place", "f_bavail f_frsize f_favail f_files")
    monkeypatch.setattr(os, "statvfs", lambda _: Place(size, 1, files, 10**6))
    assert [f.severity for f in needs.check_space(config, waiting)] == [ERROR, ERROR]
    monkeypatch.setattr(os, "statvfs", lambda _: Place(2 * size, 1, 2 * files, 10**6))
    assert [f.severity for f in needs.check_space(config, waiting)] == [OK, OK]


def test_projection_takes_no_more_files_than_the_doctor_says(made, repository, tmp_path):
    """The estimate of files is an upper bound: compared with a store as projection writes it."""
    import numpy as np

    from exvivo.omezarr import PlateWriter

    writer = PlateWriter(tmp_path / "images.zarr", "P", ("MIP", "MID"))
    wells = {f"{row}{column:02d}": [1] for row in "BC" for column in range(2, 12)}
    for well in wells:
        writer.write_field(well, 1, np.zeros((2, 1280, 1280), np.uint16))
    writer.finish(wells, [{"min": 0, "max": 1, "start": 0, "end": 1}] * 2)
    written = sum(1 for _ in (tmp_path / "images.zarr").rglob("*"))
    assert written <= len(wells) * needs._FILES_PER_FIELD + needs._FILES_PER_PLATE
    assert written > len(wells) * needs._FILES_PER_FIELD / 2


def test_gpu_time_rests_on_this_facilitys_benchmarks(facility):
    text = Path("config/screens.tsv").read_text()
    Path("config/screens.tsv").write_text(
        text.replace("\t\tmean_of_stack", "\tsmall\tviability_phase2")
    )
    _, sheets = configuration()
    (unknown,) = needs.check_gpu_time(sheets, 1, 12)
    assert unknown.severity == WARNING and "nothing has been trained" in unknown.found
    for screen, seconds in (("A", 3600), ("B", 7200), ("C", 36000)):
        path = Path(f"results/benchmarks/screens/{screen}/small/train_phase2.tsv")
        path.parent.mkdir(parents=True)
        path.write_text(f"s\th:m:s\n{seconds}\t1\n")
    (enough,) = needs.check_gpu_time(sheets, 1, 12)
    assert enough.severity == OK and enough.found.startswith(
        "2.0 GPU hours needed (1 screens of 2.00 h"
    )
    assert needs.check_gpu_time(sheets, 1, 1)[0].severity == WARNING
    assert "GPUs not counted" in needs.check_gpu_time(sheets, None, 1)[0].found


def test_a_folder_that_cannot_be_written_and_a_missing_root_are_errors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").touch()  # a file in the way, which stops root as well
    found = needs.check_rights({"data_root": "nowhere"})
    assert [f.severity for f in found if f.check == "rights"] == [ERROR, ERROR]


@pytest.mark.parametrize(("skew", "severity"), [(0.1, OK), (-5, WARNING), (120, ERROR)])
def test_a_clock_that_differs_is_told(skew, severity):
    assert needs._skew(skew).severity == severity


SINFO = """\
cpu|up|idle|(null)|4
cpu|up|down*|(null)|1
gpu|up|mixed|gpu:a100:4(S:0-1)|2
gpu|up|drained|gpu:a100:4|1
gpu|up|idle|gpu:2|1
old|inact|idle|gpu:k80:2|3
"""


def test_partitions_and_gpus_are_read_from_sinfo():
    found = scheduler.read_partitions(SINFO.splitlines())
    assert (found["gpu"].gpus, found["gpu"].models, found["cpu"].gpus) == (10, {"a100"}, 0)
    assert found["old"].gpus == 0 and "up" not in found["old"].states


@pytest.mark.parametrize(
    ("name", "model", "rules", "words"),
    [
        ("cpu", "", "default", None),
        ("gpu", "a100", "train_phase2", None),
        ("gup", "", "train_phase2", "one of cpu, gpu, old"),
        ("gpu", "h100", "train_phase2", "one of a100"),
        ("cpu", "", "train_phase2", "GRES gpu"),
        ("old", "", "default", "up"),
    ],
)
def test_what_a_profile_asks_for_is_compared_with_what_is_there(name, model, rules, words):
    found = scheduler.check_partition(
        scheduler.read_partitions(SINFO.splitlines()), name, model, rules
    )
    assert (words in found[0].expected) if words else found == []


def test_the_shipped_profile_names_partitions_for_all_gpu_rules(repository):
    profile = scheduler.read_profile(repository / "profiles/slurm")
    wanted = scheduler._wanted(profile)
    assert wanted["default"] == ("cpu", "")
    (rules,) = [rules for rules, (name, _) in wanted.items() if name == "gpu"]
    assert {
        "train_phase1",
        "train_phase2",
        "train_phase3",
        "crossfit_controls",
        "predict_screen",
    } <= set(rules.split(", "))


def test_a_cluster_whose_programs_are_missing_is_an_error(monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    (found,), gpus = scheduler.check_scheduler({"executor": "slurm"})
    assert found.severity == ERROR and "sbatch" in found.found and gpus is None


def fake_slurm(folder, monkeypatch, **programs):
    for name in ("sbatch", "squeue", "scancel"):
        programs.setdefault(name, "true")
    for name, script in programs.items():
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_accounting_matters_where_the_profile_asks_it(tmp_path, monkeypatch):
    sinfo = "/bin/echo 'cpu|up|idle|(null)|4'"
    programs = {"sinfo": sinfo, "sacct": "exit 1", "scontrol": "/bin/echo 'MinJobAge = 60 sec'"}
    fake_slurm(tmp_path, monkeypatch, **programs)
    profile = {"executor": "slurm", "default-resources": {"slurm_partition": "cpu"}}
    found, gpus = scheduler.check_scheduler(profile)
    assert [(f.check, f.severity) for f in found] == [
        ("scheduler", OK), ("accounting", ERROR), ("accounting", WARNING),
    ]  # fmt: skip
    assert gpus == 0
    found, _ = scheduler.check_scheduler(profile | {"slurm-status-command": "squeue"})
    assert found[1].severity == WARNING


def test_a_controller_that_is_away_is_an_error(tmp_path, monkeypatch):
    fake_slurm(tmp_path, monkeypatch, sinfo="/bin/echo 'Unable to contact' >&2; exit 1")
    (found,), _ = scheduler.check_scheduler({"executor": "slurm"})
    assert found.severity == ERROR and found.found == "Unable to contact"


def test_versions_are_compared_with_the_lock(tmp_path, repository):
    (good,) = machine.check_versions(repository / "constraints.txt", slurm=True)
    assert good.severity == OK, good
    lock = tmp_path / "constraints.txt"
    lock.write_text("numpy==1.0 ; python_version < '3'\nnumpy==1.1\nsnakemake==1.0\n")
    (other,) = machine.check_versions(lock, slurm=False)
    assert other.severity == WARNING and "(locked: 1.0 or 1.1)" in other.found


def test_the_status_is_the_worst_finding():
    ok, warning, error = (Finding("x", s, "y") for s in (OK, WARNING, ERROR))
    assert [status(f) for f in ([], [ok], [ok, warning], [error, warning])] == [0, 0, 1, 2]
