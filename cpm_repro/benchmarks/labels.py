"""How fast centre map and label maps are made: this project's kernels beside NumPy and torch on whole arrays.

All on one thread, in seconds of its CPU time.
"""

from collections.abc import Callable
from time import thread_time
from typing import Any

import numpy as np
import torch

from cpm_kernels.samples.labels import centre_map, label_maps
from cpm_repro.array_comparison import compare_arrays

from . import tables
from .measure import COPY, Rates, alternate, limits, ratio, repeated
from .train import SIGMA, STRIDE

PARTS, CROP, PEOPLE, SIGMA_CENTRE = 14, 368, 3, 21.0
PEOPLE_COUNTS, CROP_SIZES = (1, 3, 10), (184, 368, 736)
WHAT = f"a {CROP} x {CROP} crop, {PEOPLE} people of {PARTS} parts"
CUT = 4.6052  # larger exponents leave nothing
OURS = "cpm-repro"

Maps = tuple[np.ndarray, np.ndarray]


def kernel_maps(joints: np.ndarray, centre: np.ndarray, crop: int) -> Maps:
    """This project's: labels (2 (parts + 1), crop / 8, crop / 8) and the centre map (crop, crop)."""
    return label_maps(joints, (crop, crop), STRIDE, SIGMA), centre_map(centre, (crop, crop), SIGMA_CENTRE)


