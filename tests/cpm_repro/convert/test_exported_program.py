"""Nets as programs of torch.export: of any size, and where this project is not."""

import pytest
import torch

from cpm_repro.convert.check import check
from cpm_repro.convert.exported_program import save_program
from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net
from tests.cpm_repro.convert.elsewhere import CPM, chain, run_alone
from tests.cpm_repro.convert.taken_away import CASES
from tests.prototxt_import.single_layer import single_layer

ALONE = """
import torch
extra = {"prototxt": ""}
net = torch.export.load(sys.argv[1], extra_files=extra).module()
for x, wanted in zip(*torch.load(sys.argv[2], weights_only=True)):
    found = net({"data": x})["sum"]
    print(found.shape == wanted.shape, float((found - wanted).abs().max() / wanted.abs().max()))
print("Mconv1_stage2" in extra["prototxt"])
"""
UNPOOLED = """input: "data" input_shape { dim: 2 dim: 3 dim: 9 dim: 12 }
layer { name: "pool" type: "Pooling" bottom: "data" top: "pool" top: "mask" pooling_param { kernel_size: 2 stride: 2 } }
layer { name: "up" type: "Upsample" bottom: "pool" bottom: "mask" top: "up" upsample_param { pad_out_h: true } }
"""
pytestmark = pytest.mark.filterwarnings("ignore:No complete tensor found")


@pytest.mark.parametrize("name", ["poolings", "more poolings", "normalizations", "shapes"])
def test_of_any_size(tmp_path, name):
    net = Net(parse_net(chain(name), "n"), seed=1).eval()
    save_program(tmp_path / "net.pt2", net, chain(name), dynamic=True)
    checks = check(net, chain(name), tmp_path / "net.pt2", dynamic=True)
    assert len(checks) == 3 and all(made.fits and made.blobs for made in checks)


def test_where_this_project_is_not(tmp_path):
    net = Net(parse_net(CPM, "n"), seed=1).eval()
    save_program(tmp_path / "net.pt2", net, CPM, dynamic=True)
    inputs = [
        torch.rand(*shape, generator=torch.Generator().manual_seed(3)) for shape in ((1, 4, 21, 26), (3, 4, 40, 33))
    ]
    with torch.no_grad():
        expected = [net({"data": x})["sum"] for x in inputs]
    torch.save((inputs, expected), tmp_path / "expected.pt")
    *lines, told = run_alone(ALONE, tmp_path / "net.pt2", tmp_path / "expected.pt").splitlines()
    assert all(line.startswith("True ") and float(line.split()[1]) < 1e-5 for line in lines) and len(lines) == 2
    assert told == "True"


@pytest.mark.parametrize("name", ["ROIPooling", "PSROIPooling", "DetectionOutput", "LSTM", "SPP"])
def test_what_torch_does_not_follow_is_refused_by_name(tmp_path, name):
    found = "fixed sizes" if name == "SPP" else "no state and no work that values or chance decide"
    with pytest.raises(InputError, match=rf"layer 'l' \({name}\): expected {found}, for a .pt2 file"):
        save_program(tmp_path / "net.pt2", CASES[name].net(), "", dynamic=True)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["SoftmaxWithLoss", "HingeLoss", "Accuracy"])
def test_what_looks_at_labels_is_refused_by_name(tmp_path, kind):
    with pytest.raises(InputError, match=rf"\({kind}\): expected a layer of a deploy net, for a .pt2 file"):
        save_program(tmp_path / "net.pt2", single_layer(kind, {"x": (2, 3), "y": (2,)}), "")


def test_what_draws_is_refused_by_name(tmp_path):
    net = single_layer("Dropout", {"x": (2, 3)}, "dropout_param { sample_weights_test: true }")
    with pytest.raises(InputError, match=r"'l' \(Dropout\): expected a dropout that draws nothing, for a .pt2 file"):
        save_program(tmp_path / "net.pt2", net, "")


def test_layers_with_names_of_python(tmp_path):
    text = 'input: "x" input_shape { dim: 2 dim: 3 }'
    for name, bottom in (("forward", "x"), ("class", "forward")):
        text += f"""layer {{ name: "{name}" type: "InnerProduct" bottom: "{bottom}" top: "{name}"
            inner_product_param {{ num_output: 3 weight_filler {{ type: "xavier" }} }} }}"""
    net = Net(parse_net(text, "n"), seed=1).eval()
    save_program(tmp_path / "net.pt2", net, text)
    assert all(made.fits and made.blobs for made in check(net, text, tmp_path / "net.pt2"))


def test_sizes_that_hang_together_are_refused_where_all_are_open(tmp_path):
    net = single_layer("Crop", {"x": (2, 2, 5), "y": (1, 2, 5)}, "crop_param { axis: 0 offset: 1 offset: 0 offset: 0 }")
    with pytest.raises(InputError, match=r"expected sizes that torch\.export can leave open, found --dynamic"):
        save_program(tmp_path / "net.pt2", net, "", dynamic=True)


def test_pooling_with_its_mask_and_upsampling_by_it(tmp_path):
    net = Net(parse_net(UNPOOLED, "n"), seed=1).eval()
    save_program(tmp_path / "net.pt2", net, UNPOOLED)
    assert all(made.fits and made.blobs for made in check(net, UNPOOLED, tmp_path / "net.pt2"))
