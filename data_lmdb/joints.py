"""The parts of the body: their names and order, which are left and right, and how they are drawn.

Three orders meet in the original: the 16 joints of its annotations and LMDB records (MPII's order), the 14
parts of the MPI and LEEDS networks' belief maps (28 with limb centres), and FLIC's 9. All of them, and every
map from one to another, are here. "Right" is the person's own right, except in FLIC's 9 as the original
relabels them (observer-centric). Indices are 0-based. A network's maps are its parts, then the background.
"""

STORED_16 = (
    "r_ankle",
    "r_knee",
    "r_hip",
    "l_hip",
    "l_knee",
    "l_ankle",
    "pelvis",
    "thorax",
    "upper_neck",
    "head_top",
    "r_wrist",
    "r_elbow",
    "r_shoulder",
    "l_shoulder",
    "l_elbow",
    "l_wrist",
)
PARTS_14 = (
    "head",
    "neck",
    "r_shoulder",
    "r_elbow",
    "r_wrist",
    "l_shoulder",
    "l_elbow",
    "l_wrist",
    "r_hip",
    "r_knee",
    "r_ankle",
    "l_hip",
    "l_knee",
    "l_ankle",
)
PARTS_9 = (
    "l_shoulder",
    "l_elbow",
    "l_wrist",
    "r_shoulder",
    "r_elbow",
    "r_wrist",
    "l_hip",
    "r_hip",
    "head",
)

# Which of the stored 16 joints each of the 14 parts is.
STORED_TO_14 = (9, 8, 12, 11, 10, 13, 14, 15, 2, 1, 0, 3, 4, 5)

# `num_parts: 28`: each part is the mean of two stored joints (equal ones for the 16 joints themselves).
PAIRS_28 = tuple((joint, joint) for joint in STORED_TO_14 + (7, 6)) + (
    (9, 8),
    (8, 12),
    (12, 11),
    (11, 10),
    (8, 13),
    (13, 14),
    (14, 15),
    (2, 1),
    (1, 0),
    (3, 4),
    (4, 5),
    (6, 7),
)
PARTS_28 = (
    PARTS_14
    + ("thorax", "pelvis")
    + tuple(f"{STORED_16[first]}-{STORED_16[second]}" for first, second in PAIRS_28[16:])
)

# Part names by number of parts (`num_parts` of the data layer).
PARTS = {9: PARTS_9, 14: PARTS_14, 28: PARTS_28}

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

# The rows of a PCK table in the papers, with the parts that each takes together (Head: head top and neck).
TABLE_ROWS = {
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
# By number of parts; the 16 are joints as stored.
LIMBS = {9: LIMBS_9, 14: LIMBS_14, 16: LIMBS_16, 28: LIMBS_14}
