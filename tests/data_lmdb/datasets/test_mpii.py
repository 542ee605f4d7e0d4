"""MPII: the nested .mat with all its oddities, and a public conversion reproduced from one."""

import gzip
import json
from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from PIL import Image

from data_lmdb.annotations import parse_record, record_text
from data_lmdb.datasets.marked_people import MarkedPerson, Skipped, annotations_of, usable
from data_lmdb.datasets.matlab import read_variables
from data_lmdb.datasets.mpii import UNLISTED, mpii_annotations, validation_pairs
from prototxt_import.files import InputError
from tests.annotated_people import annotations_in
from tests.data_lmdb.datasets.matlab_structs import EMPTY, save, struct, struct_array


def point(id, x=5.0, y=6.0, **more):
    return {"id": np.uint8(id), "x": x, "y": y, **more}


def person(points, **changes):
    """A person whose `points` may be a list of points, or what stands in `annopoints` instead."""
    annopoints = struct(point=struct_array(points)) if isinstance(points, list) else points
    return {"annopoints": annopoints, "scale": 1.5, "objpos": struct(x=7.0, y=8.0), **changes}


def image(name, people):
    annorect = struct_array(people) if isinstance(people, list) else people
    return {"image": struct(name=name), "annorect": annorect}


def save_mpii(folder, images, img_train=None):
    """mpii.mat and a black photograph of 90 x 60 px for each image, in `folder`; returns the .mat's path."""
    for entry in images:
        Image.new("1", (90, 60)).save(folder / entry["image"][0, 0]["name"], "png")
    img_train = [1] * len(images) if img_train is None else img_train
    release = struct(annolist=struct_array(images), img_train=np.array([img_train], np.uint8))
    return save(folder / "mpii.mat", RELEASE=release)


def save_pairs(path, pairs):
    indices = np.array(pairs, np.float64).reshape(-1, 2).T
    return save(path, RELEASE_img_index=indices[:1], RELEASE_person_index=indices[1:])


def points_of(joints, rng):
    """Points in random order; is_visible a number, a text, or [] where the joint is visible."""
    points = []
    for id in rng.permutation(np.flatnonzero(joints[:, :2].any(axis=1))):
        x, y, visible = joints[id]
        forms = [np.uint8(visible), float(visible), str(int(visible))] + [EMPTY] * bool(visible)
        points.append(point(id, x, y, is_visible=forms[rng.integers(len(forms))]))
    return points


@pytest.fixture(scope="module")
def sample(golden, tmp_path_factory):
    """The sample's annotations, and those made from a .mat of its persons."""
    folder, rng = tmp_path_factory.mktemp("mpii"), np.random.default_rng(0)
    expected = annotations_in(golden / "json" / "mpii_sample.json")
    by_image = {index: list(group) for index, group in groupby(expected, lambda a: a.annolist_index)}
    images, pairs = [], []
    for index in range(1, max(by_image) + 1):
        people = by_image.get(index, [])
        assert [a.people_index for a in people] == list(range(1, len(people) + 1))
        x_y = [struct(x=a.objpos[0], y=a.objpos[1]) for a in people]
        rects = [
            person(points_of(a.joint_self, rng), scale=a.scale_provided, objpos=objpos)
            for a, objpos in zip(people, x_y, strict=True)
        ]
        images.append(image(people[0].img_paths if people else f"test{index}.jpg", rects or EMPTY))
        pairs += [(index, a.people_index) for a in people if a.is_validation]
    mat = save_mpii(folder, images, [index in by_image for index in range(1, len(images) + 1)])
    for a in expected:
        Image.new("1", (int(a.img_width), int(a.img_height))).save(folder / a.img_paths, "png")
    actual, skipped = mpii_annotations(mat, folder, save_pairs(folder / "detections.mat", pairs))
    assert skipped.counts == {f"{UNLISTED}; only among the others": 22}
    made = {(a.annolist_index, a.people_index) for a in actual}
    return [a for a in expected if (a.annolist_index, a.people_index) in made], actual


