"""The data layer: the original's first training batch, order, determinism, resuming, errors."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import lmdb
import numpy as np
import pytest

from cpm_kernels.host import available_cores
from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.samples import data_layer as data_layer_module
from cpm_repro.samples.data_layer import CPMData, DataOptions
from data_lmdb.records.record import Person, Record, encode
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import parse_net, read_net
from tests.bits import assert_same_bits

RECORDS = 5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an LMDB of five small records, `people`, and one whose third record is broken, `broken`."""
    folder, random = tmp_path_factory.mktemp("cpm_data"), np.random.default_rng(0)
    values = []
    for _ in range(RECORDS):
        joints = random.uniform(1, 60, (16, 3)).astype(np.float32)
        person = Person(random.uniform(20, 50, 2).astype(np.float32), 1.1, joints)
        image = random.integers(0, 256, (70, 81, 3), np.uint8)
        values.append(encode(Record("TEST", False, image, 81.0, 70.0, person)))
    write_lmdb(folder / "people", values)
    write_lmdb(folder / "broken", [*values[:2], values[2][:-9], *values[3:]])
    write_lmdb(folder / "all_broken", [value[:-9] for value in values])
    return folder


def write_lmdb(path: Path, values: list[bytes]) -> None:
    with lmdb.open(str(path), map_size=2**24) as environment, environment.begin(write=True) as transaction:
        for i, value in enumerate(values):
            transaction.put(b"%07d" % i, value)


def data_layer(**changed: object) -> schema.LayerParameter:
    source = {"source": "people", "batch_size": 3, "backend": 1, **changed}
    transform = {"stride": 8, "crop_size_x": 48, "crop_size_y": 40, "max_rotate_degree": 40}
    return schema.LayerParameter(
        name="data", type="CPMData", top=["data", "label"], cpmdata_param=source, transform_param=transform
    )


