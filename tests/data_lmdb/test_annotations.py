"""The annotation JSON: jsonlab's form both ways, and every field that can be wrong."""

import json

import numpy as np
import pytest

from data_lmdb.annotations import Annotation, record_text, write_json
from prototxt_import.files import InputError
from tests.annotated_people import annotations_in


def random_annotation(rng, joints=16, others=0, **changes):
    values = {
        "dataset": "MPI",
        "is_validation": bool(rng.integers(2)),
        "img_paths": f"folder/{rng.integers(1000)}.jpg",
        "img_width": float(rng.integers(1, 900)),
        "img_height": float(rng.integers(1, 900)),
        "objpos": rng.normal(200, 90, 2).round(3),
        "joint_self": rng.normal(200, 90, (joints, 3)).round(3),
        "scale_provided": float(rng.uniform(0.2, 4).__round__(3)),
        "annolist_index": int(rng.integers(20000)),
        "people_index": int(rng.integers(1, 9)),
        "joint_others": rng.normal(200, 90, (others, joints, 3)).round(3),
        "scale_provided_other": rng.uniform(0.2, 4, others).round(3),
        "objpos_other": rng.normal(200, 90, (others, 2)).round(3),
    }
    return Annotation(**{**values, **changes})


def assert_equal(actual, expected):
    assert vars(actual).keys() == vars(expected).keys()
    for name, value in vars(expected).items():
        assert np.shape(getattr(actual, name)) == np.shape(value), name
        assert np.all(np.asarray(getattr(actual, name)) == value), name


@pytest.mark.parametrize("joints", [16, 9])
def test_written_annotations_read_back(tmp_path, joints):
    rng = np.random.default_rng(joints)
    annotations = [random_annotation(rng, joints, others) for others in (0, 1, 2, 7, 0)]
    assert write_json(tmp_path / "a.json", annotations) == 5
    for actual, expected in zip(annotations_in(tmp_path / "a.json"), annotations, strict=True):
        assert_equal(actual, expected)


def test_form_of_the_original(tmp_path):
    rng = np.random.default_rng(0)
    for others, shape in [(1, (16, 3)), (2, (2, 16, 3))]:
        record = json.loads(record_text(random_annotation(rng, others=others)))
        assert np.shape(record["joint_others"]) == shape
        assert np.shape(record["objpos_other"]) == (*shape[:-2], 2)
        assert np.shape(record["scale_provided_other"]) == shape[:-2]
    text = record_text(random_annotation(rng, img_width=1280.0, annolist_index=5, img_paths='a"ü.jpg'))
    assert '"img_width": 1280.000' in text and '"annolist_index": 5.000' in text
    assert json.loads(text)["img_paths"] == 'a"ü.jpg' and "ü" in text
    text = record_text(random_annotation(rng, img_paths="ü\udcff.jpg"))
    assert json.loads(text.encode())["img_paths"] == "ü\udcff.jpg"
    write_json(tmp_path / "a.json", [random_annotation(rng)])
    assert isinstance(json.loads((tmp_path / "a.json").read_text())["root"], list)


def test_public_mpii_conversion_comes_back_byte_for_byte(golden, tmp_path):
    path = golden / "json" / "mpii_sample.json"
    annotations = annotations_in(path)
    assert len(annotations) == 168 and sum(a.is_validation for a in annotations) == 16
    assert "[" + ",".join(record_text(a) for a in annotations) + "]" == path.read_text()
    write_json(tmp_path / "again.json", annotations)
    for actual, expected in zip(annotations_in(tmp_path / "again.json"), annotations, strict=True):
        assert_equal(actual, expected)


@pytest.mark.parametrize("name, others", [("mpi16_lmdb", [1, 2, 5, 0, 0, 1, 0, 0, 0]), ("flic9_lmdb", [0] * 4)])
def test_golden_annotations_are_read(golden, name, others):
    annotations = annotations_in(golden / "transform" / f"{name}.json")
    assert [a.number_of_others for a in annotations] == others
    joints = 16 if name == "mpi16_lmdb" else 9
    assert all(a.joint_others.shape == (a.number_of_others, joints, 3) for a in annotations)