def test_a_public_conversion_is_reproduced_text_for_text(sample):
    """In all fields where the sample's others are the image's other persons. In the rest it kept values from an
    earlier use of the same record (image 41 shows six people of image 43, missing joints of one person are
    another's), which the release's own JSON never does; there the person's own fields are compared. It also gives 22
    people of validation images to training, whom the release leaves out."""
    complete = 0
    for expected, actual in zip(*sample, strict=True):
        ours, theirs = record_text(actual), record_text(expected)
        if np.array_equal(expected.joint_others, actual.joint_others):
            complete += 1
            assert ours == theirs
        else:
            start, end = '"joint_others"', '"annolist_index"'
            assert ours[: ours.index(start)] == theirs[: theirs.index(start)]
            assert ours[ours.index(end) : ours.rindex(",")] == theirs[theirs.index(end) : theirs.rindex(",")]
    assert (complete, len(sample[0]), len(sample[1])) == (106, 146, 146)


def test_unlisted_people_of_validation_images_are_only_others(tmp_path):
    """All four stay one another's others, in the image's order; image b has nobody on the list."""
    people = [person([point(9, 10.0 * p)], scale=float(p)) for p in (1, 2, 3, 4)]
    path = save_mpii(tmp_path, [image("a.png", people), image("b.png", people[:2])])
    annotations, skipped = mpii_annotations(path, tmp_path, save_pairs(tmp_path / "d.mat", [(1, 2), (1, 4)]))
    made = [(a.annolist_index, a.people_index, a.is_validation) for a in annotations]
    assert made == [(1, 2, True), (1, 4, True), (2, 1, False), (2, 2, False)]
    assert [a.scale_provided_other.tolist() for a in annotations] == [[1, 3, 4], [1, 2, 3], [2], [1]]
    assert annotations[1].joint_others[:, 9, 0].tolist() == [10, 20, 30]
    assert skipped.lines() == [f"skipped 2 persons: {UNLISTED}; only among the others (first: a.png)"]


def people_of_an_image(records):
    """Everybody in it, in the image's order: those with a record, and those who are only others of theirs."""
    first, others = records[0], []
    for scale, objpos, joints in zip(
        records[0].scale_provided_other, records[0].objpos_other, records[0].joint_others, strict=True
    ):
        own = next((a for a in records[1:] if np.array_equal(a.joint_self, joints)), None)
        others.append(marked(own) if own else replace(marked(first), joints=joints, objpos=objpos, scale=scale))
        others[-1].only_other = "" if own else UNLISTED
    second = records[1].joint_others if len(records) > 1 else []
    place = next((i for i, joints in enumerate(second) if np.array_equal(joints, first.joint_self)), 0)
    return [*others[:place], marked(first), *others[place:]]


def marked(a):
    return MarkedPerson(
        a.img_paths, a.joint_self, a.objpos, a.scale_provided, a.annolist_index, a.people_index, a.is_validation
    )


