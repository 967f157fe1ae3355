"""Building the run record: what decided the numbers, digested, and apart from it what happened while they were made.

`made_from` and `results` are the same whenever the same inputs meet the same code; `digest` is theirs, and the
report cites it. Everything under `execution` may differ between two runs. No absolute path, no host, no user.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import exvivo
from exvivo.errors import StoreError
from exvivo.files import digest_bytes, digest_file, read_json
from exvivo.runrecord.settings import shown
from exvivo.runrecord.times import times
from exvivo.tables import WELL_FLAGS, read_table

FORMAT = 1
_PACKAGES = (
    "imagecodecs", "numpy", "pandas", "pyarrow", "safetensors", "scipy", "snakemake",
    "snakemake-executor-plugin-slurm", "tifffile", "torch", "zarr",
)  # fmt: skip
_OF_A_MODEL = ("exvivo", "phase", "run", "start", "data", "seed", "recipe", "code", "counts")
_RESULTS = ("scores.tsv", "quality.tsv", "verdict.json", "curves.parquet", "responses.parquet")


def build_record(
    *,
    screen: str,
    sheet: Mapping[str, Any],
    plates: Sequence[Mapping[str, Any]],
    settings: Mapping[str, Any],
    decisions: Sequence[Mapping[str, Any]],
    code: Mapping[str, str],
    layouts: Sequence[str],
    reference: Sequence[str],
    models: Sequence[str],
) -> dict[str, Any]:
    """The run record of a screen in the working directory, as plain values.

    Args:
        screen: its id.
        sheet: its row of screens.tsv.
        plates: rows of plates.tsv, its own.
        settings: the configuration's keys that can change a number (`exvivo.runrecord.settings`).
        decisions: what persons decided about its wells and plates.
        code: digest of the code of each rule's script.
        layouts: its layout files.
        reference: the table of healthy controls, if it uses one.
        models: weights of all its phases; the sidecars lie beside them.

    """
    folder = Path("results/screens") / screen
    made_from = {
        "sheet": dict(sheet),
        "plates": {row["plate"]: _plate(row) for row in plates},
        "layouts": {shown(name): digest_file(name) for name in layouts},
        "reference": {shown(name): digest_file(name) for name in reference},
        "settings": dict(settings),
        "decisions": [dict(row) for row in decisions],
        "models": {Path(name).stem: _model(Path(name)) for name in models},
        "code": {"exvivo": exvivo.__version__, "rules": dict(code)},
    }
    verdict = read_json(folder / "verdict.json")
    results = {
        "verdict": verdict["verdict"],
        "reasons": verdict["reasons"],
        "well_flags": _flags(folder / "well_flags.parquet"),
        "files": {name: digest_file(folder / name) for name in _RESULTS},
    }
    facts = json.loads(json.dumps({"made_from": made_from, "results": results}, allow_nan=False))
    return {
        "format": FORMAT,
        "screen": screen,
        "digest": digest_bytes(json.dumps(facts, sort_keys=True).encode()),
        **facts,
        "execution": _execution(screen, plates, models),
    }


def _plate(row: Mapping[str, Any]) -> dict[str, Any]:
    """What a plate is: its row, and digests of what was seen and made of it."""
    folder = Path("results/plates") / row["plate"]
    entry = {name: value for name, value in row.items() if name not in ("plate", "screen")}
    for name in ("fingerprint.tsv", "admission.json", "hashes.tsv"):
        if (folder / name).is_file():
            entry[name.split(".")[0]] = digest_file(folder / name)
    for store in ("images", "wells"):
        if (folder / f"{store}.done.json").is_file():
            entry[store] = read_json(folder / f"{store}.done.json")["digest"]
    return entry


def _model(path: Path) -> dict[str, Any]:
    """A model's weights and what they were trained from; a phase that was skipped has its reason."""
    record = _sidecar(path)
    found = {name: record[name] for name in (*_OF_A_MODEL, "skipped") if name in record}
    return {"sha256": digest_file(path), "device": record.get("device")} | found


def _sidecar(path: Path) -> dict[str, Any]:
    return read_json(path.with_suffix(".json"))


def _flags(path: Path) -> list[dict[str, Any]]:
    """How many wells each check flagged, and what follows for them."""
    frame = read_table(path, WELL_FLAGS)
    groups = frame.groupby(["check", "source", "consequence"], observed=True).size()
    return [
        {"check": check, "source": source, "consequence": consequence, "wells": int(wells)}
        for (check, source, consequence), wells in sorted(groups.items())
    ]


def _execution(
    screen: str, plates: Sequence[Mapping[str, Any]], models: Sequence[str]
) -> dict[str, Any]:
    """What happened: versions where the record was made and where stages ran, devices, times and memory of each rule."""
    stages: dict[str, Any] = {}
    for row in plates:
        done = Path("results/plates") / row["plate"] / "wells.done.json"
        if done.is_file():
            stages[f"project_plate {row['plate']}"] = read_json(done).get("versions", {})
    for name in models:
        record = _sidecar(Path(name))
        stages[f"train {Path(name).stem}"] = {
            key: record[key] for key in ("torch", "device", "seconds") if key in record
        }
    return {
        "commit": commit(Path(__file__).resolve().parents[3]),
        "environment": {"python": platform.python_version(), "packages": _versions()},
        "system": f"{platform.system()} {platform.machine()}",
        "stages": stages,
        "rules": times(screen, [row["plate"] for row in plates], models),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def commit(repository: Path) -> str:
    """The commit that is checked out in a git repository, without asking git; empty if there is none."""
    git = repository / ".git"
    try:
        if git.is_file():  # a worktree: its folder is named in the file
            git = Path(git.read_text(encoding="utf-8").removeprefix("gitdir:").strip())
        head = (git / "HEAD").read_text(encoding="utf-8").strip()
        if not head.startswith("ref:"):
            return head
        return _reference(git, head.removeprefix("ref:").strip())
    except OSError:
        return ""


def _reference(git: Path, name: str) -> str:
    shared = git / "commondir"
    common = (git / shared.read_text(encoding="utf-8").strip()) if shared.is_file() else git
    for folder in (git, common):
        if (folder / name).is_file():
            return (folder / name).read_text(encoding="utf-8").strip()
    packed = (common / "packed-refs").read_text(encoding="utf-8").splitlines()
    return next((line.split(" ")[0] for line in packed if line.endswith(f" {name}")), "")


def check_record(content: Mapping[str, Any]) -> None:
    """Raise `StoreError` if a record's digest is not that of its content."""
    facts = {name: content.get(name) for name in ("made_from", "results")}
    found = digest_bytes(json.dumps(facts, sort_keys=True).encode())
    if found != content.get("digest"):
        raise StoreError(
            "this run record was changed after it was written",
            expected=f"digest {content.get('digest')}",
            found=found,
            where=f"screen {content.get('screen')}",
            hint="remove it and run the workflow again",
        )
