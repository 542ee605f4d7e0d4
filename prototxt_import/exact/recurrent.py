"""The LSTM's unit of the exact engine (Caffe: lstm_unit_layer.cpp): one step of a sequence.

Its sigmoid is a float's exp and a quotient in double; its tanh is 2 σ(2 x) − 1, all in double.
"""

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from cpm_kernels.exact import elementary
from prototxt_import.function import Context, Function
from prototxt_import.tensors import array, tensor


def _sigmoid(x: Tensor) -> Tensor:
    return (1 / (1 + tensor(elementary.exp(array(-x)), x).double())).float()


def _tanh(x: Tensor) -> Tensor:
    return tensor(elementary.logistic_tanh(array(x)), x)


class LSTMUnit(Function[tuple[Tensor, Tensor]]):
    """(cell (1, N, D), gates (1, N, 4 D), carries_on (1, N)) -> (next cell, hidden state)."""

    @staticmethod
    def forward(ctx: Context, cell: Tensor, gates: Tensor, carries_on: Tensor) -> tuple[Tensor, Tensor]:
        i, f, o, g = gates.chunk(4, -1)
        i, f, o, g = _sigmoid(i), _sigmoid(f), _sigmoid(o), _tanh(g)
        going = carries_on[..., None]
        f = torch.where(going == 0, torch.zeros_like(f), going * f)
        after = f * cell + i * g
        bent = _tanh(after)
        ctx.save_for_backward(cell, i, f, o, g, bent)
        return after, o * bent

    @staticmethod
    @once_differentiable
    def backward(ctx: Context, d_after: Tensor, d_hidden: Tensor) -> tuple[Tensor | None, ...]:
        cell, i, f, o, g, bent = ctx.saved_tensors
        inner = d_after + d_hidden * o * (1 - bent * bent)
        of_gates = (
            inner * g * i * (1 - i),
            inner * cell * f * (1 - f),
            d_hidden * bent * o * (1 - o),
            inner * i * (1 - g * g),
        )
        return inner * f, torch.cat(of_gates, -1), None
