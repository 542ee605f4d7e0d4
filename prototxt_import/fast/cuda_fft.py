"""Convolution by FFT on a card, in torch's own operations (cuFFT, and cuBLAS for the products over the channels).

Overlap-save as in `cpm_kernels.fft.convolution`: tiles that overlap by the kernel's size less 1, of which the results
that no wrapping-round has touched are kept. The functions take tensors of any device; the cost model is a card's.
"""

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional as F

from cpm_kernels.fft.plan import PlainConvolution, TiledConvolution
from cpm_kernels.window import Pair

# Seconds, as an H200 takes them (cuDNN 9.19, 2026-11-27).
MULTIPLY = 1 / 27e12  # per floating-point operation, float32
MEMORY = 1 / 1.5e12  # per byte; a copy moves 3.7e12 a second
LAUNCH = 5e-6  # of a kernel that a CUDA graph starts
LAUNCH_BY_PYTHON = 35e-6  # of one in training, which no graph replays

PASSES = 8  # over tiles or spectra: cut, transform (2), reorder, product, and as many on the way back
LAUNCHES = 12
COMPLEX = 8  # bytes
MOST_TILES = 8  # per axis
LARGEST_TILE = 256
LARGEST_WEIGHTS = 512 << 20  # bytes of a layer's spectra
WORKSPACE = 1 << 30  # bytes of the spectra of the images that are convolved together


