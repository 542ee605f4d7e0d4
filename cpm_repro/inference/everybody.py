"""Who is in a picture of which nothing is known, not even how large people are.

The release's detector (`person_detection`) expects everybody at one size. Here the detector sees the picture in a
ladder of sizes: where one person is seen in several, the most certain size counts. Then the pose network settles each
person's place: its belief maps are highest where the person has the training's size in the crop, and the joints that
it finds say where the middle is. Whoever then shares a more certain person's joints, or is not believed in by both
networks, is left out. All this needs no more pixels than the ladder's last rung: a larger picture is shrunk first.
Coordinates are 0-based pixels, x right, y down.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from data_lmdb.images import MAX_PIXELS
from prototxt_import.net import Net

from .beliefs import Pose, estimate_beliefs, estimate_poses
from .crops import SMALLEST_SIDE, Person, check_picture, pixels_of
from .imresize import imresize
from .person_detection import RELEASE_THRESHOLD, FoundPeople, find_people, in_picture, map_peaks, person_map
from .protocol import BATCH, RELEASE_SCALES, RELEASE_TARGET_DIST, Protocol, trained_target_dist

LONGER_SIDES = (80, 106, 142, 189, 251, 334, 445)
"""px of the picture's longer side as the detector sees it; a third more each time."""
LADDER_SIZE = 0.37
"""Of the detector whose ladder that is, the height / 200 px in which it believes most; another's is in proportion."""
CERTAIN, LEAST = 0.35, 0.05
"""Peaks of the person map above the first are people; where there are none, the highest above the second is one."""
APART = 0.2
"""Of a person's height: peaks nearer to each other are one person."""
STEPS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4)
"""Multiples of a person's size among which the pose network chooses."""
NEAR, SHARED = 0.06, 0.4
"""Joints nearer than the first part of a person's height are in one place; people share at most the second of them."""
SOMEBODY = 0.12
"""Who has less of both networks' beliefs, the peak of the person map times the mean score of the joints, is nobody."""
LARGEST_SIDE = 900
"""px of the longer side in which people are looked for: the pose network sees no larger picture of one whom the last
rung of the ladder shows, at the smallest of STEPS."""


@dataclass(frozen=True)
class _Sighting:
    """A peak of the person map: how high, where in the picture, and the height / 200 px that such a peak stands for."""

    belief: float
    center: tuple[float, float]
    scale: float


def find_everybody(
    image_bgr: np.ndarray,
    person_net: Net,
    person_size: float,
    net: Net,
    protocol: Protocol,
    where: str = "the picture",
) -> FoundPeople:
    """The people in a picture, uint8 (H, W, 3) BGR, most certain first, placed for `net`, which is asked by `protocol`.

    person_size: the height / 200 px in the detector's input at which `person_net` believes most. where: names the
    picture in errors.
    """
    check_picture(image_bgr, where)
    factor = min(1.0, LARGEST_SIDE / max(image_bgr.shape[:2]))
    if factor == 1 or round(min(image_bgr.shape[:2]) * factor) < SMALLEST_SIDE:
        return _found(image_bgr, person_net, person_size, net, protocol, where)
    found = _found(imresize(image_bgr, factor), person_net, person_size, net, protocol, where)
    return _enlarged(found, image_bgr, factor)


def _found(
    image_bgr: np.ndarray, person_net: Net, person_size: float, net: Net, protocol: Protocol, where: str
) -> FoundPeople:
    """As `find_everybody`, in the picture at its own size."""
    people, best_map = _seen(image_bgr, person_net, person_size)
    placed = [settled(Person(image_bgr, each.center, each.scale, where), net, protocol) for each in people]
    kept = _each_once(placed, [each.belief for each in people])
    beliefs = np.array([people[index].belief for index in kept])
    peaks = np.array([people[index].center for index in kept]).reshape(-1, 2)
    return FoundPeople([placed[index][0] for index in kept], beliefs, best_map, peaks)


def _seen(image_bgr: np.ndarray, person_net: Net, person_size: float) -> tuple[list[_Sighting], NDArray[np.float32]]:
    """Whom the detector sees on its ladder of sizes, and its map of the size that has the highest belief."""
    seen: list[_Sighting] = []
    best_map = np.zeros((1, 1), np.float32)
    for side in LONGER_SIDES:
        factor = side * (person_size / LADDER_SIZE) / max(image_bgr.shape[:2])
        belief = person_map(image_bgr, person_net, factor)
        if belief.max() >= max(best_map.max(), LEAST):
            best_map = belief
        seen += _sightings(belief, factor, person_size)
    return _one_of_each(seen), best_map


def _enlarged(found: FoundPeople, image_bgr: np.ndarray, factor: float) -> FoundPeople:
    """Whom was found in the picture shrunk by `factor`, in the picture itself."""
    people = [
        person._replace(
            image=image_bgr,
            center=in_picture(*person.center, factor),
            scale=person.scale / factor,
        )
        for person in found.people
    ]
    peaks = np.array([in_picture(x, y, factor) for x, y in found.peaks.tolist()]).reshape(-1, 2)
    return replace(found, people=people, peaks=peaks)


