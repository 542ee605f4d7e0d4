"""Operators of torch's dispatcher: what they cost at the start, and that torch takes them for its own."""

import subprocess
import sys

import torch

from prototxt_import.engine import make_engine
from prototxt_import.fast.convolution import convolution
from prototxt_import.fast.pooling import max_pool, pooled_convolution

FORWARD_AND_BACKWARD = """
import sys
import torch
from cpm_kernels.window import Window
from prototxt_import.engine import make_engine
x, weight = torch.ones(1, 2, 5, 4), torch.ones(3, 2, 3, 3, requires_grad=True)
y = make_engine("fast").convolution(x, weight, None, Window((3, 3)), 1)
y.sum().backward()
make_engine("fast").max_pool(x, Window((2, 2), (2, 2)))
sys.exit("torch._dynamo" in sys.modules)
"""


def test_the_compiler_is_not_imported_for_them():
    subprocess.run([sys.executable, "-c", FORWARD_AND_BACKWARD], check=True, timeout=600)


def test_torch_takes_them_for_its_own():
    engine = make_engine("fast").convolutions.number
    x, weight, bias = torch.randn(2, 3, 7, 6), torch.randn(4, 3, 3, 3), torch.randn(4)
    how = ([1, 1], [1, 1], [1, 1], 1, False, False, False)
    weight.requires_grad_(), bias.requires_grad_(), x.requires_grad_()
    torch.library.opcheck(convolution, (x, weight, bias, *how, True, False, engine))
    x, weight, bias = x.detach(), weight.detach(), bias.detach()
    torch.library.opcheck(max_pool, (x, [2, 2], [2, 2], [0, 0], False, engine))
    torch.library.opcheck(pooled_convolution, (x, weight, bias, *how, True, [2, 2], [2, 2], [0, 0], False, engine))
