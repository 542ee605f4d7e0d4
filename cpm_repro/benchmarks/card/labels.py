"""How fast a card makes label maps: this project's kernel beside torch on whole arrays, a batch at a time."""

from typing import Any

import numpy as np
import torch

from cpm_kernels.samples.cuda import fill_label_maps
from cpm_kernels.samples.labels import label_maps
from cpm_kernels.samples.sample import SAMPLE
from cpm_repro.benchmarks import labels
from cpm_repro.benchmarks.measure import COPY, alternate, limits, repeated, synchronize
from cpm_repro.benchmarks.train import SIGMA, STRIDE

SAMPLES = 256


def people_rows(samples: int, people: int) -> np.ndarray:
    """Rows of SAMPLE that say which joints are whose: `people` for each sample, one after another."""
    rows = np.zeros(samples, SAMPLE)
    rows["first_person"] = np.arange(samples) * people
    rows["people"] = people
    return rows


def batch(samples: int, crop: int, people: int) -> np.ndarray:
    """Joints (samples, people, parts, 3): `labels.people_in`, moved a little from sample to sample."""
    joints = np.stack([labels.people_in(crop, people)[0]] * samples)
    joints[..., :2] += np.linspace(-8, 8, samples, dtype=np.float32)[:, None, None, None]
    return joints


def measure_card(rounds: int, samples: int = SAMPLES, device: str = "cuda") -> dict[str, Any]:
    """As `labels.measure`, for label maps alone; the maps of the CPU's kernel are compared, not timed."""
    crop, people = labels.CROP, labels.PEOPLE
    joints = batch(samples, crop, people)
    on_card = torch.from_numpy(joints).to(device)
    flat = on_card.reshape(-1, *joints.shape[2:])
    rows = torch.from_numpy(people_rows(samples, people).view(np.uint8).reshape(samples, -1)).to(device)
    made = torch.empty((samples, 2 * (labels.PARTS + 1), *(crop // STRIDE,) * 2), device=device)

    def ours() -> int:
        fill_label_maps(flat, rows, STRIDE, SIGMA, made)
        synchronize(device)
        return samples

    def theirs() -> int:
        labels.torch_labels(on_card, crop)
        synchronize(device)
        return samples

    ways = {labels.OURS: repeated(ours), "torch": repeated(theirs), COPY: limits(device)[COPY]}
    rates = alternate(ways, rounds)
    host = np.stack([label_maps(one, (crop, crop), STRIDE, SIGMA) for one in joints])
    maps = {labels.OURS: made.cpu().numpy(), "torch": labels.torch_labels(on_card, crop).cpu().numpy()}
    what = f"Label maps of {labels.WHAT}, {samples} samples a batch, on {device}"
    same = float(np.mean(host.view(np.uint32) == maps[labels.OURS].view(np.uint32)))
    return {**labels.compared(what, rates, maps, samples), "same_bits_as_on_the_cpu": same}
