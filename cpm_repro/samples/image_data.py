"""Caffe's ImageData layer: images that a text file lists with their labels (image_data_layer.cpp)."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cpm_kernels.exact.random import CaffeRandom
from data_lmdb.images import read_bgr, read_grey
from prototxt_import.files import naming, read_bytes, require
from prototxt_import.formats import schema

from .data_layer import State
from .datum_transformer import DatumTransformer

Places = NDArray[np.intp]
Weights = NDArray[np.int32]


class ImageData:
    """The batches of one ImageData layer. InputErrors name layer and file.

    Lines are shuffled, by a generator with a seed of its own, at the start and after each round; rand_skip leaves some
    out at the start.
    """

    whole = True

    def __init__(self, layer: schema.LayerParameter, folder: Path, phase: str) -> None:
        self._where, self._tops, self._folder = f"layer {layer.name}", list(layer.top), folder
        self._require = partial(require, self._where)
        self._param = param = layer.image_data_param
        self._require(param.batch_size > 0, "a batch_size of 1 or more", param.batch_size)
        sides = (param.new_height, param.new_width)
        self._require(all(sides) or not any(sides), "new_height and new_width, or neither", sides)
        self._transformer = DatumTransformer(layer.transform_param, phase, folder, self._where)
        self._lines = self._listed(folder / param.source)
        self._order = list(range(len(self._lines)))
        self._next = 0
        self._shuffles = CaffeRandom(0)
        shape = self._transformer.shape(self._image(0).shape)
        self._shapes = dict(zip(self._tops, ((param.batch_size, *shape), (param.batch_size,)), strict=False))

    def _listed(self, source: Path) -> list[tuple[str, int]]:
        lines = []
        for number, stored in enumerate(read_bytes(source).splitlines(), start=1):  # bytes: at ASCII's ends of lines
            line = os.fsdecode(stored.strip())
            if not line:
                continue
            name, _, label = line.rpartition(" ")
            digits = label.removeprefix("-")
            fits = bool(name.strip()) and digits.isascii() and digits.isdigit() and len(digits) < 10
            self._require(fits, f"a name and a label in {source}, line {number}", repr(line[:40]))
            lines.append((name.strip(), int(label)))
        self._require(bool(lines), f"names of images in {source}", "none")
        return lines

    @property
    def said(self) -> Sequence[tuple[str, str]]:
        """What Caffe's log says when it is set up."""
        file = "image_data_layer.cpp"
        said = [(f"{file}:38", f"Opening file {self._param.source}")]
        said += [(f"{file}:48", "Shuffling data")] if self._param.shuffle else []
        shape = ",".join(map(str, self._shapes[self._tops[0]]))
        return [
            *said,
            (f"{file}:53", f"A total of {len(self._lines)} images."),
            (f"{file}:80", f"output data size: {shape}"),
        ]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of data, (batch_size, C, H, W), and label, (batch_size,)."""
        return self._shapes

    def start(self, drawn: np.ndarray) -> None:
        """Seeds of the transformer and of the shuffling, and how many images are skipped, as far as each is wanted."""
        if self._transformer.draws:
            self._transformer.start(int(drawn[-2]))  # instead of the first one, which Caffe throws away
        numbers = [int(number) for number in drawn[int(self._transformer.draws) :]]
        if self._param.shuffle:
            self._shuffles = CaffeRandom(numbers.pop(0))
            self._shuffle()
        if self._param.rand_skip:
            self._next = numbers.pop(0) % self._param.rand_skip
            self._require(self._next < len(self._lines), f"fewer than {len(self._lines)} images to skip", self._next)

    def next_batch(self) -> dict[str, Tensor]:
        """The next images, around the end."""
        blobs = [np.empty(shape, np.float32) for shape in self._shapes.values()]
        for row in range(self._param.batch_size):
            index = self._order[self._next]
            sample = self._transformer(self._image(index))
            if sample.shape != blobs[0].shape[1:]:
                self._require(len(blobs[0]) == 1, f"images of one shape, {blobs[0].shape[1:]}", f"{sample.shape}")
                blobs[0] = np.empty((1, *sample.shape), np.float32)
            blobs[0][row] = sample
            if len(blobs) > 1:
                blobs[1][row] = self._lines[index][1]
            self._next += 1
            if self._next == len(self._lines):
                self._next = 0
                if self._param.shuffle:
                    self._shuffle()
        return {top: torch.from_numpy(blob) for top, blob in zip(self._tops, blobs, strict=True)}

    def _shuffle(self) -> None:
        """From the last on, each changes places with one of those up to itself, which Boost's uniform_int chooses."""
        for last in range(len(self._order) - 1, 0, -1):
            other = self._uniform(last)
            self._order[last], self._order[other] = self._order[other], self._order[last]

    def _uniform(self, most: int) -> int:
        """A number from 0 to `most`: the generator's range in equal buckets, what is left over drawn again."""
        bucket = (2**32 - 1) // (most + 1) + ((2**32 - 1) % (most + 1) == most)
        while (number := int(self._shuffles.draws(1)[0]) // bucket) > most:
            pass
        return number

    def _image(self, index: int) -> NDArray[np.uint8]:
        """(C, H, W), BGR or grey, resized if that is asked for."""
        path = self._folder / (self._param.root_folder + self._lines[index][0])
        with naming(self._where):
            image = read_bgr(path) if self._param.is_color else read_grey(path)[:, :, None]
        if self._param.new_height:
            image = resized(image, self._param.new_height, self._param.new_width)
        return np.ascontiguousarray(image.transpose(2, 0, 1))

    def state(self) -> State:
        """The place in the order of this round, and the generators."""
        shuffles = [int(word) for word in self._shuffles.state()]
        return {
            "next": self._next,
            "order": list(self._order),
            "mt19937": self._transformer.state(),
            "shuffles": shuffles,
        }

    def restore(self, state: State) -> None:
        """Continues from a `state()`; InputError if it does not fit the list."""
        order, place = state["order"], state["next"]
        self._require(
            sorted(order) == list(range(len(self._lines))), f"an order of {len(self._lines)} images", order[:5]
        )
        self._require(0 <= place < len(order), f"an image below {len(order)}", place)
        self._order, self._next = order, place
        self._transformer.restore(state["mt19937"])
        with naming(self._where, ValueError, OverflowError):
            self._shuffles.restore(np.array(state["shuffles"], np.uint32))

    def close(self) -> None:
        """No file stays open."""


def resized(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """(H, W, C) bilinearly in OpenCV's fixed point (11 bits of weight); halved exactly, the mean of four."""
    if (image.shape[0], image.shape[1]) == (2 * height, 2 * width):
        wide = image.astype(np.int32)
        return ((wide[::2, ::2] + wide[1::2, ::2] + wide[::2, 1::2] + wide[1::2, 1::2] + 2) >> 2).astype(np.uint8)
    if image.shape[:2] == (height, width):
        return image
    left, right, near, far = _taps(image.shape[1], width, clamped=True)
    above, below, upper, lower = _taps(image.shape[0], height, clamped=False)
    rows = image[:, left].astype(np.int32) * near[:, None] + image[:, right].astype(np.int32) * far[:, None]
    high, low = rows[above] >> 4, rows[below] >> 4
    mixed = (high * upper[:, None, None] >> 16) + (low * lower[:, None, None] >> 16)
    return ((mixed + 2) >> 2).astype(np.uint8)


def _taps(size: int, wanted: int, clamped: bool) -> tuple[Places, Places, Weights, Weights]:
    """For each place of a line of `wanted`: the two that it comes from, and their weights of 2048. `clamped`: a place
    beyond the edge comes from the edge alone; else from it twice, which rounds otherwise."""
    scale = 1 / (wanted / size)
    exact = ((np.arange(wanted) + 0.5) * scale - 0.5).astype(np.float32)
    first = np.floor(exact).astype(np.intp)
    share = exact - first.astype(np.float32)
    if clamped:
        share[(first < 0) | (first >= size - 1)] = 0
    near = np.rint((np.float32(1) - share) * np.float32(2048)).astype(np.int32)
    far = np.rint(share * np.float32(2048)).astype(np.int32)
    start = np.clip(first, 0, size - 1)
    end = np.minimum(start + 1, size - 1) if clamped else np.clip(first + 1, 0, size - 1)
    return start, end, near, far
