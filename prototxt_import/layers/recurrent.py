"""LSTM and RNN: a sequence, unrolled in time into the layers that Caffe unrolls it into (Caffe: recurrent_layer.cpp,
lstm_layer.cpp, lstm_unit_layer.cpp, rnn_layer.cpp), and the Lstm that public nets had before Caffe did.

Bottoms: x (T, N, …), T steps of N sequences; carries_on (T, N), 0 where a sequence begins, else 1; and, if there is a
third, what stays the same for all steps, (N, …). The state is carried on from batch to batch.
"""

import math
from collections.abc import Collection

import torch
from torch import Tensor

from cpm_kernels.exact.random import CaffeRandom

from .fillers import fill
from .layer import Layer, Shape, register


class _Recurrent(Layer):
    """What both share: the bottoms, and the products with the inputs, which need no state."""

    bottoms = range(2, 4)
    repeatable = False  # forward moves the state
    traceable = False
    input_weight: Tensor
    input_bias: Tensor
    static_weight: Tensor
    hidden_weight: Tensor
    states: tuple[str, ...] = ()
    """The states' names, attributes of shape (1, N, D) each."""
    gates = 1
    """Values that the inputs drive for each value of the state."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, (x, carries_on, *static) = self.spec.recurrent_param, bottom_shapes
        self.require(p.num_output > 0, "num_output above 0", str(p.num_output))
        self.require(not p.expose_hidden, "states that stay inside", "expose_hidden")
        self.require(len(x) >= 2 and carries_on == x[:2], "bottoms (T, N, …) and (T, N)", f"{x} and {carries_on}")
        self.require(all(s[0] == x[1] for s in static), f"a third bottom of {x[1]} rows", str(static))
        self.steps = x[0]
        driven = self.gates * p.num_output
        self.add_blob("input_weight", (driven, math.prod(x[2:])), p.weight_filler)
        self.add_blob("input_bias", (driven,), p.bias_filler)
        for shape in static:
            self.add_blob("static_weight", (driven, math.prod(shape[1:])), p.weight_filler)
        self.for_all_steps = list(self.fillers)
        self.add_blob("hidden_weight", (driven, p.num_output), p.weight_filler)
        for state in self.states:
            self.register_buffer(state, torch.zeros(1, x[1], p.num_output), persistent=False)

    def fill_blobs(self, random: CaffeRandom, own: Collection[str]) -> None:
        """Each later step's layers draw values for the blobs that they then share with the first step's."""
        super().fill_blobs(random, own)
        for _ in range(1, self.steps):
            for name in self.blob_names[len(self.for_all_steps) :]:
                fill(torch.empty(getattr(self, name).shape), self.fillers[name], random, self.where)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [(*bottom_shapes[0][:2], self.spec.recurrent_param.num_output)]

    def drives(self, x: Tensor, static: Tensor | None) -> list[list[Tensor]]:
        """For each step what the inputs add to the states' share, (1, N, gates · D) each."""
        steps, images = x.shape[:2]
        driven = self.ops.inner_product(x.reshape(steps * images, -1), self.input_weight, self.input_bias, False)
        of_steps = driven.reshape(steps, images, -1).split(1)
        if static is None:
            return [[drive] for drive in of_steps]
        same = self.ops.inner_product(static.reshape(images, -1), self.static_weight, None, False)
        return [list(pair) for pair in zip(of_steps, self.ops.split(same[None], steps), strict=True)]

    def of_hidden(self, hidden: Tensor, carries_on: Tensor) -> Tensor:
        """The state's share in the next step: nothing where a sequence begins."""
        kept = self.ops.scale(hidden, carries_on, 1)
        return self.ops.inner_product(kept[0], self.hidden_weight, None, False)[None]

    def for_both(self, hidden: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """The hidden state for its two users, if this is not the last step, which has one."""
        if last:
            return hidden, hidden
        first, second = self.ops.split(hidden, 2)
        return first, second

    def forget(self) -> None:
        self.end([torch.zeros_like(state) for state in self.begin(0)])

    def begin(self, images: int) -> list[Tensor]:
        """The states that the last batch left; zeros for a batch of another size."""
        states = [getattr(self, name) for name in self.states]
        return [s if s.shape[1] == images else s.new_zeros(1, images, s.shape[2]) for s in states]

    def end(self, states: list[Tensor]) -> None:
        """Keeps them for the next batch."""
        for name, state in zip(self.states, states, strict=True):
            setattr(self, name, state.detach())


@register("LSTM")
class LSTM(_Recurrent):
    """Long short-term memory; blobs: input_weight (4 D, …), input_bias (4 D,), static_weight (4 D, …) with a third
    bottom, hidden_weight (4 D, D); of the 4 D the input gates come first, then forget, output, candidate."""

    states = ("hidden", "cell")
    gates = 4

    def forward(self, x: Tensor, carries_on: Tensor, static: Tensor | None = None) -> Tensor:
        (hidden, cell), outputs = self.begin(x.shape[1]), []
        steps = zip(self.drives(x, static), carries_on.detach().split(1), strict=True)
        for step, (drive, going) in enumerate(steps):
            shares = [self.of_hidden(hidden, going), *drive]
            cell, hidden = self.ops.lstm_unit(cell, self.ops.eltwise_sum(shares, [1.0] * len(shares)), going)
            hidden, output = self.for_both(hidden, step == len(x) - 1)
            outputs.append(output)
        self.end([hidden, cell])
        return torch.cat(outputs)


@register("RNN")
class RNN(_Recurrent):
    """h ← tanh(W_h h + W_x x + b), tops tanh(W_o h + b_o); blobs: input_weight (D, …), input_bias (D,), static_weight
    (D, …) with a third bottom, hidden_weight (D, D), output_weight (D, D), output_bias (D,)."""

    states = ("hidden",)
    output_weight: Tensor
    output_bias: Tensor

    def setup(self, bottom_shapes: list[Shape]) -> None:
        super().setup(bottom_shapes)
        p = self.spec.recurrent_param
        self.add_blob("output_weight", (p.num_output, p.num_output), p.weight_filler)
        self.add_blob("output_bias", (p.num_output,), p.bias_filler)

    def forward(self, x: Tensor, carries_on: Tensor, static: Tensor | None = None) -> Tensor:
        (hidden,), outputs = self.begin(x.shape[1]), []
        steps = zip(self.drives(x, static), carries_on.detach().split(1), strict=True)
        for step, (drive, going) in enumerate(steps):
            shares = [self.of_hidden(hidden, going), *drive]
            hidden = self.ops.tanh(self.ops.eltwise_sum(shares, [1.0] * len(shares)))
            output, hidden = self.for_both(hidden, step == len(x) - 1)
            output = self.ops.inner_product(output[0], self.output_weight, self.output_bias, False)
            outputs.append(self.ops.tanh(output[None]))
        self.end([hidden])
        return torch.cat(outputs)


@register("Lstm")
class Lstm(Layer):
    """The LSTM of forks, CTPN's among them: the same cell, with gates and blobs in another order and no bias between.
    Blobs: input_weight (4 D, …), hidden_weight (4 D, D), bias (4 D,).

    Bottoms: x (T, N, I), or (T · N, …) for `batch_size` N, one unless it is said; and, if there is a second, 0 where a
    sequence begins, else 1, for each row: without it every batch begins one. `clipping_threshold` limits the gradients
    of what drives the gates.
    """

    of_a_fork = True
    bottoms = range(1, 3)
    repeatable = False  # forward moves the state
    traceable = False
    input_weight: Tensor
    hidden_weight: Tensor
    bias: Tensor
    hidden: Tensor
    cell: Tensor

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, (x, *going) = self.spec.lstm_param, bottom_shapes
        self.require(p.num_output > 0, "num_output above 0", str(p.num_output))
        self.by_steps = len(x) == 3 and not p.HasField("batch_size")
        self.sequences = x[1] if self.by_steps else p.batch_size
        rows = math.prod(x[:2]) if self.by_steps else x[0]
        self.require(
            self.sequences > 0 and rows % self.sequences == 0, f"a batch_size that divides {rows}", str(self.sequences)
        )
        self.require(all(math.prod(s) == rows for s in going), f"a second bottom of {rows} values", str(going))
        self.add_blob("input_weight", (4 * p.num_output, math.prod(x) // rows), p.weight_filler)
        self.add_blob("hidden_weight", (4 * p.num_output, p.num_output), p.weight_filler)
        self.add_blob("bias", (4 * p.num_output,), p.bias_filler)
        for state in ("hidden", "cell"):
            self.register_buffer(state, torch.zeros(1, self.sequences, p.num_output), persistent=False)

    def forget(self) -> None:
        self.hidden, self.cell = torch.zeros_like(self.hidden), torch.zeros_like(self.cell)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        x, outputs = bottom_shapes[0], self.spec.lstm_param.num_output
        return [(*x[:2], outputs) if self.by_steps else (x[0], outputs)]

    def forward(self, x: Tensor, going: Tensor | None = None) -> Tensor:
        p, steps = self.spec.lstm_param, x.numel() // self.input_weight.shape[1] // self.sequences
        driven = self.ops.inner_product(x.reshape(steps * self.sequences, -1), self.input_weight, self.bias, False)
        goes_on = x.new_ones(steps, self.sequences) if going is None else going.detach().reshape(steps, self.sequences)
        begun = going is not None and self.hidden.device == x.device
        hidden, cell = (
            state if begun else state.new_zeros(state.shape, device=x.device) for state in (self.hidden, self.cell)
        )
        outputs = []
        for drive, on in zip(driven.reshape(steps, self.sequences, -1).split(1), goes_on.split(1), strict=True):
            kept = self.ops.scale(hidden, on, 1)[0]
            gates = self.ops.eltwise_sum(
                [self.ops.inner_product(kept, self.hidden_weight, None, False)[None], drive], [1.0, 1.0]
            )
            if p.clipping_threshold > 0 and gates.requires_grad:
                gates.register_hook(lambda g: g.clamp(-p.clipping_threshold, p.clipping_threshold))
            cell, hidden = self.ops.lstm_unit(cell, gates, on)
            outputs.append(hidden)
        self.hidden, self.cell = hidden.detach(), cell.detach()
        return torch.cat(outputs).reshape(self.top_shapes([tuple(x.shape)])[0])
