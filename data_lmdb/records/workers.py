"""Several processes that work on one list, with the results in its order: decoding photographs on all cores.

Each process has a pipe and takes every n-th item; a result waits in its process until it is asked for. So what is in
memory does not depend on the length of the list, and the results do not depend on the number of processes.
"""

import multiprocessing
import signal
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Generic, NamedTuple, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_FEWEST = 50  # items per process; fewer do not pay for its start


def in_order(work: Callable[[Item], Result], items: Sequence[Item], jobs: int) -> Generator[Result, None, None]:
    """work(item) of all items, in their order, made by up to `jobs` processes; with few items by this one alone.

    `work`, items and results have to be picklable. What `work` raises is raised here. RuntimeError if a process is
    killed. The processes end with the iterator.
    """
    jobs = min(jobs, len(items) // _FEWEST)
    if jobs <= 1:
        yield from map(work, items)
        return
    workers = [_Worker(work) for _ in range(jobs)]
    try:
        for place in range(len(items) + jobs):
            worker = workers[place % jobs]
            results = [worker.receive()] if place >= jobs else []
            if place < len(items):
                worker.send(items[place])
            yield from results
    finally:
        for worker in workers:
            worker.stop()


class _Raised(NamedTuple):
    """What `work` raised, in place of a result."""

    error: Exception


class _Worker(Generic[Item, Result]):
    """One process and this end of its pipe."""

    def __init__(self, work: Callable[[Item], Result]):
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=_serve, args=(work, theirs, self._pipe), daemon=True)
        self._process.start()
        theirs.close()

    def send(self, item: Item) -> None:
        self._pipe.send(item)

    def receive(self) -> Result:
        try:
            answer: Result | _Raised = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            raise RuntimeError(f"a process that prepared records ended with {self._process.exitcode}") from None
        if isinstance(answer, _Raised):
            raise answer.error
        return answer

    def stop(self) -> None:
        self._pipe.close()
        self._process.terminate()
        self._process.join()


def _serve(work: Callable[[Item], Result], pipe: Connection, parents_end: Connection) -> None:
    """Until the other end of the pipe is closed, which also happens if its process is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches every process; the parent says what happens
    parents_end.close()
    with suppress(EOFError, OSError):
        while True:
            pipe.send(_answer(work, pipe.recv()))


def _answer(work: Callable[[Item], Result], item: Item) -> Result | _Raised:
    """What `work` returned or raised."""
    try:
        return work(item)
    except Exception as error:
        return _Raised(error)
