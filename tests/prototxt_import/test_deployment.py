"""Nets without a deploy file: stages and levels, data layers that become inputs, sizes for placeholders."""

import importlib
import warnings
from pathlib import Path

import pytest
import torch

from prototxt_import.deployment import Variant
from prototxt_import.files import InputError, Note
from prototxt_import.formats.prototxt import format_prototxt, parse_net
from prototxt_import.net import Net, load_net
from tests.tool import assert_refused, run_tool

pytestmark = pytest.mark.filterwarnings("ignore::prototxt_import.files.Note")  # of layers left out
ALL_IN_ONE = """
layer { name: "train-data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  data_param { source: "x" batch_size: 2 } }
layer { name: "deploy-data" type: "Input" top: "data" include { stage: "deploy" min_level: 1 }
  input_param { shape { dim: 1 dim: 3 dim: 4 dim: 4 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" exclude { stage: "deploy" } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" include { stage: "deploy" } }
"""
TRAIN_VAL = """
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
  data_param { source: "nowhere" batch_size: 64 } }
layer { name: "data" type: "%s" top: "data" top: "label" include { phase: TEST } }
layer { name: "flat" type: "Flatten" bottom: "label" top: "flat" }
layer { name: "conv" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "drop" type: "Dropout" bottom: "conv" top: "conv" }
layer { name: "accuracy" type: "Accuracy" bottom: "conv" bottom: "flat" top: "accuracy" include { phase: TEST } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "conv" bottom: "label" top: "loss" }
layer { name: "size" type: "Reduction" bottom: "conv" top: "size" loss_weight: 0.1 }
"""
PLACEHOLDER = """
input: "image" input_dim: 1 input_dim: 3 input_dim: 1 input_dim: 1
layer { name: "pool" type: "Pooling" bottom: "image" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
"""
LABELLED_INPUT = """
layer { name: "data" type: "Input" top: "data" top: "label"
  input_param { shape { dim: 2 dim: 3 dim: 4 dim: 4 } shape { dim: 2 } } }
layer { name: "relu" type: "ReLU" bottom: "data" top: "relu" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "relu" bottom: "label" top: "loss" }
"""


CONVOLUTION = """
layer { name: "c" type: "Convolution" bottom: "pool" top: "c" convolution_param { num_output: 1 kernel_size: 2 } }
"""
TRAILER = 'layer { name: "end" type: "ReLU" bottom: "%s" top: "end" }'


def written(folder: Path, text: str) -> Path:
    (folder / "net.prototxt").write_text(text)
    return folder / "net.prototxt"


def types(net: Net) -> list[str]:
    return [layer.type for layer in net.param.layer]


def test_stages_and_levels_choose_layers(tmp_path: Path) -> None:
    path = written(tmp_path, ALL_IN_ONE)
    net = load_net(path, stages=["deploy"], level=1, seed=1)
    assert types(net) == ["Input", "InnerProduct", "Softmax"]
    assert net({"data": torch.ones(1, 3, 4, 4)})["prob"].shape == (1, 2)
    with pytest.raises(InputError, match="bottom 'data'"):
        load_net(path, stages=["deploy"])


@pytest.mark.parametrize("data", ["Data", "AnnotatedData"])
def test_data_layers_become_inputs_and_losses_go(tmp_path: Path, data: str) -> None:
    """AnnotatedData is a fork's, unknown here; a label that is needed on its way to the loss alone goes, too."""
    path = written(tmp_path, TRAIN_VAL % data)
    net = load_net(path, input_shapes={"data": (1, 3, 9, 7)}, seed=1)
    assert types(net) == ["Input", "Convolution", "Dropout"] and net.input_shapes == {"data": (1, 3, 9, 7)}
    assert net({"data": torch.ones(1, 3, 9, 7)})["conv"].shape == (1, 2, 7, 5) and net.output_names == ["conv"]
    kept = load_net(path, input_shapes={"data": (1, 3, 9, 7), "label": (1, 5)})
    assert types(kept) == ["Input", "Flatten", "Convolution", "Dropout"]
    assert load_net(path, phase="TRAIN", input_shapes={"data": (1, 3, 9, 7)}).layer("drop").spec.phase == 0


