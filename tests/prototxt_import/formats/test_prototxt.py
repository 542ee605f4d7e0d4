"""Prototxts in every dialect, and what a person is told about a broken one."""

import re

import numpy as np
import pytest

from prototxt_import.files import InputError
from prototxt_import.formats import schema
from prototxt_import.formats.prototxt import format_prototxt, parse_net, read_net, read_solver

CONVOLUTION = (
    'layer { name: "c" type: "Convolution" bottom: "x" top: "c" convolution_param { num_output: 2 kernel_size: 3 } }'
)


def test_input_fields_become_an_input_layer():
    net = parse_net(f'input: "x" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 9\n{CONVOLUTION}', "n")
    assert net.layer[0].name == "input" and net.layer[0].type == "Input" and list(net.layer[0].top) == ["x"]
    assert list(net.layer[0].input_param.shape[0].dim) == [1, 3, 8, 9]
    assert net == parse_net(f'input: "x" input_shape {{ dim: 1 dim: 3 dim: 8 dim: 9 }}\n{CONVOLUTION}', "n")


def test_v1_layers_are_upgraded():
    net = parse_net(
        """layers { name: "c" type: CONVOLUTION bottom: "x" top: "c" blobs_lr: 1 blobs_lr: 2 weight_decay: 1
             weight_decay: 0 param: "w" convolution_param { num_output: 4 kernel_size: 5 } include { phase: TRAIN } }
           layers { name: "s" type: SOFTMAX_LOSS bottom: "c" top: "s" loss_weight: 2 }""",
        "n",
    )
    first, second = net.layer
    assert (first.type, first.convolution_param.num_output, second.type) == ("Convolution", 4, "SoftmaxWithLoss")
    assert [p.lr_mult for p in first.param] == [1, 2] and [p.decay_mult for p in first.param] == [1, 0]
    assert first.param[0].name == "w" and list(second.loss_weight) == [2] and not net.layers
    assert first.include[0].HasField("phase")


@pytest.mark.parametrize(
    ("old", "new"),
    [("RELU", "ReLU"), ("INNER_PRODUCT", "InnerProduct"), ("EUCLIDEAN_LOSS", "EuclideanLoss"), ("LRN", "LRN"),
     ("TANH", "TanH"), ("POOLING", "Pooling"), ("ELTWISE", "Eltwise"), ("SLICE", "Slice")],
)  # fmt: skip
def test_v1_type_names(old, new):
    assert parse_net(f'layers {{ name: "a" type: {old} }}', "n").layer[0].type == new


def test_the_later_forks_spelling():
    text = 'layer { name: "d" type: "CPMData" top: "data" cpm_transform_param { stride: 8 } }'
    assert parse_net(text, "n").layer[0].transform_param.stride == 8


def test_text_reads_back_to_the_same_message(golden):
    for name in ("net/cpm6_full_deploy.prototxt", "solver/replay_dropout_train.prototxt"):
        net = read_net(golden / name)
        assert parse_net(format_prototxt(net), "again") == net


def test_solver_type_enum_becomes_a_name(tmp_path):
    path = tmp_path / "solver.prototxt"
    path.write_text('net: "n" solver_type: NESTEROV')
    assert read_solver(path).type == "Nesterov"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('layer { name: "a"\n  kernl_size: 3 }', "net.prototxt:2:3: .*kernl_size"),
        ('layer { name: "a"\n\n  type: 3 }', "net.prototxt:3:"),
        ('layer { name: "a" ', "net.prototxt:1:"),
        ('name: "only"', "found no layer"),
        ('layer { name: "a" }\nlayers { name: "b" type: RELU }', "found both"),
        ('input: "x"\nlayer { name: "a" }', "4 `input_dim` for each of 1 inputs"),
        ('layers { name: "b" }', "layer 'b': expected a known V1 type"),
        ("layer {" * 500, "net.prototxt"),
        ("\0\1", "net.prototxt"),
    ],
)
def test_broken_prototxts_name_file_and_line(tmp_path, text, said):
    path = tmp_path / "net.prototxt"
    path.write_text(text)
    with pytest.raises(InputError, match=said) as error:
        read_net(path)
    assert "\n" not in str(error.value)


def test_a_missing_or_binary_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.prototxt: cannot be read"):
        read_net(tmp_path / "none.prototxt")
    for content, found in (
        (b"\xfe\x00", ":1:1: expected prototxt text, found a binary file"),
        ("layer {}".encode("utf-16"), ": expected prototxt text, found text in UTF-16: save it in UTF-8"),
        (b"\n<!DOCTYPE html>", ": expected prototxt text, found a page of the web"),
        (b"version https://git-lfs.github.com/spec/v1\n", ": expected prototxt text, found Git LFS's pointer to it"),
    ):
        (tmp_path / "binary.prototxt").write_bytes(content)
        with pytest.raises(InputError, match=rf"binary\.prototxt{found}"):
            read_net(tmp_path / "binary.prototxt")


