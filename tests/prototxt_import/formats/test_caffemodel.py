"""Weights: V2, V1, legacy shapes, HDF5, OpenCV's reader as an independent one, and broken files."""

import h5py
import numpy as np
import pytest
import torch

from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.blobs import array_to_blob, blob_to_array
from prototxt_import.formats.caffemodel import (
    read_caffemodel,
    write_caffemodel,
    write_hdf5,
)
from prototxt_import.formats.solverstate import read_solverstate, write_solverstate
from prototxt_import.net import load_net
from tests.bits import assert_same_bits

random = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(3, 2, 5, 7), (130,), (), (1, 0, 3), (40, 1000)])
def test_blobs_round_trip_to_the_bit(shape):
    array = np.asarray(random.standard_normal(shape), np.float32)
    if array.size > 3:
        array.flat[:3] = np.nan, -0.0, 1e-45
    blob = schema.BlobProto.FromString(array_to_blob(array).SerializeToString())
    assert_same_bits(blob_to_array(blob, "b"), array)
    assert [*blob.data] == pytest.approx([*array.flat], nan_ok=True)


def test_legacy_axes_and_double_data():
    blob = schema.BlobProto(num=1, channels=1, height=2, width=3, data=range(6))
    assert blob_to_array(blob, "b").shape == (1, 1, 2, 3)
    blob = schema.BlobProto(double_data=[0.1, 0.2])
    blob.shape.dim.append(2)
    assert_same_bits(blob_to_array(blob, "b"), np.array([0.1, 0.2], np.float32))


def test_hdf5_and_binary_hold_the_same_blobs(golden):
    binary = read_caffemodel(golden / "net/mini_cpm_deploy.caffemodel")
    hdf5 = {layer.name: layer for layer in read_caffemodel(golden / "net/mini_cpm_deploy.caffemodel.h5").layer}
    learned = [layer for layer in binary.layer if layer.blobs]
    assert {layer.name for layer in learned} == set(hdf5)
    for layer in learned:
        for index, blob in enumerate(layer.blobs):
            assert_same_bits(
                blob_to_array(hdf5[layer.name].blobs[index], "h5"), blob_to_array(blob, "binary"), layer.name
            )


NET = """
input: "x" input_shape { dim: 1 dim: 3 dim: 17 dim: 13 }
layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 6 kernel_size: 3 pad: 1
  weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "gaussian" std: 0.3 } } }
layer { name: "r" type: "ReLU" bottom: "c" top: "c" }
layer { name: "p" type: "Pooling" bottom: "c" top: "p" pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "f" type: "InnerProduct" bottom: "p" top: "f" inner_product_param { num_output: 4
  weight_filler { type: "xavier" } } }
"""


@pytest.fixture
def small_net(tmp_path):
    (tmp_path / "net.prototxt").write_text(NET)
    return load_net(tmp_path / "net.prototxt", seed=3)


def test_opencv_reads_what_is_written_here(small_net, tmp_path):
    cv2 = pytest.importorskip("cv2", reason="opencv-python-headless is not installed (extra `test`)")
    write_caffemodel(tmp_path / "net.caffemodel", small_net.to_caffemodel())
    other = cv2.dnn.readNetFromCaffe(str(tmp_path / "net.prototxt"), str(tmp_path / "net.caffemodel"))
    x = random.standard_normal((1, 3, 17, 13)).astype(np.float32)
    other.setInput(x, "x")
    ours = small_net({"x": torch.from_numpy(x)})["f"].detach().numpy()
    np.testing.assert_allclose(ours, other.forward(), rtol=0, atol=1e-5)


def test_a_v1_caffemodel_with_legacy_shapes_loads(small_net, tmp_path):
    old = schema.NetParameter()
    types = {"Convolution": "CONVOLUTION", "InnerProduct": "INNER_PRODUCT"}
    for layer in small_net.to_caffemodel().layer:
        if layer.type not in types:
            continue
        v1 = old.layers.add(name=layer.name, type=schema.V1LayerParameter.LayerType.Value(types[layer.type]))
        for blob in layer.blobs:
            legacy = v1.blobs.add(data=blob.data)
            axes = [1] * (4 - len(blob.shape.dim)) + list(blob.shape.dim)
            legacy.num, legacy.channels, legacy.height, legacy.width = axes
    write_caffemodel(tmp_path / "v1.caffemodel", old)
    net = load_net(tmp_path / "net.prototxt", tmp_path / "v1.caffemodel")
    for name, value in small_net.state_dict().items():
        assert_same_bits(net.state_dict()[name].numpy(), value.numpy(), name)


@pytest.mark.parametrize("keep", [0, 1, 10, 1000, 100_000])
def test_truncated_files_are_refused(golden, tmp_path, keep):
    content = (golden / "net/mini_cpm_deploy.caffemodel").read_bytes()
    (tmp_path / "cut.caffemodel").write_bytes(content[:keep])
    with pytest.raises(InputError, match=r"cut\.caffemodel: expected"):
        read_caffemodel(tmp_path / "cut.caffemodel")


@pytest.mark.parametrize("seed", range(5))
def test_random_bytes_are_refused(tmp_path, seed):
    path = tmp_path / "random.caffemodel"
    path.write_bytes(np.random.default_rng(seed).bytes(5000))
    with pytest.raises(InputError, match=r"random\.caffemodel: expected"):
        read_caffemodel(path)
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + np.random.default_rng(seed).bytes(5000))
    with pytest.raises(InputError, match=r"random\.caffemodel: expected an HDF5 file"):
        read_caffemodel(path)


