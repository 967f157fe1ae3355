"""One drug under its names: drugs.tsv and its synonyms, without guessing.

A name is compared without case and with single spaces. A drug's own name is its own, whoever else claims it as a
synonym. A synonym that two drugs claim belongs to neither: it is not matched, and `ambiguous` tells it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field


def fold(name: str) -> str:
    """A name as it is compared: without case, with single spaces."""
    return " ".join(name.split()).casefold()


def split_list(cell: str) -> list[str]:
    """The entries of a cell that holds several, separated by semicolons; each once, in order."""
    return list(
        dict.fromkeys(part for part in (" ".join(p.split()) for p in cell.split(";")) if part)
    )


@dataclass(frozen=True)
class DrugNames:
    """Names and synonyms of the rows of drugs.tsv.

    Attributes: `drugs` by the drug's own name; `known` the drug of each folded name that belongs to exactly
    one; `ambiguous` the drugs that claim a name which therefore belongs to none.
    """

    drugs: dict[str, Mapping[str, str]] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)
    ambiguous: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, rows: Iterable[Mapping[str, str]]) -> DrugNames:
        """Names of `rows` of drugs.tsv."""
        drugs = {row["drug"]: row for row in rows}
        own = {fold(drug): drug for drug in drugs}
        claims: dict[str, list[str]] = {}
        for drug, row in drugs.items():
            for synonym in split_list(row.get("synonyms", "")):
                claims.setdefault(fold(synonym), []).append(drug)
        known, ambiguous = dict(own), {}
        for name, claimed in claims.items():
            if name in own:
                continue
            if len(claimed) == 1:
                known[name] = claimed[0]
            else:
                ambiguous[name] = claimed
        return cls(drugs, known, ambiguous)

    def canonical(self, name: str) -> str:
        """The drug's name in drugs.tsv; empty where the sheet does not know it or two drugs claim it."""
        return self.known.get(fold(name), "")

    def key(self, name: str) -> str:
        """What two names of one drug have in common: the folded name of the drug, or of what is written."""
        return fold(self.canonical(name) or name)

    def row(self, name: str) -> Mapping[str, str]:
        """What drugs.tsv says of a drug by any of its names; nothing where it is not known."""
        return self.drugs.get(self.canonical(name), {})

    def match(self, wanted: Sequence[str], offered: Sequence[str]) -> tuple[list[int], list[str]]:
        """For each name of `wanted` the place of the same drug in `offered`, and why there is none.

        The exact name goes first. Else names are the same drug if drugs.tsv says so; a drug that `offered`
        holds under several names is refused. Returns places (-1: none) and reasons ("" where matched).
        """
        exact = {name: i for i, name in reversed(list(enumerate(offered)))}
        by_key: dict[str, list[int]] = {}
        for i, name in enumerate(offered):
            by_key.setdefault(self.key(name), []).append(i)
        places, reasons = [], []
        for name in wanted:
            place, reason = self._place(name, offered, exact, by_key)
            places.append(place)
            reasons.append(reason)
        return places, reasons

    def _place(
        self,
        name: str,
        offered: Sequence[str],
        exact: Mapping[str, int],
        by_key: Mapping[str, list[int]],
    ) -> tuple[int, str]:
        if name in exact:
            return exact[name], ""
        found = by_key.get(self.key(name), [])
        if len(found) > 1:
            several = ", ".join(offered[i] for i in found)
            return -1, f"several rows may be this drug: {several}"
        if found:
            return found[0], ""
        claimed = self.ambiguous.get(fold(name))
        return -1, f"the name is a synonym of {' and of '.join(claimed)}" if claimed else "no row"
