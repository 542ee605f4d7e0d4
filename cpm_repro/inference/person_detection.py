"""Who is in a picture: the release's person detector, and the poses of everybody it finds.

The detector (`specification.person_deploy`) sees the picture at the height of the pose network's input, 368, and
believes in people's centres: the peaks of its last map are people. Each becomes a `Person` of the testing protocol,
whose crop shows the picture at that same size. Pictures and maps are resized as the protocol does it (`imresize`).
Coordinates are 0-based pixels, x right, y down.
"""

import math
from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from cpm_repro.network.stages import stage_blobs
from prototxt_import.files import InputError
from prototxt_import.net import Net

from .beliefs import forward
from .crops import LARGEST_FACTOR, PAD_VALUE, SMALLEST_FACTOR, Person, check_picture
from .imresize import imresize
from .protocol import Protocol

RELEASE_THRESHOLD = 0.5

LARGEST_INPUT = 16  # squares of the pose network's input that the detector may see: 2 GB in its first two layers
MOST_PEOPLE = 255


@dataclass(frozen=True)
class FoundPeople:
    """people: most certain first, placed for the testing protocol; scores (n,): the person map at their peaks.
    person_map: float32 (h, w), the detector's belief over the picture as it saw it; peaks float64 (n, 2): x, y of each
    person's peak in the picture, where the pose network then may have settled another centre."""

    people: list[Person]
    scores: np.ndarray
    person_map: np.ndarray
    peaks: np.ndarray


def detector_stride(net: Net, where: str = "the person detector") -> int:
    """Pixels of the input per pixel of the person map; InputError, named by `where`, unless the network makes one map
    of an input `image` N x 3 x H x W and its stride is a whole number."""
    shapes = net.input_shapes
    shape = shapes.get("image", ())
    if len(shapes) != 1 or len(shape) != 4 or shape[1] != 3:
        found = ", ".join(f"`{name}` {' x '.join(map(str, size))}" for name, size in shapes.items()) or "none"
        hint = "; it looks like a network for poses" if "data" in shapes else ""
        raise InputError(f"{where}: expected one input, `image` N x 3 x H x W, found {found}{hint}")
    blob = stage_blobs(net)[-1]
    _, maps, height, width = net.blob_shapes[blob]
    if maps != 1:
        raise InputError(f"{where}: expected one belief map of people, found {maps} in its last blob `{blob}`")
    stride = shape[2] // height
    if (height * stride, width * stride) != tuple(shape[2:]):
        raise InputError(
            f"{where}: expected a person map that divides the input {shape[2]} x {shape[3]}, "
            f"found `{blob}` {height} x {width}"
        )
    return stride


def person_map(image_bgr: np.ndarray, net: Net, factor: float) -> np.ndarray:
    """The belief that a person's centre lies at each pixel of the picture scaled by `factor`: float32 (h, w).

    The scaled picture is padded on the right and below with 128 to whole strides.
    """
    stride = detector_stride(net)
    scaled = imresize(image_bgr, factor)
    height, width = scaled.shape[:2]
    padding = [(0, -height % stride), (0, -width % stride), (0, 0)]
    padded = np.pad(scaled, padding, constant_values=PAD_VALUE)
    data = padded.transpose(2, 0, 1)[None] / np.float32(256) - np.float32(0.5)
    last = stage_blobs(net)[-1]
    belief = forward(net, "image", data, [last])[last][0, 0].float().cpu().numpy()
    return imresize(belief, stride)[:height, :width]


def map_peaks(belief: np.ndarray, threshold: float = RELEASE_THRESHOLD) -> np.ndarray:
    """int (n, 2): x, y of the map's (h, w) peaks, highest first; of equal ones the first in row order.

    A peak is above the threshold and no lower than its 8 neighbours; where peaks touch, the first of them counts.
    """
    highest = ndimage.maximum_filter(belief, size=3, mode="nearest")
    plateaus, _ = ndimage.label((belief == highest) & (belief > threshold), structure=np.ones((3, 3)))
    _, first = np.unique(plateaus, return_index=True)
    first = first[plateaus.ravel()[first] > 0]
    first = first[np.argsort(-belief.ravel()[first], kind="stable")]
    return np.stack([first % belief.shape[1], first // belief.shape[1]], axis=1)


def in_picture(x: float, y: float, factor: float) -> tuple[float, float]:
    """A place of the picture scaled by `factor` in the picture itself. The protocol multiplies 1-based centres by the
    factor: so each crop lies around its peak to the pixel."""
    return (x + 1) / factor - 1, (y + 1) / factor - 1


def find_people(
    image_bgr: np.ndarray,
    person_net: Net,
    protocol: Protocol,
    scale: float | None = None,
    threshold: float = RELEASE_THRESHOLD,
    where: str = "the picture",
) -> FoundPeople:
    """The people in a picture, uint8 (H, W, 3) BGR, for a pose network that is asked by `protocol`.

    scale: the people's height / 200 px, all alike; default: the picture's height becomes the pose network's input, as
    in the release. where: names the picture in errors.
    Raises InputError if the picture is too small or too long, or the map has more peaks than a picture has people.
    """
    check_picture(image_bgr, where)
    factor = protocol.boxsize / image_bgr.shape[0] if scale is None else protocol.target_dist / scale
    _check_input_size(image_bgr, factor, protocol.boxsize, where)
    belief = person_map(image_bgr, person_net, factor)
    peaks = map_peaks(belief, threshold)
    if len(peaks) > MOST_PEOPLE:
        raise InputError(
            f"{where}: expected at most {MOST_PEOPLE} people, found {len(peaks)} peaks above {threshold:g}: "
            "are the weights those of a person detector?"
        )
    people = [
        Person(image_bgr, in_picture(x, y, factor), protocol.target_dist / factor, where) for x, y in peaks.tolist()
    ]
    centers = np.array([person.center for person in people]).reshape(-1, 2)
    return FoundPeople(people, belief[peaks[:, 1], peaks[:, 0]].astype(np.float64), belief, centers)


def _check_input_size(image: np.ndarray, factor: float, boxsize: int, where: str) -> None:
    height, width = image.shape[:2]
    within = SMALLEST_FACTOR <= factor <= LARGEST_FACTOR
    if not within or math.ceil(height * factor) * math.ceil(width * factor) > LARGEST_INPUT * boxsize**2:
        raise InputError(
            f"{where}: expected a picture of at most {LARGEST_INPUT} times {boxsize} x {boxsize} px for the person "
            f"detector, found {width} x {height} px that are to be resized {factor:g} times"
        )
