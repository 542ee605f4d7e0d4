"""The network's input to the bit."""

from functools import partial

import numpy as np
import pytest
import torch

from cpm_repro import load
from cpm_repro.inference.beliefs import estimate_pose
from cpm_repro.inference.crops import Person, crop_person
from cpm_repro.inference.everybody import estimate_all_poses
from cpm_repro.inference.protocol import Protocol
from prototxt_import.files import InputError
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


@pytest.mark.parametrize("estimate", [estimate_pose, partial(estimate_all_poses, person_net=None)])
def test_what_is_no_picture_is_named(estimate):
    for other in (object(), torch.zeros(3, 4, 4)):  # a net in the picture's place, or a picture as torch has it
        with pytest.raises(InputError, match=f"the picture: expected a file's name .* found {type(other).__name__}"):
            estimate(other, net=load("lsp-small"))
