"""The joints of the body: their names, the orders in which data sets, records and networks hold them, which are
left and right, and how they are drawn.

Every order is a tuple of the same names; every map from one order to another follows from the names. "Right" is
the person's own right, except in FLIC's 9 as the original relabels them (observer-centric). Indices are 0-based.
A network's maps are its parts, then the background.
"""

from collections.abc import Mapping, Sequence


def places(names: tuple[str, ...], order: tuple[str, ...]) -> tuple[int, ...]:
    """Where each of `names` stands in `order`."""
    return tuple(order.index(name) for name in names)


# MPII's order, that of the original's annotations and LMDB records; "head" is the top of the head and "neck" its
# other end, which MPII calls the upper neck.
STORED_16 = (
    "r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle", "pelvis", "thorax",
    "neck", "head", "r_wrist", "r_elbow", "r_shoulder", "l_shoulder", "l_elbow", "l_wrist",
)  # fmt: skip
# The belief maps of the MPI and LEEDS networks.
PARTS_14 = (
    "head", "neck", "r_shoulder", "r_elbow", "r_wrist", "l_shoulder", "l_elbow", "l_wrist",
    "r_hip", "r_knee", "r_ankle", "l_hip", "l_knee", "l_ankle",
)  # fmt: skip
# FLIC's annotations, and its network's belief maps.
PARTS_9 = ("l_shoulder", "l_elbow", "l_wrist", "r_shoulder", "r_elbow", "r_wrist", "l_hip", "r_hip", "head")
# The joints.mat of LSP and LSPET.
LSP_14 = (
    "r_ankle", "r_knee", "r_hip", "l_hip", "l_knee", "l_ankle", "r_wrist", "r_elbow", "r_shoulder",
    "l_shoulder", "l_elbow", "l_wrist", "neck", "head",
)  # fmt: skip
COCO_17 = (
    "nose", "l_eye", "r_eye", "l_ear", "r_ear", "l_shoulder", "r_shoulder", "l_elbow", "r_elbow",
    "l_wrist", "r_wrist", "l_hip", "r_hip", "l_knee", "r_knee", "l_ankle", "r_ankle",
)  # fmt: skip

# Joints half-way between two others, for data sets that do not mark them.
TRUNK = {"pelvis": ("l_hip", "r_hip"), "thorax": ("l_shoulder", "r_shoulder")}

# Which of the stored 16 joints each of the 14 parts is.
STORED_TO_14 = places(PARTS_14, STORED_16)

# `num_parts: 28`: each part is the mean of two stored joints (equal ones for the 16 joints themselves).
_JOINTS_OF_28 = (*PARTS_14, "thorax", "pelvis")
_LIMBS_OF_28 = (
    ("head", "neck"),
    ("neck", "r_shoulder"),
    ("r_shoulder", "r_elbow"),
    ("r_elbow", "r_wrist"),
    ("neck", "l_shoulder"),
    ("l_shoulder", "l_elbow"),
    ("l_elbow", "l_wrist"),
    ("r_hip", "r_knee"),
    ("r_knee", "r_ankle"),
    ("l_hip", "l_knee"),
    ("l_knee", "l_ankle"),
    ("pelvis", "thorax"),
)
PAIRS_28 = tuple(places(pair, STORED_16) for pair in (*((name, name) for name in _JOINTS_OF_28), *_LIMBS_OF_28))
PARTS_28 = (*_JOINTS_OF_28, *(f"{first}-{second}" for first, second in _LIMBS_OF_28))

# Part names by number of parts (`num_parts` of the data layer).
PARTS = {9: PARTS_9, 14: PARTS_14, 28: PARTS_28}


SIDES = {"r": "right", "l": "left"}


