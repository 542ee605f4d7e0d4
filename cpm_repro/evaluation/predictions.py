"""Poses that were found, of this project's networks or of other methods: from a network, and from and to files.

* .npz, 0-based: `joints` (N, P, 2 or 3), `scores` (N, P);
* .json, 0-based: COCO's keypoint results, a list of objects with image_id, category_id, keypoints (x, y, score of each
  part) and score; here also people_index;
* .mat, 1-based: one of `pos_pred_src`, `preds`, `pred`, `joints`, P x 2 x N or in any other order of the axes;
* .mat, 1-based: the struct array `pred` that MPII's server takes, see `mpii_release`.

P is 14 or MPII's 16 (as stored) for people with 14 parts, 9 for FLIC's. Parts are in the order of `joints.PARTS`; only
in a .mat are 14 joints in LSP's order, as in LSP's own joints.mat. Persons come in the order of the annotated people;
those that name image and person (people_index, `pred`) may come in any order. x, y, score of 0, 0, 0 in JSON and NaN
elsewhere is a joint that was not found; other third coordinates are left alone.
"""

import io
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import scipy.io

from cpm_repro.inference.beliefs import Pose, estimate_poses
from cpm_repro.inference.crops import Person
from cpm_repro.inference.pose_files import keypoints_result
from cpm_repro.inference.protocol import Protocol
from cpm_repro.npz import read_npz, write_npz
from data_lmdb.datasets.matlab import read_variables, variable_names
from data_lmdb.joints import LSP_14, PARTS_14, STORED_TO_14, places
from prototxt_import.files import InputError, parse_json, read_bytes, replacing, write_text
from prototxt_import.net import Net

from .ground_truth import NO_PLACE, GroundTruth
from .mpii_release import prediction_structs, read_prediction_structs

SUFFIXES = (".npz", ".json", ".mat")
ARRAY_NAMES = ("pos_pred_src", "preds", "pred", "joints")
LSP_TO_14 = np.array(places(PARTS_14, LSP_14))  # the LSP joint that each of the 14 parts is
_MAT_HEADER = b"MATLAB 5.0 MAT-file".ljust(116)  # scipy writes the date there

Found = TypeVar("Found")


class Predictions(NamedTuple):
    """joints float64 (N, P, 2), x and y in 0-based pixels, and the belief maps' values there, scores (N, P)."""

    joints: np.ndarray
    scores: np.ndarray


def estimate_people(
    people: Iterable[tuple[Person, GroundTruth]],
    net: Net,
    stages: Sequence[int],
    protocol: Protocol | None = None,
) -> tuple[list[GroundTruth], dict[int, Predictions]]:
    """Run the testing protocol on people (see `ground_truth.read_people`) as they come.

    Returns the annotations, and for each stage of `stages` (1-based) what was found.
    protocol: default `Protocol.for_net`.
    Raises InputError if the network has other parts than the annotations.
    """
    truths: list[GroundTruth] = []

    def asked() -> Iterator[Person]:
        for person, truth in people:
            truths.append(truth)
            yield person

    def checked(poses: list[Pose]) -> list[Pose]:
        if len(poses[0].joints) != len(truths[0].parts):
            raise InputError(
                f"the network: expected belief maps of {len(truths[0].parts)} parts and the background, "
                f"found {len(poses[0].joints) + 1} maps"
            )
        if poses[0].own_names:
            names = f"{', '.join(poses[0].own_names[:3])}, …"
            raise InputError(f"the network: expected the release's {len(truths[0].parts)} parts, found {names}")
        return poses

    found = estimate_poses(asked(), net, protocol, stages)
    by_stage = collect_poses(checked(poses) for poses in found)
    return truths, dict(zip(stages, by_stage, strict=True))


def collect_poses(found: Iterable[list[Pose]]) -> list[Predictions]:
    """What `beliefs.estimate_poses` gives person by person, stage by stage, without what the maps are made of."""
    kept = [[(pose.joints, pose.scores) for pose in poses] for poses in found]
    return [Predictions(*map(np.stack, zip(*stage, strict=True))) for stage in zip(*kept, strict=True)]


def check_suffix(path: str | os.PathLike[str]) -> None:
    """InputError unless the name's ending is one of a predictions file; ask before a long run."""
    if Path(path).suffix not in SUFFIXES:
        raise InputError(f"{path}: expected a name ending in {', '.join(SUFFIXES)}, found {Path(path).suffix!r}")


