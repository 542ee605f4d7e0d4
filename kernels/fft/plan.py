"""Whether a convolution is worth doing by FFT or Winograd, and with which tiles: a cost model of
`src/fft/fft_convolution.h`.

Costs are in milliseconds of one thread of the CPU they were measured on (an AMD EPYC, Zen 4 with AVX-512, 1 MiB of L2
a core, on 2026-11-28). Elsewhere all of them change, but little against each other, and nothing depends on them but
speed.
"""

import math
from dataclasses import dataclass, field, replace
from typing import TypeVar

from cpm_kernels.window import Pair, Window

Plan = TypeVar("Plan", bound="PlainConvolution")

TILE_SIZES = (8, 12, 16, 18, 20, 24, 28, 32)  # the transforms compiled in, FFT_SIZES of src/fft/fft_versions.h
WINOGRAD = 6  # the tile that means Winograd's F(4x4, 3x3), of src/fft/winograd_tile.h
BLOCK = 16  # channels
CELL_BYTES = 2 * BLOCK * 4
CACHE = 4 << 20  # bytes that stay near the cores while a chunk is worked on
CORE_CACHE = 3 << 18  # bytes that stay in a core's own
WORKSPACE = 64 << 20  # bytes a chunk's spectra may take
BAND_BYTES = 1 << 20  # bytes of results that are pooled at a time, or more
BAND_TASKS = 2  # for each thread until these results are there, or more

PLANNED_IMAGES = {False: 1, True: 4}  # for inference, for training
MULTIPLY = 9e-9  # ms per floating-point operation
BFLOAT16 = 0.5  # of that, where factors are rounded to it
TRANSFORM = 5.5e-6  # ms per pixel of a tile of 16 channels
WINOGRAD_TRANSFORM = 3.5e-6
MEMORY = 5e-8  # ms per byte to or from memory
FRESH = 4e-7  # ms per byte that the system must give first
FROM_SYSTEM = 32 << 20  # bytes of a result beyond which torch's memory is fresh every time
KEEPING = 1e-7  # ms that a byte of weights' spectra must save to be worth keeping in memory


@dataclass(frozen=True)
class PlainConvolution:
    """A convolution of stride 1 without dilation and groups, over images of `size` (height, width). `bfloat16`: its
    factors may be rounded to that."""

    channels: int
    outputs: int
    window: Window
    size: Pair
    images: int
    bfloat16: bool = field(default=False, kw_only=True)

    @property
    def out_size(self) -> Pair:
        """The output's size."""
        rows, columns = self.window.convolved(self.size)
        return rows, columns

    def result_size(self, pooling: Window | None) -> Pair:
        """The output's size, or that of its maxima in these windows."""
        rows, columns = self.out_size if pooling is None else pooling.pooled(self.out_size)
        return rows, columns

    def turned(self: Plan) -> Plan:
        """The convolution that gives the gradient by the input, from the output's and the turned weights."""
        kernel = self.window.kernel
        rows, columns = (k - 1 - p for k, p in zip(kernel, self.window.pad, strict=True))
        window = Window(kernel, pad=(rows, columns))
        return replace(self, channels=self.outputs, outputs=self.channels, window=window, size=self.out_size)


@dataclass(frozen=True)
class TiledConvolution(PlainConvolution):
    """By tiles that overlap by the kernel's size less 1."""

    @property
    def tile_size(self) -> Pair:
        """Height and width of a tile."""
        raise NotImplementedError

    @property
    def kept(self) -> Pair:
        """Results of a tile, (height, width)."""
        rows, columns = (n - k + 1 for n, k in zip(self.tile_size, self.window.kernel, strict=True))
        return rows, columns

    @property
    def grid(self) -> Pair:
        """Rows and columns of an image's tiles."""
        rows, columns = (math.ceil(n / kept) for n, kept in zip(self.out_size, self.kept, strict=True))
        return rows, columns