RELU = b'input: "data" input_dim: 1 input_dim: 3 input_dim: 4 input_dim: 4\nlayer { name: "r" type: "ReLU" }  # '


def test_a_byte_order_mark_is_skipped(tmp_path):
    path = tmp_path / "bom.prototxt"
    path.write_bytes(b"\xef\xbb\xbf" + RELU)
    assert [layer.name for layer in read_net(path).layer] == ["input", "r"]


def test_comments_may_hold_any_byte(tmp_path):
    path = tmp_path / "gbk.prototxt"
    path.write_bytes(RELU + "连接".encode("gbk") + b'\n# "\xff\n')
    assert len(read_net(path).layer) == 2


def test_other_places_may_not(tmp_path):
    path = tmp_path / "name.prototxt"
    path.write_bytes(RELU + b'\nname: "#\xff"')
    with pytest.raises(InputError, match=r"name.prototxt:3:9: .*not UTF-8"):
        read_net(path)


def test_an_error_names_the_layer():
    text = (
        RELU.decode()
        + '\nlayer {\n  name: "c"\n  type: "Convolution" # { "\n  convolution_param { kernel_size: x }\n}\n'
    )
    with pytest.raises(InputError, match=r"net:6:36: layer 'c' \(Convolution\): .*integer"):
        parse_net(text, "net")
    between = 'quantize: true\nlayer { name: "c" type: "Convolution" }'
    with pytest.raises(InputError, match=r"net:1:1: NetParameter has no field named 'quantize', which TI's Caffe has"):
        parse_net(between, "net")


@pytest.mark.parametrize(
    "number", ["1_0", "1__0", "1_", "0x1_0", "1_0.5", "-1_0", "0b1", "0o7", "+5", "1e1_0", "１", "٣"]
)
@pytest.mark.parametrize("field", ["convolution_param { kernel_size: ", "dropout_param { dropout_ratio: "])
def test_what_only_python_takes_for_a_number_is_refused(number, field):
    text = f'layer {{ name: "a_1" type: "T" # 1_0\n top: "1_0" {field}{number} }} }}'
    with pytest.raises(
        InputError, match=rf"net:2:\d+: layer 'a_1' \(T\): expected a number, found {re.escape(number)}"
    ):
        parse_net(text, "net")


def test_what_caffes_parser_takes_for_a_number_is_read():
    def read(field: str) -> schema.LayerParameter:
        return parse_net('layer { name: "a_1_0" type: "T" ' + field + " }", "net").layer[0]

    for number, value in {"1e+2": 100, "1.5F": 1.5, ".5e-1": 0.05, "1.e2": 100}.items():
        assert read(f"dropout_param {{ dropout_ratio: {number} }}").dropout_param.dropout_ratio == np.float32(value)
    sizes = read("convolution_param { kernel_size: [0x1F, 017, 0] }").convolution_param.kernel_size
    assert list(sizes) == [31, 15, 0]
    for number in ("0x10", "010"):  # a float is decimal
        with pytest.raises(InputError, match=f"float: {number}"):
            read(f"dropout_param {{ dropout_ratio: {number} }}")


def test_a_minus_may_stand_apart():
    text = RELU.decode().replace(
        'type: "ReLU"',
        """type: "ReLU" relu_param { negative_slope: - 0.5 } # - 1
        transform_param { mean_value: -\n2 mean_file: "- 1" }""",
    )
    layer = parse_net(text, "net").layer[-1]
    assert layer.relu_param.negative_slope == -0.5 and list(layer.transform_param.mean_value) == [-2]
    assert layer.transform_param.mean_file == "- 1"
    with pytest.raises(InputError, match=r"layer 'r' \(ReLU\): Couldn't parse float: -$"):
        parse_net(RELU.decode().replace('type: "ReLU"', 'type: "ReLU" relu_param { negative_slope: - x }'), "net")


def test_an_error_does_not_quote_a_whole_line():
    long = " ".join(f'layer {{ name: "l{k}" type: "ReLU" }}' for k in range(1000)) + " layer { name: 5 }"
    with pytest.raises(InputError) as error:
        parse_net(long, "net")
    assert "Expected string but found: '5'" in str(error.value) and len(str(error.value)) < 150


@pytest.mark.parametrize("mark", ["'", '"'])
def test_an_enums_value_has_no_quotes(mark):
    said = f"V1LayerParameter.LayerType, which has no quotes, found {mark}RELU{mark}"
    with pytest.raises(InputError, match=rf"layer 'r' \(RELU\): expected a value of {said}"):
        parse_net(f'layers {{ name: "r" type: {mark}RELU{mark} }}', "net")
