"""Operations and bytes of each way against numbers worked out by hand, and against the net's own GFLOP."""

import math

import pytest

from cpm_kernels.fft.plan import PlainConvolution
from cpm_kernels.window import Window
from cpm_repro.benchmarks import networks, roofline
from cpm_repro.benchmarks.measure import COPY, PRODUCT, Rates
from cpm_repro.benchmarks.networks import Workload
from cpm_repro.benchmarks.roofline import Work
from cpm_repro.network.specification import Widths

NINE = PlainConvolution(16, 32, Window((9, 9), pad=(4, 4)), (32, 32), 1)
THREE = PlainConvolution(16, 32, Window((3, 3), pad=(1, 1)), (32, 32), 2)


def test_direct():
    values = 4 * (16 * 1024 + 32 * 1024 + 32 * 16 * 81)
    assert roofline.direct(NINE) == Work(2 * 81 * 16 * 32 * 1024, values)


def test_by_fft():
    """Tiles of 24 keep 16×16 results: 4 of them, 290 frequencies, 6 operations a pair of channels."""
    transforms = 4 * (16 + 32) * 2.5 * 576 * math.log2(576)
    assert roofline.by_fft(NINE, 24).flop == pytest.approx(4 * 290 * 6 * 16 * 32 + transforms)
    assert roofline.by_fft(NINE, 24).moved == 4 * (48 * 1024 + 2 * 290 * 16 * 32)
    assert roofline.by_fft(NINE, 8) is None


def test_by_winograd():
    """Tiles of 4×4 results: 64 an image, 36 products a pair of channels."""
    transforms = 2 * 64 * (16 + 32) * 4 * 216
    assert roofline.by_winograd(THREE, 4).flop == 2 * 64 * 36 * 2 * 16 * 32 + transforms
    assert roofline.by_winograd(NINE, 4) is None


def test_time_is_the_larger_one():
    assert Work(10, 10).seconds(5, 2) == 5 and Work(10, 10).seconds(2, 5) == 5


def test_a_net(monkeypatch):
    monkeypatch.setattr(networks, "WIDTHS", Widths(8, 4, 8, 8))
    workload = Workload("cpm", 1, size=96, stages=2, batch=2)
    limits = {PRODUCT: Rates((1e9,)), COPY: Rates((1e9,))}
    with networks.weights_of(workload) as weights, networks.case_of(workload, weights) as case:
        report = roofline.roofline(case.net(), limits, Rates((4.0,)))
        per_image = case.flop / 2
    rows = {row["way"]: row for row in report["rows"]}
    assert rows[roofline.DIRECT]["flop"] == pytest.approx(per_image)
    assert rows[roofline.LEAST]["seconds"] == min(row["seconds"] for row in report["rows"])
    planned = rows[roofline.PLANNED]
    assert planned["over"] == pytest.approx(0.25 / planned["seconds"]) and planned["flop"] < per_image
    assert "FFT, tiles of 20" in roofline.text(report) and "×" in roofline.text(report)
