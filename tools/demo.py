"""Finds one person's pose in each picture: the pose drawn on it, the belief maps of every stage, the joints as JSON."""

import argparse
import json
from pathlib import Path

import numpy as np
from tqdm import tqdm

from cpm_repro import command_line, figures, joints
from cpm_repro.inference import Pose, estimate_pose, stage_maps
from cpm_repro.testing_options import add_testing_options, network, numbers, positive_number, size_options
from data_lmdb.images import read_bgr
from prototxt_import.files import InputError, replacing

EXAMPLE = """
python tools/demo.py photograph.jpg --prototxt deploy.prototxt --weights cpm.caffemodel --out poses/
python tools/demo.py a.jpg --center 120,85 --scale 0.9 --scales 1.0 --prototxt P --weights W --out poses/
"""


def write_joints(path: Path, image: Path, center: tuple, scale: float, pose: Pose) -> None:
    """The pose as JSON: 0-based pixels, x right and y down; score: the averaged belief map's peak."""
    names = joints.PARTS.get(len(pose.joints), [f"part_{part}" for part in range(len(pose.joints))])
    found = {
        name: {"x": float(x), "y": float(y), "score": round(float(score), 6)}
        for name, (x, y), score in zip(names, pose.joints, pose.scores, strict=True)
    }
    described = {"image": image.name, "center": list(center), "scale": scale, "joints": found}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")


def show_person(image: Path, net, sizes: dict[str, float], arguments: argparse.Namespace) -> Pose:
    """Estimate one picture's person and write the three files."""
    picture = read_bgr(image)
    height, width = picture.shape[:2]
    center = arguments.center or ((width - 1) / 2, (height - 1) / 2)
    scale = arguments.scale or height / 200
    pose = estimate_pose(picture, net, center, scale, arguments.scales, where=str(image), **sizes)
    crop, maps = stage_maps(picture, net, center, scale, **sizes)
    write_joints(arguments.out / f"{image.stem}.json", image, center, scale, pose)
    if len(pose.joints) in joints.LIMBS:
        figures.save(figures.pose_figure(picture, pose.joints), arguments.out / f"{image.stem}_pose.png")
    figures.save(figures.stages_figure(crop, maps), arguments.out / f"{image.stem}_stages.png")
    return pose


def main(arguments: argparse.Namespace) -> int:
    arguments.out = Path(arguments.out)
    stems = [image.stem for image in arguments.images]
    if len(set(stems)) < len(stems):
        twice = next(stem for stem in stems if stems.count(stem) > 1)
        raise InputError(f"{twice}: expected pictures of different names, found two that would be written as one")
    net = network(arguments)
    sizes = size_options(arguments, net)
    for image in tqdm(arguments.images, unit="picture", disable=None):
        pose = show_person(image, net, sizes, arguments)
        tqdm.write(f"{image}: mean score {np.mean(pose.scores):.3f}, written to {arguments.out / image.stem}*")
    return 0


def point(text: str) -> tuple[float, float]:
    """An argparse type: X,Y."""
    x, y = numbers(text)
    return x, y


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="pictures with one person each")
    parser.add_argument(
        "--center",
        metavar="X,Y",
        type=point,
        help="where the person is, 0-based pixels (default: the middle of the picture)",
    )
    parser.add_argument(
        "--scale",
        metavar="S",
        type=positive_number,
        help="the person's height in the picture / 200 px (default: the picture's height / 200, "
        "for a person as tall as the picture)",
    )
    add_testing_options(parser)
    command_line.add_out(parser, "folder for NAME_pose.png, NAME_stages.png and NAME.json of every picture")
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
