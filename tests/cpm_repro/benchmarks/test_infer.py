"""Reports on networks add up: ratios, shares of the machine's limits, sweeps; they say what is missing."""

from functools import partial

import numpy as np
import pytest

from cpm_kernels.exact.profiles import FAMILIES
from cpm_repro.benchmarks import exact, infer, measure, networks, train
from cpm_repro.benchmarks.measure import Rates
from cpm_repro.benchmarks.networks import Workload
from cpm_repro.network.specification import Widths

MEMORY = {"process": 300 << 20, "own": 50 << 20, "card": 0}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(networks, "WIDTHS", Widths(4, 3, 5, 4))
    monkeypatch.setattr(measure, "LEAST_SECONDS", 0)
    monkeypatch.setattr(infer, "memory_of_process", lambda way, case: MEMORY)
    one = {"matrix product": lambda: 1, "copy": lambda: 1}
    for module in (infer, exact):
        monkeypatch.setattr(module, "limits", lambda device="cpu": one)


@pytest.fixture
def case():
    workload = Workload("cpm", 1, size=48, stages=2)
    with networks.weights_of(workload) as weights, networks.case_of(workload, weights) as case:
        yield case


def test_a_comparison_adds_up(case, monkeypatch):
    measured = {"ours": Rates((4.0, 8.0)), "theirs": Rates((2.0, 1.0))}
    measured |= {"matrix product": Rates((1e9, 2e9)), "copy": Rates((1e6, 2e6))}

    def alternate(pipelines, rounds):
        assert list(pipelines) == list(measured) and rounds == 2
        for run in pipelines.values():
            run()
        return measured

    monkeypatch.setattr(infer, "alternate", alternate)

    def absent(case):
        raise ImportError("none", name="peerlib")

    ways = {"ours": lambda case: lambda: np.float32([2, -4]), "theirs": lambda case: lambda: np.float32([2, -3])}
    report = infer.compare(case, {**ways, "gone": absent}, 2)
    assert report["ratios"] == {"theirs": 5} and report["differences"] == {"theirs": 0.25}
    assert report["share_of_product"]["ours"] == pytest.approx(4e-9 * case.flop)
    assert report["share_of_copy"]["theirs"] == pytest.approx(1.25e-6 * case.moved)
    assert report["memory"]["ours"] == MEMORY and report["missing"] == {"gone": "peerlib is not installed"}
    text = infer.text(report)
    assert "| ours " in text and "5.00 ×" in text and "0.167 (0.125 to 0.25)" in text
    assert "Not measured: gone: peerlib is not installed." in text and "ours's is 300 MiB" in text
    assert report["caffes_seconds"] is None and "Caffe" not in text  # which ran another workload
    assert "original Caffe took 3.1 s" in infer.text({**report, "caffes_seconds": 3.1})


def test_a_card_shows_the_lower_precisions_too():
    on_card = infer.ways_for(Workload("cpm", 1, device="cuda"), "fast")
    assert list(on_card)[:2] == ["fast engine", "fast:tf32 engine"] and "torch, channels last, bf16" in on_card
    assert list(infer.ways_for(Workload("cpm", 1), "fast"))[:2] == ["fast engine", "torch"]


@pytest.mark.slow
def test_inference_is_swept(monkeypatch):
    monkeypatch.setattr(infer, "SWEPT_ROUNDS", 1)
    monkeypatch.setitem(networks.PEERS, "cpu", {networks.CHANNELS_LAST: networks.PEERS["cpu"][networks.CHANNELS_LAST]})
    monkeypatch.setattr(infer, "counts", lambda most: [1, 2])  # threads, too, of which one is asked for
    report = infer.measure(Workload("cpm", 1, size=80, stages=2), "fast", 1)
    values = {key: [row[key] for row in report[key]] for key in infer.LABELS}
    assert values == {"batch": [1, 2, 4], "size": [40, 56, 80], "stages": [1, 2], "threads": [1, 2]}
    assert set(report["batch"][0]["rates"]) == {"fast engine", networks.CHANNELS_LAST}
    assert report["differences"][networks.CHANNELS_LAST] < 1e-4
    text = infer.text(report)
    assert all(label in text for label in infer.LABELS.values())
    assert list(infer.curves(report)) == list(infer.LABELS.values())


@pytest.mark.slow
def test_training_is_compared_by_its_loss(monkeypatch):
    workload = Workload("cpm", 1, size=48, batch=2, stages=2, phase="TRAIN")
    report = train.measure(workload, "fast", 1)
    assert set(report["ratios"]) == set(train.PEERS) and max(report["differences"].values()) < 1e-4
    assert "s/sample" in train.text(report)


def test_the_exact_engine_is_compared(monkeypatch):
    monkeypatch.setattr(exact, "SIDE", 64)
    report = exact.measure(Workload("cpm", 2, size=80, stages=1), 1)
    families = [f"exact:{family} engine" for family in FAMILIES if family != "cooperlake"]
    assert list(report["forward"]["pipelines"]) == ["exact engine", "fast engine", *families]
    rates = {"exact product", *(name.removesuffix(" engine") for name in families)}
    assert all(rates < row["rates"].keys() for row in report["products"])
    assert report["forward"]["differences"]["fast engine"] < 2e-5
    assert [row["threads"] for row in report["products"]] == [1, 2]
    text = exact.text(report)
    assert "s/training sample" in text and "exact product" in text and "1 stages, 40 x 40" in text


def test_memory_can_be_measured_in_another_process(case):
    used = measure.memory_of_process(partial(networks.run_engine, engine="fast"), case)
    assert used is None or used["process"] > used["own"] > 0
