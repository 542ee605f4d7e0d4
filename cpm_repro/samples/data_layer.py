"""The CPM fork's data layer: batches of `data` and `label` from an LMDB, prepared ahead in the background.

Mirrors `CPMData`: records in key order, wrapping around, every sample augmented with dice from the one rand() of the
process. The dice are thrown in the caller's thread in sample order; the work (read, decode, transform) is shared
by worker threads, so the bits do not depend on how many there are. On a CUDA device the pixels are made there, on a
stream of their own, while the net trains.
"""

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cpm_kernels.host import available_cores
from cpm_kernels.samples.rand import GlibcRand
from data_lmdb.records.leveldb_reader import LevelDbReader
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode
from prototxt_import.deployment import TRAINING, Variant
from prototxt_import.files import InputError, naming, require
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import read_text
from prototxt_import.graph import filter_net
from prototxt_import.layers.own import check_own_fields
from prototxt_import.share import WHOLE_BATCH, Share

from .batch import Batch, CudaBatch, HostBatch
from .table import AugmentationTable, read_table
from .timeline import SAMPLE, Timeline
from .transformer import Augmentation, CPMTransformer

LMDB = 1
"""Of the enum DB; 0 is LEVELDB, the default."""
Reader = LmdbReader | LevelDbReader
_PREFETCHED_BATCHES = 3  # Caffe's PREFETCH_COUNT


@dataclass(frozen=True)
class DataOptions:
    """How a data layer works, beyond what its prototxt says.

    threads: workers, None for one on each core; device: where the batches are made; profile: whose OpenCV's bits,
    "opencv4" or "opencv2"; skip_bad: a record that cannot be used is replaced by the next good one, instead of ending
    the run; share: the images of each batch that are made, where other processes make the others; timeline: records
    every sample.
    """

    threads: int | None = None
    device: str = "cpu"
    profile: str = "opencv4"
    skip_bad: bool = False
    share: Share = WHOLE_BATCH
    timeline: Timeline = field(default_factory=lambda: Timeline(active=False), compare=False)


DEFAULT_OPTIONS = DataOptions()
State = dict[str, Any]
"""Where a data layer left off: record index "cursor", "epoch" (how often they were gone through), "rand" (31 ints)."""


def open_database(path: Path, backend: int, where: str) -> Reader:
    """The records of an LMDB or a LevelDB; InputError, named by `where`, if it cannot be used."""
    if backend != LMDB and (path / "data.mdb").is_file():
        raise InputError(f"{where}: expected backend: LMDB for {path}, found LEVELDB (the default)")
    with naming(where):
        return LmdbReader(path) if backend == LMDB else LevelDbReader(path)


def source_of(layer: schema.LayerParameter) -> "schema.CPMDataParameter | schema.DataParameter":
    """What a layer that reads a database says of it: CPMData has a message of its own, and takes Data's too."""
    return layer.cpmdata_param if layer.HasField("cpmdata_param") else layer.data_param


def open_source(layer: schema.LayerParameter, folder: Path) -> Reader:
    """The database of a layer whose `source` is relative to `folder`; InputError, naming the layer."""
    source = source_of(layer)
    return open_database(folder / source.source, source.backend, f"layer {layer.name}")


def read_data_layer(prototxt: Path, variant: Variant = TRAINING) -> schema.LayerParameter:
    """The CPMData layer of a net; InputError unless there is exactly one."""
    net = variant.of(read_text(prototxt), str(prototxt))
    return data_layer_of(filter_net(net, variant.phase), str(prototxt), variant.phase)


def data_layer_of(net: schema.NetParameter, where: str, phase: str) -> schema.LayerParameter:
    """The CPMData layer of a net that has only that phase's layers; InputError, named by `where`, unless it is one."""
    layers = [layer for layer in net.layer if layer.type == "CPMData"]
    if len(layers) != 1:
        raise InputError(f"{where}: expected one CPMData layer in the {phase} phase, found {len(layers)}")
    check_own_fields(layers[0], taken=False)
    return layers[0]


