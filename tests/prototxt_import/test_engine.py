"""Engines: their names, what they say about themselves, and copies of them."""

import copy
import pickle

import pytest
import torch

from cpm_kernels.exact.profiles import Profile
from prototxt_import.engine import ENGINES, make_engine
from prototxt_import.exact.operations import Exact
from prototxt_import.fast.measured_plans import MeasuredPlans
from prototxt_import.fast.operations import Fast
from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

NET = """input: "x" input_shape { dim: 1 dim: 16 dim: 24 dim: 24 }
layer { name: "c" type: "Convolution" bottom: "x" top: "c"
        convolution_param { num_output: 16 kernel_size: 3 weight_filler { type: "xavier" } } }
layer { name: "i" type: "InnerProduct" bottom: "c" top: "i"
        inner_product_param { num_output: 5 weight_filler { type: "xavier" } } }
"""


def test_names_are_engines_and_engines_have_names():
    for name in ENGINES:
        assert str(make_engine(name)) == name
    engine = Fast()
    assert make_engine(engine) is engine
    with pytest.raises(InputError, match=r"engine: expected one of fast, .*exact.*, found 'quick'"):
        make_engine("quick")


def test_the_exact_engine_is_named_after_cpu_family_and_threads() -> None:
    assert make_engine("exact") == make_engine("exact:cooperlake") == make_engine("exact:openblas-0.3.21")
    assert make_engine("exact:zen-threads4") == Exact(Profile("zen", 4)) != make_engine("exact:haswell-threads4")
    assert str(make_engine("exact:zen-threads4")) == "exact:zen-threads4"
    assert str(make_engine("exact:cooperlake-threads2")) == "exact:cooperlake-threads2"
    with pytest.raises(InputError, match=r"'cooperlake-threads2' instead of 'openblas-0\.3\.21-threads'"):
        make_engine("exact:openblas-0.3.21-threads")
    with pytest.raises(InputError, match=r"'skylakex' instead of 'openblas-0\.3\.30'"):
        make_engine("exact:openblas-0.3.30")
    for name in ("pentium", "haswell-threads0", "haswell-threads65", "haswell-threads", ""):
        with pytest.raises(InputError, match=f"expected one of cooperlake, .*, not '{name}'"):
            make_engine(f"exact:{name}")


def test_engines_are_frozen_and_equal_by_what_they_are():
    assert make_engine("exact") == Exact() == Exact(Profile("cooperlake"))
    assert make_engine("fast:bf16") == Fast(torch.bfloat16) != Fast() != Fast(tf32=True)
    for name in ENGINES:
        with pytest.raises(AttributeError):
            make_engine(name).tf32 = True


def test_what_engines_say_about_themselves():
    engines = {name: make_engine(name) for name in ENGINES}
    assert [name for name, engine in engines.items() if engine.reduced] == ["fast:tf32", "fast:bf16", "fast:fp16"]
    assert [name for name, engine in engines.items() if not engine.trains] == ["fast:fp16"]


def test_plans_are_the_fast_engines_alone(tmp_path):
    path = tmp_path / "plans.json"
    assert make_engine("fast", path).plans.path == path and make_engine("fast").plans is None
    with pytest.raises(InputError, match=r"plans\.json: expected a fast engine"):
        make_engine("exact", path)
    with pytest.raises(InputError, match="found the plain one"):
        make_engine("plain", path)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_net_can_be_copied(copied, tmp_path):
    net, x = Net(parse_net(NET, "n"), engine=Fast(plans=MeasuredPlans(tmp_path / "p.json"))), torch.ones(1, 16, 24, 24)
    with torch.no_grad():
        expected = net({"x": x})["i"]
        again = copied(net)
        assert torch.equal(again({"x": x})["i"], expected)
    assert again.engine.plans.machines == net.engine.plans.machines
    assert again.engine.convolutions is not net.engine.convolutions