@pytest.mark.slow
def test_the_whole_release(release_annotations):
    """28,883 people in, the release's 25,204 records out, text for text; and the predictions' ground truth holds the
    same 2,958 in the same order, up to 17 coordinates of 10 persons, which it sets to 0."""
    content = gzip.decompress((release_annotations / "mpii_annotations.json.gz").read_bytes()).decode()
    expected = [parse_record(record, f"record {i}") for i, record in enumerate(json.loads(content))]
    by_image = [list(group) for _, group in groupby(expected, lambda a: a.img_paths)]
    assert len(by_image) == 17408 and all(len({a.is_validation for a in image}) == 1 for image in by_image)
    people, skipped = [person for records in by_image for person in people_of_an_image(records)], Skipped()
    assert len(usable(people, skipped)) == 28883
    sizes = {a.img_paths: (int(a.img_width), int(a.img_height)) for a in expected}
    actual = annotations_of(people, sizes, "MPI", "mpii", skipped)
    assert "[" + ",".join(map(record_text, actual)) + "]" == content.strip()
    assert skipped.counts == {f"{UNLISTED}; only among the others": 3679}
    held_out = np.array([a.joint_self for a in actual if a.is_validation])
    names = ("pos_gt_src", "jnt_missing")
    truth, missing = read_variables(release_annotations / "detections_our_format.mat", *names)
    absent = ~held_out[:, :, :2].any(axis=2)
    assert np.array_equal(absent, missing.T != 0) and absent.sum() == 3088
    far = (np.abs(held_out[:, :, :2] - truth.transpose(2, 0, 1)) > 0.01) & ~absent[:, :, None]
    assert (len(held_out), far.sum(), far.any(axis=(1, 2)).sum()) == (2958, 17, 10)
    assert (np.abs(truth.transpose(2, 0, 1)[far]) < 0.01).all()


def test_visibility_is_zero_only_for_zero(tmp_path):
    values = [0, "0", np.uint8(0), False, 1, "1", np.uint8(1), True, EMPTY, "", 2.0, "x", np.zeros((1, 2)), np.nan]
    points = [point(id, is_visible=value) for id, value in enumerate(values)] + [point(15)]
    annotations, _ = mpii_annotations(save_mpii(tmp_path, [image("a.png", [person(points)])]), tmp_path)
    assert annotations[0].joint_self[:, 2].tolist() == [0] * 4 + [1] * 10 + [0, 1]
    assert annotations[0].joint_self[14].tolist() == [0, 0, 0]
    without = [person([point(id) for id in range(3)])]
    annotations, _ = mpii_annotations(save_mpii(tmp_path, [image("a.png", without)]), tmp_path)
    assert annotations[0].joint_self[:3].tolist() == [[5, 6, 1]] * 3


def test_structs_with_missing_and_empty_fields(tmp_path):
    """Skipped persons keep their number, and are nobody's others."""
    people = [
        person(EMPTY),
        person([point(0), point(9, 1.0, 2.0)]),
        person(struct(other=1.0)),
        person([point(1)], scale=EMPTY),
        person([point(1)], objpos=EMPTY),
        person([point(15)]),
    ]
    no_fields = image("c.png", struct_array([{"x1": 1.0}]))
    images = [image("a.png", EMPTY), image("b.png", people), no_fields, image("d.png", [person([point(2)])])]
    path = save_mpii(tmp_path, images, [1, 1, 1, 0])
    annotations, skipped = mpii_annotations(path, tmp_path, save_pairs(tmp_path / "d.mat", [(2, 2), (2, 6), (4, 1)]))
    assert [(a.annolist_index, a.people_index, a.is_validation) for a in annotations] == [(2, 2, True), (2, 6, True)]
    assert annotations[0].joint_others.tolist() == [annotations[1].joint_self.tolist()]
    assert annotations[1].objpos_other.tolist() == [[7, 8]] and annotations[1].scale_provided_other.tolist() == [1.5]
    assert (annotations[0].img_width, annotations[0].img_height, annotations[0].dataset) == (90, 60, "MPI")
    assert skipped.counts == {
        "no joint is marked": 2,
        "no positive scale": 1,
        "a joint or the position is no place in a photograph": 2,
    }


@pytest.mark.parametrize(
    "bad, reason",
    [
        (person([point(3, np.nan)]), "a joint or the position is no place in a photograph"),
        (person([point(3)], objpos=struct(x=1.0, y=np.inf)), "a joint or the position is no place in a photograph"),
        (person([point(3)], scale=-1.0), "no positive scale"),
        (person([point(3)], scale=0.0), "no positive scale"),
        (person([point(3)], scale=np.inf), "no positive scale"),
    ],
)
def test_persons_that_nothing_can_be_learnt_from(tmp_path, bad, reason):
    path = save_mpii(tmp_path, [image("a.png", [bad, person([point(3)])])])
    annotations, skipped = mpii_annotations(path, tmp_path)
    assert [a.people_index for a in annotations] == [2] and annotations[0].number_of_others == 0
    assert skipped.lines() == [f"skipped 1 person: {reason} (first: a.png)"]
    with pytest.raises(InputError, match=f"mpii.mat: .*found none that can be used: skipped 1 person: {reason}"):
        mpii_annotations(save_mpii(tmp_path, [image("a.png", [bad])]), tmp_path)


