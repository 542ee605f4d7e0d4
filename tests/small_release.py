"""A small mpii_human_pose_v1_u12_1.mat: the nested structs of the data set's own file, few people."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import scipy.io

Person = Mapping[str, object]


def struct_array(elements: list[Mapping[str, object]]) -> np.ndarray:
    """1 x N, with the fields of any of the elements; one that an element lacks is []."""
    fields = sorted({name for element in elements for name in element})
    array = np.zeros((1, len(elements)), [(name, object) for name in fields])
    for index, element in enumerate(elements):
        array[0, index] = tuple(element.get(name, np.zeros((0, 0))) for name in fields)
    return array


def asked_person(x: float, y: float, scale: float) -> Person:
    """A person of a test image."""
    return {"objpos": {"x": x, "y": y}, "scale": scale}


def head(x1: float, y1: float, x2: float, y2: float) -> Person:
    """A person of a training image, of whom only the head box matters here."""
    return {"x1": x1, "y1": y1, "x2": x2, "y2": y2}


def write_release(path: Path, images: list[tuple[str, bool, list[int], list[Person]]]) -> Path:
    """images: name, is it a training image, its single people (from 1), all its people."""
    annolist = [
        {"image": {"name": name}, "annorect": struct_array(people) if people else np.zeros((0, 0))}
        for name, _, _, people in images
    ]
    single = np.zeros((len(images), 1), object)
    for index, (_, _, chosen, _) in enumerate(images):
        single[index, 0] = np.array(chosen, np.uint8).reshape(-1, 1)
    training = np.array([[is_train for _, is_train, _, _ in images]], np.uint8)
    release = {"annolist": struct_array(annolist), "img_train": training, "single_person": single}
    scipy.io.savemat(path, {"RELEASE": release})
    return path
