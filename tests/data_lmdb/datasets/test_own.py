"""The own-data format: CSV and JSON to the same annotations, 0-based to 1-based, and its errors."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from data_lmdb.datasets.own import own_annotations
from data_lmdb.joints import PARTS_14, STORED_16
from prototxt_import.files import InputError

# Where each of MPII's 16 stored joints comes from when the transformer takes the 14: FIDELITY's table.
STORED_ROW_OF_PART = [9, 8, 12, 11, 10, 13, 14, 15, 2, 1, 0, 3, 4, 5]


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name, size in [("a.jpg", (80, 60)), ("b.png", (33, 44))]:
        Image.new("RGB", size).save(folder / name)
    return folder


def random_people(rng):
    """Three persons, two of them in one image; None for a joint that is not annotated."""
    people = []
    for image in ["a.jpg", "b.png", "a.jpg"]:
        joints = {name: [*rng.uniform(0, 60, 2).round(2), int(rng.integers(2))] for name in PARTS_14}
        joints[PARTS_14[rng.integers(14)]] = None
        people.append({"image": image, "scale": round(float(rng.uniform(0.3, 2)), 3), "joints": joints})
    people[1]["center"] = [20.5, 10.25]
    people[1]["height"] = 130.0
    del people[1]["scale"]
    people[2]["validation"] = True
    return people


def cells_of(person):
    cells = {name: person.get(name, "") for name in ("image", "scale", "height")}
    cells["center_x"], cells["center_y"] = person.get("center", ["", ""])
    cells["validation"] = int(person.get("validation", False))
    for name, joint in person["joints"].items():
        for axis, value in zip(("x", "y", "visible"), joint or ["", "", ""], strict=True):
            cells[f"{name}_{axis}"] = value
    return cells


def write_csv(path, rows):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_json_table(path, people):
    path.write_text(json.dumps(people))
    return path


def test_csv_and_json_give_the_same_annotations(tmp_path, images):
    people = random_people(np.random.default_rng(0))
    from_csv = own_annotations(write_csv(tmp_path / "p.csv", [cells_of(p) for p in people]), images)
    from_json = own_annotations(write_json_table(tmp_path / "p.json", people), images)
    as_lists = [{**p, "joints": [p["joints"][name] for name in PARTS_14]} for p in people]
    from_lists = own_annotations(write_json_table(tmp_path / "q.json", as_lists), images)
    for one, two, three in zip(from_csv, from_json, from_lists, strict=True):
        for name, value in vars(one).items():
            assert np.array_equal(value, getattr(two, name)), name
            assert np.array_equal(value, getattr(three, name)), name


def test_coordinates_become_one_based_in_mpiis_places(tmp_path, images):
    people = random_people(np.random.default_rng(1))
    annotations = own_annotations(write_json_table(tmp_path / "p.json", people), images)
    for person, annotation in zip(people, annotations, strict=True):
        for part, name in enumerate(PARTS_14):
            joint = person["joints"][name]
            expected = [joint[0] + 1, joint[1] + 1, joint[2]] if joint else [0, 0, 0]
            assert annotation.joint_self[STORED_ROW_OF_PART[part]].tolist() == expected, name
            assert STORED_16[STORED_ROW_OF_PART[part]] == name
    sizes = [(a.img_width, a.img_height) for a in annotations]
    assert sizes == [(80, 60), (33, 44), (80, 60)]
    assert annotations[1].objpos.tolist() == [21.5, 11.25]
    assert annotations[1].scale_provided == 130 / 200
    known = np.array([joint[:2] for joint in people[0]["joints"].values() if joint])
    np.testing.assert_allclose(annotations[0].objpos, (known.min(axis=0) + known.max(axis=0)) / 2 + 1)
    assert [a.is_validation for a in annotations] == [False, False, True]


def test_people_of_one_image_are_one_anothers_others(tmp_path, images):
    first, alone, second = own_annotations(
        write_json_table(tmp_path / "p.json", random_people(np.random.default_rng(2))), images
    )
    assert (first.annolist_index, alone.annolist_index, second.annolist_index) == (1, 2, 1)
    assert (first.people_index, alone.people_index, second.people_index) == (1, 1, 2)
    assert alone.number_of_others == 0 and alone.joint_others.shape == (0, 16, 3)
    for person, other in [(first, second), (second, first)]:
        assert person.joint_others.tolist() == [other.joint_self.tolist()]
        assert person.objpos_other.tolist() == [other.objpos.tolist()]
        assert person.scale_provided_other.tolist() == [other.scale_provided]


@pytest.mark.parametrize(
    "hips, pelvis",
    [
        ({"l_hip": [10, 20, 1], "r_hip": [20, 40, 1]}, [16, 31, 1]),
        ({"l_hip": [10, 20, 1], "r_hip": [20, 40, 0]}, [16, 31, 0]),
        ({"l_hip": [10, 20], "r_hip": [20, 40]}, [16, 31, 1]),
        ({"l_hip": [10, 20], "r_hip": None}, [0, 0, 0]),
        ({"head": [1, 1]}, [0, 0, 0]),
    ],
)
def test_the_pelvis_is_the_middle_of_the_hips(tmp_path, images, hips, pelvis):
    person = {"image": "a.jpg", "scale": 1, "joints": hips}
    (annotation,) = own_annotations(write_json_table(tmp_path / "p.json", [person]), images)
    assert annotation.joint_self[6].tolist() == pelvis
    assert annotation.joint_self[7].tolist() == [0, 0, 0]


def changed(row, **changes):
    return {name: value for name, value in {**row, **changes}.items() if value is not ...}


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"image": "c.jpg"}, r"line 3: .*c\.jpg: expected a readable image: No such file"),
        ({"image": ""}, "line 3: image: expected a file name"),
        ({"head_x": "12,5"}, "line 3: head_x: expected a number, found '12,5'"),
        ({"head_x": "nan"}, "line 3: head_x: expected a number, found 'nan'"),
        ({"head_x": "1_8_9"}, "line 3: head_x: expected a number, found '1_8_9'"),
        ({"head_x": "٣"}, "line 3: head_x: expected a number, found '٣'"),
        ({"scale": "", "height": "1e308"}, "line 3: height: expected a number up to 16777216, found '1e308'"),
        ({"l_knee_x": "", "l_knee_y": "3"}, "line 3: l_knee: expected both x and y or neither"),
        ({"neck_visible": "2"}, "line 3: neck_visible: expected 0 or 1, found 2"),
        ({"center_x": "3"}, "line 3: expected both center_x and center_y"),
        ({"scale": "0"}, "line 3: expected a positive scale or height, found 0"),
        ({"scale": "", "height": "-5"}, "line 3: expected a positive scale or height, found -5"),
        ({"scale": "1", "height": "100"}, "line 3: expected either scale or height, found both"),
        ({"scale": ""}, "line 3: expected either scale or height, found neither"),
        ({"validation": "yes"}, "line 3: validation: expected a number, found 'yes'"),
        ({f"{name}_{axis}": "" for name in PARTS_14 for axis in "xy"}, "line 3: expected at least one joint"),
    ],
)
def test_wrong_cells_are_named_with_their_line(tmp_path, images, changes, message):
    good = {**cells_of(random_people(np.random.default_rng(3))[0]), "head_x": 4, "head_y": 5, "neck_x": 1, "neck_y": 2}
    path = write_csv(tmp_path / "p.csv", [good, changed(good, **changes)])
    with pytest.raises(InputError, match=f"p.csv: {message}") as caught:
        own_annotations(path, images)
    assert "\n" not in str(caught.value)


def test_wrong_columns(tmp_path, images):
    row = cells_of(random_people(np.random.default_rng(4))[0])
    for rows, message in [
        ([changed(row, l_knee_y=...)], r"line 1: expected a column l_knee_y, found none \(1 columns"),
        ([changed(row, nose_x=3)], "line 1: expected the columns of the own-data format, found 'nose_x'"),
    ]:
        with pytest.raises(InputError, match=message):
            own_annotations(write_csv(tmp_path / "p.csv", rows), images)
    path = write_csv(tmp_path / "p.csv", [row])
    path.write_text(path.read_text().rstrip() + ",7\n")
    with pytest.raises(InputError, match=f"line 2: expected {len(row)} cells, found {len(row) + 1}"):
        own_annotations(path, images)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"image": "c.jpg"}, r"record 1: .*c\.jpg: expected a readable image"),
        ({"image": ...}, "record 1: image: expected a file name, found None"),
        ({"joints": [[1, 2]] * 13}, "record 1: joints: expected 14 joints, found 13"),
        ({"joints": 3}, "record 1: joints: expected an object or a list of 14"),
        ({"joints": {"nose": [1, 2]}}, "record 1: joints: expected names such as head, found 'nose'"),
        ({"joints": {"head": [1]}}, r"record 1: head: expected 2 or 3 numbers, found \[1\]"),
        ({"joints": {"head": [1, "x"]}}, "record 1: head: expected a number, found 'x'"),
        ({"joints": {"head": [1, True]}}, "record 1: head: expected a number, found True"),
        ({"joints": {"head": [1, float("nan")]}}, "record 1: head: expected a number, found nan"),
        ({"joints": {"head": [1, 2, 3]}}, "record 1: head, visible: expected 0 or 1, found 3"),
        ({"joints": {}}, "record 1: expected at least one joint"),
        ({"center": [1]}, "record 1: center: expected 2 numbers"),
        ({"validation": 1}, "record 1: validation: expected true or false, found 1"),
        ({"size": 3}, "record 1: expected the fields of the own-data format, found 'size'"),
        ({"scale": 10**400}, "record 1: scale: expected a number"),
    ],
)
def test_wrong_json_fields_are_named_with_their_record(tmp_path, images, changes, message):
    good = {"image": "a.jpg", "scale": 1.5, "joints": {"head": [3, 4]}}
    path = write_json_table(tmp_path / "p.json", [good, changed(good, **changes)])
    with pytest.raises(InputError, match=f"p.json: {message}") as caught:
        own_annotations(path, images)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name, content", [("p.json", "[]"), ("p.json", "{}"), ("p.json", "x"), ("p.csv", "")])
def test_no_persons(tmp_path, images, name, content):
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=f"{name}: .*expected"):
        own_annotations(tmp_path / name, images)


def test_a_table_with_only_a_heading_another_ending_and_a_spreadsheets_bytes(tmp_path, images):
    row = cells_of(random_people(np.random.default_rng(5))[0])
    path = write_csv(tmp_path / "p.csv", [row])
    text = path.read_text()
    path.write_text(text.splitlines()[0])
    with pytest.raises(InputError, match="expected at least one person, found none"):
        own_annotations(path, images)
    with pytest.raises(InputError, match=r"expected a file ending in \.csv or \.json, found \.xlsx"):
        own_annotations(tmp_path / "p.xlsx", images)
    path.write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode() + b"\r\n")  # as Excel saves it
    assert len(own_annotations(path, images)) == 1
    path.write_bytes(b"PK\x03\x04\xff\xfe")
    with pytest.raises(InputError, match="expected a CSV table in UTF-8"):
        own_annotations(path, images)


@pytest.mark.parametrize("persons", [256, 257])
def test_up_to_256_persons_in_one_image(tmp_path, images, persons):
    person = {"image": "a.jpg", "scale": 1.5, "joints": {"head": [3, 4]}}
    path = write_json_table(tmp_path / "p.json", [{**person, "image": "b.png"}] + [person] * persons)
    if persons == 256:
        assert [a.number_of_others for a in own_annotations(path, images)] == [0] + [255] * 256
    else:
        with pytest.raises(InputError, match=r"p\.json: record 257: expected at most 256 persons in one image"):
            own_annotations(path, images)
