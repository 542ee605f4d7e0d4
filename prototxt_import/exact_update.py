"""The exact engine's solver: the norm of the gradients and the update, as one BLAS thread computes them
(Caffe: sgd_solver.cpp).
"""

import numpy as np
import torch
from torch import Tensor

from cpm_kernels.blas import dot
from cpm_kernels.sgd import SgdStep, sgd_update

from .exact_tensors import array


class ExactUpdate:
    """The operations that a solver asks of an engine."""

    @staticmethod
    def squared_norm(gradient: Tensor) -> np.float32:
        """Σ gradient², a BLAS dot product."""
        values = array(gradient.cpu())
        return dot(values, values)

    @staticmethod
    def sgd_update(weight: Tensor, gradient: Tensor, history: Tensor, step: SgdStep) -> None:
        """One update of `history` and `weight`, contiguous, in place; `step` says by what."""
        if weight.is_cuda:
            from cpm_kernels import cuda  # CuPy, only where there is a card

            return cuda.sgd_update(weight.detach(), gradient.contiguous(), history, step)
        sgd_update(weight.detach().numpy(), array(gradient), history.numpy(), step, torch.get_num_threads())
