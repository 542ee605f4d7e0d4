"""MPII Human Pose: mpii_human_pose_v1_u12_1.mat and images to annotations.

The file is one struct, RELEASE: `annolist(i)` has an image's name and in `annorect(p)` its people, each with
scale, objpos and annopoints with `point`, an array of x, y, id (0 to 15, in the order of `STORED_16`) and
is_visible; `img_train(i)` tells training images from those whose joints are withheld. i and p count from 1 and
become annolist_index and people_index: p counts everybody in the image, also people without joints, because
that is how the list of Tompson et al.'s 2,958 validation persons counts them.

is_visible is a number, a text or nothing at all; only 0 and '0' mean an occluded joint.

The list does not name everybody in its 2,729 images. As in the release's JSON, who is not named there gets no
annotation (a training set with them would hold the validation's photographs) but is one of the others.
"""

import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from data_lmdb.annotations import Annotation
from data_lmdb.joints import STORED_16
from prototxt_import.files import InputError, require

from .marked_people import MarkedPerson, Progress, Skipped, annotations_of, image_sizes, usable
from .matlab import field, number, numbers, read_variables, structs, text

DATASET = "MPI"
UNLISTED = "in an image of the validation list, but not named there"


def mpii_annotations(
    path: str | os.PathLike[str],
    images: str | os.PathLike[str],
    validation: str | os.PathLike[str] | None = None,
    progress: Progress = lambda images: images,
) -> tuple[list[Annotation], Skipped]:
    """Annotations of every person with joints in a training image, and who was skipped.

    `images` is the folder of photographs; `validation` a MATLAB file as `validation_pairs` reads it. InputError
    if a file is not of this kind or nobody is left.
    """
    skipped = Skipped()
    pairs = validation_pairs(validation) if validation is not None else set()
    people = usable(_people(path, pairs), skipped)
    sizes = image_sizes((person.image for person in people), images, progress)
    return annotations_of(people, sizes, DATASET, path, skipped), skipped


def validation_pairs(path: str | os.PathLike[str]) -> set[tuple[float, float]]:
    """(annolist_index, people_index) of the persons in a detections file of Tompson et al.: the variables
    RELEASE_img_index and RELEASE_person_index, two equally long lists. InputError if they are not that."""
    names = ("RELEASE_img_index", "RELEASE_person_index")
    image_indices, people_indices = (numbers(value) for value in read_variables(path, *names))
    if len(image_indices) != len(people_indices) or not len(image_indices):
        found = f"{len(image_indices)} and {len(people_indices)}"
        raise InputError(f"{path}: expected as many numbers in {names[0]} as in {names[1]}, found {found}")
    return set(zip(image_indices.tolist(), people_indices.tolist(), strict=True))


def read_release(path: str | os.PathLike[str]) -> tuple[np.void, list[np.void]]:
    """RELEASE and its annolist, an element for each image; InputError if there is none."""
    release = structs(read_variables(path, "RELEASE")[0])
    annolist = structs(field(release[0], "annolist")) if release else []
    require(path, bool(annolist), "RELEASE.annolist, a struct array", "none")
    return release[0], annolist


def image_name(image: np.void) -> str:
    """Of an element of annolist; empty if it has none."""
    return next((text(file, "name") for file in structs(field(image, "image"))), "")


def objpos_of(person: np.void) -> NDArray[np.float64]:
    """(2,) of an element of annorect, 1-based; NaN if it is not given."""
    given = structs(field(person, "objpos"))
    return np.array([number(given[0], "x"), number(given[0], "y")] if given else [np.nan, np.nan])


def _people(path: str | os.PathLike[str], validation: set[tuple[float, float]]) -> Iterator[MarkedPerson]:
    release, annolist = read_release(path)
    img_train = numbers(field(release, "img_train"))
    found = f"{len(annolist)} and {len(img_train)}"
    require(path, len(annolist) == len(img_train), "RELEASE.annolist and as many RELEASE.img_train", found)
    validation_images = {i for i, _ in validation}
    for i, image in enumerate(annolist, start=1):
        if img_train[i - 1] != 1:
            continue
        name = image_name(image)
        require(f"{path}: RELEASE.annolist({i})", name != "", "an image name", "none")
        for p, person in enumerate(structs(field(image, "annorect")), start=1):
            yield MarkedPerson(
                image=name,
                joints=_joints(person, f"{path}: RELEASE.annolist({i}).annorect({p})"),
                objpos=objpos_of(person),
                scale=number(person, "scale"),
                annolist_index=i,
                people_index=p,
                is_validation=(i, p) in validation,
                only_other=UNLISTED if i in validation_images and (i, p) not in validation else "",
            )


def _joints(person: np.void, where: str) -> NDArray[np.float64]:
    """(16, 3), (0, 0, 0) where there is no joint; InputError for an id that is none of the 16."""
    joints = np.zeros((len(STORED_16), 3))
    for annopoints in structs(field(person, "annopoints")):
        for point in structs(field(annopoints, "point")):
            joint = number(point, "id")
            if joint not in range(len(joints)):
                raise InputError(f"{where}: expected joint ids 0 to {len(joints) - 1}, found {joint:g}")
            joints[int(joint)] = number(point, "x"), number(point, "y"), number(point, "is_visible") != 0
    return joints
