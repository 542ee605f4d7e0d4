"""Other people's nets: the fast engine against OpenCV's own reader of Caffe's files, and the layers that it lacks
against their definitions."""

import numpy as np
import pytest
import torch

from cpm_kernels.window import Window
from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.caffemodel import read_caffemodel, write_caffemodel, write_hdf5
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net, load_net
from tests.foreign_nets import WITH_OPENCV, foreign_net, layer

random = np.random.default_rng(7)


def write(folder, name):
    """(net, its prototxt and caffemodel in the folder)."""
    net, text = foreign_net(name)
    prototxt, weights = folder / "foreign.prototxt", folder / "foreign.caffemodel"
    prototxt.write_text(text)
    write_caffemodel(weights, net.to_caffemodel())
    return net, prototxt, weights


@pytest.mark.parametrize("name", WITH_OPENCV)
def test_the_outputs_are_opencvs(name, tmp_path):
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is not installed (extra `test`)")
    _, prototxt, weights = write(tmp_path, name)
    net = load_net(prototxt, weights)
    x = random.uniform(-1, 1, net.input_shapes["data"]).astype(np.float32)
    other = cv2.dnn.readNetFromCaffe(str(prototxt), str(weights))
    other.setInput(x, "data")
    maker = {spec.top[0]: spec.name for spec in net.param.layer if len(spec.top) == 1}
    with torch.inference_mode():
        ours = net({"data": torch.from_numpy(x)})
    assert net.output_names
    for blob, theirs in zip(net.output_names, other.forward([maker[b] for b in net.output_names]), strict=True):
        assert ours[blob].shape == net.blob_shapes[blob]
        scale = max(np.abs(theirs).max(), 1e-3)
        np.testing.assert_allclose(ours[blob], theirs, rtol=0, atol=1e-5 * scale, err_msg=blob)


@pytest.mark.parametrize("name", sorted(WITH_OPENCV))
def test_the_exact_engine_agrees(name):
    net, text = foreign_net(name)
    exact = Net(parse_net(text, name), engine="exact")
    exact.load_state_dict(net.state_dict())
    x = torch.from_numpy(random.uniform(-1, 1, net.input_shapes["data"]).astype(np.float32))
    with torch.inference_mode():
        fast, other = net({"data": x}), exact({"data": x})
    for blob in net.output_names:
        scale = max(float(fast[blob].abs().max()), 1e-3)
        np.testing.assert_allclose(other[blob], fast[blob], rtol=0, atol=1e-5 * scale, err_msg=blob)


def test_v1_weights_with_legacy_axes_load(tmp_path):
    net, prototxt, _ = write(tmp_path, "lenet_v1")
    old = schema.NetParameter(name="LeNet")
    types = {"Convolution": "CONVOLUTION", "InnerProduct": "INNER_PRODUCT"}
    for spec in net.to_caffemodel().layer:
        if spec.blobs:
            kind = schema.V1LayerParameter.LayerType.Value(types[spec.type])
            v1 = old.layers.add(name=spec.name, type=kind)
            for blob in spec.blobs:
                axes = [1] * (4 - len(blob.shape.dim)) + list(blob.shape.dim)
                v1.blobs.add(data=blob.data, num=axes[0], channels=axes[1], height=axes[2], width=axes[3])
    write_caffemodel(tmp_path / "v1.caffemodel", old)
    loaded = load_net(prototxt, tmp_path / "v1.caffemodel")
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in loaded.state_dict().items())


def test_hdf5_is_written_as_it_is_read(tmp_path):
    net, prototxt, _ = write(tmp_path, "squeezenet")  # its layers' names hold slashes
    write_hdf5(tmp_path / "n.caffemodel.h5", net.to_caffemodel())
    loaded = load_net(prototxt, tmp_path / "n.caffemodel.h5")
    assert all(torch.equal(value, net.state_dict()[name]) for name, value in loaded.state_dict().items())
    stored = {source.name: len(source.blobs) for source in read_caffemodel(tmp_path / "n.caffemodel.h5").layer}
    assert stored["fire2/squeeze1x1"] == 2


def run(text, **inputs):
    """Every blob of a net whose only layers are in `text`."""
    net = Net(parse_net(text, "n"))
    blobs = net({name: torch.from_numpy(values) for name, values in inputs.items()})
    assert all(tuple(blobs[name].shape) == net.blob_shapes[name] for name in net.blob_names)
    return {name: value.numpy() for name, value in blobs.items()}


def inputs(*shapes):
    return "".join(
        f'input: "{"xyz"[i]}" input_shape {{ {" ".join(f"dim: {d}" for d in shape)} }}\n'
        for i, shape in enumerate(shapes)
    )


