"""Finding what names a person in a text: names, dates of birth, record numbers, operators.

A text here is a cell, a file's name, a tag. Nothing of what is found is ever printed: a finding has a kind and a
place. Standard library only: used at DAG time.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

from exvivo.privacy.lexicon import GIVEN_NAMES, PLACEHOLDERS, TECHNICAL

NAME, BIRTH_DATE, RECORD_NUMBER, OPERATOR = "name", "birth_date", "record_number", "operator"
WORDS = {
    NAME: "the name of a person",
    BIRTH_DATE: "a date of birth",
    RECORD_NUMBER: "a record number",
    OPERATOR: "the name of an operator",
}
# Later years may be those of a measurement: a lone date with initials is one of birth before this one (ours).
_LAST_BIRTH_YEAR = 2005
_LONGEST = 100_000  # characters of one text that are looked at


@dataclass(frozen=True, slots=True)
class Span:
    """What was found in a text: its kind, and where it begins and ends."""

    kind: str
    start: int
    end: int


_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "oe", "å": "aa", "æ": "ae", "ł": "l"})  # fmt: skip
_WORD = re.compile(r"[A-Z]+(?![a-zà-öø-ÿ])|[A-ZÀ-ÖØ-ÞŁŚŻŠŽČĆ]?[a-zà-öø-ÿąęłńśźżšžčćğış]+|[^\W\d_]+")
_BETWEEN = re.compile(r"(\s|_|-|\.\s?|,\s?|;\s?)?([A-Z]\.?[\s_-])?")  # perhaps a middle initial

_WORTH_A_LOOK = re.compile(r"[^\W\d_]{3}|\d{5}|\d\D{1,2}\d+\D{1,2}\d{2}")  # most ids are not

_MONTH = r"(?:jan|feb|mär|mar|mrz|apr|mai|may|jun|jul|aug|sep|okt|oct|nov|dez|dec)[a-zä]{0,6}\.?"
_SEP = r"[./-]"
_DATE = (
    rf"(?:(?:0?[1-9]|[12]\d|3[01])\s?{_SEP}\s?(?:0?[1-9]|1[0-2])\s?{_SEP}\s?(?P<y1>(?:19|20)\d\d|\d\d)"
    rf"|(?:0?[1-9]|1[0-2])/(?:0?[1-9]|[12]\d|3[01])/(?P<y2>(?:19|20)\d\d|\d\d)"
    rf"|(?P<y3>(?:19|20)\d\d)(?:{_SEP}|_)?(?:0[1-9]|1[0-2])(?:{_SEP}|_)?(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[1-9]|[12]\d|3[01])_?(?:0[1-9]|1[0-2])_?(?P<y4>(?:19|20)\d\d)"
    rf"|(?:0?[1-9]|[12]\d|3[01])[.\s_-]{{1,2}}{_MONTH}[.\s_-]{{0,2}}(?P<y5>(?:19|20)\d\d)"
    rf"|{_MONTH}[\s_-]{{1,2}}(?:0?[1-9]|[12]\d|3[01]),?[\s_-]{{1,2}}(?P<y6>(?:19|20)\d\d))"
)
_LONE_DATE = re.compile(rf"(?<![\d.]){_DATE}(?![\d])", re.IGNORECASE)
_BIRTH = re.compile(
    r"(?:(?<![a-zäöü])(?:geb(?:oren|urtsdatum|urtstag|\.?\s?dat(?:um|\.))?\.?|born|d\.?o\.?b\.?|date\s?of\s?birth|"
    rf"birth\s?(?:day|date)?|n[ée]e?\s?le)|\*)(?:[\s:=_,-]|\bon\b|\bam\b)*(?P<date>(?<!\d){_DATE}(?!\d))",
    re.IGNORECASE,
)
_INITIALS_BEFORE = re.compile(r"(?<![A-Za-z0-9])[A-ZÄÖÜ]\.?\s?[A-ZÄÖÜ]\.?[\s_,.-]{0,3}$")
_INITIALS_AFTER = re.compile(r"^[\s_,.-]{0,3}[A-ZÄÖÜ]\.?\s?[A-ZÄÖÜ](?![A-Za-z0-9])")
_TITLE = re.compile(
    r"(?<![^\W_])(?:Dr|Prof|Herrn?|Frau|Mr|Mrs|Mme)(?:\.\s?|\s|_)(?:(?:Dr|med|rer|nat|Prof)\.?\s?)*"
    r"(?P<value>[A-ZÄÖÜÉ][a-zäöüßéèç]{2,}(?:[\s_-][A-ZÄÖÜÉ][a-zäöüßéèç]{2,})?)"
)
_SHORT_FIRST = re.compile(r"(?<![^\W_])(?P<value>[A-ZÄÖÜ][a-zäöüß]{2,}(?:-[A-ZÄÖÜ][a-zäöüß]+)?, ?[A-ZÄÖÜ]\.)(?!\w)")  # fmt: skip
_VALUE = r"[\"']?(?P<value>[^\s\"',;|<>&()\t][^\"',;|<>&()\t\r\n]{0,60})"
_PATIENT_LABEL = re.compile(
    r"(?<![^\W_])(?:patient(?:in|en)?(?:[\s_-]?name)?|nachname|vorname|surname|family[\s_-]?name|"
    rf"given[\s_-]?name|first[\s_-]?name|last[\s_-]?name)\s?[:=]\s*{_VALUE}",
    re.IGNORECASE,
)
_OPERATOR_LABEL = re.compile(
    r"(?<![^\W_])(?:user(?:[\s_-]?name)?|operator(?:[\s_-]?name)?|experimenter|bediener(?:in)?|benutzer(?:name)?|"
    r"technician|(?:measured|performed|acquired|created|executed|run)\s?by|gemessen\s?von|executed\sby)"
    rf"\s?[:=]\s*{_VALUE}",
    re.IGNORECASE,
)
_RECORD_LABEL = re.compile(
    r"(?<![^\W_])(?:mrn|m\.r\.n\.|(?:pat(?:ient(?:en)?)?|fall|akten|case|record|chart)[\s_.-]{0,2}"
    r"(?:nr|no|num(?:mer|ber)?|id|#))[\s_.:#=-]{0,3}(?P<value>\d[\d /-]{3,14}\d)",
    re.IGNORECASE,
)
_LABELLED = (
    (_TITLE, NAME),
    (_SHORT_FIRST, NAME),
    (_PATIENT_LABEL, NAME),
    (_OPERATOR_LABEL, OPERATOR),
    (_RECORD_LABEL, RECORD_NUMBER),
)


@lru_cache(maxsize=65_536)
def fold(word: str) -> str:
    """A word as names are compared: lower case, umlauts as two letters, no accents."""
    text = unicodedata.normalize("NFC", word).casefold().translate(_UMLAUTS)
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))


def is_placeholder(value: str) -> bool:
    """Whether the value of a personal field names nobody: empty, `unknown`, `X`, `admin`, only signs or digits."""
    words = re.findall(r"[^\W\d_]+|[-.?]+|n/a", value.casefold())
    return all(word in PLACEHOLDERS or set(word) <= set("x-.?") for word in words)


class Detector:
    """Finds personal values with built-in rules, the facility's `patterns` (record numbers) and its `names`."""

    def __init__(self, patterns: Sequence[str] = (), names: Iterable[str] = ()):
        self._patterns = [re.compile(pattern) for pattern in patterns]
        self._names = {fold(word) for line in names for word in re.findall(r"[^\W\d_]{3,}", line)}

    def find(self, text: str) -> list[Span]:
        """All that names a person in `text`, in order, without overlaps."""
        text = text[:_LONGEST]
        found = [
            Span(RECORD_NUMBER, *match.span())
            for pattern in self._patterns
            for match in pattern.finditer(text)
            if match.group()
        ]
        if not _WORTH_A_LOOK.search(text):
            return list(_without_overlaps(found))
        found += _labelled(text)
        found += [Span(BIRTH_DATE, *match.span("date")) for match in _BIRTH.finditer(text)]
        found += self._names_in(text)
        found += _lone_dates(text, any(span.kind == NAME for span in found))
        return list(_without_overlaps(found))

    def kinds(self, text: str) -> list[str]:
        """The kinds found in `text`, each once."""
        return list(dict.fromkeys(span.kind for span in self.find(text)))

    def _names_in(self, text: str) -> Iterator[Span]:
        words = [(match, fold(match.group())) for match in _WORD.finditer(text)]
        yield from (Span(NAME, *match.span()) for match, key in words if key in self._names)
        given = GIVEN_NAMES | self._names  # beside a listed name stands the other half of it
        long = [(match, key) for match, key in words if len(match.group()) > 1]
        for (first, a), (second, b) in pairwise(long):
            if a in given or b in given:
                between = text[first.end() : second.start()]
                other = b if a in given else a
                if _pair(between, first.group(), second.group()) and _surname(other):
                    yield Span(NAME, first.start(), second.end())