@dataclass(frozen=True)
class FftPlan(TiledConvolution):
    """With its tiles: `tile` is the transforms' size, `chunk` how many tiles' spectra are in memory at a time. Tiles of
    WINOGRAD are no spectra, but have their place."""

    tile: int
    chunk: int = 0

    @property
    def tile_size(self) -> Pair:
        return self.tile, self.tile

    @property
    def tiles(self) -> int:
        """Number of tiles of all images."""
        return self.images * math.prod(self.grid)

    @property
    def bins(self) -> int:
        """Frequencies of a tile's spectrum; by Winograd pairs of its values."""
        return self.tile * self.tile // 2 + 2 * (self.tile != WINOGRAD)

    @property
    def rounds(self) -> bool:
        """Whether factors of products are rounded to bfloat16; Winograd's would lose too much."""
        return self.bfloat16 and self.tile != WINOGRAD

    @property
    def weight_cells(self) -> int:
        """Cells of the weights' spectra."""
        return self.bins * (blocks(self.outputs) * self.channels + 1)

    @property
    def weight_bytes(self) -> int:
        """Size of the weights' spectra as products take them."""
        return self.weight_cells * (CELL_BYTES // 2 if self.rounds else CELL_BYTES)

    def chunk_bytes(self, row: int) -> int:
        """Size of a chunk's spectra with `row` blocks of channels."""
        return self.bins * (self.chunk * row + 1) * CELL_BYTES

    @property
    def factor_bytes(self) -> int:
        """Size of a chunk's spectra of the input as left factors of products; complex ones have a third value each."""
        cell = CELL_BYTES if self.tile == WINOGRAD else CELL_BYTES // 2 * 3
        return self.bins * (self.chunk * blocks(self.channels) + 1) * cell

    @property
    def widest(self) -> int:
        """Blocks of the input's or the output's channels, whichever has more."""
        return max(blocks(self.channels), blocks(self.outputs))

    @property
    def tile_bytes(self) -> int:
        """Size of a tile's spectra, with the `widest` blocks."""
        return self.bins * self.widest * CELL_BYTES

    @property
    def core_by_core(self) -> bool:
        """Whether tiles had better stay in a core's own cache from the image to the outputs: products are short, or the
        weights so small that each core may read them all, sooner than what another core has just written."""
        small = self.weight_bytes < CACHE and self.tile != WINOGRAD
        return (self.channels <= BLOCK or small) and not self.bfloat16

    def of_one_core(self, threads: int) -> "FftPlan":
        """The plan with chunks of tiles whose spectra, and those of a block of their outputs, a core holds; each of the
        threads gets as many chunks."""
        room = max(1, CORE_CACHE // (self.bins * (blocks(self.channels) * CELL_BYTES // 2 * 3 + CELL_BYTES)))
        rounds = math.ceil(self.tiles / (room * threads))
        return replace(self, chunk=math.ceil(self.tiles / (rounds * threads)))

    def bands(self, pooling: Window, threads: int) -> "Bands":
        """How the results go through the cache when they are pooled there."""
        rows, columns = self.grid
        size = 4 * self.kept[0] * self.out_size[1] * self.outputs
        tasks = columns / self.chunk if self.core_by_core else columns
        group = max(1, BAND_BYTES // size, math.ceil(BAND_TASKS * threads / tasks))
        count = group + math.ceil((pooling.kernel[0] - 1) / self.kept[0])
        total = self.images * rows
        return Bands(min(group, total), min(count, total), min(count, total) * size)

    @property
    def in_blocks(self) -> bool:
        """Whether spectra of weights that are used once are best made for a block of outputs at a time, and not kept:
        each block looks through the input's spectra, which must be in memory and about as small as the cache."""
        small = self.tiles <= self.chunk and not self.rounds
        return small and self.chunk_bytes(blocks(self.channels)) <= 2 * CACHE

    def input_gradient(self) -> "FftPlan":
        """The plan of `turned`."""
        return _with_chunks(self.turned())


@dataclass(frozen=True)
class Bands:
    """Bands are the rows of results of a row of tiles. `group`: how many are there before they are pooled; `count`: how
    many there is memory for, `bytes` of it: windows begin in bands before their group."""

    group: int
    count: int
    bytes: int


def blocks(channels: int) -> int:
    """Blocks of 16 channels."""
    return math.ceil(channels / BLOCK)


def fft_plan(convolution: PlainConvolution, training: bool = False) -> FftPlan | None:
    """The cheapest plan for it, or None where a direct one should be faster (or has no output).

    The choice goes by `PLANNED_IMAGES` or fewer, so that inference has an image's bits in any batch. When `training`,
    weights' spectra are made anew for every pass instead of kept.
    """
    plans = plans_of(planned(convolution, training))
    best = min(plans, key=lambda plan: cost(plan, training), default=None)
    if convolution.images < 1 or best is None or cost(best, training) >= direct_cost(best):
        return None
    return for_images(best, convolution.images)


def planned(convolution: PlainConvolution, training: bool) -> PlainConvolution:
    """The convolution with the number of images by which its plan is chosen."""
    return replace(convolution, images=min(convolution.images, PLANNED_IMAGES[training]))


def for_images(plan: FftPlan, images: int) -> FftPlan:
    """The same plan for another number of images."""
    return _with_chunks(replace(plan, images=images))


def plans_of(convolution: PlainConvolution) -> list[FftPlan]:
    """A plan for every tile size that holds the kernel; none if there is no output."""
    if min(convolution.out_size) < 1 or convolution.images < 1:
        return []
    kernel = convolution.window.kernel
    tiles = [WINOGRAD] * (kernel == (3, 3)) + [tile for tile in TILE_SIZES if tile >= max(kernel)]
    return [_with_chunks(FftPlan(**vars(convolution), tile=tile)) for tile in tiles]


def direct_cost(plan: FftPlan) -> float:
    """Of the direct convolution, by torch; few input channels leave its vectors partly empty."""
    results = plan.images * math.prod(plan.out_size) * plan.outputs
    fresh = 4 * results if 4 * results > FROM_SYSTEM else 0
    multiply = MULTIPLY * BFLOAT16 if plan.bfloat16 else MULTIPLY
    return results * 2 * max(plan.channels, 4) * math.prod(plan.window.kernel) * multiply + fresh * FRESH


def cost(plan: FftPlan, training: bool = False) -> float:
    """Of a plan: transforms, products (at nine tenths of the full rate) and traffic to memory."""
    lanes, points = blocks(plan.channels) + blocks(plan.outputs), plan.tile**2
    transform, of_bin = TRANSFORM, 8 if plan.rounds else 6  # three real products make a complex one, with bfloat16 four
    if plan.tile == WINOGRAD:
        transform, of_bin = WINOGRAD_TRANSFORM, 4
    products = plan.tiles * plan.bins * max(plan.channels, 8) * blocks(plan.outputs) * BLOCK * of_bin
    multiply = MULTIPLY * BFLOAT16 if plan.rounds else MULTIPLY
    weights = plan.weight_bytes * KEEPING
    if training:
        written = 0 if plan.in_blocks else 3 * plan.weight_bytes
        weights = plan.channels * blocks(plan.outputs) * points * transform + written * MEMORY
    traffic = _traffic(plan, read=not (training and plan.in_blocks)) * MEMORY
    return plan.tiles * lanes * points * transform + products * multiply / 0.9 + traffic + weights


def _traffic(plan: FftPlan, read: bool) -> int:
    """Bytes between cache and memory: the output, the weights for every chunk if they are `read` from there, and
    spectra of a chunk too large for the cache: four times, of which every other one is hidden by fetching ahead."""
    weights = plan.weight_bytes * (1 if plan.weight_bytes < CACHE else math.ceil(plan.tiles / plan.chunk)) * read
    output = 8 * plan.images * math.prod(plan.out_size) * plan.outputs
    spectra = 2 * plan.tiles * plan.tile_bytes if plan.chunk * plan.tile_bytes > CACHE else 0
    return output + weights + spectra


def _with_chunks(plan: FftPlan) -> FftPlan:
    """The plan with its chunks: within the cache if the weights are small enough to stay there, too, else as large as
    may be, so that the weights are read as seldom as may be."""
    room = CACHE if plan.weight_bytes < CACHE else WORKSPACE
    return replace(plan, chunk=max(1, min(plan.tiles, room // plan.tile_bytes)))
