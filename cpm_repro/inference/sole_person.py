"""Where the person of a picture is, when nobody says: the network itself is asked, at several sizes.

The release's protocol must be told a centre and a scale. A picture of one person mostly has that person about its
middle, and the belief maps are highest where the person's size in the crop is that of the training. So the picture's
middle is looked at with a ladder of sizes; then once more around the joints of the most certain pose.
"""

from collections.abc import Sequence

import numpy as np

from prototxt_import.net import Net

from .beliefs import Pose, estimate_beliefs
from .crops import Person
from .protocol import Protocol

SHARES = (0.4, 0.55, 0.75, 1.0)
"""How much of the picture's longer side the person may be tall, to begin with."""
STEPS = (0.8, 1.0, 1.25)
"""Multiples of the most certain size that are tried next."""


def sole_person(image_bgr: np.ndarray, net: Net, protocol: Protocol, where: str = "the person") -> Person:
    """The person whom the network believes in most, placed for the testing protocol.

    image_bgr: uint8 (H, W, 3).
    """
    height, width = image_bgr.shape[:2]
    middle = (width - 1) / 2, (height - 1) / 2
    once = Protocol(protocol.boxsize, protocol.target_dist, protocol.sigma, (1.0,), protocol.batch)
    sizes = [share * max(height, width) / 200 for share in SHARES]
    first, pose = _most_certain([Person(image_bgr, middle, size, where) for size in sizes], net, once)
    center = _middle(pose)
    return _most_certain([Person(image_bgr, center, step * first.scale, where) for step in STEPS], net, once)[0]


def _most_certain(people: Sequence[Person], net: Net, protocol: Protocol) -> tuple[Person, Pose]:
    poses = [beliefs.pose() for beliefs in estimate_beliefs(people, net, protocol)]
    best = max(range(len(people)), key=lambda index: float(poses[index].scores.mean()))
    return people[best], poses[best]


def _middle(pose: Pose) -> tuple[float, float]:
    """Of the joints' bounding box, those left out that are hardly believed in."""
    seen = pose.joints[pose.scores >= pose.scores.max() / 3]
    x, y = (seen.min(axis=0) + seen.max(axis=0)) / 2
    return float(x), float(y)
