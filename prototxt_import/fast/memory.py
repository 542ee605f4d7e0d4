"""Memory of large results that nobody has any more, for the next ones: fresh pages from the system took a third of the
time of a forward pass."""

import math
from collections import deque
from threading import Lock
from weakref import finalize

import numpy as np

from cpm_kernels.host import LINE, from_cache_line

LEAST = 1 << 20  # bytes worth recycling
MOST = 512 << 20  # bytes kept for later


class Recycled:
    """Lends memory, and gets it back when the last array or tensor that is made of it goes."""

    def __init__(self) -> None:
        self._free: list[np.ndarray] = []
        self._returned: deque[np.ndarray] = deque()  # appended to without the lock: whatever goes may go within `empty`
        self._lock = Lock()

    def empty(self, shape: tuple[int, ...]) -> np.ndarray:
        """A float32 array of that shape, each value as it happens to be."""
        count = math.prod(shape)
        if 4 * count < LEAST:
            return np.empty(shape, np.float32)
        with self._lock:
            memory = self._taken(count + LINE)
        # What is made of `lent` refers to it: NumPy looks for whose memory it is in arrays only, not in a buffer.
        lent = np.frombuffer(memory.data, np.float32)
        finalize(lent, self._returned.append, memory).atexit = False
        return from_cache_line(lent, count).reshape(shape)

    def _taken(self, count: int) -> np.ndarray:
        """The smallest that is free, if it is not much too large; else new memory, for which large ones may go."""
        while self._returned:
            self._free.insert(0, self._returned.popleft())  # of two of a size, the cache may still know the last one
        self._free.sort(key=len)
        for index, memory in enumerate(self._free):
            if count <= len(memory) <= 2 * count:
                return self._free.pop(index)
        while self._free and 4 * (count + sum(map(len, self._free))) > MOST:
            self._free.pop()
        return np.empty(count, np.float32)
