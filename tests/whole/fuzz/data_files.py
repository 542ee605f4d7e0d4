"""What Caffe's own data layers read: how it is broken, and what reads it."""

from pathlib import Path

import numpy as np
from PIL import Image

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.samples.hdf5_data import HDF5Data
from cpm_repro.samples.image_data import ImageData
from data_lmdb.records.leveldb_reader import LevelDbReader
from tests.cpm_repro.samples.data_cases import layer_of, write_rows
from tests.data_lmdb.records.leveldb_writer import batch, log_file, table, write_leveldb
from tests.whole.fuzz.mutations import broken_bytes, broken_text
from tests.whole.fuzz.watched import Seed, attempt

RECORDS = [(f"{index:05d}".encode(), bytes([index]) * (50 * index) + b"end") for index in range(9)]


def data_files(folder: Path) -> list[Seed]:
    """LevelDBs' files, HDF5 rows, lists of images."""
    seeds = []
    for name in ("000005.ldb", "000008.log", "MANIFEST-000004"):
        place = folder / f"leveldb_{name[:3]}_{name[-3:]}"
        if not place.exists():
            write_leveldb(place, {5: table(1, RECORDS[:5])}, {8: log_file([batch(3, RECORDS[5:])])})
        seeds.append(Seed(f"{place.name}/{name}", (place / name).read_bytes(), (broken_bytes,), _read_leveldb))
    (folder / "rows").mkdir(exist_ok=True)
    write_rows(folder / "rows/rows.h5", x=np.arange(12.0).reshape(4, 3), y=np.arange(4))
    (folder / "rows/files.txt").write_text("rows.h5")
    seeds.append(Seed("rows/rows.h5", (folder / "rows/rows.h5").read_bytes(), (broken_bytes,), _read_rows))
    (folder / "images").mkdir(exist_ok=True)
    Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(folder / "images/a.png")
    return [*seeds, Seed("images/list.txt", b"a.png 0\na.png 1\n", (broken_text,), _read_images)]


def _read_leveldb(path: Path) -> int:
    reader = attempt(LevelDbReader, path.parent)
    for index in range(len(reader) if reader is not None else 0):
        attempt(reader.read, index, names=path.parent)
    return 64 * path.stat().st_size  # of what Snappy may have packed


def _read_rows(path: Path) -> None:
    layer = layer_of('name: "r" top: "x" top: "y" hdf5_data_param { source: "files.txt" batch_size: 3 }')
    data = attempt(HDF5Data, layer, path.parent, GlibcRand(), names=path)
    if data is not None:
        attempt(data.next_batch, names=path)


def _read_images(path: Path) -> None:
    layer = layer_of('name: "i" top: "x" top: "y" image_data_param { source: "list.txt" batch_size: 2 }')
    data = attempt(ImageData, layer, path.parent, "TEST", names="layer i")
    if data is not None:
        attempt(data.next_batch, names="layer i")
