"""The exact engine's arithmetic on a CUDA device: the functions of gemm, convolution, pooling, blas, elementary and
solvers under the same names, over torch tensors (float32, N x C x H x W), with the same bits (`src/exact/exact.cu`).

Results are new tensors of torch's allocator; what a docstring calls "added to" is changed in place.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from cpm_kernels import cuda_module
from cpm_kernels.window import Pair, Window

from .convolution import output_size
from .gemm import FORMS, gemm_block, gemm_places
from .profiles import DEFAULT_PROFILE, Profile
from .solvers import SOLVER_BLOB, SolverStep

SMALL = 1_000_000  # multiplications up to which OpenBLAS has kernels of their own (gemm.h: gemm_is_small)
FULL = 128  # tiles that keep every multiprocessor of a large card busy
GEMV_BLOCK = 4096  # blas.h
SOLVER_BLOCKS = 64  # that share a blob; all blobs of a pose machine then fill a large card several times

TILES = {"128x128": (128, 128, 256), "64x64": (64, 64, 64), "32x128": (32, 128, 64)}
"""Rows, columns and threads by the kernels' suffix."""


def _tile(rows: int, columns: int, batch: int) -> str:
    """The largest tile that leaves no multiprocessor idle; a flat one where there are few rows."""
    if rows <= 32:
        return "32x128"
    return "128x128" if rows > 64 and -(-rows // 128) * -(-columns // 128) * batch >= FULL else "64x64"


def _launch_tiles(
    kernel: str, rows: int, columns: int, batch: int, *arguments: object, source: str = "exact/exact.cu"
) -> None:
    tile = _tile(rows, columns, batch)
    height, width, threads = TILES[tile]
    grid = (-(-columns // width), -(-rows // height), batch)
    cuda_module.launch(f"{kernel}_{tile}", grid, threads, *arguments, source=source)


def _launch_elements(kernel: str, count: int, threads: int, *arguments: object, source: str = "exact/exact.cu") -> None:
    cuda_module.launch(kernel, (-(-count // threads), 1, 1), threads, *arguments, source=source)


class _Product:
    """Which kernels compute a product of such sizes with a profile's bits, and what they are told of it."""

    def __init__(self, form: str, m: int, n: int, k: int, profile: Profile, device: torch.device) -> None:
        self.places = _places(form, m, n, k, profile, device)
        self.arguments = (*profile.numbers, *self.places)
        self.small = profile.has_avx512 and m * n * k <= SMALL
        self.prefix = "" if profile.has_avx512 else "fused_" if profile.is_fused else "rounded_"
        self.source = "exact/exact.cu" if profile.has_avx512 else "exact/families.cu"

    def launch(self, kernel: str, rows: int, columns: int, batch: int, *arguments: object) -> None:
        """The tiled kernel: one chain an element."""
        _launch_tiles(self.prefix + kernel, rows, columns, batch, *arguments, source=self.source)

    def launch_others(self, kernel: str, count: int, *arguments: object) -> None:
        """The kernel of what the tiled one leaves alone among `count` elements, if there may be any."""
        if self.small:
            _launch_elements(f"{kernel}_lanes", count, 128, *arguments)
        elif self.places[0] is not None:
            _launch_elements(f"{kernel}_two_chains", count, 128, *arguments, source=self.source)


@lru_cache(maxsize=256)
def _places(
    form: str, m: int, n: int, k: int, profile: Profile, device: torch.device
) -> tuple[Tensor | None, Tensor | None]:
    """gemm.h's places of rows and columns on the device; None where no element is two chains."""
    places = gemm_places(form, m, n, k, profile)
    if places is None:
        return None, None
    rows, columns = (torch.from_numpy(array).to(device) for array in places)
    return rows, columns


def _same_device(**tensors: Tensor | None) -> None:
    """ValueError unless all are contiguous float32 tensors of one device."""
    given = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    device = next(iter(given.values())).device
    for name, tensor in given.items():
        if tensor.dtype != torch.float32 or tensor.device != device or not tensor.is_contiguous():
            raise ValueError(f"{name} must be a contiguous float32 tensor on {device}")


def gemm(
    a: Tensor,
    b: Tensor,
    c: Tensor | None = None,
    transpose_a: bool = False,
    transpose_b: bool = False,
    profile: Profile = DEFAULT_PROFILE,
) -> Tensor:
    """A B, or c + A B written into `c`, with A (M, K) and B (K, N), each stored transposed if said so.

    ValueError for sizes that do not fit and if both are transposed, which no layer of Caffe asks for.
    """
    if transpose_a and transpose_b:
        raise ValueError("a and b must not both be transposed")
    (k, m) = a.shape if transpose_a else a.shape[::-1]
    (n, k_of_b) = b.shape if transpose_b else b.shape[::-1]
    if k != k_of_b:
        raise ValueError(f"b must have {k} rows, as a has columns, not {k_of_b}")
    out = torch.empty((m, n), dtype=torch.float32, device=a.device) if c is None else c
    if out.shape != (m, n):
        raise ValueError(f"c must have shape {(m, n)}, not {tuple(out.shape)}")
    _same_device(a=a, b=b, c=out)
    kind = "tn" if transpose_a else "nt" if transpose_b else "nn"
    _product(kind, a, b, out, None, (m, n, k), 1, 1, c is not None, profile)
    return out


def _product(
    kind: str,
    a: Tensor,
    b: Tensor,
    c: Tensor,
    bias: Tensor | None,
    sizes: tuple[int, int, int],
    batch: int,
    a_count: int,
    onto: bool,
    profile: Profile,
) -> None:
    m, n, k = sizes
    product = _Product(kind, m, n, k, profile, a.device)
    steps = (np.int64(m * k), np.int64(n * k), np.int64(m * n))
    matrices, rest = (a, b, c, bias), (m, n, k, *product.arguments)
    product.launch(f"product_{kind}", m, n, batch, *matrices, *rest, onto, a_count, *steps)
    strides = ((1, m) if kind == "tn" else (k, 1)) + ((k, 1) if kind == "nt" else (1, n))
    others = (*matrices, FORMS[kind], *rest, *strides, onto, a_count, *steps[:2], batch)
    product.launch_others("product", batch * m * n, *others)


@lru_cache(maxsize=256)
def _taps(channels: int, size: Pair, kernel: Pair, dilation: Pair, device: torch.device) -> Tensor:
    """Rows of the column matrix: offset in the image, row and column in the window (both times dilation), 0."""
    c, y, x = np.meshgrid(np.arange(channels), *(np.arange(n) for n in kernel), indexing="ij")
    y, x = y * dilation[0], x * dilation[1]
    table = np.stack([(c * size[0] + y) * size[1] + x, y, x, np.zeros_like(c)], axis=-1)
    return torch.from_numpy(table.reshape(-1, 4).astype(np.int32)).to(device)


class _Sizes:
    """The numbers of one convolution from x to y; ValueError unless the shapes belong together."""

    def __init__(self, window: Window, group: int, x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> None:
        self.window, self.group = window, group
        self.images, self.channels, height, width = x_shape
        self.size, self.out_size, self.outputs = (height, width), tuple(y_shape[2:]), y_shape[1]
        expected = (self.images, self.outputs, *output_size(window, self.size))
        if tuple(y_shape) != expected:
            raise ValueError(f"the output must have shape {expected}, not {tuple(y_shape)}")
        if self.channels % self.group or self.outputs % self.group:
            raise ValueError(f"{self.group} groups do not divide {self.channels} and {self.outputs} channels")
        self.inputs, self.rows = self.channels // self.group, self.outputs // self.group  # of one group
        self.taps_of_map = window.kernel[0] * window.kernel[1]
        self.depth, self.area = self.inputs * self.taps_of_map, self.out_size[0] * self.out_size[1]
        self.weight_shape = (self.outputs, self.inputs, *window.kernel)
        self.image = (*self.size, *self.out_size, *window.stride, *window.pad)

    @property
    def is_1x1(self) -> bool:
        """Whether Caffe takes the image itself for the column matrix."""
        w = self.window
        return (w.kernel, w.stride, w.pad) == ((1, 1), (1, 1), (0, 0))

    def check(self, **tensors: Tensor | None) -> None:
        """ValueError unless weight, gradient and bias have their shapes and all lie on one device."""
        shapes = {"weight": self.weight_shape, "gradient": self.weight_shape, "bias": (self.outputs,)}
        for name, tensor in tensors.items():
            if tensor is not None and tuple(tensor.shape) != shapes.get(name, tuple(tensor.shape)):
                raise ValueError(f"{name} must have shape {shapes[name]}, not {tuple(tensor.shape)}")
        _same_device(**tensors)

    def taps(self, device: torch.device) -> Tensor:
        return _taps(self.inputs, self.size, self.window.kernel, self.window.dilation, device)


def convolve(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    window: Window,
    group: int = 1,
    profile: Profile = DEFAULT_PROFILE,
) -> Tensor:
    """x (N, C, H, W) with weight (C_out, C / group, kernel) and bias (C_out,): (N, C_out, H', W')."""
    y_shape = (x.shape[0], weight.shape[0], *output_size(window, (x.shape[2], x.shape[3])))
    s = _Sizes(window, group, tuple(x.shape), y_shape)
    s.check(x=x, weight=weight, bias=bias)
    y = torch.empty(y_shape, dtype=torch.float32, device=x.device)
    batch, sizes = s.images * s.group, (s.rows, s.area, s.depth)
    if s.is_1x1:
        _product("nn", weight, x, y, bias, sizes, batch, s.group, False, profile)
        return y
    product = _Product("nn", *sizes, profile, x.device)
    arguments = (weight, x, bias, y, s.taps(x.device), *s.image, s.rows, s.depth, *product.arguments, s.group, s.inputs)
    product.launch("convolution", s.rows, s.area, batch, *arguments)
    product.launch_others("convolution", y.numel(), *arguments, s.images)
    return y


def convolve_transposed(
    y: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    window: Window,
    size: Pair,
    group: int = 1,
    profile: Profile = DEFAULT_PROFILE,
) -> Tensor:
    """The gradient of `convolve` by its x of that (height, width), from y (N, C_out, H', W').

    With a bias (C,) it is Deconvolution's forward pass.
    """
    s = _Sizes(window, group, (y.shape[0], weight.shape[1] * group, *size), tuple(y.shape))
    s.check(y=y, weight=weight)
    x = torch.empty((s.images, s.channels, *size), dtype=torch.float32, device=y.device)
    if s.is_1x1:
        sizes = (s.inputs, s.area, s.rows)
        _product("tn", weight, y, x, None, sizes, s.images * s.group, s.group, False, profile)
    elif profile.has_avx512 and gemm_block(s.rows, "tn", s.depth, s.area, s.rows, profile) == s.rows:
        _data_gradient(s, weight, y, x)
    else:
        for image in range(s.images):
            _data_gradient_by_columns(s, weight, y[image], x[image], profile)
    return x if bias is None else x.add_(bias.reshape(-1, 1, 1))


def _data_gradient(s: _Sizes, weight: Tensor, y: Tensor, x: Tensor) -> None:
    """All output channels are one chain: the columns are added up as they come."""
    by_offset = weight.reshape(s.group, s.rows, s.inputs, s.taps_of_map).permute(0, 3, 1, 2).contiguous()
    _launch_tiles(
        "data_gradient", s.inputs, s.size[0] * s.size[1], s.images * s.group, by_offset, y, x, *s.image, s.rows,
        s.inputs, *s.window.kernel, *s.window.dilation, s.group,
    )  # fmt: skip


def _data_gradient_by_columns(s: _Sizes, weight: Tensor, y: Tensor, x: Tensor, profile: Profile) -> None:
    """Several blocks or two chains: the columns' gradient of one image in memory, then col2im."""
    columns = torch.empty((s.group, s.depth, s.area), dtype=torch.float32, device=y.device)
    sizes = (s.depth, s.area, s.rows)
    _product("tn", weight, y, columns, None, sizes, s.group, s.group, False, profile)
    _launch_elements(
        "columns_to_image", x.numel(), 256, columns, x, *s.image, *s.window.kernel, *s.window.dilation, s.channels
    )


def add_weight_gradient(
    x: Tensor,
    y: Tensor,
    gradient: Tensor,
    window: Window,
    group: int = 1,
    profile: Profile = DEFAULT_PROFILE,
) -> None:
    """Adds, image by image, the gradient of `convolve` by its weight to `gradient`."""
    s = _Sizes(window, group, tuple(x.shape), tuple(y.shape))
    s.check(x=x, y=y, gradient=gradient)
    product = _Product("nt", s.rows, s.depth, s.area, profile, x.device)
    sizes = (*s.image, s.rows, s.depth, *product.arguments, s.group, s.inputs, s.images)
    arguments = (y, x, gradient, s.taps(x.device), *sizes)
    product.launch("weight_gradient", s.rows, s.depth, s.group, *arguments)
    product.launch_others("weight_gradient", gradient.numel(), *arguments)


def add_bias_gradient(y: Tensor, gradient: Tensor, profile: Profile = DEFAULT_PROFILE) -> None:
    """Adds, image by image, the sum of each map of y (N, C, H, W) to `gradient` (C,)."""
    _same_device(y=y, gradient=gradient)
    images, maps, area = y.shape[0], y.shape[1], y.shape[2] * y.shape[3]
    if gradient.shape != (maps,):
        raise ValueError(f"gradient must have shape {(maps,)}, not {tuple(gradient.shape)}")
    blocks = -(-(area // 4 * 4) // GEMV_BLOCK)
    sums = torch.empty((images * maps, blocks), dtype=torch.float32, device=y.device)
    rest = (maps, area, blocks, images, *profile.numbers)
    if blocks:
        _launch_elements("block_sums", sums.numel() * 8, 256, y, sums, *rest)
    _launch_elements("add_block_sums", maps, 128, y, sums, gradient, *rest)


def _pooling(x: Tensor, window: Window, size: Pair) -> tuple[int, ...]:
    _same_device(x=x)
    planes = x.shape[0] * x.shape[1]
    return (*size, *window.pooled(size), *window.kernel, *window.stride, *window.pad, planes)


def max_pool(x: Tensor, window: Window) -> tuple[Tensor, Tensor]:
    """The first maximum of each window of x, and its int32 index in its plane (-1: none)."""
    size = x.shape[2], x.shape[3]
    out = torch.empty((*x.shape[:2], *window.pooled(size)), dtype=torch.float32, device=x.device)
    where = torch.empty(out.shape, dtype=torch.int32, device=x.device)
    _launch_elements("max_pool", out.numel(), 256, x, out, where, *_pooling(x, window, size))
    return out, where


def max_pool_gradient(dy: Tensor, where: Tensor, window: Window, size: Pair) -> Tensor:
    """dy of `max_pool`'s output added up where the maxima were, in the order of the output; x had that (height,
    width)."""
    dx = torch.empty((*dy.shape[:2], *size), dtype=torch.float32, device=dy.device)
    _launch_elements("max_pool_backward", dx.numel(), 256, dy, where, dx, *_pooling(dy, window, size))
    return dx


def ave_pool(x: Tensor, window: Window) -> Tensor:
    """Mean of each window of x."""
    size = x.shape[2], x.shape[3]
    out = torch.empty((*x.shape[:2], *window.pooled(size)), dtype=torch.float32, device=x.device)
    _launch_elements("ave_pool", out.numel(), 256, x, out, *_pooling(x, window, size))
    return out


def ave_pool_gradient(dy: Tensor, window: Window, size: Pair) -> Tensor:
    """dy over each window's area, added up in the order of the output; x had that (height, width)."""
    dx = torch.empty((*dy.shape[:2], *size), dtype=torch.float32, device=dy.device)
    _launch_elements("ave_pool_backward", dx.numel(), 256, dy, dx, *_pooling(dy, window, size))
    return dx


def relu(x: Tensor, slope: float, in_place: bool = False) -> Tensor:
    """x where it is not negative, else slope · x; with `in_place` in the memory of x."""
    _same_device(x=x)
    out = x if in_place else torch.empty_like(x)
    _launch_elements("relu", x.numel(), 256, x, out, float(slope), np.int64(x.numel()))
    return out


def relu_gradient(x: Tensor, dy: Tensor, slope: float) -> Tensor:
    """dy · 1 where x is positive, else dy · slope."""
    _same_device(x=x, dy=dy)
    dx = torch.empty_like(x)
    _launch_elements("relu_backward", x.numel(), 256, x, dy, dx, float(slope), np.int64(x.numel()))
    return dx


def solver_update(
    weights: Sequence[Tensor],
    gradients: Sequence[Tensor],
    histories: Sequence[Tensor],
    steps: Sequence[SolverStep],
    second_histories: Sequence[Tensor | None],
) -> None:
    """Updates the histories, puts the updates' values where the gradients were and subtracts them from the weights,
    in one launch."""
    rows = []
    for weight, gradient, history, second, step in zip(
        weights, gradients, histories, second_histories, steps, strict=True
    ):
        _same_device(weight=weight, gradient=gradient, history=history, second_history=second)
        pointers = [0 if blob is None else blob.data_ptr() for blob in (gradient, weight, history, second)]
        rows.append((*pointers, weight.numel(), step.row()))
    table = np.array(rows, SOLVER_BLOB)
    blobs = torch.from_numpy(table.view(np.uint8)).to(weights[0].device)
    blocks = min(-(-max(weight.numel() for weight in weights) // 256), SOLVER_BLOCKS)
    cuda_module.launch("solver_update", (blocks, len(weights), 1), 256, blobs, blocks)
