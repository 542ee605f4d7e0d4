"""Label maps of a batch: the card's kernel, run on the host, beside torch and the CPU's kernel."""

import pytest
import torch

from cpm_kernels import cuda_module
from cpm_repro.benchmarks import labels, measure
from cpm_repro.benchmarks.card.labels import measure_card
from tests.kernels.cuda_on_host import HostLauncher, compile_kernels


def test_a_batch_has_the_cpus_bits(tmp_path, monkeypatch):
    monkeypatch.setattr(cuda_module, "launch", HostLauncher(compile_kernels("samples/sample.cu", tmp_path)))
    monkeypatch.setattr(measure, "LEAST_SECONDS", 0)
    report = measure_card(rounds=1, samples=3, device="cpu")
    assert report["same_bits_as_on_the_cpu"] == 1 and report["differences"]["torch"] < 1e-6
    text = labels.text(report)
    assert "**Label maps of a 368 x 368 crop, 3 people of 14 parts, 3 samples a batch, on cpu**" in text
    assert list(report["pipelines"]) == ["cpm-repro", "torch"] and report["bytes"] == 4 * 30 * 46 * 46


@pytest.mark.gpu
def test_on_a_card():
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    assert measure_card(rounds=1, device="cuda")["same_bits_as_on_the_cpu"] == 1
