"""The network's input to the bit, and belief maps on their way back to the picture."""

import numpy as np

from cpm_repro.inference.crops import Person, crop_person, maps_on_picture
from cpm_repro.inference.protocol import Protocol
from tests.bits import assert_same_bits


def test_the_input_is_what_caffe_was_given():
    picture = np.random.default_rng(1).integers(0, 256, (368, 368, 3)).astype(np.uint8)
    # 1-based centre (184, 184) is 0-based 183: nothing moves.
    crop = crop_person(Person(picture, (183.0, 183.0), 1.0), 1.0, Protocol(368, 1.0))
    assert_same_bits(crop.data[:3], picture.transpose(2, 0, 1).astype(np.float32) / 256 - np.float32(0.5))
    assert np.unravel_index(crop.data[3].argmax(), (368, 368)) == (183, 183)
    assert crop.data[3, 183, 183] == 1
    assert crop.data[3, 183 + 21, 183] == np.float32(np.exp(-0.5))
    padded = crop_person(Person(picture, (0.0, 183.0), 1.0), 1.0, Protocol(368, 1.0))
    assert not padded.data[:3, :, :183].any()  # 128 / 256 - 0.5
    assert_same_bits(padded.data[:3, :, 183:], crop.data[:3, :, :185])


def test_maps_on_picture_of_ones_are_ones_inside():
    crop = crop_person(Person(np.zeros((30, 30, 3), np.uint8), (15, 15), 1.0), 1.3, Protocol(64, 1.0, 4.0))
    maps = maps_on_picture(np.ones((3, 8, 8), np.float32), crop)
    np.testing.assert_allclose(maps, 1.0, rtol=0, atol=1e-6)
