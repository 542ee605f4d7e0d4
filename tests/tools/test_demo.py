"""tools/demo.py: one person and everybody, files and folders, and one sentence for what cannot be used."""

import csv
import json

import numpy as np
import pytest
from PIL import Image

from data_lmdb import joints
from tests.tool import assert_refused, picture_size, run_tool
from tests.tools.tiny_cpm import write_detector, write_net


@pytest.fixture
def net(tmp_path):
    (tmp_path / "net").mkdir()
    prototxt, weights = write_net(tmp_path / "net")
    return ["--prototxt", prototxt, "--weights", weights]


def picture(path, height: int = 91, width: int = 73):
    pixels = np.random.default_rng(height).integers(0, 256, (height, width, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def red_squares(path, squares, height: int = 64, width: int = 120):
    pixels = np.full((height, width, 3), 100, np.uint8)
    for left, top in squares:
        pixels[top : top + 8, left : left + 8, 0] = 255  # Pillow's red
    Image.fromarray(pixels).save(path)
    return path


def table(path) -> list[dict]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_picture_gives_pose_stages_and_joints(tmp_path, net):
    images = [picture(tmp_path / "a.png"), picture(tmp_path / "b.jpg", 60, 101)]
    out = tmp_path / "out"
    result = run_tool("demo", *images, *net, "--out", out, "--scales", "0.9,1")
    assert result.returncode == 0, result.stderr
    names = {f"{stem}{ending}" for stem in "ab" for ending in ("_pose.png", "_stages.png", "_keypoints.json")}
    assert {path.name for path in out.iterdir()} == names | {"poses.json", "poses.csv"}
    first, second = json.loads((out / "poses.json").read_text())
    assert first["file_name"] == "a.png" and (second["file_name"], second["image_id"]) == ("b.jpg", 2)
    assert first["center"] == [36.0, 45.0] and first["scale"] == 91 / 200
    assert first["parts"] == list(joints.PARTS_14)
    triples = np.array(first["keypoints"]).reshape(14, 3)
    assert (triples[:, :2] >= 0).all() and (triples[:, :2] < [73, 91]).all()
    assert [row["image"] for row in table(out / "poses.csv")] == ["a.png", "b.jpg"]
    printed = result.stdout.splitlines()
    assert len(printed) == 3 and "1 person, mean score" in printed[0] and "pictures 2, people 2" in printed[2]


def test_centre_and_scale_are_used_and_runs_repeat(tmp_path, net):
    image = picture(tmp_path / "a.png")
    given = ["--center", "20,30.5", "--scale", 0.4, "--target-dist", 0.3, "--sigma-center", 5]
    for folder, scales in (("one", ["--scales", "1.0"]), ("two", ["--fast"])):
        result = run_tool("demo", image, *net, *given, *scales, "--out", tmp_path / folder)
        assert result.returncode == 0, result.stderr
    (described,) = json.loads((tmp_path / "one" / "poses.json").read_text())
    assert described["center"] == [20.0, 30.5] and described["scale"] == 0.4
    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()


def test_networks_of_other_parts_have_maps_but_no_limbs(tmp_path):
    prototxt, weights = write_net(tmp_path, parts=3)
    image, out = picture(tmp_path / "a.png"), tmp_path / "out"
    result = run_tool("demo", image, "--prototxt", prototxt, "--weights", weights, "--fast", "--out", out)
    assert result.returncode == 0, result.stderr
    assert {path.name for path in out.iterdir()} == {"a_stages.png", "a_keypoints.json", "poses.json", "poses.csv"}
    assert json.loads((out / "poses.json").read_text())[0]["parts"] == ["part_0", "part_1", "part_2"]


def test_everybody_in_a_folder_is_found_whatever_the_batch(tmp_path, net):
    folder = tmp_path / "pictures"
    folder.mkdir()
    red_squares(folder / "b.png", [(16, 24), (88, 40)])
    red_squares(folder / "a.png", [])
    red_squares(folder / "c.jpg", [(40, 8)])
    (folder / "notes.txt").write_text("no picture")
    given = [folder, *net, *write_detector(tmp_path), "--fast", "--engine", "exact"]
    for out, size in (("one", 1), ("all", 8)):
        result = run_tool("demo", *given, "--batch-size", size, "--out", tmp_path / out)
        assert result.returncode == 0, result.stderr
    assert "a.png: nobody found" in result.stdout and "b.png: 2 people" in result.stdout
    names = {"a_pose.png", "a_people.png", "b_pose.png", "b_people.png", "b_1_stages.png", "b_2_stages.png"}
    names |= {"c_pose.png", "c_people.png", "c_1_stages.png", "poses.json", "poses.csv"}
    names |= {f"{stem}_keypoints.json" for stem in "abc"}
    assert {path.name for path in (tmp_path / "all").iterdir()} == names
    rows = table(tmp_path / "all" / "poses.csv")
    assert [(row["image"], row["person"]) for row in rows] == [("b.png", "1"), ("b.png", "2"), ("c.jpg", "1")]
    found = sorted((float(row["center_x"]), float(row["center_y"])) for row in rows[:2])
    np.testing.assert_allclose(found, [[19.5, 27.5], [91.5, 43.5]], atol=1)
    assert {row["scale"] for row in rows} == {str(round(41 / 35 * 64 / 368, 4))}
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "all" / name).read_bytes()


def test_the_drawing_has_the_pictures_size_and_openpose_reads_the_joints(tmp_path, net):
    out = tmp_path / "out"
    result = run_tool(
        "demo", picture(tmp_path / "a.png", 91, 73), *net, "--fast", "--out", out, "--parts", "all", "--html"
    )
    assert result.returncode == 0, result.stderr
    assert "<canvas" in (out / "a.html").read_text()
    assert picture_size(out / "a_pose.png") == (73, 91)
    (person,) = json.loads((out / "a_keypoints.json").read_text())["people"]
    (result,) = json.loads((out / "poses.json").read_text())
    assert person["pose_keypoints_2d"] == [*result["keypoints"], 0, 0, 0]


def test_pictures_are_turned_upright(tmp_path, net):
    pixels = np.random.default_rng(3).integers(0, 256, (60, 90, 3)).astype(np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6  # a viewer turns it to the right
    Image.fromarray(np.rot90(pixels)).save(tmp_path / "a.png", exif=turned)
    Image.fromarray(pixels).save(tmp_path / "b.png")
    result = run_tool("demo", tmp_path / "a.png", tmp_path / "b.png", *net, "--fast", "--out", tmp_path / "out")
    assert result.returncode == 0, result.stderr
    turned, plain = json.loads((tmp_path / "out" / "poses.json").read_text())
    assert turned["keypoints"] == plain["keypoints"]
    assert picture_size(tmp_path / "out" / "a_pose.png") == (90, 60)


def test_videos_get_poses_and_a_table_by_frame(tmp_path, net):
    pytest.importorskip("cv2", reason="no OpenCV")
    from cpm_repro.inference.video import open_clip, written_clip

    with written_clip(tmp_path / "clip.mp4", 10, (64, 48)) as add:
        for number in range(3):
            add(np.random.default_rng(number).integers(0, 256, (48, 64, 3)).astype(np.uint8))
    out = tmp_path / "out"
    result = run_tool("demo", tmp_path / "clip.mp4", *net, "--fast", "--scale", 0.3, "--out", out)
    assert result.returncode == 0, result.stderr
    assert [row["image"] for row in table(out / "clip_poses.csv")] == ["0", "1", "2"]
    with open_clip(out / "clip_pose.mp4") as clip:
        assert [frame.shape for frame in clip.frames] == [(48, 64, 3)] * 3
    assert_refused(run_tool("demo", *net, "--out", out), "expected pictures, folders, videos or --camera")


def test_videos_that_would_share_files_or_be_looked_at_wrongly_are_refused(tmp_path, net):
    clips = [tmp_path / "clip.mp4", tmp_path / "clip.avi"]
    for path in clips:
        path.write_bytes(b"no video")
    (tmp_path / "boxes.csv").write_text("image,x,y,width,height\n")
    how = [*net, "--out", tmp_path / "out"]
    assert_refused(run_tool("demo", *clips, *how), "clip.avi: expected a video of another name than")
    assert_refused(run_tool("demo", clips[0], "--boxes", tmp_path / "boxes.csv", *how), "--boxes: expected pictures")
    assert_refused(run_tool("demo", clips[0], "--html", *how), "--html: expected pictures, for pages of them")
    first = picture(tmp_path / "a.png")
    assert_refused(run_tool("demo", first, tmp_path / "b.mp4", *how), "b.mp4: expected a video file, found none")
    assert not (tmp_path / "out").exists()


def test_a_bad_picture_costs_no_pose_of_those_before_it(tmp_path, net):
    good, bad = picture(tmp_path / "a.png"), picture(tmp_path / "b.png")
    bad.write_bytes(bad.read_bytes()[:2000])
    how = [*net, "--fast", "--batch-size", 1, "--out", tmp_path / "out"]
    assert_refused(run_tool("demo", good, bad, *how), "b.png: expected a readable image")
    assert [row["image"] for row in table(tmp_path / "out" / "poses.csv")] == ["a.png"]
    narrow = picture(tmp_path / "c.png", 91, 7)
    assert_refused(run_tool("demo", good, narrow, *net, "--out", tmp_path / "none"), "at least 8 x 8 px, found 7 x 91")
    assert not (tmp_path / "none").exists()


def test_with_no_network_named_the_packages_find_everybody(tmp_path):
    out = tmp_path / "poses"
    result = run_tool("demo", picture(tmp_path / "a.png", 120, 100), "--fast", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert {"a_pose.png", "a_people.png", "poses.json"} <= {path.name for path in out.iterdir()}


def test_boxes_say_who_is_looked_for(tmp_path, net):
    (tmp_path / "pictures" / "sub").mkdir(parents=True)
    picture(tmp_path / "pictures" / "a.png")
    picture(tmp_path / "pictures" / "sub" / "a.png", 60, 50)
    (tmp_path / "pictures" / "notes.txt").write_text("none")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("image,x,y,width,height\nsub/a.png,10,10,20,41\na.png,1,2,30,40\na.png,20,20,31,60\n")
    given = [tmp_path / "pictures", "--recursive", *net, "--fast", "--boxes", boxes, "--out", tmp_path / "out"]
    result = run_tool("demo", *given)
    assert result.returncode == 0, result.stderr
    assert "left out: 1 file of a kind that is not read as pictures: .txt" in result.stderr
    people = json.loads((tmp_path / "out" / "poses.json").read_text())
    assert [(p["center"], p["scale"]) for p in people] == [
        ([15.5, 21.5], 0.2),
        ([35.0, 49.5], 0.3),
        ([19.5, 30.0], 0.205),
    ]
    assert (tmp_path / "out" / "a_2_stages.png").exists() and (tmp_path / "out" / "sub" / "a_pose.png").exists()


def test_centres_are_inside_and_one_for_many_is_said(tmp_path, net):
    images = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png", 60, 50)]
    out = ["--fast", "--out", tmp_path / "out"]
    refused = run_tool("demo", images[1], *net, *out, "--center", "60,20")
    assert_refused(refused, "b.png: expected --center inside the picture of 50 x 60 px, found 60,20")
    result = run_tool("demo", *images, *net, *out, "--center", "20,20")
    assert result.returncode == 0 and "one --center for 2 pictures" in result.stderr
    assert_refused(
        run_tool("demo", *images, *net, *out, "--parts", "head,nose"), "expected `all` or some of head, neck"
    )


def test_bad_pictures_of_a_folder_end_the_run_or_are_skipped(tmp_path, net):
    folder, out = tmp_path / "pictures", tmp_path / "out"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(b"no picture")
    picture(folder / "b.png", 5, 90)
    picture(folder / "c.png")
    whole = picture(folder / "d.jpg", 200, 150).read_bytes()
    (folder / "d.jpg").write_bytes(whole[: len(whole) // 2])
    assert_refused(run_tool("demo", folder, *net, "--fast", "--out", out), "a.jpg: expected an image")
    assert not out.exists()
    result = run_tool("demo", folder, *net, "--fast", "--skip-bad", "--out", out)
    assert result.returncode == 0, result.stderr
    skipped = [line for line in result.stderr.splitlines() if line.startswith("skipped ")]
    assert [line.split(":")[0].rsplit("/")[-1] for line in skipped] == ["a.jpg", "b.png", "d.jpg"]
    assert "expected a picture of at least 8 x 8 px, found 90 x 5" in skipped[1]
    (described,) = json.loads((out / "poses.json").read_text())
    assert (described["file_name"], described["image_id"]) == ("c.png", 3)
    (folder / "c.png").unlink()
    result = run_tool("demo", folder, *net, "--fast", "--skip-bad", "--out", tmp_path / "none")
    assert result.returncode == 2 and "expected a picture that can be used, found none" in result.stderr
    assert not (tmp_path / "none").exists()


def test_bad_input_is_one_sentence_and_leaves_nothing(tmp_path, net):
    out = tmp_path / "out"
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture")
    (tmp_path / "empty").mkdir()
    (tmp_path / "phone").mkdir()
    (tmp_path / "phone" / "IMG_1.HEIC").write_bytes(b"")
    good, same = picture(tmp_path / "a.png"), picture(tmp_path / "a.jpg")
    for arguments, expected in (
        ([tmp_path / "none.jpg", *net], "none.jpg"),
        ([good, broken, *net], "broken.jpg: expected an image"),
        ([tmp_path / "empty", *net], "empty: expected a folder with pictures ("),
        ([tmp_path / "phone", *net], ".tiff, .webp), found .heic"),
        ([good, same, *net], "a.jpg: expected a picture of another name than"),
        ([good, *net, "--scale", "1e-9"], "a.png: expected a scale"),
        ([good, *net[:2], "--weights", tmp_path / "none.caffemodel"], "none.caffemodel"),
        ([good, "--prototxt", tmp_path / "none.prototxt", *net[2:]], "none.prototxt"),
    ):
        assert_refused(run_tool("demo", *arguments, "--out", out), expected)
        assert not out.exists()


def test_networks_in_each_others_place_are_named(tmp_path, net):
    image, out = picture(tmp_path / "a.png"), tmp_path / "out"
    detector = write_detector(tmp_path)
    (tmp_path / "two").mkdir()
    two_maps = write_detector(tmp_path / "two", maps=2)
    swapped = ["--prototxt", detector[1], "--weights", detector[3]]
    pose_net = ["--person-prototxt", net[1], "--person-weights", net[3]]
    for arguments, *expected in (
        (swapped, "person.prototxt: expected one input, `data`", "it looks like a person detector"),
        ([*net, *pose_net], "tiny.prototxt: expected one input, `image`", "it looks like a network for poses"),
        ([*net, *two_maps], "person.prototxt: expected one belief map of people, found 2"),
        ([*net, *detector[:2]], "--person-prototxt: expected --person-weights beside it"),
        ([*net, *detector, "--center", "3,4"], "--center: expected no person detector beside it"),
        ([*net[:2], "--weights", detector[3]], "found none of their names"),
    ):
        assert_refused(run_tool("demo", image, *arguments, "--out", out), *expected)
        assert not out.exists()
