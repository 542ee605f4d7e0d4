"""Which layers a net has, and what is said of a blob whose maker is not among them."""

import re

import pytest

from prototxt_import.files import InputError
from prototxt_import.formats.prototxt import parse_net
from prototxt_import.net import Net

LEFT_OUT = """
state { stage: "here" level: 2 }
input: "data" input_shape { dim: 1 dim: 2 dim: 3 dim: 3 }
layer { name: "drop" type: "Dropout" bottom: "data" top: "drop" %s }
layer { name: "fc" type: "ReLU" bottom: "drop" top: "fc" }
"""


@pytest.mark.parametrize(
    "rules, said",
    [
        ("include { phase: TRAIN }", "only in phase TRAIN"),
        ("include { stage: 'deploy' stage: 'here' }", "only with stage 'deploy' and with stage 'here'"),
        ("include { not_stage: 'here' } include { min_level: 3 max_level: 4 }",
         "only without stage 'here' (not_stage) or at level 3 or more and at level 4 or less"),
        ("exclude { phase: TRAIN } exclude { min_level: 1 }", "but not at level 1 or more"),
        ("exclude { }", "but not always"),
    ],
)  # fmt: skip
def test_the_rule_that_left_the_maker_out_is_named(rules: str, said: str) -> None:
    expected = "layer 'fc' (ReLU): bottom 'drop': expected a blob that an earlier layer makes, found that layer 'drop' "
    whole = f"{expected}makes it {said}; this is phase TEST, level 2, 'here'"
    with pytest.raises(InputError, match=f"^{re.escape(whole)}$"):
        Net(parse_net(LEFT_OUT % rules, "n"))


def test_every_maker_that_was_left_out_is_named() -> None:
    makers = """
    layer { name: "a" type: "Data" top: "data" include { phase: TRAIN } }
    layer { name: "b" type: "Input" top: "data" include { stage: "deploy" } }
    layer { name: "r" type: "ReLU" bottom: "data" top: "r" }
    """
    said = (
        "'a' makes it only in phase TRAIN, layer 'b' makes it only with stage 'deploy'; this is phase TEST, level 0, "
    )
    with pytest.raises(InputError, match=f"{said}no stage .--input-shape data=N,C,H,W makes an input of it"):
        Net(parse_net(makers, "n"))