class _PendingBatch:
    """A batch that the workers fill: whoever adds the last of its `size` samples finishes it."""

    def __init__(self, batch: Batch, size: int):
        self.batch = batch
        self.work: list[Future[None]] = []  # one for each sample
        self.state: State  # of the layer after this batch's draws
        self._missing = size
        self._counting = Lock()

    def added(self) -> None:
        with self._counting:
            self._missing -= 1
            complete = self._missing == 0
        if complete:
            self.batch.finish()


class CPMData:
    """The batches of one CPMData layer.

    `folder` is what the layer's `source` is relative to; `random` is the rand() of the process, shared by all layers.
    InputError, naming the layer, if its parameters or its LMDB cannot be used. Also a context manager.

    skipped: with skip_bad, what was wrong with each record that was replaced, by its key.
    """

    whole = False  # where several processes share the batch, it makes its own rows only

    def __init__(
        self,
        layer: schema.LayerParameter,
        folder: Path,
        random: GlibcRand,
        phase: str = "TRAIN",
        options: DataOptions = DEFAULT_OPTIONS,
    ):
        self._where = f"layer {layer.name}"
        self._tops = list(layer.top)
        self._random = random
        self._options = options
        self.skipped: dict[str, str] = {}
        parameters = source_of(layer)
        self.batch_size = parameters.batch_size
        self._check(parameters)
        self._rows = range(self.batch_size)[options.share.rows(self.batch_size)]
        self._closed = False
        self._reader = open_source(layer, Path(folder))
        try:
            where, table = f"{self._where}: transform_param", self._table(layer.transform_param, phase, Path(folder))
            self.transformer = CPMTransformer(layer.transform_param, phase, options.profile, where, table)
        except InputError:
            self._reader.close()
            raise
        self._workers = ThreadPoolExecutor(options.threads or available_cores(), thread_name_prefix="CPMData")
        self._stream = torch.cuda.Stream(options.device) if torch.device(options.device).type == "cuda" else None
        self._pending: deque[_PendingBatch] = deque()
        self._idle: list[Batch] = []
        self._out: Batch | None = None  # the batch that the caller has
        self._cursor = 0
        self._epoch = 0
        self._consumed = self._drawn_state()

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each top here: (n, 4, crop_y, crop_x) and (n, 2 (P+1), crop_y/stride, crop_x/stride)."""
        shapes = (self.transformer.shape.data_shape, self.transformer.shape.label_shape)
        return {top: (len(self._rows), *shape) for top, shape in zip(self._tops, shapes, strict=False)}

    @property
    def said(self) -> list[tuple[str, str]]:
        """What Caffe's log says when it is set up."""
        shape = self.transformer.shape
        data, label = (",".join(map(str, (self.batch_size, *sizes))) for sizes in (shape.data_shape, shape.label_shape))
        said = [
            ("data_transformer.cpp:233", "DataTransformer constructor done."),
            ("cpm_data_layer.cpp:62", f"output data size: {data}"),
        ]
        return [*said, ("cpm_data_layer.cpp:77", f"output label size: {label}")] if len(self._tops) > 1 else said

    def start(self, drawn: np.ndarray) -> None:
        """The original's threads seed generators of their own with what the net drew, and never ask them."""

    def next_batch(self) -> dict[str, Tensor]:
        """The next batch, float32 tensors by top; what went wrong with a record is raised here.

        The tensors are the caller's until the next call, which may write other samples into them.
        """
        if self._closed:
            raise RuntimeError(f"{self._where}: next_batch after close")
        if self._out is not None:
            self._idle.append(self._out)
            self._out = None
        while len(self._pending) <= _PREFETCHED_BATCHES:
            self._pending.append(self._start_batch())
        for work in self._pending[0].work:
            work.result()
        taken = self._pending.popleft()
        self._out, self._consumed = taken.batch, taken.state
        blobs = zip(self._tops, taken.batch.take(), strict=False)  # a layer without label has no second top
        return {top: blob for top, blob in blobs if blob is not None}

    def state(self) -> State:
        """Where the last batch that was taken left off."""
        cursor, epoch, rand = self._consumed["cursor"], self._consumed["epoch"], self._consumed["rand"]
        return {"cursor": cursor, "epoch": epoch, "rand": list(rand)}

    def restore(self, state: State) -> None:
        """Continue from a `state()`, discarding what was prepared ahead. InputError if it does not fit the LMDB."""
        cursor = int(state["cursor"])
        if not 0 <= cursor < len(self._reader):
            raise InputError(
                f"{self._where}: expected a cursor below the LMDB's {len(self._reader)} records, found {cursor}"
            )
        self._discard_pending()
        with naming(self._where, ValueError):
            self._random.restore(state["rand"])
        self._cursor, self._epoch = cursor, int(state["epoch"])
        self._consumed = self._drawn_state()

    def close(self) -> None:
        """Stop the workers and close the LMDB; harmless twice."""
        if self._closed:
            return
        self._discard_pending()
        self._workers.shutdown(wait=True)
        if self._stream is not None:
            self._stream.synchronize()
        self._reader.close()
        self._closed = True

    def __enter__(self) -> "CPMData":
        return self

    def __exit__(self, *_exception: object) -> None:
        self.close()

    def _check(self, parameters: "schema.CPMDataParameter | schema.DataParameter") -> None:
        """InputError unless the layer has tops, a batch size, an LMDB and no option that is not built."""

        check = partial(require, self._where)
        check(1 <= len(self._tops) <= 2, "one or two tops", len(self._tops))
        check(self.batch_size >= 1, "a batch_size of 1 or more", self.batch_size)
        check(parameters.source != "", "a source", "none")

    def _table(self, param: schema.TransformationParameter, phase: str, folder: Path) -> AugmentationTable | None:
        if param.aug_way != "table" or phase != "TRAIN":
            return None
        with naming(self._where):
            return read_table(folder, param.num_total_augs, len(self._reader))

    def _drawn_state(self) -> State:
        return {"cursor": self._cursor, "epoch": self._epoch, "rand": self._random.state()}

    def _new_batch(self) -> Batch:
        arguments = (self.transformer, len(self._rows), len(self._tops) > 1)
        return HostBatch(*arguments) if self._stream is None else CudaBatch(*arguments, self._stream)

    def _start_batch(self) -> _PendingBatch:
        """Throw the dice of one batch and hand its samples to the workers, those of other processes left out."""
        started = _PendingBatch(self._idle.pop() if self._idle else self._new_batch(), len(self._rows))
        started.batch.begin()
        for row in range(self.batch_size):
            augmentation = self.transformer.draw(self._random, self._epoch)
            if row in self._rows:
                arguments = (started, row - self._rows.start, self._cursor, augmentation)
                started.work.append(self._workers.submit(self._make_sample, *arguments))
            self._cursor = (self._cursor + 1) % len(self._reader)
            self._epoch += self._cursor == 0
        started.state = self._drawn_state()
        return started

    def _make_sample(self, pending: _PendingBatch, row: int, index: int, augmentation: Augmentation) -> None:
        with self._options.timeline.span(SAMPLE):
            self._add_sample(pending.batch, row, index, augmentation)
            pending.added()

    def _add_sample(self, batch: Batch, row: int, index: int, augmentation: Augmentation) -> None:
        """Sample `row` from the record at `index`, or with skip_bad from the next good one."""
        for candidate in range(index, index + len(self._reader)):
            candidate %= len(self._reader)
            where = f"{self._where}: {self._reader.where(candidate)}"
            try:
                record = decode(self._reader.read(candidate), self.transformer.param.np_in_lmdb, where)
                return batch.add(row, record, augmentation, where)
            except InputError as error:
                if not self._options.skip_bad:
                    raise
                self.skipped.setdefault(self._reader.where(candidate), str(error))
        raise InputError(f"{self._where}: {self._reader.path}: expected records that can be used, found none")

    def _discard_pending(self) -> None:
        """Cancel what has not begun and wait for the rest."""
        for pending in self._pending:
            for work in pending.work:
                work.cancel() or work.exception()
            self._idle.append(pending.batch)
        self._pending.clear()