def settled(person: Person, net: Net, protocol: Protocol) -> tuple[Person, Pose]:
    """The person at the size that the pose network believes in most, in the middle of the joints found there; and the
    pose of these joints, at one scale."""
    once = replace(protocol, scales=(1.0,))
    sizes = [person._replace(scale=step * person.scale) for step in STEPS]
    poses = [beliefs.pose() for beliefs in estimate_beliefs(sizes, net, once)]
    best = max(range(len(poses)), key=lambda index: float(poses[index].scores.mean()))
    return sizes[best]._replace(center=middle(poses[best])), poses[best]


def _each_once(placed: Sequence[tuple[Person, Pose]], beliefs: Sequence[float]) -> list[int]:
    """The indices of people who are somebody: whom the detector, whose beliefs these are, and the pose network believe
    in, and of those who share joints the one that the latter believes in most."""
    scores = [float(pose.scores.mean()) for _, pose in placed]
    kept: list[int] = []
    for index in sorted(range(len(placed)), key=lambda index: -scores[index]):
        same = (_shared(placed[index], placed[other]) > SHARED for other in kept)
        if scores[index] * beliefs[index] >= SOMEBODY and not any(same):
            kept.append(index)
    return sorted(kept)


def _shared(one: tuple[Person, Pose], other: tuple[Person, Pose]) -> float:
    """The share of joints, of whatever part, that two people have in the same place."""
    near = NEAR * 200 * max(one[0].scale, other[0].scale)
    apart = np.linalg.norm(one[1].joints[:, None] - other[1].joints[None], axis=2)
    return float((apart.min(axis=1) < near).mean())


def _sightings(belief: NDArray[np.float32], factor: float, person_size: float) -> Iterable[_Sighting]:
    for x, y in map_peaks(belief, LEAST).tolist():
        yield _Sighting(float(belief[y, x]), in_picture(x, y, factor), person_size / factor)


def _one_of_each(seen: Iterable[_Sighting]) -> list[_Sighting]:
    """Of sightings that are near each other the most certain; certain ones, or else the one that is least uncertain."""
    kept: list[_Sighting] = []
    for each in sorted(seen, key=lambda sighting: -sighting.belief):
        if kept and each.belief <= CERTAIN:
            break
        if all(_distance(each, other) > APART * 200 * max(each.scale, other.scale) for other in kept):
            kept.append(each)
    return kept


def _distance(one: _Sighting, other: _Sighting) -> float:
    return float(np.hypot(one.center[0] - other.center[0], one.center[1] - other.center[1]))


def middle(pose: Pose) -> tuple[float, float]:
    """Of the joints' bounding box, those left out that are hardly believed in."""
    seen = pose.joints[pose.scores >= pose.scores.max() / 3]
    x, y = (seen.min(axis=0) + seen.max(axis=0)) / 2
    return float(x), float(y)


def people_finder(
    person_net: Net,
    net: Net,
    protocol: Protocol,
    scale: float | None = None,
    threshold: float = RELEASE_THRESHOLD,
    person_size: float | None = None,
) -> Callable[..., FoundPeople]:
    """A function of a picture, and of `where`, its name in errors: who is in it by this detector.

    One of which `person_size` says how large people are in its input where it believes most (the height / 200 px;
    default: as in its training, `Net.trained`) finds people of any size, unless `scale` says how large all are. One
    that was trained at the release's size, or of which nothing is known, is asked as the release's is, at one size
    (`find_people`)."""
    trained = trained_target_dist(getattr(person_net, "trained", {}))
    size = person_size or (None if trained == RELEASE_TARGET_DIST else trained)
    if size is None or scale is not None:
        return partial(find_people, person_net=person_net, protocol=protocol, scale=scale, threshold=threshold)
    return partial(find_everybody, person_net=person_net, person_size=size, net=net, protocol=protocol)


def estimate_all_poses(
    image: np.ndarray | str | os.PathLike[str],
    net: Net,
    person_net: Net,
    scale: float | None = None,
    scales: Sequence[float] = RELEASE_SCALES,
    target_dist: float | None = None,
    sigma_center: float | None = None,
    threshold: float = RELEASE_THRESHOLD,
    batch_size: int = BATCH,
    person_size: float | None = None,
) -> list[Pose]:
    """The pose of everybody whom the person detector finds, most certain first. image: a file's name, or uint8
    (H, W, 3) in the order B, G, R.

    person_net: such as the package's ("person-small"); for it, scale and person_size see `people_finder`. For the other
    arguments see `person_detection.find_people` and `beliefs.estimate_pose`; the release's demo has `scales=(1.0,)`."""
    protocol = Protocol.for_net(net, target_dist, sigma_center, scales, batch_size)
    pixels = pixels_of(image, MAX_PIXELS)
    found = people_finder(person_net, net, protocol, scale, threshold, person_size)(pixels)
    return [poses[0] for poses in estimate_poses(found.people, net, protocol)]
