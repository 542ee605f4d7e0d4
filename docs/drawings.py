"""Draws the documentation's pictures: `python docs/drawings.py` writes docs/pictures/*.svg anew.

The house, a training step, the sample's way from photograph to batch, the FFT's tiles, a thread block's phases.
"""

import math
from collections.abc import Callable
from pathlib import Path

from svg import AMBER, BLUE, GREEN, GREY, INK, LINE, RED, SOFT, Drawing

PICTURES = Path(__file__).resolve().parent / "pictures"

# From the roof to the ground, as the import contract in pyproject.toml has them.
HOUSE = (
    (("tools", "one script per job: cpm <job>"),),
    (
        ("compare", "why two dumps differ"),
        ("benchmarks", "how fast, beside whom"),
        ("caffe_commands", "caffe test, caffe time"),
        ("studies", "the paper's experiments"),
    ),
    (("figures", "all pictures"),),
    (("training", "loop, solver, snapshots, log"), ("evaluation", "PCK, PCKh, predictions")),
    (("samples", "transformer, data layer"), ("inference", "the testing protocol, poses")),
    (
        ("network", "CPM's prototxts, receptive fields"),
        ("convert", "weights to PyTorch, ONNX and back"),
        ("synthetic", "drawn people"),
    ),
    (("models", "trained networks of the package"),),
    (("prototxt_import", "Caffe's files and layers → torch modules"), ("data_lmdb", "annotations → JSON → LMDB")),
    (("kernels", "the numerics: one C++ source per operation, for CPU and CUDA (cpm_kernels)"),),
)


def house() -> Drawing:
    """Which folder may import from which: from every row below its own."""
    d = Drawing(860, 624, "The house: folders from tools down to kernels; imports run downwards only")
    left, width, row, gap = 130, 710, 50, 14
    for number, floor in enumerate(HOUSE):
        y = 20 + number * (row + gap)
        each = (width - gap * (len(floor) - 1)) / len(floor)
        fill = GREEN if number == 0 else BLUE if number < 7 else AMBER if number < 8 else RED
        for place, (name, words) in enumerate(floor):
            d.labelled(left + place * (each + gap), y, each, row, f"{name}/", words, fill)
        if number:
            d.arrow([(left + width / 2, y - gap), (left + width / 2, y - 1)])
    top, bottom = 20 + row + gap, 20 + 6 * (row + gap) + row
    d.line([(120, top), (110, top), (110, bottom), (120, bottom)], LINE)
    d.text(100, (top + bottom) / 2 - 4, "cpm_repro/", 13, anchor="end", bold=True)
    d.text(100, (top + bottom) / 2 + 14, "the method", 11, SOFT, "end")
    rule = "A folder imports from the rows below its own; never from above, never from its neighbour."
    d.text(left, 609, rule, 11, SOFT)
    return d


STICK = {
    "head": (0, -44), "neck": (0, -30), "hip": (0, 6), "l_hand": (26, -12), "r_hand": (-28, -40),
    "l_foot": (13, 46), "r_foot": (-15, 46),
}  # fmt: skip
LIMBS = (
    ("head", "neck"), ("neck", "hip"), ("neck", "l_hand"), ("neck", "r_hand"), ("hip", "l_foot"), ("hip", "r_foot"),
)  # fmt: skip


def person(d: Drawing, x: float, y: float, scale: float = 1.0, degrees: float = 0.0, mirrored: bool = False) -> None:
    """A stick figure around (x, y); the right arm is up and red."""
    turn = math.radians(degrees)
    joints = {}
    for name, (dx, dy) in STICK.items():
        dx = -dx if mirrored else dx
        turned = (dx * math.cos(turn) - dy * math.sin(turn), dx * math.sin(turn) + dy * math.cos(turn))
        joints[name] = (round(x + scale * turned[0], 1), round(y + scale * turned[1], 1))
    for a, b in LIMBS:
        d.line([joints[a], joints[b]], "#dc2626" if b == "r_hand" else INK, 2.5)
    d.dot(*joints["head"], 7 * scale)


