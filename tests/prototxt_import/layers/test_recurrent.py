"""LSTM and RNN against torch's own, forward and backward, over batches that carry the state on."""

import numpy as np
import pytest
import torch
from torch import nn

from cpm_kernels.exact.random import CaffeRandom
from prototxt_import.files import InputError
from tests.bits import assert_same_bits
from tests.prototxt_import.single_layer import single_layer

ENGINES = pytest.mark.parametrize("engine", ["fast", "exact"])
FILLERS = 'weight_filler { type: "uniform" min: -0.5 max: 0.5 } bias_filler { type: "uniform" min: -0.1 max: 0.1 }'
SHAPES = {"x": (5, 3, 4), "c": (5, 3)}


def recurrent(type_name, engine, shapes=SHAPES, outputs=6):
    return single_layer(type_name, shapes, f"recurrent_param {{ num_output: {outputs} {FILLERS} }}", engine, seed=2)


def torch_lstm(layer):
    """torch's gates stand in another order: input, forget, candidate, output."""
    reference = nn.LSTM(4, 6)
    order = torch.cat([torch.arange(12), torch.arange(18, 24), torch.arange(12, 18)])
    with torch.no_grad():
        reference.weight_ih_l0.copy_(layer.input_weight[order])
        reference.weight_hh_l0.copy_(layer.hidden_weight[order])
        reference.bias_ih_l0.copy_(layer.input_bias[order])
        reference.bias_hh_l0.zero_()
    return reference, order


@ENGINES
def test_lstm_is_torchs(engine):
    net = recurrent("LSTM", engine)
    layer = net.layers["l"]
    reference, order = torch_lstm(layer)
    state = None
    for seed in range(2):
        x = torch.randn(SHAPES["x"], generator=torch.Generator().manual_seed(seed))
        ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
        net.zero_grad()
        reference.zero_grad()
        y = net({"x": ours, "c": torch.ones(5, 3)})["t"]
        wanted, state = reference(theirs, state)
        state = tuple(part.detach() for part in state)
        weight = torch.randn(y.shape, generator=torch.Generator().manual_seed(9))
        (y * weight).sum().backward()
        (wanted * weight).sum().backward()
        torch.testing.assert_close(y, wanted, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)
        for ours, theirs in (
            (layer.input_weight.grad[order], reference.weight_ih_l0.grad),
            (layer.hidden_weight.grad[order], reference.weight_hh_l0.grad),
            (layer.input_bias.grad[order], reference.bias_ih_l0.grad),
        ):
            torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


@ENGINES
@pytest.mark.parametrize("type_name", ["LSTM", "RNN"])
def test_a_sequence_that_begins_forgets(engine, type_name):
    x = torch.randn(SHAPES["x"], generator=torch.Generator().manual_seed(1))
    goes_on = torch.ones(5, 3)
    goes_on[2, 1] = 0
    whole = recurrent(type_name, engine)({"x": x, "c": goes_on})["t"].detach()
    later = recurrent(type_name, engine, {"x": (3, 3, 4), "c": (3, 3)})
    later = later({"x": x[2:], "c": torch.ones(3, 3)})["t"].detach()
    torch.testing.assert_close(whole[2:, 1], later[:, 1], rtol=1e-6, atol=1e-6)
    assert not torch.allclose(whole[2:, 0], later[:, 0])


@ENGINES
def test_rnn_step_by_step(engine):
    net = recurrent("RNN", engine, {**SHAPES, "s": (3, 2)})
    layer = net.layers["l"]
    x, static = torch.randn(SHAPES["x"]), torch.randn(3, 2)
    y = net({"x": x, "c": torch.ones(5, 3), "s": static})["t"].detach()
    hidden = torch.zeros(3, 6)
    with torch.no_grad():
        for step in range(5):
            drive = x[step] @ layer.input_weight.T + layer.input_bias + static @ layer.static_weight.T
            hidden = torch.tanh(hidden @ layer.hidden_weight.T + drive)
            wanted = torch.tanh(hidden @ layer.output_weight.T + layer.output_bias)
            torch.testing.assert_close(y[step], wanted, rtol=1e-5, atol=1e-6)


def test_every_step_draws_blobs_that_it_then_shares():
    """So a later layer's first values depend on the number of steps."""
    net = recurrent("LSTM", "exact")
    random = CaffeRandom(2)
    random.uniform(-0.5, 0.5, 24 * 4)
    random.uniform(-0.1, 0.1, 24)
    first = random.uniform(-0.5, 0.5, 24 * 6)
    random.uniform(-0.5, 0.5, 4 * 24 * 6)
    assert_same_bits(net.layers["l"].hidden_weight.detach().numpy(), np.float32(first).reshape(24, 6))
    assert net.random.uniform(0, 1, 3).tolist() == random.uniform(0, 1, 3).tolist()


def test_wrong_ones_are_named():
    with pytest.raises(InputError, match=r"layer 'l' \(LSTM\): expected bottoms \(T, N, …\) and \(T, N\)"):
        recurrent("LSTM", "fast", {"x": (5, 3, 4), "c": (3, 5)})
    with pytest.raises(InputError, match="num_output above 0"):
        recurrent("RNN", "fast", outputs=0)


