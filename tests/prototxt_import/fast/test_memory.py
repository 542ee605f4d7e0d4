"""Memory of large results that is used again when nobody has them any more."""

import threading

import numpy as np
import pytest

from cpm_kernels.host import LINE
from prototxt_import.fast import memory
from prototxt_import.fast.memory import Recycled
from prototxt_import.tensors import channels_last_tensor

SHAPE = (1, 64, 64, 128)


@pytest.fixture
def recycled():
    return Recycled()


def address(x):
    return x.ctypes.data if isinstance(x, np.ndarray) else x.data_ptr()


def test_what_nobody_has_is_used_again(recycled):
    first = recycled.empty(SHAPE)
    before = address(first)
    assert before % (4 * LINE) == 0 and first.shape == SHAPE and first.flags.c_contiguous
    assert address(recycled.empty(SHAPE)) != before, "it is in use"
    del first
    assert address(recycled.empty((64, 64, 100))) == before, "a little smaller"


@pytest.mark.parametrize(
    "keep",
    [channels_last_tensor, lambda x: channels_last_tensor(x)[:, 3:5], lambda x: x[0, 2], lambda x: x.T.ravel("K")],
)
def test_what_anybody_has_is_not(recycled, keep):
    kept = keep(recycled.empty(SHAPE))
    kept = np.asarray(kept)
    kept[...] = 7
    others = [recycled.empty(SHAPE) for _ in range(3)]
    for other in others:
        other[...] = 0
    assert (kept == 7).all()


def test_little_ones_and_much_larger_memory_are_left_alone(recycled):
    large = recycled.empty((100, 1000, 100))
    before = address(large)
    del large
    middle = recycled.empty(SHAPE)
    assert not before <= address(middle) < before + 40_000_000
    assert address(recycled.empty((100, 1000, 100))) == before
    assert recycled.empty((10, 10)).base is None


def test_what_is_kept_for_later_is_bounded(recycled, monkeypatch):
    monkeypatch.setattr(memory, "MOST", 20 << 20)
    for size in range(1, 9):
        recycled.empty((size, 1 << 18))
    arrays = [recycled.empty((5, 1 << 18)) for _ in range(9)]  # in use, more than that
    assert len({address(array) for array in arrays}) == 9
    del arrays
    recycled.empty((11, 1 << 18))
    assert sum(memory.nbytes for memory in recycled._free) <= 20 << 20


def test_threads_never_share(recycled):
    faults = []

    def work(number):
        for _ in range(200):
            x = recycled.empty((1, 1 << 18))
            x[...] = number
            if not (x == number).all():
                faults.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not faults and len(recycled._free) <= 8
