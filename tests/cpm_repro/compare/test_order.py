"""In which order a run makes what dumps and traces record, and which layers make it."""

from cpm_repro.compare.order import NetworkOrder
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.graph import filter_net, insert_splits

NET = """
input: "data" input_shape { dim: 1 dim: 3 dim: 8 dim: 8 }
layer { name: "first" type: "Convolution" bottom: "data" top: "conv"
  convolution_param { num_output: 2 kernel_size: 3 } }
layer { name: "rectify" type: "ReLU" bottom: "conv" top: "conv" }
layer { name: "pool" type: "Pooling" bottom: "conv" top: "pool" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "left" type: "TanH" bottom: "pool" top: "left" }
layer { name: "both" type: "Eltwise" bottom: "left" bottom: "pool" top: "both" }
"""
SPLITS = ["pool_pool_0_split_0", "pool_pool_0_split_1"]


def order_of(*names):
    return NetworkOrder(names, (), insert_splits(filter_net(parse_net(NET, "net"), "TEST")))


def test_the_nets_order_and_backward_from_the_end():
    order = order_of()
    names = ["both", "left.diff", "conv", "first/1", "conv.diff", "left", "data", "first/0", *SPLITS, "pool"]
    expected = ["first/0", "first/1", "data", "conv", "pool", *SPLITS, "left", "both", "left.diff", "conv.diff"]
    assert order.sorted(names) == expected


def test_without_a_net_the_files_order():
    order = NetworkOrder(("b", "a", "c.diff", "c"), ("b", "new", "a"))
    assert order.sorted(["c", "a", "b", "new", "c.diff", "b.diff"]) == ["b", "new", "a", "c", "c.diff", "b.diff"]
    assert order.makers("a") == [] and order.makers("conv1/0") == ["conv1"]


def test_the_course_of_a_trace():
    course = ["iter0/first/0", "iter0/first/1", "blob1/data", "blob1/conv", "loss", "blobdiff1/conv", "blobdiff1/data"]
    course += ["update1/first/0", "iter1/first/0", "iter5/first/0"]
    order = order_of(*course)
    assert order.sorted(reversed(course)) == course
    assert order.moment("iter1/first/0") < order.moment("loss", (1, 0)) < order.moment("loss", (4, 2))
    assert order.moment("loss", (4, 2)) < order.moment("iter5/first/0") < order.moment("loss", (5, 0))


def test_all_layers_that_make_an_array():
    order = order_of()
    assert order.describe_makers("conv") == "first (Convolution) and rectify (ReLU)"
    assert order.describe_makers("pool.diff") == "the backward pass of pool_pool_0_split (Split)"
    assert order.describe_makers("first/1") == "first (Convolution)"
    assert order.describe_makers("iter5/first/1") == "first (Convolution)"


def test_what_an_array_was_made_from():
    order = order_of()
    recorded = {"data", "conv", "pool", *SPLITS, "left", "both"}
    assert order.inputs("conv", recorded) == (["data"], ["rectify", "first"])
    assert order.inputs("both", recorded) == (["left", SPLITS[1]], ["both"])
    assert order.inputs("both", {"conv", "both"}) == (["conv"], ["both", "left", "pool_pool_0_split", "pool"])
    assert order.inputs("blob1/pool", {"blob1/data"}) == (["blob1/data"], ["pool", "rectify", "first"])
