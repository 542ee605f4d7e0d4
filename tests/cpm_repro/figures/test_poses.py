"""The pictures are made, show what they should where pixels can tell, and are saved whole or not at all."""

from itertools import pairwise

import numpy as np
import pytest
from matplotlib.text import Text
from PIL import Image

from cpm_repro.figures import poses as figures
from cpm_repro.figures import runs, sheet
from cpm_repro.training.log import Log
from data_lmdb import joints
from prototxt_import.files import InputError

RNG = np.random.default_rng(0)


def picture(height: int = 61, width: int = 83) -> np.ndarray:
    return RNG.integers(0, 256, (height, width, 3)).astype(np.uint8)


def a_log() -> Log:
    iterations = np.arange(0, 200, 10)
    losses = {f"loss_stage{stage}": 30.0 / stage * np.exp(-iterations / 90) for stage in range(1, 7)}
    losses["loss_stage2"][3] = np.nan
    return Log(iterations, sum(losses.values()), losses, np.where(iterations < 100, 8e-5, 2e-5))


@pytest.mark.parametrize("number_of_parts", [9, 14, 28])
def test_present_parts_only_are_drawn(tmp_path, number_of_parts):
    grey = np.full((100, 80, 3), 128, np.uint8)
    pose = RNG.uniform(10, 70, (number_of_parts, 2))
    limbs = joints.LIMBS[number_of_parts]
    for state, name in ((1, "pose.png"), (2, "nobody.png")):
        figure = figures.people_figure(grey, [pose], [np.full(number_of_parts, state)], limbs)
        sheet.save(figure, tmp_path / name)
    drawn, empty = (np.asarray(Image.open(tmp_path / name).convert("RGB")) for name in ("pose.png", "nobody.png"))
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 50
    middle = empty[empty.shape[0] // 4 : -empty.shape[0] // 4, empty.shape[1] // 4 : -empty.shape[1] // 4]
    assert (middle == 128).all()


def test_people_figure_draws_what_is_there_and_the_first_person_stronger(tmp_path):
    grey = np.full((90, 120, 3), 128, np.uint8)
    poses = [RNG.uniform(10, 80, (16, 2)) for _ in range(3)]
    states = [np.arange(16) % 2 for _ in poses]
    figure = figures.people_figure(grey, poses, states, joints.LIMBS[16], "three people")
    widths = [line.get_linewidth() for line in figure.axes[0].lines]
    limbs = 2 * len(joints.LIMBS[16])  # each with its dark edge
    assert len(widths) == 3 * limbs and min(widths[-limbs:]) > max(widths[:-limbs])
    sheet.save(figure, tmp_path / "people.png")
    nobody = figures.people_figure(grey, poses, [np.full(16, 2)] * 3, joints.LIMBS[16])
    assert not nobody.axes[0].lines
    assert sum(len(dots.get_offsets()) for dots in nobody.axes[0].collections) == 0


def test_names_of_joints_that_lie_close_do_not_lie_on_each_other():
    grey, pose = np.full((90, 120, 3), 128, np.uint8), np.full((16, 2), 50.0)
    figure = figures.people_figure(grey, [pose], [np.full(16, 1)], joints.LIMBS[16], "one place", joints.STORED_16)
    for _ in range(2):
        figure.draw_without_rendering()
        boxes = sorted(Text.get_window_extent(text).extents[[1, 3]].tolist() for text in figure.axes[0].texts)
        assert len(boxes) == 16 and all(one[1] <= other[0] for one, other in pairwise(boxes))
    assert {round(text.get_position()[0]) for text in figure.axes[0].texts} == {-6}


def test_contact_sheet_leaves_spare_cells_empty(tmp_path):
    poses = [RNG.uniform(0, 60, (14, 2)) for _ in range(5)]
    pictures = [picture(60 + index, 70) for index in range(5)]
    figure = figures.contact_sheet(pictures, poses, [f"im{index}" for index in range(5)], columns=3)
    assert [axes.get_visible() for axes in figure.axes] == [True] * 5 + [False]
    sheet.save(figure, tmp_path / "sheet.png")


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_the_same_figure_gives_the_same_bytes(tmp_path, suffix):
    for name in ("a", "b"):
        sheet.save(runs.loss_figure(a_log()), tmp_path / (name + suffix))
    assert (tmp_path / f"a{suffix}").read_bytes() == (tmp_path / f"b{suffix}").read_bytes()


def test_an_unknown_format_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected a name ending in \.png"):
        sheet.save(runs.loss_figure(a_log()), tmp_path / "loss.gif.txt")
    assert not list(tmp_path.iterdir())
