"""A record of a training run, to hold against another: losses, parameters, the first update, the first blobs.

Keys are those of the original's own traces: `loss` (iteration, stage); `iter<K>/<layer>/<i>` the parameters after K
iterations; `update1/<layer>/<i>` what the first update subtracted; `blob1/<blob>` and `blobdiff1/<blob>` the blobs of
the first iteration (of its last batch) and their gradients.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from prototxt_import.layers.layer import Layer
from prototxt_import.net import Net
from prototxt_import.share import WHOLE_BATCH, Share

from .loop import Blobs, Hook, Training
from .solver import SGDSolver

_EARLY = (0, 1, 5)  # parameters are recorded after these iterations, and after the last
_LARGEST_BLOB = 1 << 18  # values; larger blobs are left out


class BlobRecorder(Hook):
    """The blobs of a net's forward pass and, after backward, their gradients; a context manager, and a hook of the
    passes within.

    Where an in-place layer wrote over a blob, value is the last one and gradient that of the first, as in Caffe.
    Blobs of which this process has a share are the whole batch's: all processes ask for them.
    """

    def __init__(self, net: Net, share: Share = WHOLE_BATCH) -> None:
        self._share = share
        self._first: dict[str, Tensor] = {}
        self._last: dict[str, Tensor] = {}
        self._hooks = [layer.register_forward_hook(self._keep) for layer in net.layers.values()]

    def __enter__(self) -> "BlobRecorder":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Records nothing more; the gradients of what it has may still come."""
        for hook in self._hooks:
            hook.remove()

    def before_pass(self, training: Training, number: int, inputs: Blobs) -> Blobs:
        return {name: self.keep(name, blob) for name, blob in inputs.items()}

    def keep(self, name: str, blob: Tensor) -> Tensor:
        """Records one version of a blob; returns the tensor to go on with."""
        if any(blob is other for other in self._first.values()):
            blob = blob.view_as(blob)  # a tensor under two names would show the sum of their gradients
        self._last[name] = blob
        if name not in self._first:
            self._first[name] = blob
            if blob.requires_grad:
                blob.retain_grad()
        return blob

    def _keep(
        self, layer: Layer, bottoms: tuple[Tensor, ...], made: Tensor | tuple[Tensor, ...]
    ) -> Tensor | tuple[Tensor, ...]:
        tops = made if isinstance(made, tuple) else (made,)
        tops = tuple(self.keep(name, top) for name, top in zip(layer.spec.top, tops, strict=True))
        return tops if isinstance(made, tuple) else tops[0]

    def values(self) -> dict[str, np.ndarray]:
        """Every blob, float32."""
        return {name: self._whole(blob) for name, blob in self._last.items()}

    def gradients(self) -> dict[str, np.ndarray]:
        """The gradient of every blob; zeros where none was needed."""
        return {
            name: self._whole(torch.zeros_like(blob) if blob.grad is None else blob.grad)
            for name, blob in self._first.items()
        }

    def _whole(self, part: Tensor) -> np.ndarray:
        return _array(self._share.whole(part) if part.dim() else part)  # a loss is everyone's


class Trace:
    """Writes the record of a run with `add(key, array)` while it goes on; `losses` is written by `finish`."""

    def __init__(self, add: Callable[[str, np.ndarray], None], solver: SGDSolver) -> None:
        self._add, self._solver = add, solver
        self._losses: list[list[float]] = []
        self._record_parameters()

    def add_blobs(self, recorder: BlobRecorder) -> None:
        """The first iteration's blobs and gradients."""
        for key, arrays in (("blob1", recorder.values()), ("blobdiff1", recorder.gradients())):
            for name, array in arrays.items():
                if array.size <= _LARGEST_BLOB:
                    self._add(f"{key}/{name}", array)

    def add_iteration(self, losses: list[float]) -> None:
        """An iteration that is over, with the losses of its stages."""
        self._losses.append(losses)
        solver = self._solver
        if solver.iteration == 1:
            for blob, update in zip(solver.net.learnable, solver.updates, strict=True):
                self._add(f"update1/{blob.layer}/{blob.index}", _array(update))
        if solver.iteration in _EARLY or solver.iteration == solver.param.max_iter:
            self._record_parameters()

    def finish(self) -> None:
        """The losses of all iterations, float32 (iteration, stage)."""
        self._add("loss", np.array(self._losses, np.float32))

    def _record_parameters(self) -> None:
        for blob in self._solver.net.learnable:
            self._add(f"iter{self._solver.iteration}/{blob.layer}/{blob.index}", _array(blob.parameter))


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().float().cpu().contiguous().numpy()