@pytest.mark.parametrize("axes", [(2, 3), (2, 3, 1, 1)])
def test_axpy(axes):
    a, x, y = (random.standard_normal(s).astype(np.float32) for s in (axes, (2, 3, 4, 5), (2, 3, 4, 5)))
    blobs = run(inputs(axes, (2, 3, 4, 5), (2, 3, 4, 5)) + layer("Axpy", "t", "x y z"), x=a, y=x, z=y)
    np.testing.assert_allclose(blobs["t"], a.reshape(2, 3, 1, 1) * x + y, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("operation", "function"), [
    ("SUM", np.sum), ("MEAN", np.mean), ("ASUM", lambda x, axis: np.abs(x).sum(axis)),
    ("SUMSQ", lambda x, axis: (x * x).sum(axis)),
])  # fmt: skip
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_reduction(operation, function, axis):
    x = random.standard_normal((3, 4, 5)).astype(np.float32)
    more = f"reduction_param {{ operation: {operation} axis: {axis} coeff: 0.5 }}"
    expected = 0.5 * function(x, tuple(range(axis % 3, 3)))
    blobs = run(inputs(x.shape) + layer("Reduction", "t", "x", more), x=x)
    np.testing.assert_allclose(blobs["t"], expected, rtol=1e-5, atol=1e-5)


def test_arg_max_takes_the_last_of_equals():
    x = np.float32([[[3, 1], [7, 7], [7, 2]], [[0, 9], [1, 1], [1, 9]]])  # (2, 3, 2)
    text = inputs(x.shape) + "".join(
        layer("ArgMax", name, "x", f"argmax_param {{ {more} }}")
        for name, more in {
            "along": "axis: 1", "values": "axis: 1 out_max_val: true", "two": "axis: 1 top_k: 2", "image": "",
            "both": "out_max_val: true top_k: 2",
        }.items()
    )  # fmt: skip
    blobs = run(text, x=x)
    assert blobs["along"].tolist() == [[[2, 1]], [[2, 2]]] and blobs["values"].tolist() == [[[7, 7]], [[1, 9]]]
    assert blobs["two"].tolist() == [[[2, 1], [1, 2]], [[2, 2], [1, 0]]]
    assert blobs["image"].tolist() == [[[4]], [[5]]]
    assert blobs["both"].tolist() == [[[4, 3], [7, 7]], [[5, 1], [9, 9]]]


def test_limits_and_silence():
    x = random.standard_normal((2, 3, 5, 4)).astype(np.float32) * 9
    text = (
        inputs(x.shape)
        + layer("Threshold", "above", "x", "threshold_param { threshold: 0.5 }")
        + layer("Clip", "clip", "x", "clip_param { min: -1 max: 2 }")
        + layer("ReLU6", "six", "x")
        + layer("BNLL", "bnll", "x")
        + 'layer { name: "hush" type: "Silence" bottom: "six" }'
    )
    blobs = run(text, x=x)
    assert np.array_equal(blobs["above"], x > 0.5) and np.array_equal(blobs["six"], x.clip(0, 6))
    assert np.array_equal(blobs["clip"], x.clip(-1, 2))
    np.testing.assert_allclose(blobs["bnll"], np.logaddexp(0, x.astype(np.float64)), rtol=1e-6, atol=1e-8)
    assert Net(parse_net(text, "n")).output_names == ["above", "bnll", "clip"]


def test_l2_normalisation_over_the_image():
    x = random.standard_normal((2, 3, 4, 5)).astype(np.float32)
    net = Net(parse_net(inputs(x.shape) + layer("Normalize", "t", "x"), "n"), seed=1)
    assert net.layers["t"].scale.item() == 1
    y = net({"x": torch.from_numpy(x)})["t"].detach().numpy()
    np.testing.assert_allclose(y, x / np.sqrt((x * x).sum((1, 2, 3), keepdims=True) + 1e-10), rtol=1e-5)


def test_depthwise_convolution_needs_no_group():
    more = "convolution_param { num_output: 3 kernel_size: 3 bias_term: false }"
    net = Net(parse_net(inputs((1, 3, 6, 6)) + layer("ConvolutionDepthwise", "t", "x", more), "n"))
    assert tuple(net.layers["t"].weight.shape) == (3, 1, 3, 3)


def test_a_blob_that_its_last_layer_overwrites_is_an_output():
    text = inputs((1, 2, 3, 3)) + layer("Power", "p", "x", "power_param { shift: -1 }")
    text += layer("ReLU", "r", "p", top="p")
    assert Net(parse_net(text, "n")).output_names == ["p"]


