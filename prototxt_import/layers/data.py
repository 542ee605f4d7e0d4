"""Layers whose tops come from outside: Input, Caffe's data layers, and CPMData, the original fork's.

Here they only say the shapes, and how many random numbers Caffe's layer takes when it is set up; the caller of `Net`
hands in the blobs, which `cpm_repro.samples.data_layers` makes. DummyData and ContinuationIndicator make theirs
themselves.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from prototxt_import.formats import schema

from .fillers import fill
from .layer import ANY, Layer, Shape, register


class Source(Layer):
    """A layer without bottoms; the net takes its tops as inputs."""

    bottoms = range(0, 1)
    tops = ANY
    is_source = True
    fill = "#f6f6f6"


def _of_tops(layer: Layer, given: "Sequence[schema.BlobShape]") -> list[Shape]:
    """The tops' shapes: each its own, or one for all."""
    shapes, count = [tuple(shape.dim) for shape in given], len(layer.spec.top)
    layer.require(len(shapes) in (1, count), "one shape" + f" or {count}" * (count > 1), str(len(shapes) or "none"))
    return shapes * count if len(shapes) == 1 else shapes


@register("Input")
class Input(Source):
    """Blobs of the shapes in `input_param`."""

    recordable = True

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return _of_tops(self, self.spec.input_param.shape)


@register("CPMData")
class CPMData(Source):
    """data N×4×crop_y×crop_x (B, G, R, centre map) and label N×2(P+1)×(crop_y/stride)×(crop_x/stride).

    Without put_gaussian there is no centre map.
    """

    tops = range(1, 3)
    image_by_image = True
    draws = 2  # a thread reads the LMDB, one transforms

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        transform = self.spec.transform_param
        source = self.spec.cpmdata_param if self.spec.HasField("cpmdata_param") else self.spec.data_param
        self.require(source.batch_size > 0, "a batch_size above 0", str(source.batch_size))
        self.require(transform.stride >= 1, "a stride of 1 or more", str(transform.stride))
        height, width, stride = transform.crop_size_y, transform.crop_size_x, int(transform.stride)
        maps = 2 * (transform.num_parts + 1)
        data: Shape = (source.batch_size, 4 if transform.put_gaussian else 3, height, width)
        return [data, (source.batch_size, maps, height // stride, width // stride)][: len(self.spec.top)]


class FileData(Source):
    """A data layer whose tops' shapes lie in its files: whoever read these hands them in as the bottoms' shapes."""

    tops = range(1, 3)
    image_by_image = True

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return bottom_shapes

    @property
    def cuts(self) -> int:
        """1 if Caffe's DataTransformer draws, and so takes a number as its seed (twice: the second counts); else 0."""
        param = self.spec.transform_param
        return int(param.mirror or (self.spec.phase == schema.TRAIN and param.crop_size > 0))


@register("HDF5Data")
class HDF5Data(FileData):
    """The rows of HDF5 files, a dataset for each top."""

    tops = ANY


@register("Data")
class Data(FileData):
    """Datums of an LMDB or LevelDB, and their labels."""

    @property
    def draws(self) -> int:
        return 1 + 2 * self.cuts + 1  # a thread reads the database, one transforms


@register("ImageData")
class ImageData(FileData):
    """Images that a text file lists, and their labels."""

    @property
    def draws(self) -> int:
        param = self.spec.image_data_param
        return 2 * self.cuts + int(param.shuffle) + int(param.rand_skip > 0) + 1


@register("MemoryData")
class MemoryData(Source):
    """data N×C×H×W and label N×1×1×1, which a program hands in."""

    tops = range(2, 3)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        p = self.spec.memory_data_param
        data = (p.batch_size, p.channels, p.height, p.width)
        self.require(min(data) > 0, "batch_size, channels, height and width above 0", str(data))
        return [data, (p.batch_size, 1, 1, 1)]


@register("DummyData")
class DummyData(Layer):
    """Blobs that fillers fill: constants once, all others anew in every pass, from the net's generator."""

    bottoms = range(0, 1)
    tops = ANY
    repeatable = traceable = False  # it draws random numbers
    fill = Source.fill

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p, count = self.spec.dummy_data_param, len(self.spec.top)
        given = len(p.data_filler)
        self.require(given in (0, 1, count), f"no data_filler, one or {count}", str(given))
        fillers = list(p.data_filler) or [schema.FillerParameter()]
        self._fillers_of_tops = fillers * count if len(fillers) == 1 else fillers
        self.register_buffer("_place", torch.zeros(0), persistent=False)  # moves with the net: says on which device

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        p, count = self.spec.dummy_data_param, len(self.spec.top)
        old = (p.num, p.channels, p.height, p.width)
        if any(old):
            self.require(not p.shape, "either shape or the old num, channels, height and width", "both")
            self.require(
                all(len(sizes) in (1, count) for sizes in old), f"num, channels, … once or {count} times", "not"
            )
            sides = [list(sizes) * count if len(sizes) == 1 else list(sizes) for sizes in old]
            return [(n, c, h, w) for n, c, h, w in zip(*sides, strict=True)]
        return _of_tops(self, p.shape)

    def forward(self) -> tuple[Tensor, ...]:
        return tuple(self._filled(*top) for top in zip(self._fillers_of_tops, self.shapes_of_tops, strict=True))

    def _filled(self, filler: "schema.FillerParameter", shape: Shape) -> Tensor:
        blob = torch.empty(shape)
        fill(blob, filler, self.random, self.where)
        place = self._place
        assert isinstance(place, Tensor)
        return blob.to(place.device)


@register("ContinuationIndicator")
class ContinuationIndicator(Layer):
    """What tells an LSTM that each batch has whole sequences: (T, N), 0 in the first row, 1 in all others."""

    of_a_fork = True
    bottoms = range(0, 1)
    fill = Source.fill
    indicator: Tensor

    def setup(self, bottom_shapes: list[Shape]) -> None:
        p = self.spec.continuation_indicator_param
        self.require(min(p.time_step, p.batch_size) > 0, "a time_step and a batch_size above 0", "0")
        self.check_size("the top", (p.time_step, p.batch_size))
        indicator = torch.ones(p.time_step, p.batch_size)
        indicator[0] = 0
        self.register_buffer("indicator", indicator, persistent=False)

    def top_shapes(self, bottom_shapes: list[Shape]) -> list[Shape]:
        return [tuple(self.indicator.shape)]

    def forward(self) -> Tensor:
        return self.indicator.clone()
