"""Plans of convolution by what was measured: the file, what is measured when, and what it changes."""

import json

import pytest
import torch
from torch.nn import functional as F

from cpm_kernels.fft import plan as cpu_plan
from cpm_kernels.fft.plan import TILE_SIZES, FftPlan, plans_of
from cpm_kernels.window import Window
from prototxt_import.fast import measured_plans
from prototxt_import.fast.convolution import Convolutions
from prototxt_import.fast.measured_plans import DIRECT, MeasuredPlans, machine
from prototxt_import.fast.operations import Fast
from prototxt_import.fast.products import Product
from prototxt_import.files import InputError

CPU = torch.device("cpu")
WINDOW = Window((5, 5), pad=(2, 2))
FIVE = Product(WINDOW)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "plans.json"


@pytest.fixture
def trials(monkeypatch):
    """The ways that were tried; each takes as many seconds as its tile is large, and the direct one 15."""
    tried, clock = [], [0.0]

    def run(plan):
        tried.append(plan and plan.tile)
        clock[0] += plan.tile if plan else 15

    monkeypatch.setattr(measured_plans.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(Convolutions, "_trial", lambda *_: run)
    return tried


def by(path):
    """The convolutions of an engine that goes by the file."""
    return Fast(plans=MeasuredPlans(path)).convolutions


def operands(images=2, training=False):
    random = torch.Generator().manual_seed(1)
    x = torch.randn(images, 7, 19, 23, generator=random)
    return x, torch.randn(9, 7, 5, 5, generator=random, requires_grad=training)


def test_the_fastest_is_kept_in_the_file(path, trials, capsys):
    convolution = by(path)
    x, weight = operands()
    plan = convolution.plan_of(x, weight, FIVE)
    assert plan == FftPlan(7, 9, WINDOW, (19, 23), 2, 8, plan.chunk) and plan.chunk > 1
    assert trials.count(8) == 4 and trials.count(28) == 2, "a hopeless way is run twice, the others four times"
    assert "plans.json: 7 -> 9, 5 x 5 on 19 x 23" in capsys.readouterr().err
    before = len(trials)
    assert convolution.plan_of(operands(5)[0], weight, FIVE).images == 5, "one measurement for every batch"
    convolution = by(path)
    assert convolution.plan_of(x, weight, FIVE) == plan and len(trials) == before
    ((name, cases),) = json.loads(path.read_text()).items()
    assert name == machine(CPU)
    assert cases["7 -> 9, 5 x 5 on 19 x 23, pad 2 x 2, images 1"]["tile"] == "8"
    assert cases["7 -> 9, 5 x 5 on 19 x 23, pad 2 x 2, images 1"]["seconds"][DIRECT] == 15
    convolution.plan_of(x, weight, FIVE, trained=True)
    assert len(trials) > before, "training is another case"


def test_direct_where_that_was_faster(path, trials, monkeypatch):
    monkeypatch.setattr(cpu_plan, "plans_of", lambda *a: [p for p in plans_of(*a) if p.tile > 15])
    convolution = by(path)
    assert convolution.plan_of(*operands(), FIVE) is None
    before = len(trials)
    convolution = by(path)
    assert convolution.plan_of(*operands(), FIVE) is None and len(trials) == before


def test_a_plan_that_is_gone_is_measured_again(path, trials):
    convolution = by(path)
    convolution.plan_of(*operands(), FIVE)
    machines = json.loads(path.read_text())
    next(iter(machines[machine(CPU)].values()))["tile"] = "7"
    path.write_text(json.dumps(machines))
    convolution = by(path)
    assert convolution.plan_of(*operands(), FIVE).tile == 8


@pytest.mark.parametrize("training", [False, True])
def test_really_measured(path, training):
    convolution = by(path)
    x, weight = operands(training=training)
    before = torch.get_rng_state()
    y = convolution(x, weight, None, FIVE)
    expected = F.conv2d(x.double(), weight.double(), padding=2)
    assert (y - expected).abs().max() <= 5e-6 * expected.abs().max()
    assert torch.equal(torch.get_rng_state(), before), "dropout after it stays what it was"
    (cases,) = json.loads(path.read_text()).values()
    (case,) = cases.values()
    assert all(seconds > 0 for seconds in case["seconds"].values())
    assert set(case["seconds"]) == {*map(str, TILE_SIZES), DIRECT}


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"CPU": 3}', '{"CPU": {"case": 5}}', '{"CPU": {"case": {"tile": 8}}}', "[" * 100_000, "\0", "1"],
)
def test_a_bad_file(path, text):
    path.write_text(text)
    with pytest.raises(InputError, match=r"plans\.json: expected measured plans|machine -> convolution"):
        MeasuredPlans(path)
    assert path.read_text() == text
