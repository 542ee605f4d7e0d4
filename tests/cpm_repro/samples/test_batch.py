"""Batches for a CUDA device: the CPU's bits, through pinned memory, on a stream of their own.

Without a device the same code runs with streams that do nothing and kernels compiled for the host.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from cpm_kernels import cuda_module
from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.samples.batch import Batch, CudaBatch, HostBatch
from cpm_repro.samples.transformer import CPMTransformer
from data_lmdb.records.record import Person, Record
from prototxt_import.formats import schema
from tests.bits import assert_same_bits
from tests.kernels.cuda_on_host import HostLauncher, compile_kernels

SIZE = 3


class Idle:
    """A stream or an event of a device whose work is done when it is started."""

    device = torch.device("cpu")

    def __getattr__(self, name: str) -> object:
        return lambda *_arguments: None


@pytest.fixture(params=["host", pytest.param("cuda", marks=pytest.mark.gpu)])
def stream(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[object]:
    """The side stream of a CUDA device, or one that stands for it."""
    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("no CUDA device")
        pytest.importorskip("cupy", reason="CuPy is not installed")
        yield torch.cuda.Stream()
        return
    idle, empty = Idle(), torch.empty
    monkeypatch.setattr(cuda_module, "launch", HostLauncher(compile_kernels("samples/sample.cu", tmp_path)))
    monkeypatch.setattr(torch, "empty", lambda *sizes, pin_memory=False, **given: empty(*sizes, **given))
    for name, stand_in in (("Event", Idle), ("current_stream", lambda _device: idle)):
        monkeypatch.setattr(torch.cuda, name, stand_in)
    monkeypatch.setattr(torch.cuda, "stream", lambda _stream: contextlib.nullcontext())
    yield idle


def records(seed: int) -> list[Record]:
    """Images of all sizes, planar and interleaved, with one to three people."""
    random = np.random.default_rng(seed)

    def person() -> Person:
        joints = random.uniform(1, 90, (16, 3)).astype(np.float32)
        return Person(random.uniform(20, 60, 2).astype(np.float32), random.uniform(0.5, 1.5), joints)

    made = []
    for row in range(SIZE):
        rows, columns = random.integers(64, 200, 2)
        planes = random.integers(0, 256, (3, rows, columns), np.uint8)
        image = planes.transpose(1, 2, 0) if row % 2 else np.ascontiguousarray(planes.transpose(1, 2, 0))
        others = [person() for _ in range(row)]
        made.append(Record("TEST", False, image, float(columns), float(rows), person(), others))
    return made


def filled(batch: Batch, seed: int) -> list[np.ndarray]:
    """A batch gone through from begin to take, with its samples added in an order of their own."""
    random, batch_records = GlibcRand(seed), records(seed)
    augmentations = [batch.transformer.draw(random) for _ in batch_records]
    batch.begin()
    for row in np.random.default_rng(seed).permutation(SIZE):
        batch.add(row, batch_records[row], augmentations[row], f"record {row}")
    batch.finish()
    return [tensor.cpu().numpy().copy() for tensor in batch.take() if tensor is not None]


@pytest.mark.parametrize(("with_label", "all_centers"), [(True, False), (False, False), (True, True)])
def test_same_bits_on_the_device_again_and_again(stream: object, with_label: bool, all_centers: bool) -> None:
    param = schema.TransformationParameter(
        stride=8, crop_size_x=72, crop_size_y=56, max_rotate_degree=180, all_centers=all_centers
    )
    transformer = CPMTransformer(param)
    on_host = HostBatch(transformer, SIZE, with_label)
    on_device = CudaBatch(transformer, SIZE, with_label, stream)
    for seed in range(6):
        pairs = zip(filled(on_device, seed), filled(on_host, seed), strict=True)
        for (actual, expected), name in zip(pairs, ("data", "label"), strict=False):
            assert_same_bits(actual, expected, f"{name} of batch {seed}")