LSTM_OF_FORKS = f"num_output: 6 {FILLERS}"


@ENGINES
@pytest.mark.parametrize("by_steps", [True, False])
def test_the_lstm_of_forks_is_torchs(engine, by_steps):
    shape = (5, 3, 4) if by_steps else (15, 2, 2)
    more = "" if by_steps else "batch_size: 3"
    net = single_layer("Lstm", {"x": shape}, f"lstm_param {{ {LSTM_OF_FORKS} {more} }}", engine, seed=2)
    layer = net.layer("l")
    layer.input_bias = layer.bias
    reference, order = torch_lstm(layer)
    random = torch.Generator().manual_seed(3)
    for _ in range(2):  # without a second bottom every batch begins anew
        x, weight = torch.randn(5, 3, 4, generator=random), torch.randn(5, 3, 6, generator=random)
        ours, theirs = x.reshape(shape).requires_grad_(), x.clone().requires_grad_()
        net.zero_grad()
        reference.zero_grad()
        y, (wanted, _) = net({"x": ours})["t"], reference(theirs)
        assert y.shape == ((5, 3, 6) if by_steps else (15, 6))
        (y * weight.reshape(y.shape)).sum().backward()
        (wanted * weight).sum().backward()
        torch.testing.assert_close(y.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-6)
        for a, b in (
            (ours.grad.reshape(x.shape), theirs.grad),
            (layer.input_weight.grad[order], reference.weight_ih_l0.grad),
            (layer.hidden_weight.grad[order], reference.weight_hh_l0.grad),
            (layer.bias.grad[order], reference.bias_ih_l0.grad),
        ):
            torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


@ENGINES
def test_the_lstm_of_forks_goes_on_where_its_second_bottom_says_so(engine):
    whole, parts, caffes = (
        single_layer(kind, {"x": (steps, 3, 4), "c": (steps, 3)}, f"{param} {{ {LSTM_OF_FORKS} }}", engine, seed=2)
        for kind, steps, param in (
            ("Lstm", 4, "lstm_param"), ("Lstm", 2, "lstm_param"), ("LSTM", 4, "recurrent_param"))
    )  # fmt: skip
    layer, other = whole.layer("l"), caffes.layer("l")
    parts.load_state_dict(whole.state_dict())
    with torch.no_grad():
        for name, blob in (
            ("input_weight", layer.input_weight),
            ("input_bias", layer.bias),
            ("hidden_weight", layer.hidden_weight),
        ):
            getattr(other, name).copy_(blob)
        x = torch.randn(4, 3, 4, generator=torch.Generator().manual_seed(1))
        going = torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 1], [1, 1, 0]]).float()
        y = whole({"x": x, "c": going})["t"]
        again = torch.cat([parts({"x": x[at], "c": going[at]})["t"] for at in (slice(0, 2), slice(2, 4))])
        torch.testing.assert_close(y, again, rtol=0, atol=0)
        torch.testing.assert_close(y, caffes({"x": x, "c": going})["t"], rtol=1e-6, atol=1e-6)


@ENGINES
def test_gradients_of_gates_are_limited(engine):
    """What drives the gates of the last step is known: their gradient, limited, is the bias's of a sequence of one."""
    grads = []
    for limit in (0, 0.01):
        param = f"lstm_param {{ {LSTM_OF_FORKS} clipping_threshold: {limit} }}"
        net = single_layer("Lstm", {"x": (1, 1, 4)}, param, engine, seed=2)
        net({"x": torch.linspace(-1, 1, 4).reshape(1, 1, 4)})["t"].sum().backward()
        grads.append(net.layer("l").bias.grad)
    assert grads[0].abs().max() > 0.02
    torch.testing.assert_close(grads[1], grads[0].clamp(-0.01, 0.01), rtol=0, atol=0)


def test_wrong_lstms_of_forks_are_named():
    with pytest.raises(InputError, match=r"'l' \(Lstm\): expected a batch_size that divides 15, found 2"):
        single_layer("Lstm", {"x": (15, 4)}, "lstm_param { num_output: 3 batch_size: 2 }")
    with pytest.raises(InputError, match="a second bottom of 15 values"):
        single_layer("Lstm", {"x": (5, 3, 4), "c": (5, 2)}, "lstm_param { num_output: 3 }")


@pytest.mark.parametrize("going", [0.0, 0.3, 1.0])
def test_engines_agree_where_a_sequence_goes_on_in_part(going):
    """Caffe's gradient of the forget gate is that of a sigmoid times what goes on, as if it were a sigmoid itself."""
    grads = []
    for engine in ("fast", "exact"):
        net = recurrent("LSTM", engine)
        x = torch.randn(SHAPES["x"], generator=torch.Generator().manual_seed(1)).requires_grad_()
        net({"x": x, "c": torch.full((5, 3), going)})["t"].square().sum().backward()
        layer = net.layer("l")
        grads.append([x.grad, layer.input_weight.grad, layer.hidden_weight.grad, layer.input_bias.grad])
    for fast, exact in zip(*grads, strict=True):
        torch.testing.assert_close(fast, exact, rtol=1e-5, atol=1e-6)
