"""Functions as operators of torch's dispatcher, `torch.ops.cpm_repro`: one node in what torch.export, torch.compile and
jit.trace make of a net.

What `torch.library.custom_op` does, without its guard against torch.compile, whose first call imports the compiler: as
long as torch itself takes.
"""

from collections.abc import Callable
from typing import Any

import torch

LIBRARY = torch.library.Library("cpm_repro", "DEF")


def operator(schema: str, function: Callable[..., Any], shapes: Callable[..., Any]) -> Callable[..., Any]:
    """The operator `torch.ops.cpm_repro.NAME` of the schema "NAME(…) -> …", whose arguments `function` gets in that
    order and leaves as they are.

    shapes: gives what `function` gives, without the values, for tensors that have none.
    """
    name = schema.split("(")[0]
    LIBRARY.define(schema)
    LIBRARY.impl(name, function, "CompositeExplicitAutograd")
    torch.library.register_fake(f"cpm_repro::{name}", shapes, lib=LIBRARY)
    made: Callable[..., Any] = getattr(torch.ops.cpm_repro, name).default
    return made