def assert_same_batch(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert actual.keys() == expected.keys()
    for top in expected:
        assert_same_bits(actual[top], expected[top], top)


def taken(layer: CPMData) -> dict[str, np.ndarray]:
    """The next batch, kept: the layer will write into the tensors again."""
    return {top: blob.cpu().numpy().copy() for top, blob in layer.next_batch().items()}


def batches(folder: Path, count: int, **options: object) -> list[dict[str, np.ndarray]]:
    with CPMData(data_layer(), folder, GlibcRand(5), options=DataOptions(**options)) as layer:
        return [taken(layer) for _ in range(count)]


def test_first_batch_of_the_original(golden: Path) -> None:
    layer = read_net(golden / "solver" / "replay_train.prototxt").layer[0]
    trace = np.load(golden / "solver" / "replay_trace.npz")
    with CPMData(layer, golden / "solver", GlibcRand()) as data:
        batch = taken(data)
        assert data.shapes == {top: array.shape for top, array in batch.items()}
    for top in ("data", "label"):
        assert_same_bits(batch[top], trace[f"blob1/{top}"], top)


def test_same_bits_for_any_number_of_threads(folder: Path) -> None:
    expected = batches(folder, 7, threads=1)
    for threads in (2, 5):
        for actual, wanted in zip(batches(folder, 7, threads=threads), expected, strict=True):
            assert_same_batch(actual, wanted)


def test_a_worker_on_each_core_unless_told_otherwise(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def pool(workers: int, **options: str) -> ThreadPoolExecutor:
        asked.append(workers)
        return ThreadPoolExecutor(workers, **options)

    monkeypatch.setattr(data_layer_module, "ThreadPoolExecutor", pool)
    for options in ({}, {"threads": 3}):
        batches(folder, 1, **options)
    assert asked == [available_cores(), 3]


def test_records_in_key_order_wrapping_around(folder: Path) -> None:
    """Batches of 3 out of 5 records hold the samples that one-sample batches give in a row."""
    random = GlibcRand(5)
    with CPMData(data_layer(batch_size=1), folder, random) as layer:
        single = [taken(layer) for _ in range(12)]
    for i, batch in enumerate(batches(folder, 4)):
        rows = single[3 * i : 3 * i + 3]
        assert_same_batch(batch, {top: np.concatenate([row[top] for row in rows]) for top in batch})


def test_restore_continues_after_the_last_batch_taken(folder: Path) -> None:
    random = GlibcRand(5)
    with CPMData(data_layer(), folder, random) as layer:
        start = layer.state()
        first = [taken(layer) for _ in range(3)]
        state = layer.state()
        rest = [taken(layer) for _ in range(3)]
        assert state["cursor"] == 9 % RECORDS and len(state["rand"]) == 31
        layer.restore(start)
        assert layer.state() == start
        for expected in first:
            assert_same_batch(taken(layer), expected)
    with CPMData(data_layer(), folder, GlibcRand(77)) as other:
        other.restore(state)
        for expected in rest:
            assert_same_batch(taken(other), expected)


def test_broken_record_is_raised_where_it_is_taken(folder: Path) -> None:
    with CPMData(data_layer(source="broken", batch_size=2), folder, GlibcRand()) as layer:
        layer.next_batch()
        for _ in range(2):
            with pytest.raises(InputError, match=r"layer data: .*broken.*0000002"):
                layer.next_batch()


def test_bad_records_can_be_skipped(folder: Path) -> None:
    """The next good record takes the bad one's place, with its dice; all others stay where they are."""
    expected = batches(folder, 4, threads=1)
    for threads in (1, 3):
        options = DataOptions(threads=threads, skip_bad=True)
        with CPMData(data_layer(source="broken"), folder, GlibcRand(5), options=options) as layer:
            actual = [taken(layer) for _ in range(4)]
        assert list(layer.skipped) == [f"{folder / 'broken'}: record 0000002"]
        for i in range(12):
            (batch, row), same = divmod(i, 3), i % RECORDS != 2
            assert np.array_equal(actual[batch]["data"][row], expected[batch]["data"][row]) == same, i
    sentence = r"layer data: .*all_broken: expected records that can be used, found none"
    none_good = CPMData(data_layer(source="all_broken"), folder, GlibcRand(5), options=options)
    with none_good, pytest.raises(InputError, match=sentence):
        none_good.next_batch()


def test_the_tables_epoch_counts_the_rounds_and_resumes(folder: Path) -> None:
    random = np.random.default_rng(3)
    for name, numbers in (("rotate", random.integers(-40, 40, (RECORDS, 3))), ("flip", random.integers(0, 2, (5, 3)))):
        np.savetxt(folder / f"{name}_3_{RECORDS}.txt", numbers, fmt="%d")
    tabled = data_layer()
    tabled.transform_param.aug_way, tabled.transform_param.num_total_augs = "table", 3
    with CPMData(tabled, folder, GlibcRand(5)) as layer:
        batches, states = [], []
        for _ in range(9):
            batches.append(taken(layer))
            states.append(layer.state())
    assert [state["epoch"] for state in states] == [3 * i // RECORDS for i in range(1, 10)]
    with CPMData(tabled, folder, GlibcRand(9)) as layer:
        layer.restore(states[3])
        for expected in batches[4:]:
            assert_same_batch(taken(layer), expected)
    tabled.transform_param.num_total_augs = 4
    with pytest.raises(InputError, match=r"layer data: .*rotate_4_5\.txt: cannot be read"):
        CPMData(tabled, folder, GlibcRand())


def test_batches_are_written_again_and_again(folder: Path) -> None:
    """Nothing is allocated in the long run, and a batch stays as it is until the next is taken."""
    with CPMData(data_layer(), folder, GlibcRand(5)) as layer:
        places = []
        for expected in batches(folder, 12):
            blobs = layer.next_batch()
            time.sleep(0.01)  # the workers go on
            assert_same_batch({top: blob.numpy() for top, blob in blobs.items()}, expected)
            places.append(blobs["data"].data_ptr())
    assert len(set(places)) == 4


def test_close_ends_the_threads(folder: Path) -> None:
    before = set(threading.enumerate())
    layer = CPMData(data_layer(), folder, GlibcRand(), options=DataOptions(threads=3))
    layer.next_batch()
    threads = set(threading.enumerate()) - before
    assert threads and all(thread.name.startswith("CPMData") for thread in threads)
    layer.close()
    layer.close()
    assert not threads & set(threading.enumerate())
    with pytest.raises(RuntimeError, match="after close"):
        layer.next_batch()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"source": "nowhere"}, r"nowhere"),
        ({"source": ""}, "a source"),
        ({"batch_size": 0}, "batch_size"),
        ({"backend": 0}, "LMDB"),
    ],
)
def test_unusable_parameters_are_refused(folder: Path, changed: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=f"layer data: .*{sentence}"):
        CPMData(data_layer(**changed), folder, GlibcRand())