def sample() -> Drawing:
    """From a record to `data` and `label`."""
    d = Drawing(980, 420, "A sample's way: record, scale, rotate, crop, flip, then data and labels")
    steps = (
        ("record", "LMDB: planes of\npixels, people"),
        ("scale", "person → target_dist,\n× 0.7 … 1.3"),
        ("rotate", "± 40° about\nthe middle"),
        ("crop", "368 × 368 around\nthe person, 128 outside"),
        ("flip", "mirror, and swap\nleft and right"),
    )
    for number, (name, words) in enumerate(steps):
        x = 20 + number * 192
        d.box(x, 50, 160, 150, GREY)
        d.text(x + 80, 36, name, 14, anchor="middle", bold=True)
        d.text(x + 80, 222, words, 11, SOFT, "middle")
        if number:
            d.arrow([(x - 30, 125), (x - 3, 125)])
    person(d, 75, 130, 0.75)
    person(d, 292, 130, 1.05)
    person(d, 484, 128, 1.05, 24)
    d.box(600, 54, 152, 142, "none", "#2563eb", stroke_dasharray="5 4")
    person(d, 676, 128, 1.15, 24)
    person(d, 868, 128, 1.15, -24, mirrored=True)
    lines = (
        "Dice of one rand(), thrown in the order of the samples, say how (transformer.draw); the people's joints",
        "go the same way (placement). The steps are one pass: only the pixels that the crop shows are computed.",
    )
    d.text(20, 268, "\n".join(lines), 12)
    out = (
        ("data", "4 × 368 × 368: (B, G, R − 128) / 256\nand the centre map: whose pose?", BLUE),
        ("label", "2 (P + 1) × 46 × 46: a Gaussian a joint;\nthe primary person's maps, then everybody's", GREEN),
        ("batch", "tensors that are filled again and again;\nthree batches ahead of the training", AMBER),
    )
    for number, (name, words, fill) in enumerate(out):
        d.labelled(20 + number * 322, 320, 296, 76, name, words, fill)
    d.text(329, 363, "+", 16, SOFT, "middle")
    d.arrow([(640, 358), (661, 358)])
    return d


def training_step() -> Drawing:
    """One iteration, and what runs beside it."""
    d = Drawing(980, 430, "A training step: data layer, stages with a loss each, backward, Caffe's update")
    d.labelled(20, 40, 150, 60, "LMDB", "records in key order", AMBER)
    d.labelled(20, 140, 150, 76, "workers", "read, decode, transform\n3 batches ahead", AMBER)
    d.arrow([(95, 100), (95, 137)])
    d.arrow([(170, 178), (217, 178)])
    d.text(193, 168, "batch", 11, SOFT, "middle")
    stages = (
        ("stage 1", "features of the\nimage → maps"),
        ("stage 2", "features, maps,\ncentre map → maps"),
        ("stage T", "the same →\nthe result"),
    )
    for number, (name, words) in enumerate(stages):
        x = 220 + number * 190
        d.labelled(x, 140, 140, 76, name, words, BLUE)
        d.labelled(x, 40, 140, 50, f"loss_{name.replace(' ', '')}", "Σ (maps − label)² / 2N", GREEN)
        d.arrow([(x + 70, 140), (x + 70, 93)])
        d.text(x + 165, 70, "+" if number < 2 else "=", 16, SOFT, "middle")
        if number:
            d.arrow([(x - 50, 178), (x - 3, 178)], dash="" if number == 1 else "4 3")
    d.labelled(800, 40, 160, 50, "loss", "each times its loss_weight", GREEN)
    d.arrow([(880, 90), (880, 267)])
    d.text(870, 160, "backward:\nfrom every loss\ninto all stages\nbefore it", 11, SOFT, "end")
    d.labelled(620, 270, 340, 64, "gradients g", "of iter_size batches; several processes add theirs", RED)
    d.labelled(220, 270, 360, 64, "update", "clip → / iter_size → decay → h = µ·h + (rate·lr_mult)·g", RED)
    d.arrow([(620, 302), (583, 302)])
    d.labelled(20, 270, 160, 64, "weights", "w = w − h", BLUE)
    d.arrow([(220, 302), (183, 302)])
    lines = (
        "Beside it, without changing a bit: the log in Caffe's words (display), snapshots (.caffemodel, .solverstate,",
        "and .solverstate.npz with what Caffe forgets), a trace to compare, a timeline of who waits for whom.",
    )
    d.text(20, 372, "\n".join(lines), 12)
    return d


