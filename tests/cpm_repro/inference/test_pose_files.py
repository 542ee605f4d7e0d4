"""COCO's results and the table: what is written is what was found, and this project's own reader takes it."""

import csv
import json

import numpy as np
import pytest

from cpm_repro.evaluation.ground_truth import GroundTruth
from cpm_repro.evaluation.predictions import read_predictions
from cpm_repro.inference.pose_files import FoundPose, write_coco, write_csv
from data_lmdb import joints
from data_lmdb.joints import part_names

RNG = np.random.default_rng(0)


def found_poses(number_of_parts: int = 14) -> list[FoundPose]:
    """Two people in the first picture, one in the third."""
    return [
        FoundPose(
            image=f"{'abc'[image_id - 1]}, with a comma.png",
            image_id=image_id,
            people_index=people_index,
            center=tuple(RNG.uniform(0, 500, 2)),
            scale=RNG.uniform(0.3, 2),
            joints=RNG.integers(0, 500, (number_of_parts, 2)).astype(np.float64),
            scores=RNG.uniform(0, 1, number_of_parts),
        )
        for image_id, people_index in ((1, 1), (1, 2), (3, 1))
    ]


@pytest.mark.parametrize("number_of_parts", [2, 9, 14, 28])
def test_coco_results_hold_everything(tmp_path, number_of_parts):
    poses = found_poses(number_of_parts)
    write_coco(tmp_path / "poses.json", poses)
    results = json.loads((tmp_path / "poses.json").read_text())
    assert [(result["image_id"], result["people_index"]) for result in results] == [(1, 1), (1, 2), (3, 1)]
    for pose, result in zip(poses, results, strict=True):
        assert result["category_id"] == 1 and result["file_name"] == pose.image
        triples = np.array(result["keypoints"]).reshape(-1, 3)
        assert len(triples) == len(result["parts"]) == number_of_parts
        np.testing.assert_array_equal(triples[:, :2], pose.joints)
        np.testing.assert_allclose(triples[:, 2], pose.scores, rtol=0, atol=5e-5)
        assert result["score"] == pytest.approx(pose.scores.mean(), abs=5e-5)
        assert result["center"] == pytest.approx(pose.center, abs=5e-5)
        assert result["scale"] == pytest.approx(pose.scale, abs=5e-5)


def test_the_parts_are_named_in_the_order_of_the_maps():
    assert part_names(14) == joints.PARTS_14 and part_names(9) == joints.PARTS_9
    assert part_names(3) == ("part_0", "part_1", "part_2")


def test_predictions_read_what_is_written(tmp_path):
    poses = found_poses()
    write_coco(tmp_path / "poses.json", poses)
    places = [(pose.image_id, pose.people_index) for pose in poses]
    truths = [
        GroundTruth(pose.joints, np.ones(14, bool), pose.center, pose.scale, place)
        for pose, place in zip(poses, places, strict=True)
    ]
    read = read_predictions(tmp_path / "poses.json", truths[::-1])
    np.testing.assert_array_equal(read, [pose.joints for pose in poses[::-1]])


def test_the_table_has_a_line_for_each_person(tmp_path):
    poses = found_poses()
    write_csv(tmp_path / "poses.csv", poses, part_names(14))
    with (tmp_path / "poses.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 3
    for pose, row in zip(poses, rows, strict=True):
        assert row["image"] == pose.image and row["person"] == str(pose.people_index)
        assert float(row["scale"]) == pytest.approx(pose.scale, abs=5e-5)
        assert float(row["center_y"]) == pytest.approx(pose.center[1], abs=5e-5)
        for name, (x, y), score in zip(joints.PARTS_14, pose.joints, pose.scores, strict=True):
            assert (float(row[f"{name}_x"]), float(row[f"{name}_y"])) == (x, y)
            assert float(row[f"{name}_score"]) == pytest.approx(score, abs=5e-5)


def test_nobody_is_an_empty_list_and_a_heading(tmp_path):
    write_coco(tmp_path / "poses.json", [])
    write_csv(tmp_path / "poses.csv", [], part_names(9))
    assert json.loads((tmp_path / "poses.json").read_text()) == []
    (heading,) = (tmp_path / "poses.csv").read_text().splitlines()
    assert heading.startswith("image,person,center_x,center_y,scale,score,l_shoulder_x,")
    assert len(heading.split(",")) == 6 + 3 * 9
