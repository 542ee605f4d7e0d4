"""Drawings of nets: what stands in them, and that lines keep out of boxes."""

import pytest
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from cpm_repro.figures.network import draw_network
from cpm_repro.network import summary
from cpm_repro.network.specification import PRESETS, cpm_deploy, person_deploy, vgg_deploy
from prototxt_import.formats.prototxt import format_prototxt, parse_net
from prototxt_import.net import Net
from tests.foreign_nets import WITH_OPENCV, foreign_net


def drawing(net):
    layers = summary.summarize_layers(net)
    return draw_network(layers, summary.summarize_stages(net, layers), "a title").axes[0]


def boxes_and_lines(axes):
    boxes = [patch for patch in axes.patches if isinstance(patch, FancyBboxPatch)]
    lines = [patch._path_original for patch in axes.patches if isinstance(patch, FancyArrowPatch)]
    return boxes, lines


def crossings(axes):
    """Pairs of a line's piece and a box that it runs through."""
    boxes, lines = boxes_and_lines(axes)
    found = []
    for line in lines:
        for (x0, y0), (x1, y1) in zip(line.vertices, line.vertices[1:], strict=False):
            for box in boxes:
                left, top = box.get_x() + 1e-6, box.get_y() + 1e-6
                right, bottom = left + box.get_width() - 2e-6, top + box.get_height() - 2e-6
                if min(x0, x1) < right and max(x0, x1) > left and min(y0, y1) < bottom and max(y0, y1) > top:
                    found.append(((x0, y0), (x1, y1), (left, top)))
    return found


@pytest.mark.parametrize("message", [cpm_deploy(PRESETS["mpi"]), vgg_deploy(), person_deploy()])
def test_pose_machines(message):
    net = Net(parse_net(format_prototxt(message), "n"))
    axes = drawing(net)
    boxes, lines = boxes_and_lines(axes)
    layers = summary.summarize_layers(net)
    drawn = [made for made in layers if not made.in_place]
    assert len(boxes) == len(drawn)
    assert len(lines) == sum(len(set(made.bottoms)) for made in drawn)
    texts = [text.get_text() for text in axes.texts]
    assert {made.name for made in drawn} < set(texts)
    headings = [text for text in texts if text.startswith("stage ")]
    assert headings == [f"stage {t}" for t in range(1, len(summary.summarize_stages(net, layers)) + 1)]
    assert not crossings(axes)


@pytest.mark.parametrize("name", WITH_OPENCV)
def test_foreign_nets(name):
    net, _ = foreign_net(name)
    axes = drawing(net)
    assert len(boxes_and_lines(axes)[0]) == sum(not made.in_place for made in summary.summarize_layers(net))
    assert not crossings(axes)
