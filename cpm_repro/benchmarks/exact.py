"""What bits cost: the exact engine with each profile, which adds in that OpenBLAS's order, beside the fast engine and
the machine's fastest matrix product.
"""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from cpm_kernels.exact.gemm import gemm
from cpm_kernels.exact.profiles import DEFAULT_PROFILE, FAMILIES, Profile

from . import networks, tables
from .infer import Way, compare, comparison, half_of, notes
from .measure import PRODUCT, Rates, alternate, counts, limits, ratio, repeated
from .networks import Workload
from .train import train_engine

ENGINES = ("exact", "fast")
OTHER_FAMILIES = tuple(f"exact:{family}" for family in FAMILIES if family != DEFAULT_PROFILE.family)
SIDE = 1024  # of the matrices
EXACT_PRODUCT = "exact product"


def measure(workload: Workload, rounds: int, short: bool = False) -> dict[str, Any]:
    """Reports as of `infer.compare` under "forward" and, for the CPM, "iteration" (of training, at half the
    image's side); under "products" rows of {"threads", "rates" in FLOP/s, "share"}, the rates of every profile. The
    last two on the CPU alone, and not if `short`, nor are memory and the other profiles."""
    engines = ENGINES if short else (*ENGINES, *OTHER_FAMILIES)
    forward: dict[str, Way] = {
        networks.engine_name(engine): partial(networks.run_engine, engine=engine) for engine in engines
    }
    with networks.weights_of(workload) as weights, networks.case_of(workload, weights) as case:
        report: dict[str, Any] = {"forward": compare(case, forward, rounds, short)}
    if short or workload.device != "cpu":
        return report
    if workload.net == "cpm":
        report["iteration"] = _iteration(replace(workload, size=half_of(workload.size), phase="TRAIN"), rounds)
    report["products"] = [_product(threads, rounds) for threads in counts(workload.threads)]
    return report


def _iteration(workload: Workload, rounds: int) -> dict[str, Any]:
    ways: dict[str, Way] = {networks.engine_name(engine): partial(train_engine, engine=engine) for engine in ENGINES}
    with networks.weights_of(workload) as weights, networks.case_of(workload, weights) as case:
        return compare(case, ways, rounds)


def _product(threads: int, rounds: int) -> dict[str, Any]:
    """A matrix product in OpenBLAS's order, and torch's, which may add in any."""
    random = np.random.default_rng(3)
    a, b = (random.standard_normal((SIDE, SIDE), np.float32) for _ in range(2))

    def multiply(profile: Profile) -> int:
        gemm(a, b, threads=threads, profile=profile)
        return 2 * SIDE**3

    torch.set_num_threads(threads)
    profiles = {f"exact:{family}": Profile(family) for family in FAMILIES if family != DEFAULT_PROFILE.family}
    ways = {name: repeated(partial(multiply, profile)) for name, profile in profiles.items()}
    ways = {EXACT_PRODUCT: repeated(partial(multiply, DEFAULT_PROFILE)), **ways}
    rates = alternate({**ways, PRODUCT: limits()[PRODUCT]}, rounds)
    return {"threads": threads, "rates": rates, "share": ratio(rates[EXACT_PRODUCT], rates[PRODUCT])}


def text(report: dict[str, Any]) -> str:
    """The report as Markdown."""
    parts = [comparison(report["forward"], "image"), notes(report["forward"])]
    if "iteration" in report:
        parts.append(comparison(report["iteration"], "training sample"))
    if "products" in report:
        parts.append(f"Matrix products, GFLOP/s\n\n{_products(report)}")
    return "\n\n".join(parts)


def _products(report: dict[str, Any]) -> str:
    rows = [
        [str(row["threads"]), *(_giga(rates) for rates in row["rates"].values()), f"{row['share']:.0%}"]
        for row in report["products"]
    ]
    return tables.table(["threads", *report["products"][0]["rates"], "share"], rows)


def _giga(rates: Rates) -> str:
    return tables.number(rates.median / 1e9)
