"""The CPM fork's data layer: batches of `data` and `label` from an LMDB, prepared ahead in the background.

Mirrors `CPMData`: records in key order, wrapping around, every sample augmented with dice from the one rand() of the
process. The dice are thrown in the caller's thread in sample order; the work (read, decode, transform) is shared
by worker threads, so the bits do not depend on how many there are.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cpm_kernels.rand import GlibcRand
from cpm_repro.augmentation import Augmentation, CPMTransformer
from data_lmdb.reader import LmdbReader
from data_lmdb.record import decode
from prototxt_import import schema
from prototxt_import.files import InputError

_LMDB = 1  # of the enum DB
_PREFETCHED_BATCHES = 3  # Caffe's PREFETCH_COUNT


@dataclass
class _PendingBatch:
    data: np.ndarray
    label: np.ndarray
    samples: list[Future]
    state: dict  # of the layer after this batch's draws


class CPMData:
    """The batches of one CPMData layer.

    `folder` is what the layer's `source` is relative to; `random` is the rand() of the process, shared by all layers.
    InputError, naming the layer, if its parameters or its LMDB cannot be used. Also a context manager.
    """

    def __init__(
        self,
        layer: "schema.LayerParameter",
        folder: Path,
        random: GlibcRand,
        phase: str = "TRAIN",
        threads: int = 2,
        profile: str = "opencv4",
    ):
        self._where = f"layer {layer.name}"
        self._tops = list(layer.top)
        self._random = random
        self.transformer = CPMTransformer(layer.transform_param, phase, profile, f"{self._where}: transform_param")
        parameters = layer.cpmdata_param if layer.HasField("cpmdata_param") else layer.data_param
        self.batch_size = parameters.batch_size
        self._check(parameters)
        self._reader = self._open(Path(folder) / parameters.source)
        self._workers = ThreadPoolExecutor(threads, thread_name_prefix="CPMData")
        self._pending: deque[_PendingBatch] = deque()
        self._cursor = 0
        self._consumed = self._drawn_state()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each top: (N, 4, crop_y, crop_x) and (N, 2 (P+1), crop_y/stride, crop_x/stride)."""
        shapes = (self.transformer.data_shape, self.transformer.label_shape)
        return {top: (self.batch_size, *shape) for top, shape in zip(self._tops, shapes, strict=False)}

    def next_batch(self) -> dict[str, np.ndarray]:
        """The next batch, float32 arrays by top; what went wrong with a record is raised here."""
        if self._reader is None:
            raise RuntimeError(f"{self._where}: next_batch after close")
        while len(self._pending) <= _PREFETCHED_BATCHES:
            self._pending.append(self._start_batch())
        for sample in self._pending[0].samples:
            sample.result()
        batch = self._pending.popleft()
        self._consumed = batch.state
        return dict(zip(self._tops, (batch.data, batch.label), strict=False))

    def state(self) -> dict:
        """Where the last batch that was taken left off: {"cursor": record index, "rand": 31 ints}."""
        return {"cursor": self._consumed["cursor"], "rand": list(self._consumed["rand"])}

    def restore(self, state: dict) -> None:
        """Continue from a `state()`, discarding what was prepared ahead. InputError if it does not fit the LMDB."""
        cursor = int(state["cursor"])
        if not 0 <= cursor < len(self._reader):
            raise InputError(
                f"{self._where}: expected a cursor below the LMDB's {len(self._reader)} records, found {cursor}"
            )
        self._discard_pending()
        try:
            self._random.restore(state["rand"])
        except ValueError as error:
            raise InputError(f"{self._where}: {error}") from None
        self._cursor = cursor
        self._consumed = self._drawn_state()

    def close(self) -> None:
        """Stop the workers and close the LMDB; harmless twice."""
        if self._reader is None:
            return
        self._discard_pending()
        self._workers.shutdown(wait=True)
        self._reader.close()
        self._reader = None

    def __enter__(self) -> "CPMData":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _check(self, parameters: "schema.CPMDataParameter | schema.DataParameter") -> None:
        """InputError unless the layer has tops, a batch size, an LMDB and no option that is not built."""

        def require(fits: bool, expected: str, found: object) -> None:
            if not fits:
                raise InputError(f"{self._where}: expected {expected}, found {found}")

        require(1 <= len(self._tops) <= 2, "one or two tops", len(self._tops))
        require(self.batch_size >= 1, "a batch_size of 1 or more", self.batch_size)
        require(parameters.backend == _LMDB, "backend: LMDB", "LEVELDB (the default)")
        require(parameters.rand_skip == 0, "rand_skip 0 (skipping is not built)", parameters.rand_skip)
        require(parameters.source != "", "a source", "none")

    def _open(self, path: Path) -> LmdbReader:
        try:
            return LmdbReader(path)
        except InputError as error:
            raise InputError(f"{self._where}: {error}") from None

    def _drawn_state(self) -> dict:
        return {"cursor": self._cursor, "rand": self._random.state()}

    def _start_batch(self) -> _PendingBatch:
        """Throw the dice of one batch and hand its samples to the workers."""
        data = np.empty((self.batch_size, *self.transformer.data_shape), np.float32)
        label = np.empty((self.batch_size, *self.transformer.label_shape), np.float32)
        samples = []
        for row in range(self.batch_size):
            augmentation = self.transformer.draw(self._random)
            arguments = (self._cursor, augmentation, data[row], label[row])
            samples.append(self._workers.submit(self._make_sample, *arguments))
            self._cursor = (self._cursor + 1) % len(self._reader)
        return _PendingBatch(data, label, samples, self._drawn_state())

    def _make_sample(self, index: int, augmentation: Augmentation, data: np.ndarray, label: np.ndarray) -> None:
        where = f"{self._where}: {self._reader.where(index)}"
        record = decode(self._reader.value(index), self.transformer.param.np_in_lmdb, where)
        self.transformer.apply(record, augmentation, where, data, label)

    def _discard_pending(self) -> None:
        """Cancel what has not begun and wait for the rest."""
        for batch in self._pending:
            for sample in batch.samples:
                sample.cancel() or sample.exception()
        self._pending.clear()