def test_sizes_for_what_the_prototxt_leaves_open(tmp_path: Path) -> None:
    path = written(tmp_path, PLACEHOLDER)
    assert load_net(path).blob_shapes["pool"] == (1, 3, 1, 1)
    assert load_net(path, input_shapes={"image": (2, 3, 8, 6)}).blob_shapes["pool"] == (2, 3, 4, 3)
    no_shape = 'input: "data" layer { name: "r" type: "ReLU" bottom: "data" top: "a" }'
    assert load_net(written(tmp_path, no_shape), input_shapes={"data": (1, 2)}).blob_shapes["a"] == (1, 2)
    with pytest.raises(InputError, match="expected one `input_shape`"):
        load_net(path)


def test_a_labels_input_goes_with_the_loss(tmp_path: Path) -> None:
    net = load_net(written(tmp_path, LABELLED_INPUT), input_shapes={"data": (1, 3, 2, 2)})
    assert net.input_shapes == {"data": (1, 3, 2, 2)} and types(net) == ["Input", "ReLU"]


def test_a_shape_of_no_input_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, TRAIN_VAL % "Data")
    with pytest.raises(InputError, match=r"net.prototxt: input shape of 'covn': .*\('data', 'label'\), found another"):
        load_net(path, input_shapes={"covn": (1,)})


BRANCHES = """
layer { name: "d" type: "ImageData" top: "image" top: "name" image_data_param { source: "list" } }
layer { type: "Silence" bottom: "name" }
layer { name: "a" type: "DataAugmentation" bottom: "image" top: "cropped" augmentation_param { crop_width: 5 } }
layer { name: "s" type: "Slice" bottom: "cropped" top: "left" top: "right" }
layer { name: "r" type: "ReLU" bottom: "left" top: "left" }
layer { name: "e" type: "Eltwise" bottom: "left" bottom: "right" top: "sum" }
layer { name: "w" type: "FLOWriter" bottom: "sum" writer_param { file: "out.flo" } }
"""


def test_a_net_begins_at_any_blob(tmp_path: Path) -> None:
    path, shape = written(tmp_path, BRANCHES), (1, 4, 3, 5)
    net = load_net(path, input_shapes={"cropped": shape})
    assert types(net) == ["Input", "Slice", "ReLU", "Eltwise"]
    assert net.input_shapes == {"cropped": shape} and net.output_names == ["sum"]
    half = (1, 2, 3, 5)
    net = load_net(path, input_shapes={"left": half, "right": half})
    assert types(net) == ["Input", "ReLU", "Eltwise"]
    x = torch.tensor([-1.0]).expand(half)
    assert (net({"left": x, "right": x})["sum"] == -1).all()
    with pytest.raises(
        InputError, match="input shape of 'left': expected one of 'right', too, found that layer 's' makes"
    ):
        load_net(path, input_shapes={"left": half})
    with pytest.raises(
        InputError,
        match=r"layer 'a' \(DataAugmentation\): expected images that are not cut, as at deployment, found crop_width",
    ):
        load_net(path, input_shapes={"image": shape})


@pytest.mark.parametrize(
    "text, hint",
    [
        ('layer { name: "d" type: "Data" top: "x" top: "l" }', "x=N,C,H,W"),
        ('layer { name: "d" type: "AnnotatedData" top: "x" top: "l" }', "x=N,C,H,W"),
        ('layer { name: "d" type: "MemoryData" top: "x" top: "l" memory_data_param { batch_size: 2 } }', "x=N,C,H,W"),
        ('layer { name: "d" type: "Input" top: "x" }', "x=N,C,H,W"),
        ('input: "x" layer { name: "r" type: "ReLU" bottom: "x" top: "r" }', "x=N,C,H,W"),
        ('layer { name: "r" type: "ReLU" bottom: "x" top: "r" }', "x=N,C,H,W"),
        (PLACEHOLDER.replace("2 stride", "3 stride") + CONVOLUTION, "image=1,3,H,W"),
    ],
)
def test_an_unknown_shape_is_refused_with_the_way_to_give_it(tmp_path: Path, text: str, hint: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError, match=f"--input-shape {hint}"):
        load_net(path)
    name = hint.partition("=")[0]
    assert load_net(written(tmp_path, text + TRAILER % name), input_shapes={name: (1, 3, 8, 8)}).blob_shapes["end"]


def test_what_a_shape_leaves_without_a_maker_is_told(tmp_path: Path) -> None:
    text = TRAIN_VAL % "Data" + 'layer { name: "end" type: "ReLU" bottom: "only" top: "end" }'
    text += 'layer { name: "x" type: "ReLU" bottom: "conv" top: "only" include { stage: "s" } }'
    with pytest.raises(InputError, match=r"bottom 'only': .*layer 'x' makes it only with stage 's'; this is phase"):
        load_net(written(tmp_path, text), input_shapes={"data": (1, 3, 9, 7)})


