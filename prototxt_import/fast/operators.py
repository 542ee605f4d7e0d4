"""Functions as operators of torch's dispatcher, `torch.ops.cpm_repro`: one node in what torch.export, torch.compile and
jit.trace make of a net.

What `torch.library.custom_op` does, without its guard against torch.compile, whose first call imports the compiler: as
long as torch itself takes.
"""

from collections.abc import Callable
from typing import Any

import torch

LIBRARY = torch.library.Library("cpm_repro", "DEF")


def operator(name: str, function: Callable[..., Any], shapes: Callable[..., Any]) -> Callable[..., Any]:
    """The operator `torch.ops.cpm_repro.NAME`, with the signature of `function`, which changes none of its arguments.

    shapes: gives what `function` gives, without the values, for tensors that have none.
    """
    LIBRARY.define(name + torch.library.infer_schema(function, mutates_args=()))
    LIBRARY.impl(name, function, "CompositeExplicitAutograd")
    torch.library.register_fake(f"cpm_repro::{name}", shapes, lib=LIBRARY)
    made: Callable[..., Any] = getattr(torch.ops.cpm_repro, name).default
    return made