def read_predictions(path: str | os.PathLike[str], truths: Sequence[GroundTruth]) -> np.ndarray:
    """float64 (N, P, 2), 0-based pixels: the file's pose of each of the annotated people.

    InputError if the file is broken, or holds the poses of another data set: other joints, other people or another
    number of them.
    """
    check_suffix(path)
    suffix = Path(path).suffix
    if suffix == ".json":
        return _read_coco(path, truths)
    if suffix == ".npz":
        arrays = read_npz(path)
        if "joints" not in arrays:
            raise InputError(f"{path}: expected an array joints, found {', '.join(sorted(arrays)) or 'none'}")
        return _as_parts(_people_first(arrays["joints"], truths, path), truths)
    names = variable_names(path)
    name = next((name for name in ARRAY_NAMES if name in names), None)
    if name is None:
        found = ", ".join(sorted(names)) or "none"
        raise InputError(f"{path}: expected a variable {' or '.join(ARRAY_NAMES)}, found {found}")
    (value,) = read_variables(path, name)
    if value.dtype.names:
        return _read_structs(read_prediction_structs(value), truths, path)
    joints = _people_first(value, truths, path) - 1
    return _as_parts(joints[:, LSP_TO_14] if joints.shape[1] == 14 else joints, truths)


def _joint_counts(truths: Sequence[GroundTruth]) -> tuple[int, ...]:
    """How many joints predictions may have for these people."""
    parts = len(truths[0].parts)
    return (14, 16) if parts in (14, 16) else (parts,)


def _people_first(array: np.ndarray, truths: Sequence[GroundTruth], path: str | os.PathLike[str]) -> np.ndarray:
    """(N, P, 2) of an array whose axes are people, joints and coordinates in any order."""
    if array.ndim == 2:  # MATLAB drops the last axis of a single person
        array = array[..., None]
    counts = _joint_counts(truths)
    if array.ndim == 3 and array.dtype.kind in "iuf":
        for axes in ((0, 1, 2), (2, 0, 1), (2, 1, 0), (0, 2, 1)):
            people, joints, coordinates = (array.shape[axis] for axis in axes)
            if people == len(truths) and joints in counts and coordinates in (2, 3):
                return array.transpose(axes)[..., :2].astype(np.float64)
    found = " x ".join(map(str, array.shape))
    if array.dtype.kind not in "iuf":
        found += " of something else"
    raise InputError(
        f"{path}: expected {' or '.join(map(str, counts))} joints of {len(truths)} people, found {found} numbers: "
        "are these the predictions of another data set?"
    )


def _as_parts(joints: np.ndarray, truths: Sequence[GroundTruth]) -> np.ndarray:
    """Joints (N, P, 2) as the truths have them: MPII's 16 as 14 parts, or the 14 among the 16."""
    parts = len(truths[0].parts)
    if joints.shape[1] == parts:
        return joints
    if parts == 14:
        return joints[:, list(STORED_TO_14)]
    stored = np.full((len(joints), parts, 2), np.nan)
    stored[:, list(STORED_TO_14)] = joints
    return stored


def _read_structs(
    points: Mapping[tuple[int, int], Mapping[float, np.ndarray]],
    truths: Sequence[GroundTruth],
    path: str | os.PathLike[str],
) -> np.ndarray:
    joints = np.full((len(truths), 16, 2), np.nan)
    for index, truth in enumerate(truths):
        for joint, place in _of_person(points, truth, path).items():
            if joint not in range(16):
                raise InputError(f"{path}: pred: expected joint ids 0 to 15, found {joint:g}")
            joints[index, int(joint)] = place - 1
    return _as_parts(joints, truths)


def _of_person(poses: Mapping[tuple[int, int], Found], truth: GroundTruth, path: str | os.PathLike[str]) -> Found:
    """The pose of an annotated person among those by (annolist_index, people_index)."""
    if truth.place == NO_PLACE:
        raise InputError(
            f"{path}: expected people in an order, or an LMDB (--lmdb) that names each one's image, found neither"
        )
    if truth.place not in poses:
        image, person = truth.place
        raise InputError(
            f"{path}: expected a pose of person {person} of image {image}, found none: "
            "are these the predictions of another data set?"
        )
    return poses[truth.place]