def numpy_maps(joints: np.ndarray, centre: np.ndarray, crop: int) -> Maps:
    """The same in NumPy, all people and parts at once."""

    def peaks(points: np.ndarray, axis: np.ndarray, sigma: float) -> np.ndarray:
        x, y = axis - points[..., 0, None], axis - points[..., 1, None]
        exponent = (np.square(x)[..., None, :] + np.square(y)[..., :, None]) / np.float32(2 * sigma**2)
        return np.where(exponent > CUT, np.float32(0), np.exp(-exponent))

    axis = np.arange(crop // STRIDE, dtype=np.float32) * STRIDE + np.float32(STRIDE / 2 - 0.5)
    each = peaks(joints[..., :2], axis, SIGMA)
    each[joints[..., 2] > 1] = 0
    halves = [each[0], np.minimum(each.sum(0), 1)]
    labels = np.concatenate([part for half in halves for part in (half, 1 - half.max(0, keepdims=True))])
    return labels, peaks(centre, np.arange(crop, dtype=np.float32), SIGMA_CENTRE)


def torch_maps(joints: torch.Tensor, centre: torch.Tensor, crop: int) -> Maps:
    """The same in torch, all people and parts at once."""
    centre_map = torch_peaks(centre, torch.arange(crop, dtype=torch.float32), SIGMA_CENTRE)
    return torch_labels(joints, crop).numpy(), centre_map.numpy()


def torch_labels(joints: torch.Tensor, crop: int) -> torch.Tensor:
    """Labels (…, 2 (parts + 1), crop / 8, crop / 8) of joints (…, people, parts, 3), on their device."""
    axis = torch.arange(crop // STRIDE, device=joints.device) * float(STRIDE) + (STRIDE / 2 - 0.5)
    each = torch_peaks(joints[..., :2], axis, SIGMA)
    each.masked_fill_((joints[..., 2] > 1)[..., None, None], 0)
    halves = [each.select(-4, 0), each.sum(-4).clamp_(max=1)]
    return torch.cat([part for half in halves for part in (half, 1 - half.amax(-3, keepdim=True))], -3)


def torch_peaks(points: torch.Tensor, axis: torch.Tensor, sigma: float) -> torch.Tensor:
    """The peak of every point (…, 2) over the grid of an axis: (…, n, n)."""
    x, y = axis - points[..., 0, None], axis - points[..., 1, None]
    exponent = (x.square()[..., None, :] + y.square()[..., :, None]) / (2 * sigma**2)
    return torch.exp(-exponent).masked_fill_(exponent > CUT, 0)


def people_in(crop: int, people: int) -> tuple[np.ndarray, np.ndarray]:
    """Random joints (people, PARTS, 3), one in ten of them cropped away, and a centre (2,), float32."""
    random = np.random.default_rng(people)
    joints = random.uniform(0, crop, (people, PARTS, 3)).astype(np.float32)
    joints[..., 2] = np.where(random.random((people, PARTS)) < 0.1, 2, 1)
    return joints, np.full(2, crop / 2, np.float32)


def pipelines(crop: int, people: int) -> dict[str, Callable[[], Maps]]:
    """Each makes the maps of one sample."""
    given = people_in(crop, people)
    joints, centre = (torch.from_numpy(array) for array in given)
    return {
        OURS: lambda: kernel_maps(*given, crop),
        "NumPy": lambda: numpy_maps(*given, crop),
        "torch": lambda: torch_maps(joints, centre, crop),
    }


def measure(rounds: int, short: bool = False) -> dict[str, Any]:
    """Rates in samples/s: at the release's size, and, unless `short`, over people and crop sizes."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    made = {name: np.concatenate([maps.ravel() for maps in run()]) for name, run in pipelines(CROP, PEOPLE).items()}
    rates = alternate({**_counted(CROP, PEOPLE), COPY: limits()[COPY]}, rounds, thread_time)
    report = compared(f"Label maps and centre map of {WHAT}, one thread", rates, made)
    if not short:
        report["people"] = [
            {"people": n, "rates": alternate(_counted(CROP, n), rounds, thread_time)} for n in PEOPLE_COUNTS
        ]
        report["crops"] = [
            {"crop": size, "rates": alternate(_counted(size, PEOPLE), rounds, thread_time)} for size in CROP_SIZES
        ]
    torch.set_num_threads(threads)
    return report


def compared(what: str, rates: dict[str, Rates], made: dict[str, np.ndarray], samples: int = 1) -> dict[str, Any]:
    """The report on pipelines of which the first is ours; made: the maps, all of so many samples, of each."""
    ours = made[OURS]
    size = ours.nbytes // samples
    beside = {name: compare_arrays(ours, maps) for name, maps in made.items()}
    return {
        "what": what,
        "pipelines": {name: rates[name] for name in made},
        "ratios": {name: ratio(rates[OURS], rates[name]) for name in made if name != OURS},
        "differences": {name: found.share_of_largest for name, found in beside.items()},
        "same_bits": {name: found.equal_percent / 100 for name, found in beside.items()},
        "bytes": size,
        "copy": rates[COPY],
        "share_of_copy": size * ratio(rates[OURS], rates[COPY]),
    }


def _counted(crop: int, people: int) -> dict[str, Callable[[], int]]:
    def counted(run: Callable[[], Maps]) -> Callable[[], int]:
        return repeated(lambda: len(run()) // 2)

    return {name: counted(run) for name, run in pipelines(crop, people).items()}


def text(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    columns: dict[str, Callable[[str], str]] = {
        "differs by": lambda name: f"{report['differences'][name]:.1g}",
        "same bits": lambda name: f"{report['same_bits'][name]:.1%}",
    }
    copied = tables.number(report["copy"].median / 1e9)
    parts = [
        f"**{report['what']}**",
        tables.beside(report["pipelines"], "samples/s", tables.per_second, columns),
        f"A sample is {report['bytes'] / 2**10:.0f} KiB; {OURS} writes at {report['share_of_copy']:.0%} of the rate "
        f"at which a copy reads and writes ({copied} GB/s).",
        *(
            f"Samples/s\n\n{tables.sweep(rows, key, label, tables.median_rate)}"
            for label, (key, rows) in curves(report).items()
        ),
    ]
    return "\n\n".join(parts)


def curves(report: dict[str, Any]) -> dict[str, tuple[str, list[dict[str, Any]]]]:
    """What `charts.rates_figure` draws as lines: key and rows by the label of their axis."""
    keys = {"people": ("people", "people"), "crops": ("side of the crop, px", "crop")}
    return {label: (key, report[what]) for what, (label, key) in keys.items() if what in report}
