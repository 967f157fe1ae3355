"""Whether a release is still what was signed."""

from __future__ import annotations

from pathlib import Path

from exvivo.files import digest_file
from exvivo.release.folder import MANIFEST, version_folder


def verify_release(screen: str, version: int) -> list[str]:
    """Hash all files of a release again; return what changed, in words, nothing if it is whole.

    Found: a file that differs, is missing or was added, a manifest that is not the one that was sealed. Whoever
    may write all three files can hide a change: keep the digest that `exvivo release` prints elsewhere.
    """
    folder = version_folder(screen, version)
    sealed = folder.with_name(f"{folder.name}.sha256")
    manifest = folder / MANIFEST
    if not manifest.is_file():
        return [f"{manifest.as_posix()} is missing"]
    problems = []
    if not sealed.is_file():
        problems.append(f"{sealed.as_posix()} is missing: the manifest cannot be checked")
    elif sealed.read_text(encoding="utf-8").split()[:1] != [digest_file(manifest)]:
        problems.append(f"{manifest.as_posix()} is not the one that was sealed")
    known = _entries(manifest)
    for place, digest in known.items():
        path = folder / place
        if not path.is_file():
            problems.append(f"{path.as_posix()} is missing")
        elif digest_file(path) != digest:
            problems.append(f"{path.as_posix()} was changed")
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    added = sorted(found - set(known) - {MANIFEST})
    return problems + [f"{(folder / place).as_posix()} was added" for place in added]


def _entries(manifest: Path) -> dict[str, str]:
    """Place → digest of a manifest in the form of sha256sum; a line of another form is an entry that fails."""
    lines = manifest.read_text(encoding="utf-8", errors="replace").splitlines()
    parts = (line.partition("  ") for line in lines)
    return {place or digest: digest for digest, _, place in parts}
