"""Keyed pseudonyms: the same value gives the same pseudonym under the same key, and nobody without the key can test a guess.

HMAC-SHA256 (RFC 2104) of the folded value, 48 bits of it in letters. The key never lies in the results.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path

from exvivo.errors import PrivacyError
from exvivo.privacy.detect import BIRTH_DATE, NAME, OPERATOR, RECORD_NUMBER, fold

MIN_KEY_BYTES = 16
PREFIXES = {NAME: "name", BIRTH_DATE: "birth", RECORD_NUMBER: "record", OPERATOR: "operator"}
_LETTERS = "abcdfghjklmnpqst"  # no vowels, so no words; no digits, so no well, site or wave
_LENGTH = 12
_HINT = "make one outside results: head -c 32 /dev/urandom > FILE; chmod 600 FILE, and name it in privacy: key_file"


def read_key(path: str | Path | None, results: Path) -> bytes:
    """The key in the file `path`.

    Raises `PrivacyError` if no file is named, it cannot be read, is short, lies in `results`, or all users of the
    machine may read it.
    """
    if not path:
        raise _no_key("no key file is named")
    file = Path(path)
    if lies_within(file, results):
        raise _no_key("the key lies within the results")
    try:
        mode, key = file.stat().st_mode, file.read_bytes()
    except OSError as error:
        raise _no_key(error.strerror or "it cannot be read") from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise _no_key("every user of this machine may read the key")
    if len(key.strip()) < MIN_KEY_BYTES:
        raise _no_key(f"a key of {len(key.strip())} bytes")
    return key


def pseudonym(kind: str, value: str, key: bytes) -> str:
    """The pseudonym of a value: prefix of its kind, and letters; spelling, case and separators do not matter."""
    same = "".join(sorted(word for word in _parts(value)))
    digest = hmac.new(key, f"{kind}\0{same}".encode(), hashlib.sha256).hexdigest()
    return f"{PREFIXES[kind]}-" + "".join(_LETTERS[int(c, 16)] for c in digest[:_LENGTH])


def lies_within(file: Path, folder: Path) -> bool:
    """Whether `file`, links followed, lies in `folder`."""
    place, home = os.path.realpath(file), os.path.realpath(folder)
    return os.path.commonpath([place, home]) == home


def _parts(value: str) -> list[str]:
    """Words of a value in the spelling in which values are compared: `Müller, Anna` is `anna_mueller`."""
    text = "".join(c if c.isalnum() else " " for c in value)
    camel = "".join(f" {c}" if c.isupper() and b.islower() else c for b, c in zip(f" {text}", text, strict=False))  # fmt: skip
    return [fold(word) for word in camel.split()]


def _no_key(found: str) -> PrivacyError:
    return PrivacyError(
        "personal values cannot be replaced",
        expected=f"a key of at least {MIN_KEY_BYTES} bytes, outside results, readable by its owner alone",
        found=found,
        where="config, privacy.key_file",
        hint=_HINT,
    )
