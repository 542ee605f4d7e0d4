"""Sliding windows and their sizes: convolution rounds down, pooling rounds up (Caffe: conv_layer.cpp,
pooling_layer.cpp)."""

from dataclasses import dataclass

Pair = tuple[int, int]
Sizes = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """Kernel, stride, padding and dilation of a sliding window, in pixels: each (height, width), or a value for each of
    as many spatial axes as there are."""

    kernel: Sizes
    stride: Sizes = (1, 1)
    pad: Sizes = (0, 0)
    dilation: Sizes = (1, 1)
    ceil: bool = True  # of a pooling

    def convolved(self, size: Sizes) -> Sizes:
        """Output size of a convolution; below 1 where the window does not fit."""
        return tuple(
            (n + 2 * p - (d * (k - 1) + 1)) // s + 1
            for n, k, s, p, d in zip(size, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        )

    def deconvolved(self, size: Sizes) -> Sizes:
        """Output size of a deconvolution: of the images that a convolution gives this size, the smallest one's."""
        return tuple(
            s * (n - 1) + d * (k - 1) + 1 - 2 * p
            for n, k, s, p, d in zip(size, self.kernel, self.stride, self.pad, self.dilation, strict=True)
        )

    def pooled(self, size: Sizes) -> Sizes:
        """Output size of a pooling; Caffe rounds it up (`round_mode: FLOOR` does not), and with padding on any
        axis drops a window that starts beyond it."""
        return tuple(self._pooled(*axis) for axis in zip(size, self.kernel, self.stride, self.pad, strict=True))

    def _pooled(self, size: int, kernel: int, stride: int, pad: int) -> int:
        steps = size + 2 * pad - kernel
        count = (-(-steps // stride) if self.ceil else steps // stride) + 1
        return count - 1 if any(self.pad) and (count - 1) * stride >= size + pad else count
