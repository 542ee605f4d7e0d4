"""What the data path is measured on and against makes the same samples; what is measured about a card adds up."""

import numpy as np
import pytest
import torch

from cpm_kernels.samples.rand import GlibcRand
from cpm_kernels.samples.sample import SAMPLE, transform_samples
from cpm_repro.benchmarks import data as benchmark_data
from cpm_repro.benchmarks.card import samples
from cpm_repro.benchmarks.samples.makers import PEERS
from cpm_repro.synthetic.pictures import draw_picture
from data_lmdb.joints import STORED_TO_14
from data_lmdb.records.record import decode, encode
from tests.bits import assert_same_bits

TRANSFORMER = benchmark_data.transformer_for()


@pytest.fixture(scope="module")
def values() -> list[bytes]:
    return [encode(benchmark_data.drawn_record(index)) for index in range(3)]


def poisoned(shape: tuple[int, ...]) -> np.ndarray:
    return np.full(shape, np.nan, np.float32)


def expected_samples(values: list[bytes], count: int) -> tuple[np.ndarray, np.ndarray]:
    random = GlibcRand()
    records = [decode(values[number % len(values)], 16, "record") for number in range(count)]
    samples = [TRANSFORMER(record, random) for record in records]
    return tuple(np.stack(arrays) for arrays in zip(*samples, strict=True))


def test_drawn_records_hold_what_was_drawn_at_twice_the_size():
    picture, record = draw_picture(0, 1), benchmark_data.drawn_record(1)
    assert record.image.shape == (2 * picture.image.shape[0], 2 * picture.image.shape[1], 3)
    joints = record.self_person.joints[list(STORED_TO_14)]
    np.testing.assert_allclose(joints[:, :2], 2 * (picture.people[0].joints[:, :2] + 1), rtol=1e-6)
    assert record.self_person.scale_provided == pytest.approx(2 * picture.people[0].scale_provided)
    assert len(record.others) == len(picture.people) - 1
    again = decode(encode(record), 16, "record")
    assert_same_bits(np.ascontiguousarray(again.image), record.image, "image")


def test_pipelines_make_the_samples_they_count(values):
    with benchmark_data.pipelines(TRANSFORMER, values, 4, PEERS) as (made, missing):
        assert next(iter(made)) == "cpm-repro" and {*made, *missing} == {"cpm-repro", *PEERS}
        assert torch.get_num_threads() == 1
        assert [run() for run in made.values()] == [4] * len(made)


def test_records_as_jpegs_show_the_same_people(values):
    for value in values:
        before, after = (decode(each, 16, "record") for each in (value, benchmark_data.as_jpeg(value)))
        assert np.abs(before.image.astype(int) - after.image).mean() < 3
        np.testing.assert_array_equal(before.self_person.joints, after.self_person.joints)
    assert benchmark_data.as_jpeg(benchmark_data.as_jpeg(values[0])) == benchmark_data.as_jpeg(values[0])


def test_crops_grow_with_the_people_in_them(values):
    record, random = decode(values[0], 16, "record"), GlibcRand()
    small, large = (benchmark_data.transformer_for(crop) for crop in (184, 368))
    augmentation = large.draw(random)
    halves, wholes = (by.place(record, augmentation).pose.points for by in (small, large))
    np.testing.assert_allclose(halves * 2, wholes, atol=3)


def on_the_cpu(images, samples, joints, centres, regions, largest, data, label) -> None:
    """What CudaSamples is called with, done by the CPU's half."""
    rows = samples.numpy().reshape(-1).view(SAMPLE)
    assert regions > 0
    assert largest == (rows["region_rows"].max(), rows["region_columns"].max())
    people = (joints.numpy(), centres.numpy())
    transform_samples(images.numpy(), rows, *people, TRANSFORMER.shape, data.numpy(), label.numpy())


def test_the_kernels_get_whole_samples(values):
    batch = samples.kernel_batch(TRANSFORMER, values, 5, torch.device("cpu"))
    *_, data, label = batch.arguments
    data.fill_(torch.nan), label.fill_(torch.nan)
    on_the_cpu(*batch.arguments)
    expected = expected_samples(values, 5)
    assert_same_bits(data.numpy(), expected[0], "data")
    assert_same_bits(label.numpy(), expected[1], "label")


def test_the_cards_report_adds_up(values, monkeypatch):
    monkeypatch.setattr(samples, "COPIED", 1 << 20)
    seconds = iter([0.002, 0.001, 0.004])  # kernels, copy, upload

    def timer(work, repeats, device) -> float:
        work()
        return next(seconds)

    report = samples.measure_card(TRANSFORMER, values, on_the_cpu, 77.0, 2, 4, "cpu", timer)
    assert report["kernels"] == 2000 and report["pipeline"] == 77
    assert report["copy_bandwidth"] == pytest.approx(2 * 2**20 / 0.001)
    assert report["upload_bandwidth"] == pytest.approx(2**20 / 0.004)
    made = 4 * sum(int(np.prod(shape)) for shape in (TRANSFORMER.shape.data_shape, TRANSFORMER.shape.label_shape))
    assert report["bytes_moved"] > made + report["bytes_uploaded"]
    share = report["bytes_moved"] * 2000 / report["copy_bandwidth"]
    assert report["share_of_copy_bandwidth"] == pytest.approx(share)
    bounds = report["bounds"]
    assert bounds["the upload"] == pytest.approx(report["upload_bandwidth"] / report["bytes_uploaded"])
    assert bounds[report["pipeline_limited_by"]] == min(bounds.values())


@pytest.mark.gpu
def test_a_card_is_measured(values):
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    from cpm_kernels.samples.cuda import CudaSamples

    report = samples.measure_card(TRANSFORMER, values, CudaSamples(TRANSFORMER.shape), 1.0, 1, 32)
    assert 0 < report["share_of_copy_bandwidth"] < 2 and report["kernels"] > 1000