def test_zero_persons(tmp_path):
    with pytest.raises(InputError, match=r"mpii.mat: expected annotated persons, .*: nobody is marked"):
        mpii_annotations(save_mpii(tmp_path, [image("a.png", EMPTY)]), tmp_path)


@pytest.mark.parametrize(
    "variables, message",
    [
        ({"other": 1.0}, "expected a variable RELEASE, found no variable of that name"),
        ({"RELEASE": 1.0}, "expected RELEASE.annolist, a struct array, found none"),
        ({"RELEASE": "text"}, "expected RELEASE.annolist, a struct array, found none"),
        ({"RELEASE": struct(annolist=EMPTY, img_train=EMPTY)}, "expected RELEASE.annolist, a struct array, found none"),
        ({"RELEASE": struct(annolist=struct_array([{}, {}], ["image"]), img_train=1.0)}, "found 2 and 1"),
        ({"RELEASE": struct(annolist=struct(image=EMPTY), img_train=1.0)}, r"annolist\(1\): expected an image name"),
        ({"RELEASE": struct(annolist=struct(image=struct(name=3.0)), img_train=1.0)}, "expected an image name"),
    ],
)
def test_mat_files_of_another_kind(tmp_path, variables, message):
    with pytest.raises(InputError, match=f"mpii.mat: .*{message}") as caught:
        mpii_annotations(save(tmp_path / "mpii.mat", **variables), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("id", [16, -1, 2.5, "x", EMPTY])
def test_joint_ids_that_are_none_of_the_16(tmp_path, id):
    path = save_mpii(tmp_path, [image("a.png", [person([point(0)]), person([{**point(0), "id": id}])])])
    with pytest.raises(InputError, match=r"annolist\(1\)\.annorect\(2\): expected joint ids 0 to 15, found"):
        mpii_annotations(path, tmp_path)


def test_truncated_mat_files(tmp_path):
    path = save_mpii(tmp_path, [image("a.png", [person([point(0)])])])
    content = path.read_bytes()
    for length in np.random.default_rng(1).integers(0, len(content) - 1, 20):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=r"mpii\.mat: expected"):
            mpii_annotations(path, tmp_path)


def test_validation_lists(tmp_path):
    pairs = [(3, 1), (3, 2), (17, 1)]
    assert validation_pairs(save_pairs(tmp_path / "d.mat", pairs)) == set(pairs)
    one = save(tmp_path / "d.mat", RELEASE_img_index=np.ones((1, 3)))
    with pytest.raises(InputError, match=r"d\.mat: expected a variable RELEASE_person_index"):
        validation_pairs(one)
    for people in (np.ones((1, 2)), "abc"):
        unequal = save(tmp_path / "d.mat", RELEASE_img_index=np.ones((1, 3)), RELEASE_person_index=people)
        with pytest.raises(InputError, match=r"d\.mat: expected as many numbers in RELEASE_img_index as in"):
            validation_pairs(unequal)
    with pytest.raises(InputError, match="found 0 and 0"):
        validation_pairs(save_pairs(tmp_path / "d.mat", []))


def test_the_predictions_of_the_evaluation_are_no_validation_list(lspet):
    predictions = lspet.parent / "eval" / "mpii_val_tompson.mat"
    if predictions.is_file():
        with pytest.raises(InputError, match="expected a variable RELEASE_img_index"):
            validation_pairs(predictions)
