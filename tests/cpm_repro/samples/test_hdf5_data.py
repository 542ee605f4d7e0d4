"""HDF5Data: rows in order, over files' ends, shuffled as the original did, and continued."""

from pathlib import Path

import numpy as np
import pytest

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.samples.hdf5_data import HDF5Data
from prototxt_import.files import InputError
from tests.cpm_repro.samples.data_cases import assert_golden_passes, layer_of, write_rows

LAYER = 'name: "rows" type: "HDF5Data" top: "x" top: "y" hdf5_data_param {{ source: "files.txt" batch_size: {} {} }}'
SHUFFLED = [2, 0, 1, 4, 3, 6, 5, 7, 0, 4, 2, 1, 3, 6, 7, 5]
"""What a C++ program gives that does the same with libstdc++'s std::random_shuffle, glibc's rand() never seeded."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Five rows in a.h5, three in b.h5, numbered from 0."""
    for name, first, count in (("a.h5", 0, 5), ("b.h5", 5, 3)):
        rows = np.arange(first, first + count)
        write_rows(tmp_path / name, x=np.stack([rows, -rows], axis=1).astype(np.float64), y=rows)
    (tmp_path / "files.txt").write_text("a.h5\nb.h5\n")
    return tmp_path


def rows_of(layer: HDF5Data, batches: int) -> list[float]:
    taken = [layer.next_batch() for _ in range(batches)]
    assert all(batch["x"].shape == (len(batch["y"]), 2) for batch in taken)
    assert all(np.array_equal(batch["x"][:, 0], batch["y"]) for batch in taken)
    return [value for batch in taken for value in batch["y"].tolist()]


def test_rows_come_in_order_and_again(folder: Path) -> None:
    layer = HDF5Data(layer_of(LAYER.format(3, "")), folder, GlibcRand())
    assert layer.shapes == {"x": (3, 2), "y": (3,)}
    assert rows_of(layer, 4) == [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3]


def test_names_end_at_ascii_blanks_alone(folder: Path) -> None:
    name = "a\u3000b\x85.h5"
    (folder / "a.h5").rename(folder / name)
    (folder / "files.txt").write_text(f"b.h5\t{name}\n", encoding="utf-8")
    assert rows_of(HDF5Data(layer_of(LAYER.format(3, "")), folder, GlibcRand()), 2) == [5, 6, 7, 0, 1, 2]


def test_shuffled_rows_are_those_of_random_shuffle(folder: Path) -> None:
    layer = HDF5Data(layer_of(LAYER.format(4, "shuffle: true")), folder, GlibcRand(1))
    assert rows_of(layer, 4) == SHUFFLED
    assert sorted(SHUFFLED[:8]) == list(range(8))


def test_going_on_from_a_state(folder: Path) -> None:
    layer = HDF5Data(layer_of(LAYER.format(3, "shuffle: true")), folder, GlibcRand(7))
    rows_of(layer, 2)
    state = layer.state()
    expected = rows_of(layer, 5)
    again = HDF5Data(layer_of(LAYER.format(3, "shuffle: true")), folder, GlibcRand(1))
    again.restore(state)
    assert rows_of(again, 5) == expected


@pytest.mark.parametrize(
    "name, value", [("files", [0, 0]), ("file", 2), ("rows", [1, 2]), ("row", -1), ("row", 9), ("rand", [1])]
)
def test_a_strange_state_is_refused(folder: Path, name: str, value: object) -> None:
    layer = HDF5Data(layer_of(LAYER.format(3, "shuffle: true")), folder, GlibcRand())
    with pytest.raises(InputError, match="layer rows: "):
        layer.restore({**layer.state(), name: value})


@pytest.mark.parametrize(
    "files, expected",
    [
        ("", "names of HDF5 files"),
        ("none.h5", "none.h5"),
        ("uneven.h5", "equally many rows"),
        ("text.h5", "number values"),
        ("files.txt", "expected an HDF5 file"),
    ],
)
def test_files_that_cannot_be_used(folder: Path, files: str, expected: str) -> None:
    write_rows(folder / "uneven.h5", x=np.zeros((2, 2)), y=np.zeros(3))
    write_rows(folder / "text.h5", x=np.array([b"a"]), y=np.zeros(1))
    (folder / "files.txt").write_text(files)
    with pytest.raises(InputError, match=expected):
        HDF5Data(layer_of(LAYER.format(3, "")), folder, GlibcRand())


def test_rows_of_another_shape_in_the_next_file(folder: Path) -> None:
    write_rows(folder / "b.h5", x=np.zeros((2, 3)), y=np.zeros(2))
    layer = HDF5Data(layer_of(LAYER.format(5, "")), folder, GlibcRand())
    layer.next_batch()
    with pytest.raises(InputError, match=r"b\.h5"):
        layer.next_batch()


@pytest.mark.parametrize("name, seed", [("hdf5", 0), ("hdf5_one_file", 0), ("hdf5_shuffle", 504)])
def test_the_originals_passes(golden2: Path, name: str, seed: int) -> None:
    assert_golden_passes(golden2 / f"data/{name}.prototxt", "TRAIN" if "shuffle" in name else "TEST", seed)


def test_the_log_tells_kinds_of_numbers_once(folder: Path) -> None:
    said = HDF5Data(layer_of(LAYER.format(3, "")), folder, GlibcRand()).said
    assert [sentence for _, sentence in said] == [
        "Loading list of HDF5 filenames from: files.txt",
        "Number of HDF5 files: 2",
        "Datatype class: H5T_FLOAT",
        "Datatype class: H5T_INTEGER",
    ]
