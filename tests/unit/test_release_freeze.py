import json
import subprocess
from pathlib import Path

import pytest

from exvivo.errors import StoreError
from exvivo.release.freeze import Copies, choose_files, releasing, write_release
from exvivo.release.verify import verify_release
from exvivo.sheets import Plate, Screen, Sheets

WORDS = "Released as v1 by AB. <script>alert(1)</script>"


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def put(path, content="x"):
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(content)


@pytest.fixture
def sheets():
    """A finished screen, as far as a release looks at it."""
    own = "results/screens/S1"
    for name in (
        "scores.tsv",
        "training_wells.json",
        ".scores.tsv.partial",
        "small/phase2.safetensors",
    ):
        put(f"{own}/{name}", name)
    for name in ("small/checkpoints/last.safetensors", "crops.zarr/zarr.json"):
        put(f"{own}/{name}")
    put(f"{own}/report.html", "<h1>S1</h1><!-- released --><p>page</p>")
    for name in (
        "admission.json",
        "fingerprint.tsv",
        "scan.json",
        "readouts/mean_of_stack.parquet",
        "wells.zarr/0",
    ):
        put(f"results/plates/P1/{name}")
    for name in ("phase1.safetensors", "phase1.json", "phase1_history.tsv"):
        put(f"results/models/small/T1/{name}")
    screens = [
        Screen("T1", "training"),
        Screen("S1", "drug", "T1", "A-1", "small", ("viability_phase2", "mean_of_stack")),
    ]
    plates = [
        Plate("P1", "S1", "p1", "imagexpress", "layout.tsv"),
        Plate("T", "T1", "t", "imagexpress", "layout.tsv"),
    ]
    return Sheets({p.plate: p for p in plates}, {s.screen: s for s in screens})


def release(sheets, version=1):
    copies = choose_files(sheets, "S1", 1)
    return write_release(
        "S1", version, copies, {"release.json": {"screen": "S1"}}, {"diff.txt": "-"}, WORDS
    )


def test_a_release_holds_results_plates_and_models_and_nothing_unfinished(sheets):
    copies = choose_files(sheets, "S1", 1)
    assert sorted(copies.files) == [
        "models/small/T1/phase1.json",
        "models/small/T1/phase1.safetensors",
        "models/small/T1/phase1_history.tsv",
        "plates/P1/admission.json",
        "plates/P1/fingerprint.tsv",
        "plates/P1/readouts/mean_of_stack.parquet",
        "report.html",
        "scores.tsv",
        "small/phase2.safetensors",
    ]


def test_of_a_large_file_the_digest_is_kept(sheets):
    copies = choose_files(sheets, "S1", 10e-6)  # 10 bytes
    assert "small/phase2.safetensors" not in copies.files
    assert copies.left_out["small/phase2.safetensors"]["bytes"] == 24
    assert len(copies.left_out["small/phase2.safetensors"]["sha256"]) == 64


def test_a_training_screen_releases_its_models(sheets):
    assert {p for p in choose_files(sheets, "T1", 1).files if p.startswith("models/")} == {
        f"models/small/T1/phase1{end}" for end in (".json", ".safetensors", "_history.tsv")
    }


def test_a_release_is_read_only_and_any_tool_can_check_it(sheets):
    digest = release(sheets)
    folder = Path("released/S1/v1")
    modes = {path.stat().st_mode & 0o777 for path in folder.rglob("*") if path.is_file()}
    assert modes == {0o444} and folder.stat().st_mode & 0o777 == 0o555
    for where, manifest in ((folder, "SHA256SUMS"), (folder.parent, "v1.sha256")):
        subprocess.run(
            ["sha256sum", "--check", "--strict", "--quiet", manifest], cwd=where, check=True
        )
    assert digest in Path("released/S1/v1.sha256").read_text()
    assert verify_release("S1", 1) == []


def test_the_head_of_the_report_says_what_it_is_and_obeys_nothing(sheets):
    release(sheets)
    page = Path("released/S1/v1/report.html").read_text()
    assert "Released as v1 by AB." in page and "<script>" not in page
    assert "<!-- released -->" in Path("results/screens/S1/report.html").read_text()


def tamper(folder, change):
    for path in (folder.parent, folder, *folder.rglob("*")):
        path.chmod(0o755)
    change(folder)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda f: (f / "scores.tsv").write_text("scores.tsw"), "scores.tsv was changed"),
        (lambda f: (f / "scores.tsv").unlink(), "scores.tsv is missing"),
        (lambda f: (f / "more.tsv").write_text(""), "more.tsv was added"),
        (lambda f: (f / "SHA256SUMS").write_text(""), "is not the one that was sealed"),
        (lambda f: (f / "SHA256SUMS").unlink(), "SHA256SUMS is missing"),
        (lambda f: (f.parent / "v1.sha256").unlink(), "v1.sha256 is missing"),
        (lambda f: (f / "x").symlink_to("nowhere"), "x was added"),
    ],
)
def test_every_change_is_found(sheets, change, told):
    release(sheets)
    tamper(Path("released/S1/v1"), change)
    problems = verify_release("S1", 1)
    assert any(told in problem for problem in problems), problems


def test_a_release_is_never_written_over(sheets):
    first = release(sheets)
    put("results/screens/S1/scores.tsv", "other")
    with pytest.raises(StoreError, match="this release exists"):
        release(sheets)
    assert verify_release("S1", 1) == []
    assert first in Path("released/S1/v1.sha256").read_text()
    assert sorted(p.name for p in Path("released/S1").iterdir()) == ["v1", "v1.sha256"]


def test_what_a_killed_release_left_is_cleared_away(sheets):
    put("released/S1/.v1.partial/deep/scores.tsv")
    Path("released/S1/.v1.partial/deep").chmod(0o555)
    release(sheets)
    assert verify_release("S1", 1) == []
    assert not Path("released/S1/.v1.partial").exists()


def test_a_copy_that_fails_leaves_nothing(sheets):
    copies = Copies({"scores.tsv": Path("results/screens/S1/scores.tsv"), "gone": Path("nowhere")})
    with pytest.raises(StoreError, match="nothing was released"):
        write_release("S1", 1, copies, {}, {}, WORDS)
    assert list(Path("released/S1").iterdir()) == []


def test_one_release_at_a_time():
    with releasing(), pytest.raises(StoreError, match="another release"), releasing():
        pass
    with releasing():
        pass


def test_records_are_json(sheets):
    release(sheets)
    assert json.loads(Path("released/S1/v1/release.json").read_text()) == {"screen": "S1"}
