"""What a layer asks of an engine: Caffe's operations on torch tensors, by one protocol.

An engine is a frozen object that has them all: `fast.operations.Fast` at float32 accuracy, `exact.operations.Exact` to
the original's last bit. Every operation takes and returns tensors (N, C, H, W float32 unless said otherwise) and is
differentiable.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cpm_kernels.exact.profiles import DEFAULT_PROFILE, Profile
from cpm_kernels.exact.random import CaffeRandom
from cpm_kernels.window import Window

from .share import Share


@dataclass(frozen=True)
class Normalization:
    """Which labels a loss counts, and what it divides by (Caffe: LossParameter, LossLayer::GetNormalizer).

    mode: FULL (all places of all images), VALID (those whose label counts), BATCH_SIZE (images) or NONE.
    ignored: the label that does not count, if there is one.
    """

    mode: str
    ignored: int | None = None

    def divisor(self, images: int, places: int, valid: int) -> np.float32:
        """Of a batch with so many images, places in each, and labels that count in all; at least 1."""
        counts = {"FULL": images * places, "VALID": valid, "BATCH_SIZE": images, "NONE": 1}
        return np.float32(max(counts[self.mode], 1))


class Operations(Protocol):
    """Caffe's operations, and what else differs from engine to engine. `str(engine)` is its name."""

    memory_format: ClassVar[torch.memory_format]
    """The order of a blob's values in memory that the operations are made for."""

    adds_parameter_gradients: ClassVar[bool]
    """Whether backward adds parameters' gradients to their `.grad` itself, image by image, as Caffe does; else
    autograd does."""

    only_launches: ClassVar[bool]
    """Whether, on a card, an operation only launches kernels, so that a CUDA graph can record it: none waits for a
    number."""

    folds: ClassVar[bool] = True
    """Whether it does a convolution, the ReLU and the max pooling after it in one pass where no gradient is wanted;
    else a pass with gradients and one without do the same, as jit.trace wants it."""

    @property
    def profile(self) -> Profile:
        """Whose BLAS it is where the order and rounding of sums are meant to be somebody's: a solver's update is."""
        return DEFAULT_PROFILE

    @property
    def reduced(self) -> bool:
        """Whether the factors of products are rounded to less than float32."""
        return False

    @property
    def trains(self) -> bool:
        """Whether gradients fit its range."""
        return True

    def share_batch(self, count: int) -> None:
        """From now on batches are this process's parts of whole ones, which so many processes train on."""
        return None

    @abstractmethod
    def convolution(
        self, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int, rectified: bool = False
    ) -> Tensor:
        """Cross-correlation over the axes that follow the channels; weight (C_out, C_in / group, kernel height, kernel
        width). `rectified`: then ReLU, which has no gradient here."""

    def pooled_convolution(
        self,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        window: Window,
        group: int,
        rectified: bool,
        pooling: Window,
    ) -> Tensor:
        """`max_pool` of `convolution`, which nobody else wants; without a gradient."""
        return self.max_pool(self.convolution(x, weight, bias, window, group, rectified), pooling)

    @abstractmethod
    def deconvolution(self, x: Tensor, weight: Tensor, bias: Tensor | None, window: Window, group: int) -> Tensor:
        """Transposed convolution; weight (C_in, C_out / group, kernel height, kernel width)."""

    @abstractmethod
    def inner_product(self, x: Tensor, weight: Tensor, bias: Tensor | None, transposed: bool) -> Tensor:
        """(M, K) times the transpose of weight (N, K), or, with `transposed`, times weight (K, N), plus (N,)."""

    @abstractmethod
    def embed(self, indices: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """The rows of weight (K, N) that the indices (int64) name, plus (N,)."""

    @abstractmethod
    def max_pool(self, x: Tensor, window: Window) -> Tensor:
        """Maximum over each window, clipped at the edge; the gradient goes to the first maximum."""

    @abstractmethod
    def max_pool_with_mask(self, x: Tensor, window: Window) -> tuple[Tensor, Tensor]:
        """The same, and where in its plane each maximum is (row · width + column; −1: nowhere), as floats."""

    @abstractmethod
    def ave_pool(self, x: Tensor, window: Window) -> Tensor:
        """Mean over each window; the divisor counts padding, but nothing beyond it."""

    @abstractmethod
    def relu(self, x: Tensor, negative_slope: float) -> Tensor:
        """x where positive, else negative_slope · x."""

    @abstractmethod
    def prelu(self, x: Tensor, slope: Tensor) -> Tensor:
        """As relu with a learnable slope per channel, (C,), or one for all, ()."""

    @abstractmethod
    def elu(self, x: Tensor, alpha: float) -> Tensor:
        """x where positive, else alpha · (exp(x) − 1)."""

    @abstractmethod
    def sigmoid(self, x: Tensor) -> Tensor:
        """1 / (1 + exp(−x))."""

    @abstractmethod
    def tanh(self, x: Tensor) -> Tensor:
        """Hyperbolic tangent."""

    @abstractmethod
    def absval(self, x: Tensor) -> Tensor:
        """|x|."""

    @abstractmethod
    def power(self, x: Tensor, power: float, scale: float, shift: float) -> Tensor:
        """(shift + scale · x) ^ power."""

    @abstractmethod
    def exp(self, x: Tensor, scale: float, factor: float) -> Tensor:
        """exp(scale · x) · factor."""

    @abstractmethod
    def log(self, x: Tensor, scale: float, shift: float, log_base: float) -> Tensor:
        """ln(shift + scale · x) / log_base."""

    @abstractmethod
    def bnll(self, x: Tensor) -> Tensor:
        """log(1 + exp(x)); above 50 its gradient is that at 50."""

    def axpy(self, a: Tensor, x: Tensor, y: Tensor) -> Tensor:
        """a · x + y; no layer of the original's, as l2_normalize."""
        return a * x + y

    @abstractmethod
    def reduction(self, x: Tensor, operation: str, coefficient: float) -> Tensor:
        """coefficient · SUM, ASUM (of magnitudes), SUMSQ (of squares) or MEAN over the last axis."""

    @abstractmethod
    def scale(self, x: Tensor, factor: Tensor, trailing: int) -> Tensor:
        """x times a factor that broadcasts over the last `trailing` axes of x."""

    @abstractmethod
    def bias(self, x: Tensor, bias: Tensor, trailing: int) -> Tensor:
        """x plus a bias that broadcasts over the last `trailing` axes of x."""

    @abstractmethod
    def batch_norm(self, x: Tensor, mean: Tensor, variance: Tensor, eps: float) -> Tensor:
        """(x − mean) / sqrt(variance + eps), statistics per channel, (C,)."""

    @abstractmethod
    def batch_norm_of_batch(self, x: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor]:
        """The same with the batch's own statistics, and these: mean and (biased) variance, each (C,)."""

    def move_average(self, stored: Tensor, batch: Tensor, kept: float, share: float) -> None:
        """stored becomes kept · stored + share · batch, in place; without a gradient."""
        stored.mul_(kept).add_(batch, alpha=share)

    @abstractmethod
    def lrn_across(self, x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        """x / (k + alpha/size · Σ over `size` neighbouring channels of x²) ^ beta."""

    @abstractmethod
    def lrn_within(self, x: Tensor, size: int, alpha: float, beta: float) -> Tensor:
        """x / (1 + alpha · mean over a size × size window of x²) ^ beta."""

    @abstractmethod
    def mvn(self, x: Tensor, eps: float, normalize_variance: bool) -> Tensor:
        """Rows of (rows, values) with their mean removed and, if asked, divided by (deviation + eps)."""

    def mish(self, x: Tensor) -> Tensor:
        """x · tanh(log(1 + exp(x)))."""
        return F.mish(x)

    def l2_normalize(self, x: Tensor, scale: Tensor, axes: tuple[int, ...], eps: float) -> Tensor:
        """scale · x / sqrt(Σ over the axes of x² + eps); scale per channel, (C,), or one for all, ()."""
        norm = ((x * x).sum(axes, keepdim=True) + eps).sqrt()
        return x / norm * (scale.reshape(-1, 1, 1) if scale.dim() else scale)

    @abstractmethod
    def softmax(self, x: Tensor, axis: int) -> Tensor:
        """Softmax along an axis."""

    @abstractmethod
    def split(self, x: Tensor, count: int) -> tuple[Tensor, ...]:
        """x for each of `count` users, whose gradients add up; the exact engine's in the order of the users."""

    @abstractmethod
    def eltwise_sum(self, bottoms: Sequence[Tensor], coefficients: list[float]) -> Tensor:
        """Σ coefficient · bottom."""

    @abstractmethod
    def eltwise_product(self, bottoms: Sequence[Tensor], by_division: bool = False) -> Tensor:
        """Product of all; gradients by the product of the others, or by division of the whole one."""

    def eltwise_max(self, x: Tensor, y: Tensor) -> Tensor:
        """Elementwise maximum; at a tie value and gradient are those of y, as in Caffe."""
        return torch.where(x > y, x, y)

    @abstractmethod
    def dropout(self, x: Tensor, ratio: float, random: CaffeRandom, share: Share) -> Tensor:
        """Zeroes a share `ratio` of the values and scales the rest by 1 / (1 − ratio). `random` is the net's stream,
        which the fast engine leaves alone: it draws from torch's generator of the tensor's device."""

    @abstractmethod
    def euclidean_loss(self, x: Tensor, y: Tensor, share: Share) -> Tensor:
        """Σ (x − y)² / N / 2, a 0-axis tensor (paper, equation 5, averaged over the batch)."""

    @abstractmethod
    def softmax_loss(self, x: Tensor, labels: Tensor, axis: int, normalization: Normalization) -> Tensor:
        """−Σ log softmax(x)[label] over the places of all images, divided as `normalization` says, a 0-axis tensor, as
        every loss; labels: int64, as x without the axis."""

    @abstractmethod
    def sigmoid_cross_entropy_loss(self, x: Tensor, y: Tensor, normalization: Normalization) -> Tensor:
        """−Σ [y log σ(x) + (1 − y) log(1 − σ(x))], divided as `normalization` says."""

    @abstractmethod
    def hinge_loss(self, x: Tensor, labels: Tensor, squared: bool) -> Tensor:
        """Σ max(0, 1 + x), or 1 − x for the label's own value, or their squares, / N; x (N, K), labels (N,) int64."""

    @abstractmethod
    def multinomial_logistic_loss(self, x: Tensor, labels: Tensor) -> Tensor:
        """−Σ log x[label] / N of probabilities x (N, K), at least 1e-20; labels (N,) int64."""

    @abstractmethod
    def infogain_loss(self, x: Tensor, labels: Tensor, gains: Tensor) -> Tensor:
        """−Σ gains[label, k] · log x[k] / N of probabilities x (N, K), at least 1e-20; gains (K, K)."""

    @abstractmethod
    def contrastive_loss(self, x: Tensor, y: Tensor, similar: Tensor, margin: float, legacy: bool) -> Tensor:
        """Σ over the rows of d² where similar, else max(margin − d, 0)², or with `legacy` max(margin − d², 0), / N / 2,
        d being the distance of the rows of x and y (N, K)."""

    @abstractmethod
    def lstm_unit(self, cell: Tensor, gates: Tensor, carries_on: Tensor) -> tuple[Tensor, Tensor]:
        """The next cell (1, N, D) and hidden state, from the gates' values (1, N, 4 D): input, forget, output and
        candidate. carries_on (1, N): 0 where a sequence begins, 1 elsewhere."""

    @abstractmethod
    def squared_norm(self, gradient: Tensor) -> np.float32:
        """Σ gradient² (Caffe: SGDSolver::ClipGradients); not differentiable."""
