"""Poses of the synthetic people: a jointed body in three dimensions, its angles drawn from human ranges.

Lengths are in units of the person's stature. The camera's axes: x to the right, y up, z towards the viewer.
The body's own axes: x to the person's left, y up, z forward; with a turn of 0 the person faces the viewer, so
the person's left lies at the right of the picture. "Right" and "left" are always the person's own.
"""

from dataclasses import dataclass

import numpy as np

# mean lengths of an adult's segments as fractions of stature
HIP_HALF, SHOULDER_HALF, TORSO, NECK_TO_CENTRE, HEAD_HALF = 0.052, 0.112, 0.31, 0.098, 0.074
UPPER_ARM, FOREARM, HAND, THIGH, SHIN, FOOT = 0.172, 0.150, 0.068, 0.240, 0.235, 0.105

SIDES = (("r_", -1.0), ("l_", 1.0))
ARM_STYLES = ("hang", "out", "up", "hip", "forward", "swing")
Points = dict[str, np.ndarray]
Lengths = dict[str, float]
STANCES = ("stand", "walk", "wide", "crouch", "kick")


@dataclass
class Pose:
    """A posed body: `points` by name, each float64 (3,) in camera axes, the middle of the hips at the origin.

    `torso_axes` and `head_axes` are (3, 3): their columns are the part's left, up and forward directions.
    """

    points: dict[str, np.ndarray]
    torso_axes: np.ndarray
    head_axes: np.ndarray

    @property
    def turn(self) -> float:
        """Degrees, above -180 to 180, from facing the viewer (0) about the vertical: at 90 the chest looks to the
        right of the picture, at 180 away from the viewer."""
        forward = self.torso_axes[:, 2]
        return float(np.degrees(np.arctan2(forward[0], forward[2])))


def rotation(axis: int, degrees: float) -> np.ndarray:
    """Right-handed rotation matrix (3, 3) about coordinate axis 0, 1 or 2."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[i, i] = matrix[j, j] = cosine
    matrix[i, j], matrix[j, i] = -sine, sine
    return matrix


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / max(float(np.sqrt((vector * vector).sum())), 1e-9)


def _bend(direction: np.ndarray, towards: np.ndarray, degrees: float) -> np.ndarray:
    """`direction` turned by `degrees` in the plane that it spans with `towards`."""
    perpendicular = _unit(towards - direction * (direction * towards).sum())
    bent: np.ndarray = np.cos(np.radians(degrees)) * direction + np.sin(np.radians(degrees)) * perpendicular
    return bent


def _arm(rng: np.random.Generator, style: str, side: float, swing: float) -> tuple[np.ndarray, np.ndarray]:
    """Directions (upper arm, forearm) in the torso's axes; `side` is +1 for the left arm.

    An arm is raised from hanging (0) to overhead (180), in a plane between sideways (0) and forward (90).
    """
    raised, plane, elbow, towards = {
        "hang": ((4, 24), (-20, 60), (4, 45), (-0.3, 0.2, 1.0)),
        "out": ((45, 110), (-10, 45), (0, 95), (-0.1, float(rng.choice([1.0, 1.0, -0.8])), 0.6)),
        "up": ((125, 174), (-5, 40), (0, 85), (-1.0, 0.2, 0.4)),
        "hip": ((38, 55), (-25, 0), (85, 110), (-1.0, -0.1, 0.2)),
        "forward": ((15, 60), (30, 90), (30, 110), (-0.6, 0.8, 0.5)),
        "swing": (
            (abs(swing), abs(swing) + 8),
            (80, 90) if swing > 0 else (-90, -70),
            (8, 50),
            (-0.2, 0.2, 1.0),
        ),
    }[style]
    raised, plane = np.radians(rng.uniform(*raised)), np.radians(rng.uniform(*plane))
    upper = np.array([side * np.sin(raised) * np.cos(plane), -np.cos(raised), np.sin(raised) * np.sin(plane)])
    return upper, _bend(upper, np.array(towards) * (side, 1.0, 1.0), rng.uniform(*elbow))


def _leg(rng: np.random.Generator, stance: str, side: float, stride: float) -> tuple[np.ndarray, np.ndarray]:
    """Directions (thigh, shin) in the pelvis's axes; `stride` > 0 puts this leg forward when walking."""
    forward, outward, knee = {
        "stand": ((-4, 8), (1, 8), (0, 12)),
        "walk": (
            (abs(stride) * 0.6, abs(stride)) if stride > 0 else (-abs(stride) * 0.7, -5),
            (0, 5),
            (5, 40),
        ),
        "wide": ((-4, 12), (12, 28), (0, 22)),
        "crouch": ((35, 75), (8, 32), (50, 95)),
        "kick": ((35, 80), (5, 35), (5, 80)) if stride > 0 else ((-6, 6), (0, 8), (0, 15)),
    }[stance]
    forward, outward = np.radians(rng.uniform(*forward)), np.radians(rng.uniform(*outward))
    thigh = np.array([side * np.sin(outward), -np.cos(outward) * np.cos(forward), np.cos(outward) * np.sin(forward)])
    # a knee bends backwards, and the shin of a leg that stands outward comes back under the body
    return thigh, _bend(thigh, np.array([-0.3 * side * (outward > 0.25), -0.2, -1.0]), rng.uniform(*knee))