def fft_tiles() -> Drawing:
    """Overlap-save."""
    d = Drawing(980, 400, "Convolution by FFT: overlapping tiles, a product per frequency, and the part that is kept")
    cell, kept, kernel, tile = 15, 6, 3, 8
    d.text(20, 28, "input with its padding", 13, bold=True)
    side = cell * (3 * kept + kernel - 1)
    d.box(20, 44, side, side, GREY)
    d.box(20 + cell, 44 + cell, side - 2 * cell, side - 2 * cell, "#ffffff", LINE, stroke_dasharray="4 3")
    for number, (fill, line) in enumerate(((BLUE, "#2563eb"), (GREEN, "#16a34a"))):
        d.box(
            20 + number * kept * cell, 44, tile * cell, tile * cell, fill, line, fill_opacity="0.75", stroke_width="2"
        )
    d.text(20 + 4 * cell, 44 + 4 * cell, "tile\nN × N", 12, anchor="middle")
    d.text(20, 44 + side + 22, "Neighbours overlap by the kernel's size less 1;\nN is one of 8, 12, … 32.", 11, SOFT)
    d.labelled(372, 60, 150, 66, "FFT", "real, 2-D, of each tile\nand channel", AMBER)
    d.labelled(372, 186, 150, 66, "weights' FFT", "once, and kept\nfor inference", AMBER)
    d.arrow([(20 + side + 8, 93), (369, 93)])
    d.labelled(
        572,
        100,
        170,
        110,
        "per frequency",
        "outputs × channels times\nchannels × tiles: a complex\nmatrix product;\nN² / 2 + 2 of them",
        RED,
    )
    d.arrow([(522, 93), (546, 93), (546, 140), (569, 140)])
    d.arrow([(522, 219), (546, 219), (546, 170), (569, 170)])
    d.labelled(792, 122, 160, 66, "FFT back", "of each tile and output", AMBER)
    d.arrow([(742, 155), (789, 155)])
    x, y = 800, 236
    d.box(x, y, tile * cell, tile * cell, RED, LINE)
    d.box(x, y, kept * cell, kept * cell, GREEN, "#16a34a", stroke_width="2")
    d.text(x + kept * cell / 2, y + 40, "kept:\n(N−k+1)²", 11, anchor="middle")
    d.arrow([(872, 188), (872, 233)])
    d.text(790, y + tile * cell + 18, "red: wrapped round, thrown away", 11, SOFT)
    lines = (
        "A k × k convolution multiplies k² times a pixel, channel and output;",
        "here once, in complex numbers, a frequency: for 9 × 9 far less.",
        "A cost model chooses the tile, or the direct way",
        "(kernels/fft/plan.py); --plans FILE measures instead.",
        "3 × 3 kernels: the same by Winograd's transforms, tiles of",
        "6 × 6, 36 real values each, of which 4 × 4 results come back.",
    )
    d.text(372, 292, "\n".join(lines), 11)
    return d


def phases() -> Drawing:
    """The exact engine's matrix product on a card, and the same program on the CPU."""
    d = Drawing(980, 470, "Thread-block phases of a matrix product: the same program on a card and on the CPU")
    d.text(20, 28, "on a card: all threads at once, a barrier after every phase", 13, bold=True)
    names = (
        "sums = 0\nfetch panel 0\n→ buffer 0",
        "fetch panel 1\n8 × 64 fmaf, buffer 0\n→ buffer 1",
        "fetch panel 2\n8 × 64 fmaf, buffer 1\n→ buffer 0",
        "…",
        "the block's sums\nonto C",
    )
    widths, left = (150, 190, 190, 70, 150), 120
    xs = [left + sum(widths[:number]) + 14 * number for number in range(len(widths))]
    fills = (AMBER, BLUE, BLUE, GREY, GREEN)
    for thread in range(4):
        y = 50 + thread * 46
        d.text(104, y + 23, ("thread 0", "thread 1", "…", "thread 255")[thread], 12, SOFT, "end")
        for number, x in enumerate(xs):
            d.box(x, y, widths[number], 36, fills[number])
    for number, x in enumerate(xs):
        d.text(x + widths[number] / 2, 252, names[number], 11, anchor="middle")
        if number:
            d.line([(x - 7, 42), (x - 7, 236)], "#dc2626", 2)
    barrier = "red: __syncthreads(). While one buffer of the shared memory is read, the next panel goes into the other."
    d.text(xs[1] - 7, 300, barrier, 11, "#dc2626")
    d.text(20, 336, "on the CPU: every phase is a loop over the threads", 13, bold=True)
    for number, x in enumerate(xs):
        d.box(x, 352, widths[number], 36, fills[number])
        d.text(x + widths[number] / 2, 374, "0 1 2 … 255" if number < 3 or number == 4 else "…", 11, anchor="middle")
        if number:
            d.arrow([(x - 13, 370), (x - 1, 370)])
    lines = (
        "So the blocks run, and are tested against the golden files, where there is no card. Run backwards (255 … 1 0)",
        "they must give the same bits: a program that lacks a barrier does not. Each sum is one chain over k, as",
        "OpenBLAS makes it, never split.",
    )
    d.text(20, 416, "\n".join(lines), 12)
    return d


