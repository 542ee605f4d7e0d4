"""BatchNorm, LRN and MVN (Caffe: batch_norm_layer.cpp, lrn_layer.cpp, mvn_layer.cpp), BN of SegNet and of PSPNet,
SSD's Normalize, and L2Norm."""

import math

import torch
from torch import Tensor, nn

from cpm_kernels.window import Window
from prototxt_import.formats import schema

from .layer import POINT, Layer, Shape, register

SEGNET_EPS = 1e-9


@register("BatchNorm")
class BatchNorm(Layer):
    """Normalises each channel; blobs: sums of means (C,) and variances (C,), and the factor (1,) that divides them.

    NVIDIA's also scales if it says `scale_bias`, or how to fill these: two blobs more, scale and bias (C,). It then
    stores averages, not sums (the factor stays 1), and its eps is at least 1e-5.
    """

    mean: nn.Parameter
    variance: nn.Parameter
    factor: nn.Parameter
    scale: nn.Parameter
    bias: nn.Parameter
    keeps_channels = True
    receptive_window = POINT
    short_name = "BN"

    @property
    def repeatable(self) -> bool:
        return self.use_global_stats  # else forward moves the averages

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.batch_norm_param
        self.scales = p.HasField("scale_filler") or p.HasField("bias_filler") or p.scale_bias
        self.eps = max(p.eps, 1e-5) if self.scales else p.eps
        testing = self.spec.phase == schema.TEST
        self.use_global_stats = p.use_global_stats if p.HasField("use_global_stats") else testing
        channels = bottom_shapes[0][1:2] or (1,)
        self._add_multipliers()
        self.add_blob("mean", channels, None, learnable=False)
        self.add_blob("variance", channels, None, learnable=False)
        one = schema.FillerParameter(type="constant", value=1)
        self.add_blob("factor", (1,), one if self.scales else None, learnable=False)
        if self.scales:
            self.add_blob("scale", channels, p.scale_filler if p.HasField("scale_filler") else one)
            self.add_blob("bias", channels, p.bias_filler)
        while len(self.spec.param) < 3:  # a caffemodel has them: that nothing is to be learned here
            self.spec.param.add(lr_mult=0)

    def _add_multipliers(self) -> None:
        """The statistics do not learn: Caffe writes that into the net, and so into its snapshots."""
        for index in range(3):
            if index == len(self.spec.param):
                self.spec.param.add(lr_mult=0)
            given = self.spec.param[index].lr_mult
            self.require(given == 0, f"lr_mult 0 in param {index}, for statistics", f"{given:g}")

    def forward(self, x: Tensor) -> Tensor:
        of_channels = x[:, None] if x.dim() == 1 else x  # then there is one
        if self.use_global_stats:
            y = self.ops.batch_norm(of_channels, *self.statistics(), self.eps)
        else:
            y, mean, variance = self.ops.batch_norm_of_batch(of_channels, self.eps)
            self._move_average(mean.detach(), variance.detach(), x.numel() // mean.numel())
        if self.scales:
            trailing = y.dim() - 2
            y = self.ops.bias(self.ops.scale(y, self.scale, trailing), self.bias, trailing)
        return y.reshape(x.shape)

    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and variance of each channel, (C,) each: the stored sums divided by their factor."""
        scale = torch.where(self.factor == 0, 0.0, 1 / self.factor)
        return self.mean * scale, self.variance * scale

    @torch.no_grad()
    def _move_average(self, mean: Tensor, variance: Tensor, count: int) -> None:
        fraction = self.spec.batch_norm_param.moving_average_fraction
        if self.scales:
            for stored, batch in ((self.mean, mean), (self.variance, variance)):
                self.ops.move_average(stored, batch, fraction, 1 - fraction)
            return
        unbias = count / (count - 1) if count > 1 else 1.0
        self.factor.mul_(fraction).add_(1)
        self.ops.move_average(self.mean, mean, fraction, 1.0)
        self.ops.move_average(self.variance, variance, fraction, unbias)


@register("BN")
class BN(Layer):
    """Batch normalisation and scaling in one layer, as three forks have it; `bn_param` says which.

    SegNet's (`scale_filler`, `shift_filler`, `bn_mode`): blobs scale and shift, (1, C, 1, 1) each; LEARN takes the
    batch's statistics in every phase, INFERENCE none, for they are in the blobs. PSPNet's (`slope_filler`,
    `bias_filler`, `frozen`, or none of these): blobs slope, bias, mean and variance; TRAIN takes the batch's statistics
    unless `frozen`, and moves the stored ones by `momentum`. What PSPNet had at first (SegNet's fillers and any of
    `moving_average`, `decay`, `var_eps`): the same four blobs; TRAIN moves the stored ones, which begin at 0, by
    `decay`, and TEST takes them only with `moving_average`.
    """

    of_a_fork = True
    keeps_channels = True
    short_name = "BN"
    receptive_window = POINT
    factor: nn.Parameter
    offset: nn.Parameter
    mean: nn.Parameter
    variance: nn.Parameter

    @property
    def repeatable(self) -> bool:
        return not self._moves

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, shape = self.spec.bn_param, bottom_shapes[0]
        self.require(len(shape) >= 2, "a bottom with a channel axis", str(shape))
        forks = (("scale_filler", "shift_filler", "bn_mode"), ("slope_filler", "bias_filler", "frozen"))
        segnet, pspnet = ([name for name in names if p.HasField(name)] for names in forks)
        first = [name for name in ("moving_average", "decay", "var_eps") if p.HasField(name)]
        self.require(not (segnet and pspnet), "the fields of one fork", " and ".join((*segnet, *pspnet)))
        others = [name for name in (*pspnet, "bn_mode", "momentum", "eps") if p.HasField(name)]
        self.require(not (first and others), "the fields of one fork", " and ".join((*first, *others)))
        self.segnet = bool(segnet) and not first
        training = self.spec.phase == schema.TRAIN
        self._moves = not self.segnet and training and not p.frozen
        """Whether forward adds the batch's statistics to those that are stored."""
        of_any_batch = p.bn_mode == p.LEARN if self.segnet else bool(first) and not p.moving_average
        self.of_batch = self._moves or of_any_batch
        """Whether forward takes the batch's statistics."""
        self._normalises = self.of_batch or not self.segnet
        self.eps = SEGNET_EPS if self.segnet else p.var_eps if first else p.eps
        self._kept = 1 - p.decay if first else p.momentum
        factor, offset, _ = forks[0 if segnet or first else 1]
        blob, one = (1, shape[1], 1, 1), schema.FillerParameter(type="constant", value=1)
        scaled = p.HasField(factor) or bool(first)
        self.add_blob("factor", blob, getattr(p, factor) if scaled else one)
        self.add_blob("offset", blob, getattr(p, offset))
        if not self.segnet:
            self.add_blob("mean", blob, None, learnable=False)
            self.add_blob("variance", blob, None if first else one, learnable=False)

    def require_stored(self, form: str) -> None:
        """InputError, naming the form that the net is to be written in, if the batch's statistics are taken always."""
        always = self.of_batch and not self._moves
        wanted, found = ("bn_mode INFERENCE", "LEARN") if self.segnet else ("moving_average", "none")
        self.require(not always, f"{wanted}, for {form}", f"{found}, which needs the batch")

    def forward(self, x: Tensor) -> Tensor:
        trailing = x.dim() - 2
        if not self._normalises:
            y = x
        elif self.of_batch:
            y, mean, variance = self.ops.batch_norm_of_batch(x, self.eps)
            if self._moves:
                self._move_average(mean.detach(), variance.detach())
        else:
            y = self.ops.batch_norm(x, self.mean.detach().flatten(), self.variance.detach().flatten(), self.eps)
        return self.ops.bias(self.ops.scale(y, self.factor.flatten(), trailing), self.offset.flatten(), trailing)

    @torch.no_grad()
    def _move_average(self, mean: Tensor, variance: Tensor) -> None:
        for stored, batch in ((self.mean, mean), (self.variance, variance)):
            self.ops.move_average(stored, batch.reshape(stored.shape), self._kept, 1 - self._kept)


@register("LRN")
class LRN(Layer):
    """Local response normalisation across channels or within each."""

    image_by_image = True

    @property
    def receptive_window(self) -> Window | None:
        p = self.spec.lrn_param
        size = p.local_size if p.norm_region == p.WITHIN_CHANNEL else 1
        return Window((size, size), pad=((size - 1) // 2,) * 2)

    def setup(self, bottom_shapes: list[Shape]) -> None:
        size = self.spec.lrn_param.local_size
        self.require(size % 2 == 1, "an odd local_size", str(size))
        self.require_maps(bottom_shapes[0])

    def forward(self, x: Tensor) -> Tensor:
        p = self.spec.lrn_param
        if p.norm_region == p.WITHIN_CHANNEL:
            return self.ops.lrn_within(x, p.local_size, p.alpha, p.beta)
        return self.ops.lrn_across(x, p.local_size, p.alpha, p.beta, p.k)


@register("MVN")
class MVN(Layer):
    """Mean and variance normalisation of each channel, or with `across_channels` of each image."""

    keeps_channels = True

    def forward(self, x: Tensor) -> Tensor:
        p = self.spec.mvn_param
        rows, first = (x.shape[0], 1) if p.across_channels else (x.shape[0] * x.shape[1], 2)
        return self.ops.mvn(x.reshape(rows, math.prod(x.shape[first:])), p.eps, p.normalize_variance).reshape(x.shape)


@register("Normalize")
class Normalize(Layer):
    """Divides by the L2 norm over the channels of each pixel, or with `across_spatial` of each image, and scales;
    blob: scale (C,), or () with `channel_shared`."""

    of_a_fork = True
    scale: nn.Parameter
    keeps_channels = True

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.norm_param
        self.require(
            2 <= len(bottom_shapes[0]) <= 4, "a bottom N x C, N x C x H or N x C x H x W", str(bottom_shapes[0])
        )
        filler = p.scale_filler if p.HasField("scale_filler") else schema.FillerParameter(type="constant", value=1)
        self.add_blob("scale", () if p.channel_shared else bottom_shapes[0][1:2], filler)

    def forward(self, x: Tensor) -> Tensor:
        axes = (1, 2, 3) if self.spec.norm_param.across_spatial else (1,)
        eps, missing = self.spec.norm_param.eps, (1,) * (4 - x.dim())  # Caffe's old accessors take a missing axis for 1
        if not missing:
            return self.ops.l2_normalize(x, self.scale, axes, eps)
        return self.ops.l2_normalize(x.reshape(*x.shape, *missing), self.scale, axes, eps).reshape(x.shape)


class _OfImages(Layer):
    """Divides each image by its L2 norm. Forks have it by two names; of what is 0 everywhere they make NaNs or, as
    here, zeros."""

    of_a_fork = True
    image_by_image = True
    keeps_channels = True
    least = 1e-6
    """The norm that is divided by at least."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.require(len(bottom_shapes[0]) >= 2, "a bottom of 2 or more axes", str(bottom_shapes[0]))

    def forward(self, x: Tensor) -> Tensor:
        norm: Tensor = torch.linalg.vector_norm(x, dim=tuple(range(1, x.dim())), keepdim=True)
        return x / norm.clamp(min=self.least)


@register("L2Norm")
class L2Norm(_OfImages):
    """Of retrieval nets."""


@register("L2Normalization")
class L2Normalization(_OfImages):
    """Of metric learning."""
