"""Released networks for single cells: numbered copies that nothing changes, for the configuration to name.

    networks/{network}/v1/{network}_{scope}.safetensors, .json, _history.tsv, _samples.tsv
    networks/{network}/v1/release.json    who released it, when and why; digests of the files

A new network is never used because it was trained: a person releases it, and a person names it in `cells: models`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from exvivo.files import digest_file, read_json, write_json
from exvivo.release.freeze import copy_file, frozen_folder, releasing
from exvivo.release.sign import ReleaseError, check_words

TRAINED, NETWORKS = Path("results/cohort/cells"), Path("networks")
SUFFIXES = (".safetensors", ".json", "_history.tsv", "_samples.tsv")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


def release_network(network: str, scope: str, *, initials: str, note: str) -> Path:
    """Copy a trained network to its next version, whole or not at all, read-only; return the model file.

    Raises `ReleaseError` where there is none, it could not be trained, or its files are not those of one training.
    """
    check_words(initials, note, "note", needed=True)
    name = f"{network}_{scope}"
    files = _trained(network, scope)
    with releasing():
        version = 1 + max(released_networks(network), default=0)
        target = NETWORKS / network / f"v{version}"
        with frozen_folder(target) as partial:
            digests = {path.name: copy_file(path, partial / path.name) for path in files}
            signed = {
                "network": network,
                "scope": scope,
                "initials": initials,
                "note": note.strip(),
                "time": datetime.now(UTC).isoformat(timespec="seconds"),
                "sha256": digests,
            }
            write_json(partial / "release.json", signed)
    return target / f"{name}.safetensors"


def released_networks(network: str) -> list[int]:
    """Numbers of a network's releases, in order."""
    found = (re.fullmatch(r"v([1-9][0-9]*)", p.name) for p in (NETWORKS / network).glob("v*"))
    return sorted(int(match[1]) for match in found if match)


def _trained(network: str, scope: str) -> list[Path]:
    """The files of a network for many samples."""
    fit = _NAME.fullmatch(network) and _NAME.fullmatch(scope)
    files = [TRAINED / f"{network}_{scope}{suffix}" for suffix in SUFFIXES] if fit else []
    lacking = [path.name for path in files if not path.is_file()]
    if not fit or lacking:
        known = sorted(p.stem for p in TRAINED.glob("*.safetensors"))
        raise ReleaseError(
            "there is no such network",
            expected=", ".join(known) or "one that the workflow has trained (cells: pan: networks)",
            found=f"no {', '.join(lacking)}" if fit else "a name that no network has",
            where=TRAINED.as_posix(),
        )
    record = read_json(files[1])
    if reason := record.get("skipped"):
        raise ReleaseError(
            "this network could not be trained",
            expected="one with weights",
            found=reason,
            where=files[0].name,
        )
    if record.get("sha256") != digest_file(files[0]):
        raise ReleaseError(
            "record and weights are not of one training",
            expected="the SHA-256 that the record has",
            found="another one",
            where=files[0].name,
            hint="run the workflow again",
        )
    return files
