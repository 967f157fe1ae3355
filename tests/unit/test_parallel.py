"""Work in order with bounded memory."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from exvivo.parallel import in_order


def test_results_come_in_order_and_few_wait():
    begun, lock = [], threading.Lock()

    def work(item):
        with lock:
            begun.append(item)
        return item * item

    with ThreadPoolExecutor(3) as pool:
        results = in_order(pool, work, range(100), 6)
        for item in range(100):
            assert next(results) == item * item
            assert len(begun) <= item + 1 + 6
        with pytest.raises(StopIteration):
            next(results)


def test_an_error_comes_in_its_turn_and_the_rest_is_not_begun():
    begun = []

    def work(item):
        begun.append(item)
        if item == 2:
            raise ValueError(item)
        return item

    with ThreadPoolExecutor(1) as pool:
        results = in_order(pool, work, range(1000), 4)
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ValueError, match="2"):
            next(results)
    assert len(begun) <= 7