def part_names(number_of_parts: int, own_names: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The names of a network's parts: its own, if it has some, or the release's; `part_0`, `part_1`, ... of one whose
    parts are others."""
    return own_names or PARTS.get(number_of_parts) or tuple(f"part_{part}" for part in range(number_of_parts))


def spoken(part: str) -> str:
    """A part's name as a picture shows it: "right wrist"."""
    side, _, joint = part.partition("_")
    return f"{SIDES[side]} {joint}" if side in SIDES and joint else part


# Stored joints whose mean each part is, by number of parts; FLIC's 9 are stored as they are.
PAIRS_OF_STORED = {
    9: tuple((joint, joint) for joint in range(9)),
    14: tuple((joint, joint) for joint in STORED_TO_14),
    28: PAIRS_28,
}

# (one side, other side) by number of parts: mirroring the picture swaps one[i] with other[i].
SWAPS = {
    9: ((0, 1, 2, 6), (3, 4, 5, 7)),
    14: ((2, 3, 4, 8, 9, 10), (5, 6, 7, 11, 12, 13)),
    28: ((2, 3, 4, 8, 9, 10, 17, 18, 19, 23, 24), (5, 6, 7, 11, 12, 13, 20, 21, 22, 25, 26)),
}


def mirrored(names: Sequence[str]) -> tuple[int, ...]:
    """The part that each part becomes when left and right change their names: `r_wrist` and `l_wrist`, the limbs
    `r_hip-r_knee` and `l_hip-l_knee`; a part that has no other side stays itself."""
    other = ["-".join(_OTHER_SIDE.get(end[:2], end[:2]) + end[2:] for end in name.split("-")) for name in names]
    return tuple(names.index(name) if name in names else part for part, name in enumerate(other))


_OTHER_SIDE = {"r_": "l_", "l_": "r_"}

# The rows of a PCK table in the papers, with the parts that each takes together (Head: head top and neck).
TABLE_ROWS: dict[int, dict[str, tuple[int, ...]]] = {
    9: {"Head": (8,), "Shoulder": (0, 3), "Elbow": (1, 4), "Wrist": (2, 5), "Hip": (6, 7)},
    14: {
        "Head": (0, 1),
        "Shoulder": (2, 5),
        "Elbow": (3, 6),
        "Wrist": (4, 7),
        "Hip": (8, 11),
        "Knee": (9, 12),
        "Ankle": (10, 13),
    },
}

# The torso's diagonal, whose length normalises PCK: left shoulder and right hip.
TORSO = {9: (0, 7), 14: (5, 8), 28: (5, 8)}

# Limbs to draw as (from part, to part), and their colours (R, G, B, 0..255): warm on the person's right,
# cool on the left, so that a left-right mix-up is seen at a glance.
_RIGHT_ARM, _RIGHT_FOREARM, _RIGHT_THIGH, _RIGHT_SHIN = (
    (255, 85, 0),
    (255, 170, 0),
    (230, 30, 60),
    (255, 90, 140),
)
_LEFT_ARM, _LEFT_FOREARM, _LEFT_THIGH, _LEFT_SHIN = (
    (0, 190, 100),
    (90, 235, 60),
    (30, 110, 255),
    (0, 205, 255),
)
_HEAD, _RIGHT_TRUNK, _LEFT_TRUNK = (235, 225, 60), (205, 90, 60), (70, 125, 190)

LIMBS_14 = {
    (0, 1): _HEAD,
    (1, 2): _RIGHT_TRUNK,
    (1, 5): _LEFT_TRUNK,
    (2, 8): _RIGHT_TRUNK,
    (5, 11): _LEFT_TRUNK,
    (2, 3): _RIGHT_ARM,
    (3, 4): _RIGHT_FOREARM,
    (5, 6): _LEFT_ARM,
    (6, 7): _LEFT_FOREARM,
    (8, 9): _RIGHT_THIGH,
    (9, 10): _RIGHT_SHIN,
    (11, 12): _LEFT_THIGH,
    (12, 13): _LEFT_SHIN,
}
LIMBS_9 = {
    (0, 3): _HEAD,
    (6, 7): _HEAD,
    (3, 7): _RIGHT_TRUNK,
    (0, 6): _LEFT_TRUNK,
    (3, 4): _RIGHT_ARM,
    (4, 5): _RIGHT_FOREARM,
    (0, 1): _LEFT_ARM,
    (1, 2): _LEFT_FOREARM,
}
# The stored 16: the 14 parts' limbs, and the trunk's own two joints.
LIMBS_16 = {(STORED_TO_14[start], STORED_TO_14[end]): colour for (start, end), colour in LIMBS_14.items()}
LIMBS_16 |= {(8, 7): _HEAD, (7, 6): _HEAD}
Limbs = Mapping[tuple[int, int], tuple[int, int, int]]
# By number of parts; the 16 are joints as stored.
LIMBS: dict[int, Limbs] = {9: LIMBS_9, 14: LIMBS_14, 16: LIMBS_16, 28: LIMBS_14}


def limbs_of(number_of_parts: int, own_names: tuple[str, ...] = ()) -> Limbs:
    """The limbs to draw; none of parts that are not the release's."""
    return {} if own_names else LIMBS.get(number_of_parts, {})
