"""Leeds Sports Pose (LSP) and its extended training set (LSPET): joints.mat and images to annotations.

Joints are reordered to MPII's 16 with (0, 0, 0) for pelvis and thorax. The data sets give no scale; the
release estimates it from limb lengths, and this file follows it, oddities included (see `PARENTS` and
`limb_ratios`).
"""

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from data_lmdb.annotations import Annotation
from data_lmdb.joints import LSP_14, STORED_16
from prototxt_import.files import InputError

from .marked_people import MarkedPerson, Progress, Skipped, annotations_of, image_sizes, middle_of, usable
from .matlab import read_variables

DATASET = "LEEDS"
# Row of the 14 LSP joints for each of MPII's 16 places; -1 has none.
STORED_FROM_LSP = np.array([LSP_14.index(name) if name in LSP_14 else -1 for name in STORED_16])
FOURTEEN = np.flatnonzero(STORED_FROM_LSP >= 0)
# Each of the fourteen's parent in the release's scale estimate. The head has none; the left hip and knee,
# and the left shoulder and elbow, name each other, so that these limbs count twice, and the left ankle
# hangs on the neck.
LIMB_ENDS = np.array([0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 11, 12, 13])
PARENTS = np.array([1, 2, 6, 4, 3, 6, 7, 9, 10, 6, 12, 11, 6])
REFERENCE_LIMB = 6  # neck to head
REFERENCE_LENGTH = 35.0  # px of that limb in a person of scale 1
TARGET_SCALE = 41 / 35
ROOM = 368 - 64  # px that a person may fill in the 368 x 368 network input


def read_joints(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """joints.mat as float64 (N, 14, 3): x, y (1-based px), visible (0 or 1), in LSP's joint order.

    LSP holds 3 x 14 x N with "occluded" in the third row, LSPET 14 x 3 x N with "visible"; the shape tells
    which. InputError if the file is no MATLAB file, has no `joints` of these shapes, or a number is not
    finite.
    """
    (joints,) = read_variables(path, "joints")
    if joints.ndim != 3 or joints.dtype.kind not in "fiu":
        raise InputError(f"{path}: expected joints of 14 x 3 x N or 3 x 14 x N numbers, found {joints.shape}")
    joints = joints.astype(np.float64)
    if joints.shape[:2] == (14, 3):
        joints = joints.transpose(2, 0, 1).copy()
    elif joints.shape[:2] == (3, 14):
        joints = joints.transpose(2, 1, 0).copy()
        joints[..., 2] = 1 - joints[..., 2]
    else:
        raise InputError(f"{path}: expected joints of 14 x 3 x N or 3 x 14 x N numbers, found {joints.shape}")
    broken = np.flatnonzero(~np.isfinite(joints).all(axis=(1, 2)))
    if broken.size:
        raise InputError(f"{path}: person {broken[0] + 1}: expected finite joints, found NaN or infinity")
    return joints


def stored_joints(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 14, 3) in LSP's order to (N, 16, 3) in MPII's, (0, 0, 0) for pelvis and thorax."""
    padded = np.concatenate([joints, np.zeros((len(joints), 1, 3))], axis=1)
    return padded[:, STORED_FROM_LSP]


def estimate_scales(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """scale_provided (N,) of persons given as `stored_joints`; NaN for a person of whom no limb is visible.

    The reference length of each person is the 75 % quantile, by MATLAB's definition, over the visible
    limbs, of limb length / corpus median of (limb / neck-to-head limb). The scale is that over 35 px, or
    more, if the visible joints would not fit in 304 px at the target scale 41/35.
    """
    lengths = limb_lengths(joints)
    estimates = lengths / limb_ratios(lengths)
    scales = np.full(len(joints), np.nan)
    for person, values in enumerate(estimates):
        values = values[np.isfinite(values)]
        if values.size:
            reference = np.quantile(values, 0.75, method="hazen")  # MATLAB's quantile
            scales[person] = max(reference / REFERENCE_LENGTH, _smallest_scale(joints[person]))
    return scales


def limb_lengths(joints: NDArray[np.float64]) -> NDArray[np.float64]:
    """(N, 13) lengths in px, NaN where an end of the limb is not visible."""
    fourteen = joints[:, FOURTEEN]
    ends, parents = fourteen[:, LIMB_ENDS], fourteen[:, PARENTS]
    lengths = np.hypot(ends[..., 0] - parents[..., 0], ends[..., 1] - parents[..., 1])
    return np.where((ends[..., 2] > 0) & (parents[..., 2] > 0), lengths, np.nan)


def limb_ratios(lengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """(13,) corpus medians of limb / neck-to-head limb.

    A person whose neck and head are marked in the same place counts as an infinite ratio, as in MATLAB:
    leaving it out would move some scales by 0.001.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = lengths / lengths[:, [REFERENCE_LIMB]]
    medians = np.full(ratios.shape[1], np.nan)
    for limb, column in enumerate(ratios.T):
        known = column[~np.isnan(column)]
        if known.size:
            medians[limb] = np.median(known)
    return medians


def _smallest_scale(joints: NDArray[np.float64]) -> float:
    """The scale at which the visible joints' bounding box just fills the room."""
    visible = joints[joints[:, 2] > 0, :2]
    return float(np.ptp(visible, axis=0).max()) * TARGET_SCALE / ROOM


def parse_range(text: str) -> range:
    """FIRST-LAST, as typed, to image numbers, none for an empty text; InputError if it is neither."""
    if not text:
        return range(0)
    match = re.fullmatch(r"([0-9]+)-([0-9]+)", text)
    if match is None or int(match[1]) > int(match[2]):
        raise InputError(f"--validation: expected FIRST-LAST, such as 2001-2500, found {text!r}")
    return range(int(match[1]), int(match[2]) + 1)


def lspet_annotations(
    folder: str | os.PathLike[str], validation: range = range(0), progress: Progress = lambda images: images
) -> tuple[list[Annotation], Skipped]:
    """LSPET's persons, and who was skipped; objpos is the middle of the visible joints' bounding box. Image
    numbers in `validation` get isValidation.

    The medians behind the scales are taken over all persons of joints.mat, with or without image.
    """
    return _annotations(Path(folder), "im{:05d}.jpg", validation, progress, objpos_in_image=False)


def lsp_annotations(
    folder: str | os.PathLike[str], validation: range = range(0), progress: Progress = lambda images: images
) -> tuple[list[Annotation], Skipped]:
    """LSP's persons, likewise; objpos is the middle of the image."""
    return _annotations(Path(folder), "im{:04d}.jpg", validation, progress, objpos_in_image=True)


def _annotations(
    folder: Path, name_pattern: str, validation: range, progress: Progress, objpos_in_image: bool
) -> tuple[list[Annotation], Skipped]:
    joints = stored_joints(read_joints(folder / "joints.mat"))
    names = [name_pattern.format(number) for number in range(1, len(joints) + 1)]
    sizes = image_sizes(names, folder / "images", progress)
    people, skipped = [], Skipped()
    for number, (name, person, scale) in enumerate(zip(names, joints, estimate_scales(joints), strict=True), start=1):
        if np.isnan(scale):
            skipped.add("no limb is visible to tell the scale", name)
            continue
        in_image = objpos_in_image and not isinstance(sizes[name], str)
        objpos = np.array(sizes[name]) / 2 if in_image else middle_of(person[person[:, 2] > 0])
        people.append(MarkedPerson(name, person, objpos, scale, number, 1, number in validation))
    return annotations_of(usable(people, skipped), sizes, DATASET, folder / "joints.mat", skipped), skipped
