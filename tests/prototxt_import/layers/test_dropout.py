"""DeepLab's `scale_train: false`: the values that stay are left alone in TRAIN, and all are scaled in TEST."""

import torch

from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

NET = """
    input: "data" input_shape { dim: 1 dim: 1 dim: 8 dim: 8 }
    layer { name: "d" type: "Dropout" bottom: "data" top: "d"
            dropout_param { dropout_ratio: 0.25 scale_train: false } }"""


def test_train_keeps_values_and_test_scales_them():
    x = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    tested = Net(parse_net(NET, "net"))({"data": x})["d"]
    assert torch.equal(tested, x * 0.75)
    trained = Net(parse_net(NET, "net"), phase="TRAIN", seed=1)({"data": x})["d"]
    kept = trained != 0
    assert 0 < kept.sum() < x.numel()
    assert torch.allclose(trained[kept], x[kept], rtol=1e-6)
