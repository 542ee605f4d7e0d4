"""The receptive fields of the arms by hand, their parameters, and verdicts that follow from rates over the field."""

from dataclasses import replace

import numpy as np
import pytest

from cpm_repro.evaluation.pck import Pck
from cpm_repro.network.specification import cpm_train
from cpm_repro.network.widths import count_parameters
from cpm_repro.studies.networks import SIZES, transform
from cpm_repro.studies.receptive_field import (
    COARSE,
    FINE,
    JOINTS,
    SATURATION,
    STUDY,
    architectures,
    by_field,
    by_stride,
    normalized,
    of_seed,
)
from cpm_repro.studies.study import DOES_NOT, HOLDS, UNDECIDED, Setting
from cpm_repro.studies.trainer import Trainer
from data_lmdb.joints import part_names
from tests.cpm_repro.studies.test_recipes import data

THRESHOLDS = np.arange(0, 51) / 100


def pck(wrists_and_elbows):
    """A result in which so many percent of the wrists and elbows, and no other joints, are found, at any threshold."""
    names = part_names(14)
    hits = np.array([wrists_and_elbows if name in JOINTS else 0 for name in names])
    return Pck(THRESHOLDS, np.tile(hits, (len(THRESHOLDS), 1)), np.full(14, 100), 100, 0)


@pytest.mark.parametrize("size", SIZES.values(), ids=SIZES)
def test_as_many_parameters_and_the_fields_that_they_should_have(size):
    size = normalized(size)
    made = architectures(size)
    largest = max(count_parameters(each.spec) for each in made.values())
    for arm, each in made.items():
        assert abs(count_parameters(each.spec) - largest) <= 0.06 * largest  # 3 % to either side of the same number
        # Image: 5, pooled 7, 15, 19, 35 px, at stride 8 pooled to 43; a kernel of k reaches (k - 1) strides further.
        stride, image = each.spec.stride, {8: 43, 4: 35}[each.spec.stride]
        stage_1 = image + stride * sum(kernel - 1 for kernel in arm.local)
        assert each.field == stage_1 + stride * sum(kernel - 1 for kernel in arm.stage)
        train = cpm_train(each.spec, "lmdb", 2, transform(replace(size, cpm=each.spec)))
        assert train.layer[0].transform_param.stride == stride
    assert (made[COARSE].field, made[COARSE].spec.stride, made[FINE].field, made[FINE].spec.stride) == (91, 8, 91, 4)
    fields = [each.field for arm, each in made.items() if arm != FINE]
    assert fields == [43, 91, 123, 139, 187, 283, 379][: len(fields)]
    assert fields[-2] >= SATURATION * 200 * size.target_dist


def test_the_papers_pictures_are_normalized():
    assert normalized(SIZES["small"]) == SIZES["small"]
    size = normalized(SIZES["paper"])
    assert size.crop == 304 and 200 * size.target_dist == pytest.approx(193.5, abs=0.1)


def test_all_see_as_many_samples_and_learn_alike(tmp_path):
    recipes = of_seed(Setting(Trainer(tmp_path, data()), SIZES["small"], 1), 1).values()
    assert len({each.samples for each in recipes}) == 1 and len({each.digest for each in recipes}) == len(recipes)
    solvers = {each.solver.SerializeToString() for each in recipes}
    assert len(solvers) == 1 and {each.solver.type for each in recipes} == {"Adam"}


@pytest.mark.parametrize(
    ("rates", "words"),
    [
        ({43: [10, 20], 139: [60, 60], 283: [70, 65]}, (HOLDS, HOLDS, HOLDS)),
        ({43: [10, 20], 139: [20, 25], 283: [70, 65]}, (HOLDS, DOES_NOT, HOLDS)),
        ({43: [10, 20], 139: [30, 15], 283: [40, 10]}, (UNDECIDED, UNDECIDED, UNDECIDED)),
        ({43: [10, 20], 139: [5, 15], 283: [4, 10]}, (DOES_NOT, DOES_NOT, DOES_NOT)),
    ],
)
def test_verdicts_over_the_field(rates, words):
    """Most is gained at 1.3 times the height of a person of 100 px: the middle one of the three."""
    verdicts = by_field({field: [pck(rate) for rate in seeds] for field, seeds in rates.items()}, 100)
    assert tuple(verdict.word for verdict in verdicts) == words
    small, large = rates[43], rates[283]
    assert verdicts[0].differences == pytest.approx([b - a for a, b in zip(small, large, strict=True)])
    assert "139 px" in verdicts[1].claim


@pytest.mark.parametrize(
    ("coarse", "fine", "word"),
    [([50, 50], [50, 40], HOLDS), ([50, 50], [52, 53], DOES_NOT), ([50, 9], [50, 10], UNDECIDED)],
)
def test_the_verdict_on_the_stride(coarse, fine, word):
    verdict = by_stride({COARSE: [pck(rate) for rate in coarse], FINE: [pck(rate) for rate in fine]})
    assert verdict.word == word


def test_the_study_is_known_by_its_figure():
    assert STUDY.name == "receptive_field" and STUDY.where.startswith("figure 4")