CUTS = (  # of 1,060 values of k, OpenBLAS on one thread; the last on several
    ("Cooperlake", (320, 320, 224, 196), BLUE),
    ("Haswell, Zen", (320, 320, 216, 204), GREEN),
    ("SkylakeX", (448, 320, 292), BLUE),
    ("Sandybridge", (384, 352, 324), AMBER),
    ("Nehalem", (512, 276, 272), AMBER),
    ("Cooperlake,\n2 threads", (320, 320, 210, 210), BLUE),
)


def _two_chains(row: int, block: int, blocks: int) -> bool:
    """Of Haswell's first panel: whether a row of 12 + 12 + 4 + 3 and a block of eight columns are two chains."""
    if row >= 24:
        return row < 28
    edge = block in (0, blocks - 1) if blocks % 2 == 0 else block == 0
    return edge if row % 12 < 6 else blocks % 2 == 1 and block == blocks - 1


def block_cuts() -> Drawing:
    """How OpenBLAS's kernels cut the sums of a product, and where Haswell's make two chains of one."""
    d = Drawing(980, 520, "How OpenBLAS cuts the sums of a matrix product, by CPU family")
    d.text(
        20,
        28,
        "k: 1,060 products of one element of C = A · B. Each block is a chain from 0; the blocks add up in order.",
        13,
    )
    for number, (name, lengths, fill) in enumerate(CUTS):
        y, x = 48 + number * 32, 130.0
        d.text(118, y + (9 if "\n" in name else 16), name, 12, anchor="end")
        for length in lengths:
            d.box(x, y, length * 0.75, 24, fill)
            d.text(x + length * 0.375, y + 16, str(length), 11, anchor="middle")
            x += length * 0.75
    d.text(20, 262, "amber: multiplied, rounded, added, rounded; the others fuse both into one rounding", 11, SOFT)
    d.text(20, 296, "Haswell: which elements of C are two chains, of even and odd k", 13, bold=True)
    for blocks, x, words in (
        (5, 20, "43 columns: five eights and a rest"),
        (4, 420, "35 columns: four eights and a rest"),
    ):
        for row in range(31):
            for block in range(blocks + 1):
                two = block < blocks and _two_chains(row, block, blocks)
                width = 56 if block < blocks else 21
                place = f'x="{x + 60 * block}" y="{308 + row * 5.6:g}" width="{width}" height="5"'
                d.shapes.append(f'<rect {place} fill="{"#2563eb" if two else BLUE}"/>')
        d.text(x, 500, words, 12)
    lines = "rows 0 … 11\n\n\n\nrows 12 … 23\n\n\n\nfour rows\nthe rest (2, 1)"
    d.text(720, 346, lines, 11, SOFT)
    return d


DRAWINGS: dict[str, Callable[[], Drawing]] = {
    "house": house,
    "sample": sample,
    "training_step": training_step,
    "fft_tiles": fft_tiles,
    "phases": phases,
    "block_cuts": block_cuts,
}

if __name__ == "__main__":
    for name, draw in DRAWINGS.items():
        (PICTURES / f"{name}.svg").write_text(draw().svg(), encoding="utf-8")
        print(PICTURES / f"{name}.svg")