def _arm_styles(rng: np.random.Generator, stance: str) -> tuple[str, str]:
    if stance == "walk" and rng.random() < 0.6:
        return "swing", "swing"
    weights = [0.30, 0.17, 0.19, 0.11, 0.23]
    first, second = rng.choice(ARM_STYLES[:5], p=weights), rng.choice(ARM_STYLES[:5], p=weights)
    return str(first), str(first if rng.random() < 0.35 else second)


def _add_legs(rng: np.random.Generator, points: Points, lengths: Lengths, stance: str, stride: float) -> None:
    for name, side in SIDES:
        thigh, shin = _leg(rng, stance, side, stride * side)
        points[name + "hip"] = np.array([side * lengths["hip"], 0.0, 0.0])
        points[name + "knee"] = points[name + "hip"] + lengths["thigh"] * thigh
        points[name + "ankle"] = points[name + "knee"] + lengths["shin"] * shin
        ahead = np.array([side * rng.uniform(0.1, 0.5), 0.0, 1.0])
        sole = _unit(ahead - shin * (ahead * shin).sum() + 0.35 * shin)
        points[name + "toe"] = points[name + "ankle"] + FOOT * lengths["shin"] / SHIN * sole
        points[name + "heel"] = points[name + "ankle"] + 0.022 * shin - 0.012 * sole


def _add_arms(
    rng: np.random.Generator,
    points: Points,
    lengths: Lengths,
    torso: np.ndarray,
    styles: tuple[str, str],
    swing: float,
) -> None:
    for (name, side), style in zip(SIDES, styles, strict=True):
        upper, forearm = _arm(rng, style, side, -swing * side)
        hand = _bend(forearm, rng.normal(size=3), rng.uniform(0, 30))
        shrug = 0.03 * max(0.0, float(upper[1]))
        points[name + "shoulder"] = torso @ [side * lengths["shoulder"], lengths["torso"] - 0.02 + shrug, 0.0]
        points[name + "elbow"] = points[name + "shoulder"] + torso @ (lengths["upper_arm"] * upper)
        points[name + "wrist"] = points[name + "elbow"] + torso @ (lengths["forearm"] * forearm)
        points[name + "hand"] = points[name + "wrist"] + torso @ (HAND * hand)


def _lengths(rng: np.random.Generator) -> Lengths:
    means = {
        "hip": HIP_HALF,
        "shoulder": SHOULDER_HALF,
        "torso": TORSO,
        "upper_arm": UPPER_ARM,
        "forearm": FOREARM,
        "thigh": THIGH,
        "shin": SHIN,
    }
    return {name: mean * float(np.clip(rng.normal(1.0, 0.05), 0.88, 1.12)) for name, mean in means.items()}


def _turn(rng: np.random.Generator) -> float:
    """Degrees about the vertical: three of four people face the viewer, most of them slightly turned."""
    facing = 0.0 if rng.random() < 0.75 else 180.0
    return facing + float(np.clip(rng.normal(0.0, 22.0), -60, 60))


def random_pose(rng: np.random.Generator) -> Pose:
    """One pose: stance, arms, lean, turn and a camera slightly above; every angle from a human range."""
    lengths = _lengths(rng)
    stance = str(rng.choice(STANCES, p=[0.38, 0.26, 0.14, 0.12, 0.10]))
    stride = float(rng.choice([-1.0, 1.0]) * rng.uniform(15, 38))
    stoop = rng.uniform(5, 30) if stance == "crouch" else rng.normal(2.0, 5.0)
    torso = rotation(2, rng.normal(0, 5)) @ rotation(0, stoop) @ rotation(1, rng.normal(0, 8))
    points: dict[str, np.ndarray] = {}
    _add_legs(rng, points, lengths, stance, stride)
    _add_arms(rng, points, lengths, torso, _arm_styles(rng, stance), stride)
    head = torso @ rotation(1, rng.normal(0, 16)) @ rotation(2, rng.normal(0, 7)) @ rotation(0, rng.normal(0, 7))
    points["neck"] = torso @ [0.0, lengths["torso"] + 0.005, 0.0]
    points["head_centre"] = points["neck"] + head @ [0.0, NECK_TO_CENTRE, 0.012]
    points["head"] = points["head_centre"] + head @ [0.0, HEAD_HALF, 0.0]
    lean = rng.normal(0, 4) if rng.random() < 0.85 else rng.uniform(-28, 28)
    camera = rotation(0, rng.uniform(2, 12)) @ rotation(2, lean) @ rotation(1, _turn(rng))
    return Pose({name: camera @ point for name, point in points.items()}, camera @ torso, camera @ head)
