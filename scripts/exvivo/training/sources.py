"""The code that trains, as one digest."""

from __future__ import annotations

from pathlib import Path

from exvivo.files import digest_bytes, digest_file


def code_digest() -> str:
    """SHA-256 over the sources of `exvivo.networks` and `exvivo.training`."""
    root = Path(__file__).resolve().parents[1]
    files = sorted([*root.glob("networks/*.py"), *root.glob("training/**/*.py")])
    lines = [f"{f.relative_to(root).as_posix()} {digest_file(f)}" for f in files]
    return digest_bytes("\n".join(lines).encode())