@dataclass(frozen=True)
class CudaFftPlan(TiledConvolution):
    """With its tiles: `tile` is the transforms' size, `chunk` how many images are convolved together."""

    tile: Pair
    chunk: int = 1

    @property
    def tile_size(self) -> Pair:
        return self.tile

    @property
    def bins(self) -> int:
        """Frequencies of a tile's spectrum."""
        return self.tile[0] * (self.tile[1] // 2 + 1)

    @property
    def weight_bytes(self) -> int:
        """Size of the weights' spectra."""
        return self.bins * self.channels * self.outputs * COMPLEX

    @property
    def image_bytes(self) -> int:
        """Size of an image's spectra, before and after the product."""
        return math.prod(self.grid) * self.bins * (self.channels + self.outputs) * COMPLEX

    def input_gradient(self) -> "CudaFftPlan":
        """The plan of `turned`."""
        return for_images(self.turned(), self.images)


def fft_plan(convolution: PlainConvolution, training: bool = False) -> CudaFftPlan | None:
    """The cheapest plan for it, or None where cuDNN should be faster (or there is no output)."""
    best = min(plans_of(convolution), key=lambda plan: cost(plan, training), default=None)
    return None if best is None or cost(best, training) >= direct_cost(best, training) else best


def planned(convolution: PlainConvolution, training: bool) -> PlainConvolution:
    """The convolution by which its plan is chosen: itself."""
    return convolution


def plans_of(convolution: PlainConvolution) -> list[CudaFftPlan]:
    """A plan for every number of tiles that is worth a thought; none if there is no output."""
    if min(convolution.out_size) < 1 or convolution.images < 1:
        return []
    tiles = dict.fromkeys(_tile(convolution, count) for count in range(1, MOST_TILES + 1))
    plans = [CudaFftPlan(**vars(convolution), tile=tile) for tile in tiles if max(tile) <= LARGEST_TILE]
    return [for_images(p, p.images) for p in plans if p.weight_bytes <= LARGEST_WEIGHTS]


def _tile(convolution: PlainConvolution, count: int) -> Pair:
    """The smallest fast one of which `count` make an axis."""
    sizes = zip(convolution.out_size, convolution.window.kernel, strict=True)
    rows, columns = (fast_size(math.ceil(n / count) + k - 1) for n, k in sizes)
    return rows, columns


def for_images(plan: CudaFftPlan, images: int) -> CudaFftPlan:
    """The same plan for another number of images."""
    return replace(plan, images=images, chunk=max(1, min(images, WORKSPACE // plan.image_bytes)))


def fast_size(least: int) -> int:
    """The smallest even size from `least` on that cuFFT has fast transforms for: powers of 2, 3, 5 and 7 alone."""
    return next(n for n in range(least + least % 2, 4 * least + 4, 2) if _rest(n) == 1)


def _rest(n: int) -> int:
    for factor in (2, 3, 5, 7):
        while n % factor == 0:
            n //= factor
    return n


def direct_cost(plan: CudaFftPlan, training: bool = False) -> float:
    """Of the direct convolution, in seconds; when `training`, with its two gradients, which cost as much each."""
    products = plan.images * math.prod(plan.out_size) * plan.outputs * plan.channels * math.prod(plan.window.kernel)
    return _of_all(training, 2 * products * MULTIPLY, 1)


def cost(plan: CudaFftPlan, training: bool = False) -> float:
    """Of a plan, in seconds. When `training`, as `direct_cost`, and the weights' spectra are made anew for every pass
    instead of kept."""
    products = plan.images * math.prod(plan.grid) * plan.bins * plan.channels * plan.outputs
    chunks = math.ceil(plan.images / plan.chunk)
    weights = plan.weight_bytes * (chunks + (PASSES // 2 if training else 0))
    moved = PASSES * plan.images * plan.image_bytes + weights
    return _of_all(training, 8 * products * MULTIPLY + moved * MEMORY, LAUNCHES * chunks)


def _of_all(training: bool, seconds: float, launches: int) -> float:
    """Seconds of the forward pass, or of that and both gradients, with the launches of their kernels."""
    return 3 * (seconds + launches * LAUNCH_BY_PYTHON) if training else seconds + launches * LAUNCH


def transform_weights(weight: Tensor, plan: CudaFftPlan, turned: bool = False) -> Tensor:
    """Spectra of a weight (C_out, C, kernel height, kernel width) for `convolve`: complex64 (bins, C, C_out).

    `turned`: for the gradient by the input, `plan` being the forward plan's `input_gradient()`.
    """
    weight = weight.detach()
    weight = weight.flip(2, 3).transpose(0, 1) if turned else weight
    spectra: Tensor = torch.fft.rfft2(weight, s=plan.tile).conj().permute(2, 3, 1, 0)
    return spectra.reshape(plan.bins, plan.channels, plan.outputs).resolve_conj().contiguous()


def convolve(x: Tensor, spectra: Tensor, bias: Tensor | None, plan: CudaFftPlan, relu: bool = False) -> Tensor:
    """x (N, C, H, W) with these weights, plus bias (C_out,), then ReLU if asked: (N, C_out, H', W'), channels last."""
    x = x.detach()
    shape = (plan.images, plan.outputs, *plan.out_size)
    y = torch.empty(shape, device=x.device, memory_format=torch.channels_last)
    for images, out in zip(x.split(plan.chunk), y.split(plan.chunk), strict=True):
        products = torch.bmm(_spectra(_tiles(images, plan), plan), spectra)
        _keep(products, out, plan)
    if bias is not None:
        y.add_(bias.detach().view(-1, 1, 1))
    return y.relu_() if relu else y


def weight_gradient(x: Tensor, dy: Tensor, plan: CudaFftPlan) -> Tensor:
    """The gradient by the weight, of the weight's shape, from x (N, C, H, W) and the output's gradient."""
    total = torch.zeros((plan.bins, plan.channels, plan.outputs), dtype=torch.complex64, device=x.device)
    for images, gradients in zip(x.detach().split(plan.chunk), dy.detach().split(plan.chunk), strict=True):
        seen, given = (_spectra(tiles, plan) for tiles in (_tiles(images, plan), _results(gradients, plan)))
        total.baddbmm_(seen.transpose(1, 2), given.conj())
    spectra = total.reshape(plan.tile[0], -1, plan.channels, plan.outputs).permute(3, 2, 0, 1)
    rows, columns = plan.window.kernel
    gradient: Tensor = torch.fft.irfft2(spectra, s=plan.tile)
    return gradient[:, :, :rows, :columns].contiguous()


def _tiles(x: Tensor, plan: CudaFftPlan) -> Tensor:
    """Overlapping tiles (N, C, rows of tiles, columns of tiles, tile height, tile width) of the padded images."""
    ends = zip(plan.grid, plan.kept, plan.tile, plan.window.pad, plan.size, strict=True)
    bottom, right = ((count - 1) * kept + tile - pad - n for count, kept, tile, pad, n in ends)
    top, left = plan.window.pad
    x = F.pad(x, (left, right, top, bottom))
    return x.unfold(2, plan.tile[0], plan.kept[0]).unfold(3, plan.tile[1], plan.kept[1])


def _results(dy: Tensor, plan: CudaFftPlan) -> Tensor:
    """What the tiles kept of the output, in the same order: (N, C_out, rows, columns, kept height, kept width)."""
    bottom, right = (count * kept - n for count, kept, n in zip(plan.grid, plan.kept, plan.out_size, strict=True))
    dy = F.pad(dy, (0, right, 0, bottom))
    return dy.unfold(2, plan.kept[0], plan.kept[0]).unfold(3, plan.kept[1], plan.kept[1])


def _spectra(tiles: Tensor, plan: CudaFftPlan) -> Tensor:
    """(bins, all tiles, channels) of (N, channels, rows, columns, height, width)."""
    spectra: Tensor = torch.fft.rfft2(tiles, s=plan.tile)
    return spectra.permute(4, 5, 0, 2, 3, 1).reshape(plan.bins, -1, tiles.shape[1])


def _keep(products: Tensor, out: Tensor, plan: CudaFftPlan) -> None:
    """Writes the results (N, C_out, H', W') from the products (bins, all tiles, C_out)."""
    (rows, columns), (height, width) = plan.grid, plan.kept
    spectra = products.reshape(plan.tile[0], -1, len(out), rows, columns, plan.outputs).permute(2, 5, 3, 4, 0, 1)
    tiles = torch.fft.irfft2(spectra, s=plan.tile)[..., :height, :width]
    whole = tiles.transpose(3, 4).reshape(len(out), plan.outputs, rows * height, columns * width)
    out.copy_(whole[..., : plan.out_size[0], : plan.out_size[1]])
