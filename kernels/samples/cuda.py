"""Training samples from images on a CUDA device (`src/samples/sample.cu`), with the bits of `sample.transform_samples`.

Two kernels make `data`, by way of the resized regions that the crops show, and one makes `label`. They run on torch's
current stream and, once the largest batch has been seen, allocate nothing.
"""

import torch
from torch import Tensor

from cpm_kernels import cuda_module

from .sample import SAMPLE, SampleShape

_REGION_BLOCK = (64, 32)  # rows and columns, as in sample.cu
_CROP_BLOCK = (32, 32)
_MOST_SAMPLES = 65535  # blocks along a grid's z
_ALIGNMENT = 8  # bytes, of the struct Sample


class CudaSamples:
    """Makes the batches of one `SampleShape`.

    Keeps scratch memory and the rotation's weights between calls: use one object on one stream only. ValueError for
    a shape out of range.
    """

    def __init__(self, shape: SampleShape):
        self.shape = shape
        self._numbers = shape.struct()
        self._weights: Tensor | None = None
        self._regions: Tensor | None = None

    def __call__(
        self,
        images: Tensor,
        samples: Tensor,
        joints: Tensor,
        centres: Tensor,
        regions: int,
        largest: tuple[int, int],
        data: Tensor,
        label: Tensor | None = None,
    ) -> None:
        """Fill `data` (N, *shape.data_shape) and `label` (N, *shape.label_shape), float32; all tensors on one device.

        images: uint8, the buffer that the samples' offsets count from; samples: uint8 (N, SAMPLE.itemsize), rows of
        `SAMPLE` after `set_regions`, and `regions` what that returned; joints: float32 (people, parts, 3), finite;
        centres: the same people's objpos, float32 (people, 2), in crop pixels, finite;
        largest: (rows, columns) that no sample's region exceeds. ValueError if a tensor does not fit, or N is above
        65,535. What the rows of `samples` say is not checked: it has to lie within `images` and `joints`.
        """
        count = len(samples)
        self._check(images, samples, joints, centres, data, label)
        if count == 0:
            return
        self._make_scratch(regions, images.device)
        n = self._numbers
        if regions:
            cuda_module.launch(
                "resize_regions", _grid(largest, _REGION_BLOCK, count), 128, images, samples, n.gray, n.profile,
                self._regions, source="samples/sample.cu",
            )  # fmt: skip
        crop = (n.crop_rows, n.crop_columns)
        cuda_module.launch(
            "rotate_and_crop", _grid(crop, _CROP_BLOCK, count), 256, self._regions, samples, self._weights, centres,
            *crop, n.centre, n.all_centers, n.sigma_center, data, source="samples/sample.cu",
        )  # fmt: skip
        if label is not None:
            fill_label_maps(joints, samples, n.stride, n.sigma, label)

    def _make_scratch(self, regions: int, device: torch.device) -> None:
        """The rotation's weights, once, and room for the regions: int32, a pixel each."""
        if self._weights is None:
            self._weights = torch.empty((32 * 32, 16), dtype=torch.int16, device=device)
            cuda_module.launch("fill_warp_weights", (8, 1, 1), 128, self._weights, source="samples/sample.cu")
        if self._regions is None or len(self._regions) < regions:
            self._regions = None  # first give back what was too small
            self._regions = torch.empty(max(regions, 1), dtype=torch.int32, device=device)

    def _check(
        self, images: Tensor, samples: Tensor, joints: Tensor, centres: Tensor, data: Tensor, label: Tensor | None
    ) -> None:
        """ValueError unless all tensors are contiguous, on one device, and of the shapes that belong together."""
        count, shape = len(samples), self.shape
        if count > _MOST_SAMPLES:
            raise ValueError(f"a batch must have at most {_MOST_SAMPLES} samples, not {count}")
        _check_tensor(images, "images", torch.uint8, (None,), images.device)
        _check_tensor(samples, "samples", torch.uint8, (count, SAMPLE.itemsize), images.device)
        _check_tensor(joints, "joints", torch.float32, (None, shape.parts, 3), images.device)
        _check_tensor(centres, "centres", torch.float32, (len(joints), 2), images.device)
        _check_tensor(data, "data", torch.float32, (count, *shape.data_shape), images.device)
        if label is not None:
            _check_tensor(label, "label", torch.float32, (count, *shape.label_shape), images.device)
        if samples.data_ptr() % _ALIGNMENT:
            raise ValueError(f"samples must begin at an address divisible by {_ALIGNMENT}")


def fill_label_maps(joints: Tensor, samples: Tensor, stride: int, sigma: float, label: Tensor) -> None:
    """Fill `label` alone, see `CudaSamples`; of `samples` only the people matter. Nothing is checked."""
    rows, columns = label.shape[2:]
    cuda_module.launch(
        "label_maps", (-(-rows * columns // 128), 1, len(label)), 128, joints, samples, joints.shape[1], stride,
        float(sigma), rows, columns, label, source="samples/sample.cu",
    )  # fmt: skip


def _grid(size: tuple[int, int], block: tuple[int, int], count: int) -> tuple[int, int, int]:
    """Blocks along x, y and, one layer for each sample, z."""
    return (-(-size[1] // block[1]), -(-size[0] // block[0]), count)


def _check_tensor(
    tensor: Tensor, name: str, dtype: torch.dtype, shape: tuple[int | None, ...], device: torch.device
) -> None:
    """ValueError unless it is contiguous and has the dtype, the shape (None: any size) and the device."""
    fits = tensor.dim() == len(shape) and all(
        wanted in (None, size) for wanted, size in zip(shape, tensor.shape, strict=True)
    )
    if tensor.dtype != dtype or tensor.device != device or not fits or not tensor.is_contiguous():
        sizes = " x ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(
            f"{name} must be contiguous {dtype} of shape {sizes} on {device}, not {tensor.dtype} of shape "
            f"{tuple(tensor.shape)} on {tensor.device}"
        )
