"""The release's testing protocol in numbers: sizes, scales and the centre map's sigma.

`scale` is `scale_provided`, the person's height in the picture / 200 px; `target_dist` is the same height in the
network's input. The release's 41/35 (234 px of a 368 px input) belongs to the input size 368; another input size needs
the target its network was trained with, by default the same share of the input.
"""

RELEASE_BOX = 368
RELEASE_TARGET_DIST = 41 / 35
RELEASE_SIGMA_CENTER = 21.0
RELEASE_SCALES = tuple(round(0.7 + 0.1 * step, 1) for step in range(7))
BATCH_SIZE = 8  # crops in one forward pass: one person at the 7 scales; the release's network takes 3 GB then


def default_target_dist(boxsize: int) -> float:
    """The release's person size (41/35 at input 368) for another input size: the same share of the input."""
    return RELEASE_TARGET_DIST * boxsize / RELEASE_BOX