def _pair(between: str, first: str, second: str) -> bool:
    """Whether two words stand together as the halves of a name do."""
    if not _BETWEEN.fullmatch(between):
        return False
    if between == "":  # camel case
        return first[0].isupper() and first[1:].islower() and second[0].isupper()
    return (first[0].isupper() and second[0].isupper()) or between in ("_", "-", ".")


def _surname(folded: str) -> bool:
    return len(folded) >= 3 and folded not in TECHNICAL


def _labelled(text: str) -> Iterator[Span]:
    for pattern, kind in _LABELLED:
        for match in pattern.finditer(text):
            start = match.start("value")
            value = match["value"].rstrip()
            named = kind == RECORD_NUMBER or not is_placeholder(value)
            if named and (kind in (RECORD_NUMBER, OPERATOR) or not re.search(r"\d", value)):
                yield Span(kind, start, start + len(value))


def _lone_dates(text: str, named: bool) -> Iterator[Span]:
    """Dates beside initials that are too early for a measurement, or any early date in a text with a name."""
    for match in _LONE_DATE.finditer(text):
        year = next(group for group in match.groups() if group)
        full = int(year) if len(year) == 4 else (1900 if int(year) > 30 else 2000) + int(year)
        near = _INITIALS_BEFORE.search(text[: match.start()]) or _INITIALS_AFTER.search(
            text[match.end() :]
        )
        if full <= _LAST_BIRTH_YEAR and (named or near):
            yield Span(BIRTH_DATE, *match.span())


def _without_overlaps(spans: Iterable[Span]) -> Iterator[Span]:
    end = 0
    for span in sorted(spans, key=lambda s: (s.start, -s.end)):
        if span.start >= end:
            yield span
            end = span.end
        elif span.end > end:  # the part that sticks out belongs to it too
            yield Span(span.kind, end, span.end)
            end = span.end