@pytest.mark.parametrize("name", ["scale_prob", "max_rotate_degree", "center_perterb_max", "target_dist", "sigma"])
def test_an_augmentation_by_no_number_is_refused(folder: Path, name: str) -> None:
    layer = data_layer()
    setattr(layer.transform_param, name, float("nan"))
    with pytest.raises(InputError, match=f"layer data: transform_param: expected a .* {name}, found nan"):
        CPMData(layer, folder, GlibcRand())


@pytest.mark.parametrize(
    "state", [{"cursor": RECORDS, "epoch": 0, "rand": [1] * 31}, {"cursor": 0, "epoch": 0, "rand": [1] * 30}]
)
def test_state_of_something_else_is_refused(folder: Path, state: dict) -> None:
    with CPMData(data_layer(), folder, GlibcRand()) as layer, pytest.raises(InputError, match="layer data: "):
        layer.restore(state)


def test_data_param_and_a_single_top_serve_too(folder: Path) -> None:
    layer = data_layer()
    plain = schema.LayerParameter(name="data", top=["data"], transform_param=layer.transform_param)
    plain.data_param.CopyFrom(schema.DataParameter(source="people", batch_size=3, backend=1))
    with CPMData(plain, folder, GlibcRand(5)) as data:
        assert data.shapes == {"data": (3, 4, 40, 48)}
        assert_same_bits(taken(data)["data"], batches(folder, 1)[0]["data"], "data")


@pytest.mark.parametrize(
    ("name", "recorded", "phase"),
    [
        ("cpm_batch", "cpm_batch", "TRAIN"),
        ("cpm_rand_skip", "cpm_batch", "TRAIN"),
        ("cpm_leveldb", "cpm_batch", "TRAIN"),
        ("cpm_test_phase", "cpm_test_phase", "TEST"),
    ],
)
def test_the_originals_passes(
    golden: Path, golden2: Path, tmp_path: Path, name: str, recorded: str, phase: str
) -> None:
    """From an LMDB and from a LevelDB, over the records' end, and in the TEST phase."""
    text = (golden2 / f"data/{name}.prototxt").read_text()
    for source, place in (
        ("../transform", golden / "transform"),
        ("../test_phase", golden2 / "test_phase"),
        ("mpi16_leveldb", golden2 / "data/mpi16_leveldb"),
    ):
        text = text.replace(source, str(place.resolve()))
    layer = parse_net(text, name).layer[0]
    with CPMData(layer, tmp_path, GlibcRand(1), phase) as data:
        passes = [{top: blob.numpy().copy() for top, blob in data.next_batch().items()} for _ in range(3)]
    for key, expected in np.load(golden2 / f"data/{recorded}.npz").items():
        number, _, what = key.partition("/")
        blobs = passes[int(number)]
        image = np.rint(blobs["data"][:, :3] * 256 + 128).astype(np.uint8)
        found = {"image_u8": image, "center_map": blobs["data"][:, 3], "label": blobs["label"]}[what]
        assert_same_bits(np.ascontiguousarray(found), expected, key)
