"""Dropout (Caffe: dropout_layer.cpp), that of self-normalizing networks, and ENet's of whole channels."""

import torch
from torch import Tensor

from prototxt_import.formats import schema

from .layer import NeuronLayer, Shape, register, register_python
from .own import python_param


@register("Dropout")
class Dropout(NeuronLayer):
    """In the TRAIN phase zeroes a share of the values and scales the rest by 1 / (1 − ratio); in TEST passes them on.

    DeepLab's `scale_train: false` leaves the rest alone in TRAIN, and scales by 1 − ratio in TEST. Bayesian SegNet's
    `sample_weights_test` makes TEST do as TRAIN does: several images of one are samples of what the net believes.
    """

    repeatable = False  # it draws random numbers
    keeps_signs = True

    @property
    def recordable(self) -> bool:
        return not self.drops

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.dropout_param
        self.ratio, self.scale_train = p.dropout_ratio, p.scale_train
        self.drops = self.spec.phase == schema.TRAIN or p.sample_weights_test
        allowed = 0 < self.ratio < 1 if self.drops else 0 <= self.ratio <= 1  # which nobody asks about where none drops
        self.require(allowed, "a dropout_ratio between 0 and 1", str(self.ratio))

    def forward(self, x: Tensor) -> Tensor:
        if self.drops:
            x = self.ops.dropout(x, self.ratio, self.random, self.share)
        return x if self.scale_train else x * (1 - self.ratio)


@register("SeLuDropout")
class SeLuDropout(NeuronLayer):
    """In TRAIN puts a share of the values at `alpha`, what SeLu tends to far below zero, and then scales and shifts all
    so that mean 0 and variance 1 stay; in TEST passes them on."""

    of_a_fork = True
    repeatable = False  # it draws random numbers

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.ratio, self.drops = self.spec.selu_dropout_param.dropout_ratio, self.spec.phase == schema.TRAIN
        self.require(0 < self.ratio < 1 or not self.drops, "a dropout_ratio between 0 and 1", f"{self.ratio:g}")

    def forward(self, x: Tensor) -> Tensor:
        if not self.drops:
            return x
        alpha, kept_share = self.spec.selu_dropout_param.alpha, 1 - self.ratio
        scale = (kept_share + alpha**2 * kept_share * self.ratio) ** -0.5
        kept = self.ops.dropout(torch.ones_like(x), self.ratio, self.random, self.share) != 0
        dropped: Tensor = torch.where(kept, x, alpha) * scale - scale * self.ratio * alpha
        return dropped


@register("SpatialDropout")
class SpatialDropout(NeuronLayer):
    """In TRAIN, or with `sample_weights_test` always, zeroes a share of each image's channels and scales the rest by
    1 / (1 − ratio); else passes everything on."""

    of_a_fork = True
    repeatable = False  # it draws random numbers
    keeps_signs = True
    test_scale = 1.0
    """By what everything is scaled where nothing is dropped."""

    def setup(self, bottom_shapes: list[Shape]) -> None:
        self.ratio, self.drops = self.settings()
        self.require(len(bottom_shapes[0]) >= 2, "a bottom with a channel axis", str(bottom_shapes[0]))
        self.require(0 < self.ratio < 1, "a dropout ratio between 0 and 1", f"{self.ratio:g}")

    def settings(self) -> tuple[float, bool]:
        """The share that is dropped; whether any is."""
        p = self.spec.spatial_dropout_param
        return p.dropout_ratio, self.spec.phase == schema.TRAIN or p.sample_weights_test

    def forward(self, x: Tensor) -> Tensor:
        if not self.drops:
            return x * self.test_scale if self.test_scale != 1 else x
        ones = x.new_ones((*x.shape[:2], *(1,) * (x.dim() - 2)))
        return x * self.ops.dropout(ones, self.ratio, self.random, self.share)


@register_python("spatial_dropout", "SpatialDropoutLayer")
class PythonSpatialDropout(SpatialDropout):
    """The layer in Python that ENet's prototxts name, with `param_str: "{'phase': 'TEST', 'p': '0.1'}"`. The phase is
    what that says, whatever the net's; and in TEST it scales everything by 1 / (1 − p) too."""

    def settings(self) -> tuple[float, bool]:
        given = python_param(self.spec, ("phase", "p"))
        phase, share = given.get("phase"), str(given.get("p"))
        number = share.replace(".", "", 1).isdecimal()
        found = repr(self.spec.python_param.param_str)
        self.require(phase in ("TRAIN", "TEST") and number, "a param_str with 'phase' (TRAIN or TEST) and 'p'", found)
        ratio = float(share)
        self.test_scale = 1 / (1 - ratio) if ratio < 1 else 1.0
        return ratio, phase == "TRAIN"
