"""Finds people's poses in pictures.

Written: the poses drawn on the pictures, the belief maps of every stage, and all joints as JSON and CSV. Each picture
shows one person, where --center and --scale say, or everybody whom a person detector (--person-prototxt,
--person-weights) finds in it. Networks get BGR, as Caffe's do; weights that were trained on RGB go through
`tools/convert.py --channel-order rgb` first.
"""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from cpm_repro import command_line
from cpm_repro.inference.options import add_testing_options, network, numbers, positive_number, protocol
from cpm_repro.inference.pose_files import FoundPose, write_coco, write_csv
from cpm_repro.inference.protocol import BATCH
from data_lmdb import joints
from data_lmdb.images import MAX_PIXELS, image_size
from prototxt_import.files import InputError

if TYPE_CHECKING:  # torch and matplotlib: imported once there is something to do, not for --help
    from cpm_repro.inference.beliefs import Beliefs
    from cpm_repro.inference.pictures import Picture
    from prototxt_import.net import Net

EXAMPLE = """
python tools/demo.py build/demo/people/images/000972.jpg --center 162,120 --scale 0.9 \\
    --prototxt build/demo/models/deploy.prototxt --weights build/demo/models/people_iter_1500.caffemodel \\
    --target-dist 0.5 --sigma-center 8 --out build/demo/one
python tools/demo.py build/demo/people/images/00099[1235].jpg --fast \\
    --prototxt build/demo/models/deploy.prototxt --weights build/demo/models/people_iter_1500.caffemodel \\
    --target-dist 0.5 --sigma-center 8 --out build/demo/several
"""


def person_detector(arguments: argparse.Namespace) -> "Net | None":
    """The network of --person-prototxt and --person-weights, if they are given."""
    from cpm_repro.inference.person_detection import detector_stride
    from prototxt_import.net import load_net

    prototxt, weights = arguments.person_prototxt, arguments.person_weights
    if prototxt is None and weights is None:
        return None
    if prototxt is None or weights is None:
        raise InputError("the person detector: expected --person-prototxt and --person-weights, found only one of them")
    if arguments.center:
        raise InputError("--center: expected no person detector beside it, which finds the centres itself, found one")
    detector = load_net(prototxt, weights, engine=arguments.engine)
    detector_stride(detector, str(prototxt))
    return detector.to(arguments.device)


def show_people(picture: "Picture", beliefs: "Sequence[Beliefs]", arguments: argparse.Namespace) -> list[FoundPose]:
    """The poses of a picture's people; draws each one's belief maps, at the scale nearest to 1."""
    from cpm_repro.figures import poses as figures
    from cpm_repro.figures import sheet

    nearest = min(range(len(arguments.scales)), key=lambda index: abs(arguments.scales[index] - 1))
    poses = []
    for index, (person, belief) in enumerate(zip(picture.people, beliefs, strict=True), start=1):
        pose = belief.pose()
        asked = picture.path.name, picture.image_id, index, person.center, person.scale
        poses.append(FoundPose(*asked, pose.joints, pose.scores))
        figure = figures.stages_figure(belief.crops[nearest].pixels(), [stage[nearest] for stage in belief.stages])
        number = f"_{index}" if picture.found else ""
        sheet.save(figure, arguments.out / f"{picture.path.stem}{number}_stages.png")
    return poses


def show_picture(picture: "Picture", poses: Sequence[FoundPose], out: Path) -> None:
    """Draws everybody's pose, and where the person detector found them; prints a line."""
    from cpm_repro.figures import poses as figures
    from cpm_repro.figures import sheet

    people = [pose.joints for pose in poses]
    limbs = joints.LIMBS.get(len(people[0]) if people else 14)
    if limbs:
        states = [np.ones(len(pose)) for pose in people]
        figure = figures.people_figure(picture.pixels, people, states, limbs, stress_first=False)
        sheet.save(figure, out / f"{picture.path.stem}_pose.png")
    if picture.found:
        centers = np.array([person.center for person in picture.people]).reshape(-1, 2)
        figure = figures.person_map_figure(picture.pixels, picture.found.person_map, centers)
        sheet.save(figure, out / f"{picture.path.stem}_people.png")
    count = "1 person" if len(poses) == 1 else f"{len(poses) or 'no'} people"
    score = f", mean score {np.mean([pose.score for pose in poses]):.3f}" if poses else ""
    tqdm.write(f"{picture.path}: {count}{score}, drawn in {out / picture.path.stem}_*.png")


