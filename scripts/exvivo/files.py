"""Writing files so that a reader never sees half of one, and recognising their content.

Everything is written under a temporary name beside its target and then renamed (DESIGN.md, section 4).
Standard library only: imported at DAG time.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

from exvivo.errors import StoreError

_HOST = socket.gethostname().partition(".")[0][:40]
_ABANDONED_S = 86400.0  # another machine's: no store takes a day without a new entry


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` when the block ends without an error.

    Works for files and for folders (a Zarr store). What is left of an earlier, broken attempt is removed
    first. On an error nothing of `path` changes. The temporary name is the process's own: a scheduler that has
    lost sight of a node may start a job again while its first copy still writes.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left in path.parent.glob(f".{escape(path.name)}.*partial"):
        if _abandoned(left):
            _remove(left)
    partial = path.with_name(f".{path.name}.{_HOST}-{os.getpid()}.partial")
    _remove(partial)
    try:
        yield partial
        if partial.is_file():
            with partial.open("rb") as handle:
                os.fsync(handle.fileno())
        if path.is_dir():
            _remove(path)
        partial.replace(path)
    except BaseException:
        _remove(partial)
        raise


def read_buffer(size: int) -> memoryview:
    """Memory of `size` bytes to read files into, at the start of a page.

    Processors copy by a fast string instruction that falls to a quarter of its speed where the target starts
    a few bytes later in its page than the source; memory of `bytearray` starts 16 bytes late.
    `benchmarks/projection.py` measures it.
    """
    return memoryview(mmap.mmap(-1, size))


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as partial:
        partial.write_text(text, encoding="utf-8")


def write_json(path: Path | str, content: Any) -> None:
    """Write `content` as indented JSON, whole or not at all; NaN is refused."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file of ours; `StoreError` if it is missing or damaged."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StoreError(
            "cannot read this file",
            expected="JSON written by exvivo",
            found=str(error),
            where=str(path),
            hint="remove it and run the workflow again",
        ) from error


def digest_bytes(content: bytes) -> str:
    """SHA-256 of `content` as 64 hexadecimal digits."""
    return hashlib.sha256(content).hexdigest()


def digest_file(path: Path | str) -> str:
    """SHA-256 of a file as 64 hexadecimal digits, read in blocks."""
    with Path(path).open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _abandoned(partial: Path) -> bool:
    """Whether nobody writes this temporary file or folder any more."""
    host, _, process = partial.name.removesuffix(".partial").rpartition(".")[2].rpartition("-")
    try:
        if host == _HOST and process.isdecimal():
            os.kill(int(process), 0)
        return time.time() - partial.stat().st_mtime > _ABANDONED_S
    except ProcessLookupError:
        return True
    except OSError:  # gone, or another user's process
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