def changed_record(**changes):
    record = json.loads(record_text(random_annotation(np.random.default_rng(1), others=2)))
    record.update(changes)
    return {name: value for name, value in record.items() if value is not ...}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"joint_self": [[1, 2, 1]] * 15}, "joint_self: expected 16 or 9 joints, found 15"),
        (
            {"joint_self": [[1, 2, 1]] * 9, "numOtherPeople": 0},
            "expected 16 joints as in .*: record 0, found 9",
        ),
        ({"joint_self": [[1, 2]] * 16}, "joint_self: expected any x 3 numbers, found 16 x 2"),
        ({"joint_self": [[1, 2, 1]] * 15 + [[1, 2]]}, "found lists of unequal length"),
        ({"joint_self": [[1, float("nan"), 1]] * 16}, "joint_self: expected finite numbers"),
        ({"joint_self": [[1, None, 1]] * 16}, "joint_self: expected any x 3 numbers"),
        ({"joint_self": ...}, "joint_self: expected any x 3 numbers, found nothing"),
        ({"objpos": ["a", "b"]}, "objpos: expected 2 numbers"),
        ({"objpos": [1, 2, 3]}, "objpos: expected 2 numbers, found 3"),
        ({"objpos": [1, 1e999]}, "objpos: expected finite numbers"),
        ({"scale_provided": 0}, "scale_provided: expected a positive number, found 0"),
        ({"scale_provided": -1.5}, "scale_provided: expected a positive number, found -1.5"),
        ({"objpos": [1, 1e30]}, "objpos: expected numbers up to 16777216, found a larger one"),
        ({"objpos": [1.5, True]}, "objpos: expected 2 numbers"),
        ({"img_width": 10**400}, "img_width: expected a number up to 16777216"),
        ({"scale_provided": float("nan")}, "scale_provided: expected a finite number"),
        ({"img_width": ...}, "img_width: expected a finite number, found nothing"),
        ({"img_height": 0}, "img_height: expected a positive number"),
        ({"img_height": True}, "img_height: expected a finite number, found true"),
        ({"img_paths": ...}, "img_paths: expected a text, found nothing"),
        ({"dataset": 3}, "dataset: expected a text, found 3"),
        ({"numOtherPeople": 1}, r"joint_others: expected 1 x 16 x 3 numbers, found 2 x 16 x 3"),
        ({"numOtherPeople": 1.5}, "numOtherPeople: expected a number up to 255"),
        ({"numOtherPeople": 1000}, "numOtherPeople: expected a number up to 255"),
        ({"scale_provided_other": [1]}, "scale_provided_other: expected 2 numbers, found 1"),
        ({"objpos_other": {"_ArrayType_": "double"}}, "objpos_other: expected the values of 2 other people"),
        ({"objpos_other": [[1, 2], [3, float("inf")]]}, "objpos_other: expected finite numbers"),
    ],
)
def test_wrong_fields_are_named(tmp_path, changes, message):
    path = tmp_path / "a.json"
    path.write_text(json.dumps([changed_record(), changed_record(**changes)]))
    with pytest.raises(InputError, match=rf"a\.json: record 1.*{message}") as caught:
        annotations_in(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", '{"root": []}', '{"root": 3}', "3", "[3]", "[[]]", "\x80", "[" * 100_000]
)
def test_files_that_are_no_annotations(tmp_path, content):
    (tmp_path / "a.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"a\.json: "):
        annotations_in(tmp_path / "a.json")


def test_a_missing_file_and_no_persons(tmp_path):
    with pytest.raises(InputError, match=r"missing\.json: cannot be read: No such file"):
        annotations_in(tmp_path / "missing.json")
    with pytest.raises(InputError, match="expected annotated persons to write, found none"):
        write_json(tmp_path / "a.json", [])
    assert list(tmp_path.iterdir()) == []


def test_a_single_person_needs_no_list(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"root": changed_record()}))
    assert len(annotations_in(tmp_path / "a.json")) == 1
