"""What happens to personal values: refused, or replaced by pseudonyms, and hidden in every message.

One policy per process. `use` sets it from the configuration; until then the built-in rules hold and refuse.
Standard library only: used at DAG time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from exvivo.errors import PrivacyError
from exvivo.files import digest_bytes, write_json
from exvivo.privacy.detect import WORDS, Detector
from exvivo.privacy.pseudonyms import lies_within, pseudonym, read_key

REFUSE, PSEUDONYMISE = "refuse", "pseudonymise"
RESULTS = Path("results")
RECORD = (
    RESULTS / "privacy.json"
)  # the settings, for jobs: no parameter of a rule, so that they rerun nothing
RULES = 1  # raise it when the built-in rules find more: all plates are then looked at anew
_DEFAULTS: dict[str, Any] = {"policy": REFUSE, "patterns": [], "names": None, "key_file": None}

# What differs between the files of one plate: GUIDs and short numbers. Names alike but for them are looked at once.
_VARIES = re.compile(
    r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}|(?<![\d.-])\d{1,3}(?![\d-]|\.\d)"
)


class Policy:
    """How this process treats personal values.

    `settings` is the section `privacy` of the configuration; `root` what its paths are relative to. Raises
    `PrivacyError` if the file of names is missing or lies within the results.
    """

    def __init__(self, settings: Mapping[str, Any] | None = None, root: Path | str = ""):
        self.settings = _DEFAULTS | dict(settings or {})
        self.root = Path(root)
        names, stamp = _read_names(self.settings["names"], self.root)
        self.detector = Detector(self.settings["patterns"], names)
        # Never the names themselves: a digest of few names could be guessed.
        self.signature = digest_bytes(json.dumps([RULES, self.settings, stamp]).encode())[:16]
        self._clean: set[str] = set()
        self._key: bytes | None = None

    @property
    def replaces(self) -> bool:
        """Whether personal values in folders and file names are replaced and not refused."""
        return self.settings["policy"] == PSEUDONYMISE

    def kinds(self, text: str) -> list[str]:
        """The kinds of personal values in `text`."""
        return self.detector.kinds(text)

    def told(self, text: str) -> str:
        """The kinds in words: "the name of a person, a date of birth"; empty if there is none."""
        return ", ".join(WORDS[kind] for kind in self.kinds(text))

    def carry(self, text: str, where: str) -> str:
        """`text` as it may enter results: itself, or with pseudonyms.

        Raises `PrivacyError`, which names kind and place and never the value, where the policy refuses or there
        is no key. A text may hold a path: each part is looked at as a whole.
        """
        shape = _VARIES.sub("#", text)
        if shape in self._clean:
            return text
        spans = self.detector.find(text)
        if not spans:
            self._clean.add(shape)
            return text
        if not self.replaces:
            raise refusal(", ".join(dict.fromkeys(WORDS[s.kind] for s in spans)), where)
        if self._key is None:
            key_file = self.settings["key_file"]
            self._key = read_key(key_file and self.root / key_file, self.root / RESULTS)
        return self._replace(text, lambda kind, value: pseudonym(kind, value, self._key or b""))

    def carry_all(self, content: Any, where: str) -> Any:
        """Plain dicts, lists and texts with every text carried; numbers stay."""
        if isinstance(content, str):
            return self.carry(content, where)
        if isinstance(content, dict):
            return {
                self.carry(str(k), where): self.carry_all(v, f"{where}, {k}")
                for k, v in content.items()
            }
        if isinstance(content, list | tuple):
            return [self.carry_all(value, where) for value in content]
        return content

    def carry_path(self, path: str, where: str) -> str:
        """A relative path with each of its parts carried."""
        return "/".join(self.carry(part, where) for part in path.split("/"))

    def mask(self, text: str) -> str:
        """`text` for a message: each personal value is replaced by its kind in brackets."""
        return self._replace(text, lambda kind, value: f"[{kind}]")

    def _replace(self, text: str, by: Any) -> str:
        for span in reversed(self.detector.find(text)):
            value = text[span.start : span.end]
            text = text[: span.start] + by(span.kind, value) + text[span.end :]
        return text


def refusal(kinds: str, where: str) -> PrivacyError:
    """The error for a personal value that would be carried into results."""
    return PrivacyError(
        "personal data",
        expected="pseudonyms only",
        found=f"{kinds} (not shown)",
        where=where,
        hint="replace it by a pseudonym at the source, or set privacy: policy to pseudonymise for folders and file names",
    )


_current: Policy | None = None


def current() -> Policy:
    """The policy of this process."""
    global _current
    if _current is None:
        _current = Policy()
    return _current


def use(settings: Mapping[str, Any] | None = None, root: Path | str = "") -> Policy:
    """Let this process follow `settings`, the section `privacy` of a configuration; None for the built-in rules."""
    global _current
    policy = Policy(settings, root)
    known = _current is not None and (policy.signature, policy.root) == (
        _current.signature, _current.root
    )  # fmt: skip
    _current = _current if known else policy
    return _current


def record(policy: Policy) -> None:
    """Write the settings where jobs find them (`use_recorded`), if they have changed."""
    path = policy.root / RECORD
    text = json.dumps(policy.settings, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if not path.is_file() or path.read_text(encoding="utf-8") != text:
        write_json(path, policy.settings)


def use_recorded(root: Path | str = "") -> Policy:
    """Let a job follow the settings that the main process recorded; the built-in rules without any.

    Raises `PrivacyError` if they cannot be read: a job that cannot check does not run.
    """
    path = Path(root) / RECORD
    if not path.is_file():
        return use(None, root)
    try:
        return use(json.loads(path.read_text(encoding="utf-8")), root)
    except (OSError, ValueError) as error:
        raise PrivacyError(
            "cannot read what counts as personal",
            expected="settings written by the workflow",
            found=type(error).__name__,
            where=RECORD.as_posix(),
            hint="remove it and run the workflow again",
        ) from error


def _read_names(path: str | None, root: Path) -> tuple[list[str], list[int]]:
    """The names, and size and time of their file."""
    if not path:
        return [], []
    file = root / path
    problem = ""
    if lies_within(file, root / RESULTS):
        problem = "it lies within the results"
    try:
        lines, stat = file.read_text(encoding="utf-8-sig").splitlines(), file.stat()
    except (OSError, UnicodeDecodeError) as error:
        lines, problem = [], problem or getattr(error, "strerror", "") or "not UTF-8 text"
    if problem:
        raise PrivacyError(
            "the list of names cannot be used",
            expected="a text file outside results with one name per line",
            found=problem,
            where="config, privacy.names",
            hint="nothing is admitted without it: restore the file, or set privacy: names to null",
        )
    names = [line for line in lines if line.strip() and not line.startswith("#")]
    return names, [stat.st_size, stat.st_mtime_ns]


def places(texts: Iterable[tuple[str, str]], policy: Policy | None = None) -> list[tuple[str, str]]:
    """For (place, text) pairs those with a personal value: place and kinds in words."""
    policy = policy or current()
    return [(place, told) for place, text in texts if (told := policy.told(text))]
