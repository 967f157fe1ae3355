"""Work spread over threads or processes, with results in order and bounded memory. Standard library only."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item, Result = TypeVar("Item"), TypeVar("Result")


def in_order(
    pool: Executor, work: Callable[[Item], Result], items: Iterable[Item], waiting: int
) -> Iterator[Result]:
    """Yield `work(item)` of each item in order; at most `waiting` results are under way or wait to be taken.

    `Executor.map` would submit all at once, and keep the results of everything that is done before its turn. What has
    not begun is cancelled where the caller stops early. An error of `work` is raised in its turn.
    """
    under_way: deque[Future[Result]] = deque()
    try:
        for item in items:
            under_way.append(pool.submit(work, item))
            if len(under_way) >= waiting:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()