def _read_coco(path: str | os.PathLike[str], truths: Sequence[GroundTruth]) -> np.ndarray:
    results = parse_json(read_bytes(path), path)
    if not isinstance(results, list) or not results or not all(isinstance(result, dict) for result in results):
        raise InputError(f"{path}: expected COCO's results, a list of objects with keypoints, found something else")
    poses = [_keypoints(result, f"{path}: result {index}", truths) for index, result in enumerate(results)]
    by_place = {_coco_place(result): pose for result, pose in zip(results, poses, strict=True)}
    if all("people_index" in result for result in results) and len(by_place) == len(results):
        poses = [_of_person(by_place, truth, path) for truth in truths]
    if len({len(pose) for pose in poses}) > 1:
        raise InputError(f"{path}: expected as many keypoints in every result, found different numbers")
    return _as_parts(_people_first(np.array(poses), truths, path), truths)


def _coco_place(result: Mapping[str, object]) -> tuple[int, int]:
    image, person = (result.get(name) for name in ("image_id", "people_index"))
    return _counted(image), _counted(person)


def _counted(number: object) -> int:
    """The number, 0 if it is none; JSON's true and 1.0 are none."""
    return number if isinstance(number, int) and not isinstance(number, bool) else 0


def _keypoints(result: Mapping[str, object], where: str, truths: Sequence[GroundTruth]) -> np.ndarray:
    """(P, 2) of one result, NaN where nothing was found."""
    values, counts = result.get("keypoints"), _joint_counts(truths)
    if not isinstance(values, list) or not all(type(value) in (int, float) for value in values):
        raise InputError(f"{where}: keypoints: expected a list of numbers, found something else")
    if len(values) not in [3 * count for count in counts]:
        expected = " or ".join(str(3 * count) for count in counts)
        raise InputError(f"{where}: keypoints: expected {expected} numbers (x, y, score), found {len(values)}")
    try:
        triples = np.array(values, np.float64).reshape(-1, 3)
    except OverflowError:
        raise InputError(f"{where}: keypoints: expected numbers of float's range, found a larger one") from None
    return np.where(np.any(triples, axis=1)[:, None], triples[:, :2], np.nan)


def write_predictions(
    path: str | os.PathLike[str],
    found: Predictions,
    places: Sequence[tuple[int, int]],
    as_structs: bool = False,
    images: Sequence[int] | None = None,
) -> None:
    """Write what was found for people at `places` (annolist_index, people_index) in the form of the name's ending.

    as_structs: a .mat gets MPII's `pred` (14 parts), with an element for each annolist_index in `images` (default: all
    up to the last place); else the array `joints`, 2 x P x N, in LSP's order if P is 14.
    """
    check_suffix(path)
    suffix = Path(path).suffix
    if suffix == ".npz":
        write_npz(path, found._asdict())
    elif suffix == ".json":
        text = json.dumps(_coco_results(found, places))
        write_text(path, text + "\n")
    elif as_structs:
        _check_struct(path, found, places)
        images = images or range(1, max(image for image, _ in places) + 1)
        points = (dict(zip(STORED_TO_14, pose + 1, strict=True)) for pose in found.joints)
        _write_mat(path, {"pred": prediction_structs(dict(zip(places, points, strict=True)), images)})
    else:
        order = np.argsort(LSP_TO_14) if found.joints.shape[1] == 14 else slice(None)
        _write_mat(path, {"joints": found.joints[:, order].transpose(2, 1, 0) + 1})


def _check_struct(path: str | os.PathLike[str], found: Predictions, places: Sequence[tuple[int, int]]) -> None:
    """Struct arrays have an element for every index: indices of other data sets could ask for billions."""
    if found.joints.shape[1] != 14:
        raise InputError(f"{path}: expected 14 parts, those of MPII's joints, found {found.joints.shape[1]}")
    for image, person in places:
        if not (1 <= image <= 10**6 and 1 <= person <= 255):
            raise InputError(
                f"{path}: expected MPII's people, with annolist_index 1 to {10**6} and people_index 1 to 255, "
                f"found {image} and {person}"
            )


def _coco_results(found: Predictions, places: Sequence[tuple[int, int]]) -> list[dict[str, object]]:
    results = []
    for pose, scores, (image, person) in zip(found.joints, found.scores, places, strict=True):
        known = np.isfinite(pose).all(axis=1) & np.isfinite(scores)
        pose, scores = np.where(known[:, None], pose, 0), np.where(known, scores, 0)
        results.append({"image_id": image, "people_index": person, **keypoints_result(pose, scores)})
    return results


def _write_mat(path: str | os.PathLike[str], variables: Mapping[str, np.ndarray]) -> None:
    stream = io.BytesIO()
    scipy.io.savemat(stream, dict(variables), do_compression=True)
    stream.seek(0)
    stream.write(_MAT_HEADER)
    with replacing(path) as temporary, stream.getbuffer() as content:
        temporary.write_bytes(content)
