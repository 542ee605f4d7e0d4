"""torch.autograd.Function with types: what `apply` gives, and what a context has."""

from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

import torch
from torch import Tensor

Gradients = tuple[Tensor | None, ...]
"""What backward gives where forward had several operands: one for each, None for what is no tensor or needs none."""
Result = TypeVar("Result", covariant=True)


class Function(torch.autograd.Function, Generic[Result]):
    """torch's, whose `apply` gives a Result: a tensor, or a tuple of them."""

    if TYPE_CHECKING:  # torch's has no types

        @classmethod
        def apply(cls, *operands: Any, **named: Any) -> Result: ...


class Context(Protocol):
    """What forward leaves to backward: tensors, and attributes of any name and type."""

    @property
    def saved_tensors(self) -> tuple[Tensor, ...]: ...

    @property
    def needs_input_grad(self) -> tuple[bool, ...]: ...

    def save_for_backward(self, *tensors: Tensor) -> None: ...

    def set_materialize_grads(self, value: bool) -> None: ...

    def __getattr__(self, name: str) -> Any: ...

    def __setattr__(self, name: str, value: Any) -> None: ...