def test_a_net_alone_is_the_same_in_any_phase() -> None:
    alone = format_prototxt(Variant("TRAIN", ["s"], 1).alone(ALL_IN_ONE.replace("Data", "Input", 1), "n"))
    assert "include" not in alone and "exclude" not in alone
    assert [layer.name for layer in parse_net(alone, "n").layer] == ["train-data", "ip", "loss"]
    assert all(layer.phase == 0 for layer in parse_net(alone, "n").layer)


OPTIONS = ["--phase", "--level", "--input-shape"]
READERS = {
    ("compare",): ["--stage", *OPTIONS],
    ("convert",): ["--stage", *OPTIONS],
    ("show_net",): ["--stage", *OPTIONS],
    ("demo",): ["--stage", *OPTIONS],
    ("evaluate", "lsp"): ["--net-stage", *OPTIONS],
    ("evaluate", "people"): ["--net-stage", *OPTIONS],
    ("bench", "infer"): ["--stage", *OPTIONS],
    ("bench", "exact"): ["--stage", *OPTIONS],
    ("dump", "net"): ["--stage", *OPTIONS],
    ("dump", "data"): ["--stage", "--phase", "--level"],
    ("show_batch",): ["--stage", "--phase", "--level"],
    ("test",): ["--stage", "--phase", "--level"],
    ("time",): ["--stage", "--phase", "--level"],
    ("train",): ["--stage", "--level"],
}
"""The tools that read a net's prototxt."""


@pytest.mark.parametrize("tool", READERS)
def test_every_tool_that_reads_a_net_asks_which(tool: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        importlib.import_module(f"tools.{tool[0]}").arguments_parser().parse_args([*tool[1:], "--help"])
    shown = capsys.readouterr().out
    assert [option for option in READERS[tool] if f" {option} " not in shown] == []


def test_the_text_of_a_variant_stands_by_itself() -> None:
    variant = Variant(input_shapes={"data": (1, 3, 9, 7)})
    text = variant.text_of(TRAIN_VAL % "Data", "n")
    assert "phase" not in text and Net(parse_net(text, "n")).input_shapes == {"data": (1, 3, 9, 7)}
    assert Variant().text_of(PLACEHOLDER, "n") == PLACEHOLDER


def test_the_tools_take_it(tmp_path: Path) -> None:
    path, weights, out = written(tmp_path, TRAIN_VAL % "Data"), tmp_path / "w.caffemodel", tmp_path / "n.pt"
    shown = run_tool("show_net", path, "--input-shape", "data=1,3,9,7")
    assert shown.returncode == 0 and "1x2x7x5" in shown.stdout, shown.stderr
    assert "show_net.py: input shapes leave out layer 'flat' (Flatten), which needs a blob" in shown.stderr
    net = load_net(path, input_shapes={"data": (1, 3, 9, 7)}, seed=1)
    weights.write_bytes(net.to_caffemodel().SerializeToString())
    more = ("--input-shape", "data=1,3,11,7", "--stage", "a,b", "--level", 2)
    done = run_tool("convert", "--prototxt", path, "--weights", weights, "--out", out, "--check", *more)
    assert done.returncode == 0, done.stderr
    shown = run_tool("convert", "--weights", out, "--out", tmp_path / "b.pt", "--input-shape", "data=1,3,5,5")
    assert shown.returncode == 0, shown.stderr
    wrong = run_tool("show_net", path, "--input-shape", "image=1,3,9,7")
    assert_refused(wrong, "net.prototxt", "input shape of 'image'", "'data', 'label'")
    assert run_tool("show_net", path, "--input-shape", "data=1,0").returncode == 2


def test_layers_left_out_are_named_but_for_losses() -> None:
    with pytest.warns(Note, match=r"leave out layer 'flat' \(Flatten\), which needs a blob whose shape is not given"):
        Variant(input_shapes={"data": (1, 3, 9, 7)}).of(TRAIN_VAL % "Data", "n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Variant(input_shapes={"data": (1, 3, 4, 4)}).of(LABELLED_INPUT, "n")


def test_a_type_that_is_not_known_is_not_answered_with_advice_about_sizes():
    unknown = PLACEHOLDER + 'layer { name: "n" type: "Nobodys" bottom: "image" top: "n" }'
    with pytest.raises(InputError) as refusal:
        Net(parse_net(unknown.replace("kernel_size: 2", "kernel_size: 1"), "n"))
    assert "'Nobodys'" in str(refusal.value) and "--input-shape" not in str(refusal.value)