def test_padding_on_one_axis_clips_windows_on_both():
    assert Window((3, 1), (1, 3), (0, 0)).pooled((5, 5)) == (3, 3)  # the last column of windows starts at 6
    assert Window((3, 1), (1, 3), (1, 0)).pooled((5, 5)) == (5, 2)
    assert Window((3, 3), (2, 2), ceil=False).pooled((6, 8)) == (2, 3)


@pytest.mark.parametrize(("text", "said"), [
    ('layer { name: "d" type: "Data" top: "data" data_param { source: "db" batch_size: 2 } }',
     "layer 'd': expected a net whose inputs have shapes .*found the data layer type 'Data'"),
    (inputs((1, 2, 4, 4)) + layer("Pooling", "p", "x", "pooling_param { pool: AVE kernel_size: 1 stride: 2 }"),
     "layer 'p' .*AVE windows that touch"),
    (inputs((1, 9, 4, 4)) + layer("InnerProduct", "f", "x", "inner_product_param { num_output: 4294967295 }"),
     r"layer 'f' .*blob 'weight' of at most 2147483647 values, found shape \(4294967295, 144\)"),
    (inputs((1, 9, 4, 4)) + layer("Tile", "t", "x", "tile_param { tiles: 2147483647 }"), "top 't' of at most 214748"),
    (inputs((1, 2, 4, 4)) + layer("Clip", "c", "x", "clip_param { min: 2 max: 1 }"), "a min and a max not below it"),
    (inputs((1, 2, 4, 4)) + layer("Permute", "c", "x", "permute_param { order: 0 order: 0 }"), "each axis of 4 once"),
    (inputs((1, 2, 4, 4)) + layer("ArgMax", "c", "x", "argmax_param { axis: 1 top_k: 3 }"), "top_k from 1 to 2"),
    (inputs((1, 2), (1, 3, 4, 4), (1, 3, 4, 4)) + layer("Axpy", "c", "x y z"), "layer 'c' .*expected bottoms"),
    (inputs((1, 2, 4, 4)) + layer("DenseCRF", "c", "x"), "layer 'c': .*found 'DenseCRF' of the fork DeepLab"),
])  # fmt: skip
def test_what_cannot_be_is_named(text, said):
    with pytest.raises(InputError, match=said):
        Net(parse_net(text, "n"))


def test_training_layers_of_other_phases_do_not_matter():
    text = (
        'layer { name: "d" type: "ImageData" top: "data" top: "label" include { phase: TRAIN }\n'
        '  transform_param { mirror: true mean_value: 104 } image_data_param { source: "l.txt" batch_size: 4 } }\n'
        'layer { name: "d" type: "Input" top: "data" include { phase: TEST } input_param { shape { dim: [1, 3] } } }\n'
        'layer { name: "f" type: "InnerProduct" bottom: "data" top: "f" inner_product_param { num_output: 2 } }\n'
        'layer { name: "l" type: "HingeLoss" bottom: "f" bottom: "label" include { phase: TRAIN }\n'
        "  hinge_loss_param { norm: L2 } }\n"
    )
    assert Net(parse_net(text, "n")).output_names == ["f"]


def test_weights_of_another_net_are_told_apart(tmp_path):
    _, prototxt, weights = write(tmp_path, "squeezenet")
    text = prototxt.read_text().replace("num_output: 8", "num_output: 9")
    prototxt.write_text(text)
    with pytest.raises(InputError) as error:
        load_net(prototxt, weights)
    assert "layer 'conv1', blob 0: expected shape (9, 3, 3, 3), as the prototxt has, found (8, 3, 3, 3)" in str(
        error.value
    )
    assert str(error.value).count("expected shape") == 5 and "; and 3 more" in str(error.value)
    write(tmp_path, "lenet_v1")
    prototxt.write_text(text)
    with pytest.raises(InputError, match=r"'conv1', blob 0: .*; expected weights for layer 'fire2/squeeze1x1', found"):
        load_net(prototxt, weights)
    prototxt.write_text(text.replace("conv1", "a").replace("conv10", "b").replace("fire", "g"))
    with pytest.raises(InputError, match=r"\('a', 'g2/squeeze1x1', .* found none of their names \('conv1', 'ip1'"):
        load_net(prototxt, weights)


def test_a_net_keeps_its_weights_if_some_do_not_fit(tmp_path):
    net, _, weights = write(tmp_path, "lenet_v1")
    other = read_caffemodel(weights)
    other.layer[-2].blobs[0].shape.dim[0] += 1
    other.layer[1].blobs[0].data[0] += 1
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(InputError):
        net.load_weights(other)
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
