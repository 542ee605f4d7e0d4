"""Data: Datums in key order with their labels, raw, float and encoded; the original's passes."""

import io
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image

from cpm_repro.samples.datum_data import DatumData
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from tests.bits import assert_same_bits
from tests.cpm_repro.samples.data_cases import assert_golden_passes, layer_of

SEEDS = {"data_lmdb": 0, "data_lmdb_crop_test": 0, "data_lmdb_train": 507, "data_lmdb_rand_skip": 508}


@pytest.mark.parametrize("name", SEEDS)
def test_the_originals_passes(golden2: Path, name: str) -> None:
    phase = "TRAIN" if name.endswith(("train", "rand_skip")) else "TEST"
    assert_golden_passes(golden2 / f"data/{name}.prototxt", phase, SEEDS[name])


def database(folder: Path, datums: list[schema.Datum]) -> DatumData:
    with lmdb.open(str(folder / "db"), map_size=1 << 20) as db, db.begin(write=True) as transaction:
        for index, datum in enumerate(datums):
            transaction.put(f"{index:03d}".encode(), datum.SerializeToString())
    param = 'data_param { source: "db" backend: LMDB batch_size: 2 }'
    return DatumData(layer_of(f'name: "d" type: "Data" top: "x" top: "y" {param}'), folder, "TEST")


def png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_raw_float_and_encoded(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    image = random.integers(0, 256, (3, 4, 5), np.uint8)
    raw = schema.Datum(channels=3, height=4, width=5, data=image.tobytes(), label=7)
    values = schema.Datum(channels=3, height=4, width=5, float_data=(image / 8).ravel().tolist(), label=-2)
    encoded = schema.Datum(data=png(image[::-1].transpose(1, 2, 0).copy()), encoded=True, label=3)
    data = database(tmp_path, [raw, values, encoded])
    first, second = data.next_batch(), {top: blob.clone() for top, blob in data.next_batch().items()}
    assert first["y"].tolist() == [7, -2] and second["y"].tolist() == [3, 7]
    assert_same_bits(first["x"].numpy(), np.stack([image, image / 8]).astype(np.float32))
    assert_same_bits(second["x"].numpy(), np.stack([image, image]).astype(np.float32))
    data.close()


def test_a_mean_file_is_subtracted(tmp_path: Path) -> None:
    image = np.random.default_rng(2).integers(0, 256, (2, 3, 3), np.uint8)
    datum = schema.Datum(channels=2, height=3, width=3, data=image.tobytes())
    mean = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    blob = schema.BlobProto(num=1, channels=2, height=3, width=3, data=mean.ravel().tolist())
    (tmp_path / "mean.binaryproto").write_bytes(blob.SerializeToString())
    database(tmp_path, [datum]).close()
    param = 'data_param { source: "db" backend: LMDB batch_size: 1 } transform_param { mean_file: "mean.binaryproto" }'
    data = DatumData(layer_of(f'name: "d" type: "Data" top: "x" {param}'), tmp_path, "TEST")
    assert_same_bits(data.next_batch()["x"].numpy()[0], image.astype(np.float32) - mean)


@pytest.mark.parametrize(
    ("datum", "said"),
    [
        (schema.Datum(channels=1, height=2, width=2, data=b"abc"), "1 x 2 x 2 values, found 3"),
        (schema.Datum(channels=0, height=2, width=2), "0 x 2 x 2 values"),
        (schema.Datum(data=b"no image", encoded=True), "expected an image"),
    ],
)
def test_a_datum_that_is_none_is_told(tmp_path: Path, datum: schema.Datum, said: str) -> None:
    with pytest.raises(InputError, match=f"layer d: .*record 000: .*{said}"):
        database(tmp_path, [datum])


def test_datums_of_another_shape_and_strange_states(tmp_path: Path) -> None:
    datums = [schema.Datum(channels=1, height=1, width=count, data=b"a" * count) for count in (2, 3)]
    data = database(tmp_path, datums)
    with pytest.raises(InputError, match=r"images of one shape, \(1, 1, 2\), found .*record 001"):
        data.next_batch()
    with pytest.raises(InputError, match="a cursor below 2"):
        data.restore({**data.state(), "cursor": 2})
    with pytest.raises(InputError, match="mt19937"):
        data.restore({**data.state(), "mt19937": [0]})
