"""Many problems of sheets as few lines."""

from __future__ import annotations

from dataclasses import replace

from exvivo.errors import Problem


def collapse(problems: list[Problem], *, limit: int = 20) -> list[Problem]:
    """Return the problems with equal ones in one line, and at most `limit` of one kind in one column.

    A wrong unit in 1,152 wells is one mistake, not 1,152. Of a kind are problems with the same expectation.
    """
    equal: dict[tuple[str, ...], list[Problem]] = {}
    for p in problems:
        equal.setdefault((p.file, p.column, p.expected, p.hint, p.found), []).append(p)
    merged = [_merge(group) for group in equal.values()]
    kinds: dict[tuple[str, ...], list[Problem]] = {}
    for p in merged:
        kinds.setdefault((p.file, p.column, p.expected), []).append(p)
    kept = []
    for group in kinds.values():
        kept += group[:limit]
        if len(group) > limit:
            found = f"{len(group) - limit} more like these, the last in row {group[-1].row}"
            kept.append(replace(group[limit], found=found, hint=""))
    return kept


def _merge(group: list[Problem]) -> Problem:
    rows = [str(p.row) for p in group[1:] if p.row != group[0].row]
    if not rows:
        return group[0]
    told = ", ".join(rows[:3]) + (f" … {rows[-1]}" if len(rows) > 3 else "")
    return replace(group[0], found=f"{group[0].found} (and in {len(rows)} more row(s): {told})")
