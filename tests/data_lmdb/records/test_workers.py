"""Work shared by processes: the results in order, errors where they belong, nobody left behind."""

import os
import time

import numpy as np
import pytest

from data_lmdb.records.workers import in_order
from prototxt_import.files import InputError


def square(number):
    time.sleep(0.0003 * (number % 3))
    return number * number, os.getpid()


def refuse_70(number):
    if number == 70:
        raise InputError("number 70: expected another number")
    return number


def kilobytes(number):
    return np.random.default_rng(number).bytes(number * 1000)


def die_at_70(number):
    if number == 70:
        os._exit(9)
    return number


@pytest.mark.parametrize("jobs, processes", [(1, 1), (2, 2), (3, 3), (9, 4)])
def test_the_results_are_in_order(jobs, processes):
    numbers, workers = zip(*in_order(square, range(203), jobs), strict=True)
    assert list(numbers) == [number * number for number in range(203)]
    assert len(set(workers)) == processes and (os.getpid() in workers) == (processes == 1)


def test_few_items_do_not_start_processes():
    assert {worker for _, worker in in_order(square, range(99), 4)} == {os.getpid()}
    assert list(in_order(square, [], 4)) == []


def test_large_results_and_a_reader_that_stops():
    results = in_order(kilobytes, range(120), 2)
    assert [len(next(results)) for _ in range(50)] == [number * 1000 for number in range(50)]
    results.close()


def test_an_error_comes_at_its_place():
    results = in_order(refuse_70, range(150), 3)
    assert [next(results) for _ in range(70)] == list(range(70))
    with pytest.raises(InputError, match="number 70: expected another number"):
        next(results)


def test_a_killed_process_is_told():
    with pytest.raises(RuntimeError, match="a process that prepared records ended with 9"):
        list(in_order(die_at_70, range(150), 3))