def main(arguments: argparse.Namespace) -> int:
    from cpm_repro.inference.person_detection import find_people
    from cpm_repro.inference.pictures import good_pictures, image_files, with_beliefs, with_everybody, with_one_person
    from cpm_repro.network.stages import stage_blobs

    arguments.out = Path(arguments.out)
    files = image_files(arguments.images)
    if not arguments.skip_bad:
        for path in files:
            image_size(path)  # before anything is computed
    net = network(arguments)
    asked = protocol(arguments, net, batch=arguments.batch_size)
    detector = person_detector(arguments)
    limit = {"max_pixels": arguments.max_pixels}
    read = partial(with_one_person, center=arguments.center, scale=arguments.scale, **limit)
    if detector is not None:
        find = partial(find_people, person_net=detector, protocol=asked, scale=arguments.scale)
        read = partial(with_everybody, find=find, **limit)
    pictures = good_pictures(files, read, arguments.skip_bad)
    shown, poses = 0, []
    for picture, beliefs in with_beliefs(pictures, net, asked):
        found = show_people(picture, beliefs, arguments)
        show_picture(picture, found, arguments.out)
        poses += found
        shown += 1
    if not shown:
        raise InputError(f"{arguments.images[0]}: expected a picture that can be used, found none")
    write_coco(arguments.out / "poses.json", poses)
    write_csv(arguments.out / "poses.csv", poses, net.blob_shapes[stage_blobs(net)[-1]][1] - 1)
    print(f"{arguments.out}: pictures {shown}, people {len(poses)}, in poses.json and poses.csv")
    return 0


def point(text: str) -> tuple[float, float]:
    """An argparse type: X,Y."""
    x, y = numbers(text)
    return x, y


def add_people_options(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--center",
        metavar="X,Y",
        type=point,
        help="where the person is, 0-based pixels (default: the middle of the picture)",
    )
    to.add_argument(
        "--scale",
        metavar="S",
        type=positive_number,
        help="a person's height in the picture / 200 px (default: the picture's height / 200, for a person as tall as "
        "the picture; with a person detector, what makes the picture as high as the network's input)",
    )
    to.add_argument("--person-prototxt", metavar="P", type=Path, help="a person detector: find everybody")
    to.add_argument("--person-weights", metavar="W", type=Path, help="its weights, .caffemodel or .caffemodel.h5")


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("images", metavar="IMAGE", nargs="+", type=Path, help="pictures, and folders of pictures")
    add_people_options(parser)
    add_testing_options(parser)
    parser.add_argument(
        "--fast",
        action="store_const",
        dest="scales",
        const=(1.0,),
        default=argparse.SUPPRESS,
        help="one scale, as --scales 1.0",
    )
    parser.add_argument(
        "--batch-size",
        metavar="N",
        type=command_line.positive_integer,
        default=BATCH,
        help=f"crops in a forward pass, of all scales and people (default: {BATCH})",
    )
    parser.add_argument(
        "--max-pixels",
        metavar="N",
        type=command_line.positive_integer,
        default=MAX_PIXELS,
        help=f"refuse larger pictures (default: {MAX_PIXELS})",
    )
    parser.add_argument(
        "--skip-bad",
        action="store_true",
        help="name pictures that cannot be used and go on (default: the first of them ends the run)",
    )
    command_line.add_out(
        parser,
        "folder for poses.json (COCO's results), poses.csv, and of every picture NAME_pose.png and NAME_stages.png; "
        "with a person detector NAME_people.png and NAME_1_stages.png, NAME_2_stages.png, ...",
    )
    return parser


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
