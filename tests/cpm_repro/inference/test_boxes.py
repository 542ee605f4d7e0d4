"""Boxes of another program's detector: CSV and JSON, and one sentence for what is neither."""

import json

import pytest
from PIL import Image

from cpm_repro.inference.boxes import Box, read_boxes
from cpm_repro.inference.pictures import PictureFile, with_boxes
from prototxt_import.files import InputError


def test_csv_and_json_say_the_same(tmp_path):
    (tmp_path / "b.csv").write_text(
        "x,y,width,height,image,score\n1,2,30,40,a.jpg,9\n5,6,7,8.5,sub/b.png,1\n0,0,3,3,a.jpg,1\n"
    )
    people = [("a.jpg", [1, 2, 30, 40]), ("sub/b.png", [5, 6, 7, 8.5]), ("a.jpg", [0, 0, 3, 3])]
    keys = ("image", "file_name", "image")
    (tmp_path / "b.json").write_text(json.dumps([{k: n, "bbox": b} for k, (n, b) in zip(keys, people, strict=True)]))
    expected = {"a.jpg": [Box(1, 2, 30, 40), Box(0, 0, 3, 3)], "sub/b.png": [Box(5, 6, 7, 8.5)]}
    assert read_boxes(tmp_path / "b.csv") == read_boxes(tmp_path / "b.json") == expected
    assert Box(1, 2, 30, 40).center == (15.5, 21.5)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("image,x,y,width\na,1,2,3\n", "line 1: expected the columns image, x, y, width, height, found no height"),
        ("image,x,y,width,height\na,1,2,3,tall\n", "line 2: expected a box of four numbers"),
        ("image,x,y,width,height\na,1,2,0,4\n", "line 2: expected a box with width and height above 0"),
        ("image,x,y,width,height\na,1,2\n", "line 2: expected a box of four numbers"),
        ('[{"bbox": [1, 2, 3, 4]}]', "person 0: expected the picture's name"),
        ('[{"image": "a", "bbox": [1, 2, 3]}]', "person 0: expected a box of four numbers"),
        ('[{"image": "a", "bbox": [1, 2, 3, NaN]}]', "person 0: expected a box of four numbers"),
        ('[{"image": "a", "bbox": [1, 2, 3, true]}]', "person 0: expected a box of four numbers"),
        ('[{"image": "a", "bbox": "1234"}]', "person 0: expected a box of four numbers"),
        ("image,x,y,width,height\na,1,2,1_8_9,4\n", "line 2: expected a box of four numbers"),
        ("image,x,y,width,height\na,1,2,٣,4\n", "line 2: expected a box of four numbers"),
        (
            "image,x,y,width,height\na,1,2,3,1e308\n",
            "four numbers x, y, width, height, each up to 16777216",
        ),
        ("image,x,y,width,height\na,1,2,3,0\n", "line 2: expected a box with width"),
        ("[3]", "person 0: expected the picture's name"),
        ('{"image": 1}', "expected a list of people"),
        ("[1, 2", "expected JSON"),
        ("", "line 1: expected the columns"),
        (f"image,x,y,width,height\n{'a' * 200_000},1,2,3,4\n", "expected boxes as CSV: field larger than field limit"),
    ],
)
def test_bad_boxes_are_one_sentence(tmp_path, text, sentence):
    path = tmp_path / "boxes"
    path.write_text(text)
    with pytest.raises(InputError, match=f"^{path}: ") as refused:
        read_boxes(path)
    assert sentence in str(refused.value)


def test_files_that_cannot_be_read(tmp_path):
    (tmp_path / "b").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path / "b", tmp_path / "none", tmp_path):
        with pytest.raises(InputError, match=str(path)):
            read_boxes(path)


def test_a_box_beside_the_picture_is_refused(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (50, 60)).save(path)
    file = PictureFile(path, "a")
    assert len(with_boxes(file, 1, {"a.png": [Box(30, -10, 30, 30)]}).people) == 1
    with pytest.raises(InputError, match=r"a\.png: expected a box whose middle is inside the picture of 50 x 60 px"):
        with_boxes(file, 1, {"a.png": [Box(1e308, 1, 2, 3)]})
