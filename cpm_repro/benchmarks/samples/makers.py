"""What makes training samples: this project, and what else one could take, each from the same records, places and dice.

A peer that is not there is named with the reason.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from cpm_repro.samples.transformer import Augmentation, CPMTransformer, Placed
from data_lmdb.joints import STORED_16
from data_lmdb.records.datum import view
from data_lmdb.records.record import Record, decode, decode_annotations, pad_to_minimum_width

JOINTS = len(STORED_16)  # what the release's transform reads
OURS = "cpm-repro"

Decode = Callable[[bytes], Record]
Draw = Callable[[Placed, np.ndarray, np.ndarray], object]
"""Fills data (4, crop, crop) and label (2 (P+1), crop / 8, crop / 8), float32."""


@dataclass(frozen=True)
class Maker:
    """From a record's bytes to a sample; `make` is called with the record and its dice."""

    decode: Decode
    make: Callable[[Record, Augmentation], object]


@dataclass(frozen=True)
class Peer:
    """How a peer decodes records, and what, opened for a transformer, draws its samples: ImportError where it is not
    installed. `remark`: what it does otherwise."""

    draw: Callable[[CPMTransformer, ExitStack], Draw]
    decoder: Callable[[], Decode] = lambda: decoded
    remark: str = ""


def decoded(value: bytes) -> Record:
    """By this project, as the data layer does."""
    return decode(value, JOINTS, "record")


def file_decoded(pixels: Callable[[memoryview], np.ndarray]) -> Decode:
    """A record that holds an image file, whose BGR `pixels` another library finds."""

    def decoder(value: bytes) -> Record:
        image = pad_to_minimum_width(pixels(view(value).data))
        return replace(decode_annotations(value, JOINTS, "record"), image=image)

    return decoder


def by_opencv(transformer: CPMTransformer, stack: ExitStack, in_steps: bool) -> Draw:
    from .with_opencv import OpenCvSamples, crop_in_one_warp, crop_in_steps

    return stack.enter_context(OpenCvSamples(transformer.shape, crop_in_steps if in_steps else crop_in_one_warp))


def by_albumentations(transformer: CPMTransformer, stack: ExitStack) -> Draw:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would ask the network for a later version
    from .with_albumentations import AlbumentationsCrop
    from .with_opencv import OpenCvSamples

    return stack.enter_context(OpenCvSamples(transformer.shape, AlbumentationsCrop()))


def by_kornia(transformer: CPMTransformer, stack: ExitStack) -> Draw:
    from .with_kornia import kornia_sample

    return kornia_sample


def opencvs_decoder() -> Decode:
    import cv2

    flags = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
    return file_decoded(lambda file: np.asarray(cv2.imdecode(np.frombuffer(file, np.uint8), flags)))


def simplejpegs_decoder() -> Decode:
    import simplejpeg

    return file_decoded(lambda file: simplejpeg.decode_jpeg(file, "BGR"))


_ONE_WARP = partial(by_opencv, in_steps=False)
PEERS = {
    "OpenCV": Peer(partial(by_opencv, in_steps=True)),
    "OpenCV, one warp": Peer(_ONE_WARP, remark="samples once and rounds once, where the original does so twice"),
    "albumentations": Peer(
        by_albumentations,
        remark="samples once; has no heat maps, which are the NumPy of OpenCV's way, and is not asked for the joints",
    ),
    "kornia": Peer(by_kornia, remark="samples once, in floating point; heat maps by torch"),
}
"""Of records as they are stored, by name."""
FILE_PEERS = {
    "OpenCV's decoder and one warp": Peer(_ONE_WARP, opencvs_decoder),
    "libjpeg-turbo (simplejpeg) and OpenCV, one warp": Peer(_ONE_WARP, simplejpegs_decoder),
}
"""Of records that hold JPEGs."""


def opened(
    transformer: CPMTransformer, peers: Mapping[str, Peer], stack: ExitStack
) -> tuple[dict[str, Maker], dict[str, str]]:
    """This project's maker and those of the peers that are there, while the stack is open; for the others why not."""
    data = np.empty(transformer.shape.data_shape, np.float32)
    label = np.empty(transformer.shape.label_shape, np.float32)
    makers, missing = {OURS: Maker(decoded, partial(transformer.apply, data=data, label=label))}, {}

    def maker(decode: Decode, draw: Draw) -> Maker:
        return Maker(decode, lambda *sample: draw(transformer.place(*sample), data, label))

    for name, peer in peers.items():
        try:
            makers[name] = maker(peer.decoder(), peer.draw(transformer, stack))
        except ImportError as error:
            missing[name] = f"{error.name or 'a package'} is not installed"
        except Exception as error:  # versions that do not fit each other fail in any way
            missing[name] = f"it cannot be imported ({type(error).__name__}: {error})"
    return makers, missing
