"""The pose machine's people: the crops that a data layer makes, with their parts, and the protocol's."""

import numpy as np
import pytest

from cpm_kernels.samples.rand import GlibcRand
from cpm_repro.evaluation.ground_truth import read_people
from cpm_repro.inference.crops import person_crops
from cpm_repro.inference.protocol import Protocol
from cpm_repro.samples.transformer import CPMTransformer
from cpm_repro.studies.data import Drawing, drawn_people
from cpm_repro.studies.networks import transform
from cpm_repro.studies.pose_machine.features import image_cells
from cpm_repro.studies.pose_machine.levels import ideal_beliefs
from cpm_repro.studies.pose_machine.people import held_out_people, training_people
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.record import decode
from tests.bits import assert_same_bits
from tests.cpm_repro.studies.tiny import SIZE

pytest.importorskip("skimage")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return drawn_people(tmp_path_factory.mktemp("people"), Drawing(5, 2))


def test_training_people_are_the_data_layers_samples(data):
    """Their cells are those of `data`, and their parts where `label` has its Gaussians."""
    param = transform(SIZE)
    found = training_people(data.train, param, 2, 7, lambda every, total: every)
    transformer, random = CPMTransformer(param), GlibcRand(7)
    with LmdbReader(data.train) as reader:
        records = [decode(reader.read(n), 16, "record") for n in range(len(reader))] * 2
    assert len(found.cells) == len(records) == len(found.parts) == len(found.pictures)
    assert found.pictures.tolist() == [int(record.annolist_index) for record in records]
    size = found.cells.shape[1:3]
    for index, record in enumerate(records):
        sample, label = transformer(record, random)
        assert_same_bits(found.cells[index], image_cells(sample, found.stride), f"cells of crop {index}")
        for part, point in enumerate(found.parts[index]):
            alone = ideal_beliefs(point[None, None], size, found.stride, found.sigma)[0, 0]
            shown = np.where(alone > 0.02, alone, 0)  # the label's Gaussians end there
            np.testing.assert_allclose(label[part], np.where(label[part] > 0.02, shown, label[part]), atol=1e-5)


def test_held_out_people_are_the_protocols_crops(data):
    protocol = Protocol(SIZE.crop, SIZE.target_dist, SIZE.sigma_center, (1.0,))
    found = held_out_people(data.held_out, protocol, 8, 14)
    with LmdbReader(data.held_out) as reader:
        everybody = [(person_crops(person, protocol)[0], truth) for person, truth in read_people(reader)]
    assert len(found.truths) == len(everybody) > 1
    for index, (crop, truth) in enumerate(everybody):
        assert_same_bits(found.cells[index], image_cells(crop.data, 8), f"cells of person {index}")
        np.testing.assert_array_equal(found.truths[index].parts, truth.parts)
    assert len(held_out_people(data.held_out, protocol, 8, 14, 1).truths) == 1