def test_a_shape_that_its_values_do_not_fill_is_refused(tmp_path):
    net = schema.NetParameter()
    blob = net.layer.add(name="c").blobs.add(data=[1, 2, 3])
    blob.shape.dim.extend([1 << 40, 3])
    write_caffemodel(tmp_path / "w.caffemodel", net)
    with pytest.raises(InputError, match="layer 'c', blob 0: expected 1099511627776x3 values, found 3"):
        read_caffemodel(tmp_path / "w.caffemodel")


@pytest.mark.parametrize("field", ["layer", "layers"])
def test_a_layers_name_that_is_no_text_is_refused(tmp_path, field):
    net = schema.NetParameter()
    getattr(net, field).add(name="conv").blobs.add(data=[1])
    (tmp_path / "w.caffemodel").write_bytes(net.SerializeToString().replace(b"conv", b"co\xffv"))
    with pytest.raises(InputError, match=r"w\.caffemodel: (layer 0: expected a name in UTF-8|expected a binary)"):
        read_caffemodel(tmp_path / "w.caffemodel")


def test_hdf5_that_declares_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "w.caffemodel.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("data/c/0", (1 << 30,), "f4", chunks=(1024,))
    with pytest.raises(InputError, match="/data/c/0: expected float values that the file's"):
        read_caffemodel(path)


def test_hdf5_layer_names_may_hold_slashes(tmp_path):
    path = tmp_path / "w.caffemodel.h5"
    with h5py.File(path, "w") as file:
        file["data/inception/3x3/0"] = np.ones(3, np.float32)
    assert [layer.name for layer in read_caffemodel(path).layer] == ["inception/3x3"]


def test_solverstates_round_trip_and_wrong_ones_are_refused(golden, tmp_path):
    state = read_solverstate(golden / "solver/replay_iter_10.solverstate")
    assert (state.iter, state.learned_net, len(state.history)) == (10, "replay_iter_10.caffemodel", 44)
    write_solverstate(tmp_path / "s.solverstate", state)
    original = (golden / "solver/replay_iter_10.solverstate").read_bytes()
    assert (tmp_path / "s.solverstate").read_bytes() == original
    (tmp_path / "cut.solverstate").write_bytes(original[:777])
    with pytest.raises(InputError, match=r"cut\.solverstate: expected a binary SolverState"):
        read_solverstate(tmp_path / "cut.solverstate")
    (tmp_path / "empty.solverstate").write_bytes(b"")
    with pytest.raises(InputError, match="found no iteration number"):
        read_solverstate(tmp_path / "empty.solverstate")


def test_a_solver_state_before_its_first_step_is_refused(tmp_path):
    write_solverstate(tmp_path / "s.solverstate", schema.SolverState(iter=1, current_step=-1))
    with pytest.raises(InputError, match="expected a current_step of 0 or more, found -1"):
        read_solverstate(tmp_path / "s.solverstate")


def test_double_data_comes_before_data():
    """As in Blob::FromProto."""
    blob = schema.BlobProto(data=[1, 2], double_data=[0.1, 0.2])
    assert_same_bits(blob_to_array(blob, "b"), np.array([0.1, 0.2], np.float32))


@pytest.mark.parametrize(("kind", "dtype"), [("FLOAT16", "<f2"), ("FLOAT", "<f4"), ("DOUBLE", "<f8"), ("INT", "<i4")])
def test_nvidias_raw_data(kind, dtype):
    values = (random.standard_normal((2, 3)) * 100).astype(dtype)
    blob = schema.BlobProto(raw_data_type=kind, raw_data=values.tobytes())
    blob.shape.dim.extend(values.shape)
    assert_same_bits(blob_to_array(blob, "b"), values.astype(np.float32))
    blob.raw_data = blob.raw_data[:-1]
    with pytest.raises(InputError, match="2x3 values, found 5"):
        blob_to_array(blob, "b")


def test_weights_need_neither_types_nor_input_shapes(tmp_path):
    net = schema.NetParameter(input=["data"])
    net.layers.add(name="c1", blobs=[array_to_blob(np.ones((2, 3), np.float32))])
    path = tmp_path / "old.caffemodel"
    path.write_bytes(net.SerializeToString())
    (layer,) = read_caffemodel(path).layer
    assert layer.name == "c1" and len(layer.blobs) == 1


def test_hdf5_links_to_other_files_and_empty_dataspaces_are_refused(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["data/c/0"] = np.ones(3, np.float32)
    with h5py.File(tmp_path / "link.caffemodel.h5", "w") as file:
        file["data"] = h5py.ExternalLink("secret.h5", "data")
    with pytest.raises(InputError, match="/data in this file"):
        read_caffemodel(tmp_path / "link.caffemodel.h5")
    with h5py.File(tmp_path / "null.caffemodel.h5", "w") as file:
        file["data/c/0"] = h5py.Empty("f4")
    with pytest.raises(InputError, match="of shape None"):
        read_caffemodel(tmp_path / "null.caffemodel.h5")


@pytest.mark.parametrize("names", [("a", "a/0"), ("a/0/b", "a"), ("",), ("a//b",), ("a", "a")])
def test_names_that_hdf5_cannot_hold_are_refused(tmp_path, names):
    net = schema.NetParameter()
    for name in names:
        net.layer.add(name=name, blobs=[array_to_blob(np.ones(2, np.float32))])
    with pytest.raises(InputError, match="that HDF5 can hold"):
        write_hdf5(tmp_path / "a.h5", net)
    assert not list(tmp_path.iterdir())
