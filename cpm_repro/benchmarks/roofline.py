"""What each way to convolve would take of a net at best: its operations at the machine's rate of matrix products, its
bytes at that of a copy, whichever takes longer.

Operations are float32 multiplications and additions. By FFT a tile of t×t has t²/2 + 2 frequencies, each a product of
complex matrices, 6 operations a pair of channels (three real products make a complex one); a real transform of n values
takes 2.5 n log2 n. Winograd's F(m×m, 3×3) has (m + 2)² real products for m² results; its transforms, about (m + 2)³
multiplications and additions each way along both axes, count 4 (m + 2)³. Bytes are those that must pass once between
memory and caches: input, output, and the weights as the way keeps them.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from cpm_kernels.fft.plan import TILE_SIZES, WINOGRAD, FftPlan, PlainConvolution, fft_plan
from cpm_kernels.window import Window
from prototxt_import.layers.convolution import Convolution
from prototxt_import.net import Net

from . import tables
from .measure import COPY, PRODUCT, Rates

DIRECT, PLANNED, LEAST = "direct", "as the fast engine plans", "whichever takes least, layer by layer"
BY_WINOGRAD = {"Winograd F(4×4, 3×3)": 4, "Winograd F(6×6, 3×3)": 6}


class Work(NamedTuple):
    """Operations and bytes of one pass."""

    flop: float
    moved: float

    def __add__(self, other: object) -> "Work":
        assert isinstance(other, Work)
        return Work(self.flop + other.flop, self.moved + other.moved)

    def seconds(self, product: float, copy: float) -> float:
        """At those rates, whichever takes longer."""
        return max(self.flop / product, self.moved / copy)


Way = Callable[[PlainConvolution], Work | None]
"""A convolution's work; None where it does not apply."""


def direct(convolution: PlainConvolution) -> Work:
    """Every product of the definition; weights and blobs pass once."""
    values = _values(convolution)
    results = convolution.images * convolution.outputs * math.prod(convolution.out_size)
    weights = convolution.outputs * convolution.channels * math.prod(convolution.window.kernel)
    return Work(2 * results * convolution.channels * math.prod(convolution.window.kernel), 4 * (values + weights))


def by_fft(convolution: PlainConvolution, tile: int) -> Work | None:
    """Spectra of square tiles of that many px a side; None where the kernel is larger."""
    if tile < max(convolution.window.kernel):
        return None
    plan = FftPlan(**vars(convolution), tile=tile)
    pairs, points = plan.channels * plan.outputs, tile * tile
    transforms = plan.tiles * (plan.channels + plan.outputs) * 2.5 * points * math.log2(points)
    return Work(plan.tiles * plan.bins * 6 * pairs + transforms, 4 * (_values(plan) + 2 * plan.bins * pairs))


def by_winograd(convolution: PlainConvolution, results: int) -> Work | None:
    """Winograd's F(results x results, 3 x 3); None for other kernels."""
    if convolution.window.kernel != (3, 3):
        return None
    tiles = convolution.images * math.prod(math.ceil(n / results) for n in convolution.out_size)
    side, pairs = results + 2, convolution.channels * convolution.outputs
    transforms = tiles * (convolution.channels + convolution.outputs) * 4 * side**3
    return Work(tiles * side**2 * 2 * pairs + transforms, 4 * (_values(convolution) + side**2 * pairs))


def planned(convolution: PlainConvolution) -> Work | None:
    """As the fast engine's cost model would, by FFT or Winograd; None where it convolves directly."""
    plan = fft_plan(convolution)
    if plan is None:
        return None
    return by_winograd(convolution, 4) if plan.tile == WINOGRAD else by_fft(convolution, plan.tile)


def _values(convolution: PlainConvolution) -> int:
    """Of input and output."""
    sizes = ((convolution.channels, convolution.size), (convolution.outputs, convolution.out_size))
    return convolution.images * sum(channels * math.prod(size) for channels, size in sizes)


def ways() -> dict[str, Way]:
    """Every way but LEAST; a layer to which one does not apply is convolved directly."""
    fft: dict[str, Way] = {
        f"FFT, tiles of {tile}": lambda convolution, tile=tile: by_fft(convolution, tile)  # type: ignore[misc]
        for tile in TILE_SIZES
    }
    winograd: dict[str, Way] = {
        name: lambda convolution, results=results: by_winograd(convolution, results)  # type: ignore[misc]
        for name, results in BY_WINOGRAD.items()
    }
    return {DIRECT: direct, **fft, **winograd, PLANNED: planned}


def convolutions(net: Net) -> list[tuple[PlainConvolution, bool]]:
    """Each convolution of the net, and whether it has stride 1 and neither dilation nor groups: the others are computed
    directly by every way, as if they had."""
    found = []
    for layer in net.layers.values():
        if isinstance(layer, Convolution):
            images, channels, rows, columns = net.blob_shapes[layer.spec.bottom[0]]
            outputs, kernel = layer.weight.shape[0], layer.window.kernel
            plain = layer.group == 1 and layer.window.stride == layer.window.dilation == (1, 1)
            window = layer.window if plain else Window(kernel, pad=tuple(k // 2 for k in kernel))
            if not plain:
                rows, columns = net.blob_shapes[layer.spec.top[0]][2:]
            found.append((PlainConvolution(channels // layer.group, outputs, window, (rows, columns), images), plain))
    return found


def roofline(net: Net, limits: Mapping[str, Rates], ours: Rates) -> dict[str, Any]:
    """Rows of {"way", "flop", "moved" (of one image), "by_product", "by_copy" (seconds), "over"}: how many times the
    larger of them our time is."""
    product, copy = limits[PRODUCT].median, limits[COPY].median
    layers, rows = convolutions(net), []
    images = layers[0][0].images if layers else 1
    works = {name: [_work(way, *layer) for layer in layers] for name, way in ways().items()}
    least = [
        min(of_layer, key=lambda work: work.seconds(product, copy)) for of_layer in zip(*works.values(), strict=True)
    ]
    for name, of_layers in {**works, LEAST: least}.items():
        total = sum(of_layers, Work(0, 0))
        flop, moved = total.flop / images, total.moved / images
        seconds = sum(work.seconds(product, copy) for work in of_layers) / images
        rows.append(
            {
                "way": name,
                "flop": flop,
                "moved": moved,
                "by_product": flop / product,
                "by_copy": moved / copy,
                "seconds": seconds,
                "over": 1 / ours.median / seconds if seconds else 0.0,
            }
        )
    return {"rows": rows}


def _work(way: Way, convolution: PlainConvolution, plain: bool) -> Work:
    return (way(convolution) if plain else None) or direct(convolution)


def text(report: Mapping[str, Any]) -> str:
    """As Markdown."""
    head = ("convolutions", "GFLOP", "MiB", "s by product", "s by copy", "s layer by layer", "ours is")
    rows = [
        (
            row["way"],
            tables.number(row["flop"] / 1e9),
            tables.number(row["moved"] / 2**20),
            tables.number(row["by_product"]),
            tables.number(row["by_copy"]),
            tables.number(row["seconds"]),
            f"{row['over']:.2f} ×",
        )
        for row in report["rows"]
    ]
    return (
        "What each way needs of an image, at the rates above: layer by layer the larger of both times. Ours is: how "
        f"many times that.\n\n{tables.table(head, rows)}"
    )
