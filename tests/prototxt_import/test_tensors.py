"""Tensors as arrays and arrays as tensors, without a copy where none is needed."""

import torch

from prototxt_import.tensors import array, channels_last_array, channels_last_tensor, numbers, tensor


def test_the_same_memory():
    x = torch.randn(2, 3, 4, 5)
    assert array(x).ctypes.data == x.data_ptr() == tensor(array(x), x).data_ptr()
    assert torch.equal(torch.from_numpy(array(x[:, 1])), x[:, 1])


def test_floats_of_16_bits_become_float32():
    for dtype in (torch.bfloat16, torch.float16):
        x = torch.randn(2, 3).to(dtype)
        assert array(x).dtype == "float32" and torch.equal(torch.from_numpy(array(x)), x.float())


def test_places_are_counted_beyond_16_bits():
    places = torch.tensor([2049, 70001])
    for dtype in (torch.bfloat16, torch.float16, torch.float32):
        made = numbers(places, torch.ones(1, dtype=dtype))
        assert made.dtype == torch.float32 and made.tolist() == [2049, 70001]


def test_channels_last_back_and_forth_without_a_copy():
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    assert channels_last_array(x).ctypes.data == x.data_ptr() and channels_last_array(x).shape == (2, 4, 5, 3)
    assert torch.equal(channels_last_tensor(channels_last_array(x)), x)
    assert torch.equal(channels_last_tensor(channels_last_array(x.contiguous())), x)
