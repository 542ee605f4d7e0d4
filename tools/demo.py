"""Finds people's poses in pictures.

Written: the poses drawn on the pictures, the belief maps of every stage, and all joints as JSON and CSV. Where no
network is named, the package's own find everybody in a picture. Otherwise it shows one person, where --center and
--scale say, or those in --boxes, or everybody whom a person detector of your own (--person-weights) finds in it.
Pictures are turned upright first, as their EXIF says. Networks get BGR, as Caffe's do; of weights that were trained on
RGB --channel-order says so.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

import cpm_repro
from cpm_repro import command_line
from cpm_repro.inference.options import (
    add_person_options,
    add_testing_options,
    network,
    numbers,
    person_detector,
    protocol,
)
from cpm_repro.inference.pose_files import FoundPose, write_coco, write_csv, write_openpose
from cpm_repro.inference.protocol import BATCH
from cpm_repro.models import zoo
from data_lmdb.counts import how_many
from data_lmdb.images import MAX_PIXELS, image_size
from data_lmdb.joints import part_names
from prototxt_import.files import InputError, require

if TYPE_CHECKING:  # torch: imported once there is something to do, not for --help
    from cpm_repro.inference.beliefs import Beliefs, Pose
    from cpm_repro.inference.crops import Person
    from cpm_repro.inference.person_detection import FoundPeople
    from cpm_repro.inference.pictures import Picture, PictureFile
    from cpm_repro.inference.protocol import Protocol
    from prototxt_import.net import Net

EXAMPLE = """
python tools/demo.py build/demo/people/images/000972.jpg --html --out build/demo/everybody
python tools/demo.py build/demo/people/images/000972.jpg --center 162,120 --scale 0.9 \\
    --prototxt build/demo/models/deploy.prototxt --weights build/demo/models/people_iter_1500.caffemodel \\
    --target-dist 0.5 --sigma-center 8 --out build/demo/one
python tools/demo.py build/demo/people/images/00099[1235].jpg --fast \\
    --prototxt build/demo/models/deploy.prototxt --weights build/demo/models/people_iter_1500.caffemodel \\
    --target-dist 0.5 --sigma-center 8 --out build/demo/several
"""


def show_people(picture: "Picture", beliefs: "Sequence[Beliefs]", arguments: argparse.Namespace) -> list[FoundPose]:
    """The poses of a picture's people; draws each one's belief maps, at the scale nearest to 1."""
    from cpm_repro.figures import belief_maps, drawing

    nearest = min(range(len(arguments.scales)), key=lambda index: abs(arguments.scales[index] - 1))
    poses = []
    for index, (person, belief) in enumerate(zip(picture.people, beliefs, strict=True), start=1):
        pose = belief.pose()
        asked = picture.file.name + picture.file.path.suffix, picture.image_id, index, person.center, person.scale
        poses.append(FoundPose(*asked, pose.joints, pose.scores, pose.own_names))
        maps = [stage[nearest] for stage in belief.stages]
        shown = shown_parts(arguments, belief.parts)
        drawn = belief_maps.stages_sheet(belief.crops[nearest].pixels(), maps, shown, belief.own_names)
        number = f"_{index}" if picture.found or len(picture.people) > 1 else ""
        drawing.save(drawn, arguments.out / f"{picture.file.name}{number}_stages.png")
    return poses


def shown_parts(arguments: argparse.Namespace, parts: Sequence[str]) -> list[int] | None:
    """Which maps of these parts --parts asks for; None for the telling few."""
    if arguments.parts is None:
        return None
    names = [*parts, "background"]
    wanted = names if arguments.parts == "all" else arguments.parts.split(",")
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise InputError(f"--parts: expected `all` or some of {', '.join(names)}, found {unknown[0]}")
    return [names.index(name) for name in wanted]


def show_picture(
    picture: "Picture", beliefs: "Sequence[Beliefs]", poses: Sequence[FoundPose], arguments: argparse.Namespace
) -> None:
    """Draws everybody's pose, and where the person detector found them; prints a line."""
    from cpm_repro.figures import belief_maps, drawing
    from cpm_repro.figures.pose_page import write_pose_page

    out = arguments.out / picture.file.name
    if not poses or poses[0].limbs:
        drawing.save(drawing_of(picture.pixels, poses, arguments), out.parent / f"{out.name}_pose.png")
    if picture.found:
        centers = np.array([person.center for person in picture.people]).reshape(-1, 2)
        peaks = picture.found.peaks
        moved = None if np.array_equal(peaks, centers) else centers
        drawn = belief_maps.person_map_picture(picture.pixels, picture.found.person_map, peaks, moved)
        drawing.save(drawn, out.parent / f"{out.name}_people.png")
    if arguments.html:
        page = out.parent / f"{out.name}.html"
        write_pose_page(page, picture.pixels, beliefs, picture.file.path.name, arguments.min_score)
    write_openpose(out.parent / f"{out.name}_keypoints.json", poses)
    count = {0: "nobody found", 1: "1 person"}.get(len(poses), f"{len(poses)} people")
    score = f", mean score {np.mean([pose.score for pose in poses]):.3f}" if poses else ""
    tqdm.write(f"{picture.file.path}: {count}{score}, drawn in {out}_*.png")


def finder(arguments: argparse.Namespace, net: "Net", asked: "Protocol") -> "Callable[..., FoundPeople] | None":
    """Who finds people in a picture; None where the options say who is looked for."""
    from cpm_repro.inference.everybody import people_finder

    detector = person_detector(arguments)
    if detector is not None:
        if arguments.center:
            raise InputError(
                "--center: expected no person detector beside it, which finds the centres itself, found one"
            )
        return people_finder(detector, net, asked, arguments.scale, person_size=arguments.person_size)
    if not arguments.model or arguments.center or arguments.scale or arguments.boxes:
        return None
    return people_finder(cpm_repro.load(zoo.DETECTOR, engine=arguments.engine).to(arguments.device), net, asked)


def reader(arguments: argparse.Namespace, find: "Callable[..., FoundPeople] | None") -> "Callable[..., Picture]":
    """How a picture is read, and who is looked for in it."""
    from cpm_repro.inference.boxes import read_boxes
    from cpm_repro.inference.pictures import with_boxes, with_everybody, with_one_person

    limit = {"max_pixels": arguments.max_pixels}
    if find is not None:
        return partial(with_everybody, find=find, **limit)
    if arguments.boxes:
        if arguments.center:
            raise InputError("--center: expected no --boxes beside it, which say where people are, found both")
        return partial(with_boxes, boxes=read_boxes(arguments.boxes), scale=arguments.scale, **limit)
    return partial(with_one_person, center=arguments.center, scale=arguments.scale, **limit)


def show_clip(
    source: Path | int,
    find: "Callable[..., FoundPeople] | None",
    net: "Net",
    asked: "Protocol",
    arguments: argparse.Namespace,
) -> None:
    """Follows people through a video or a camera's pictures: writes them with their poses, and a table by frame.

    Ctrl-C ends it, and what was seen until then is written.
    """
    from cpm_repro.inference import video

    name = f"camera{source}" if isinstance(source, int) else source.stem
    with video.open_clip(source) as clip, suppress(StopIteration):
        first = next(clip.frames)
        size, poses = (first.shape[1], first.shape[0]), []
        look = partial(people_in, find=find, arguments=arguments, where=str(source))
        path = arguments.out / f"{name}_pose.mp4"
        with video.written_clip(path, clip.rate, size) as write, suppress(KeyboardInterrupt):
            followed = video.follow(chain([first], clip.frames), look, net, asked)
            for number, (frame, people) in enumerate(
                tqdm(followed, total=clip.count or None, unit="frame", disable=None)
            ):
                found = frame_poses(number, people)
                write(drawing_of(frame, found, arguments))
                poses += found
        write_csv(arguments.out / f"{name}_poses.csv", poses, poses[0].parts if poses else ())
        frames = how_many(len({pose.image for pose in poses}), "frame")
        print(f"{source}: {frames} with people, in {path} and {name}_poses.csv")
        return
    raise InputError(f"{source}: expected a video with at least one frame, found none")


def people_in(
    frame: np.ndarray, find: "Callable[..., FoundPeople] | None", arguments: argparse.Namespace, where: str
) -> "Sequence[Person]":
    """Who is looked for in a frame: whom the detector finds, or one person where the options say."""
    from cpm_repro.inference.crops import Person

    if find is not None:
        return find(frame, where=where).people
    height, width = frame.shape[:2]
    middle = (width - 1) / 2, (height - 1) / 2
    return [Person(frame, arguments.center or middle, arguments.scale or height / 200, where)]


def frame_poses(number: int, people: "Sequence[tuple[Person, Pose]]") -> list[FoundPose]:
    """A frame's poses; in the table its number stands where a picture's name does."""
    return [
        FoundPose(str(number), number + 1, index, person.center, person.scale, pose.joints, pose.scores, pose.own_names)
        for index, (person, pose) in enumerate(people, start=1)
    ]


def drawing_of(pixels: np.ndarray, poses: Sequence[FoundPose], arguments: argparse.Namespace) -> np.ndarray:
    """The picture with poses on it; as it is where the network's parts have no limbs."""
    from cpm_repro.figures import drawing

    limbs = poses[0].limbs if poses else {}
    return drawing.draw_poses(pixels, poses, limbs, arguments.min_score) if limbs else pixels


def find_files(arguments: argparse.Namespace) -> "list[PictureFile]":
    """The pictures to look at; says what is left out, and that one --center is not everybody's."""
    from cpm_repro.inference.crops import check_sides
    from cpm_repro.inference.pictures import image_files, kinds

    files, left_out = image_files(arguments.images, arguments.recursive)
    if left_out:
        of = "not read as pictures"
        said = how_many(len(left_out), f"file of a kind that is {of}", f"files of kinds that are {of}")
        print(f"left out: {said}: {kinds(left_out)}", file=sys.stderr)
    if arguments.center and len(files) > 1:
        print(f"warning: one --center for {len(files)} pictures (--boxes says it of each)", file=sys.stderr)
    if not arguments.skip_bad:
        for file in files:  # before anything is computed
            check_sides(*image_size(file.path), str(file.path))
    return files


def find_clips(arguments: argparse.Namespace) -> list[Path | int]:
    """Takes the videos out of what is named; with the camera. InputError for what cannot be done with them."""
    from cpm_repro.inference.video import SUFFIXES

    clips: dict[str, Path | int] = {}
    for path in [path for path in arguments.images if path.suffix.lower() in SUFFIXES]:
        expected = f"a video of another name than {clips.get(path.stem)} has before its suffix"
        require(path, path.stem not in clips, expected, "the same: their poses would be in the same files")
        require(path, path.is_file(), "a video file", "none")
        clips[path.stem] = path
        arguments.images.remove(path)
    found = [*clips.values(), *(() if arguments.camera is None else (arguments.camera,))]
    if found:
        require("--boxes", not arguments.boxes, "pictures, which a file of boxes names", f"the video {found[0]}")
        require("--html", not arguments.html or arguments.images, "pictures, for pages of them", "videos alone")
    return found


def main(arguments: argparse.Namespace) -> int:
    arguments.out = Path(arguments.out)
    if all(getattr(arguments, name) is None for name in ("model", "prototxt", "weights", "seed")):
        arguments.model = zoo.DEFAULT
    clips = find_clips(arguments)
    if not arguments.images and not clips:
        raise InputError("expected pictures, folders, videos or --camera, found none of them")
    files = find_files(arguments) if arguments.images else []
    net = network(arguments)
    asked = protocol(arguments, net, batch=arguments.batch_size)
    find = finder(arguments, net, asked)
    if files:
        show_pictures(files, find, net, asked, arguments)
    for clip in clips:
        show_clip(clip, find, net, asked, arguments)
    return 0


def show_pictures(
    files: "Sequence[PictureFile]",
    find: "Callable[..., FoundPeople] | None",
    net: "Net",
    asked: "Protocol",
    arguments: argparse.Namespace,
) -> None:
    """Every picture's files, and the tables of all poses, or of those until a bad picture or Ctrl-C."""
    from cpm_repro.inference.pictures import good_pictures, with_beliefs
    from cpm_repro.network.stages import stage_blobs

    parts = part_names(net.blob_shapes[stage_blobs(net)[-1]][1] - 1, net.own_parts)
    shown_parts(arguments, parts)
    pictures = good_pictures(files, reader(arguments, find), arguments.skip_bad)
    shown, poses = 0, []
    try:
        for picture, beliefs in with_beliefs(pictures, net, asked):
            found = show_people(picture, beliefs, arguments)
            show_picture(picture, beliefs, found, arguments)
            poses += found
            shown += 1
    except (InputError, KeyboardInterrupt):
        if shown:
            with suppress(InputError):  # the first one is what is to be read
                write_tables(poses, parts, shown, arguments.out)
        raise
    if not shown:
        raise InputError(f"{files[0].path}: expected a picture that can be used, found none")
    write_tables(poses, parts, shown, arguments.out)


def write_tables(poses: Sequence[FoundPose], parts: Sequence[str], pictures: int, out: Path) -> None:
    """The poses of so many pictures as COCO's results and as CSV; prints a line."""
    write_coco(out / "poses.json", poses)
    write_csv(out / "poses.csv", poses, parts)
    print(f"{out}: pictures {pictures}, people {len(poses)}, in poses.json and poses.csv")


@command_line.typed("X,Y in pixels, such as 120,85")
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
        type=command_line.positive_number,
        help="a person's height in the picture / 200 px (default: the picture's height / 200, for a person as tall as "
        "the picture; with a person detector, what makes the picture as high as the network's input)",
    )
    to.add_argument("--boxes", metavar="F", type=Path, help="CSV or JSON of boxes around the people: look for these")
    add_person_options(to, "with a model of the package its own, else none: one person in the middle")


def arguments_parser() -> argparse.ArgumentParser:
    parser = command_line.parser(__doc__, EXAMPLE)
    parser.add_argument("images", metavar="IMAGE", nargs="*", type=Path, help="pictures, folders of pictures, videos")
    parser.add_argument(
        "--camera", metavar="N", type=command_line.index, help="this camera's pictures, until Ctrl-C (the first is 0)"
    )
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
    _add_pictures(parser)
    _add_drawings(parser)
    command_line.add_out(
        parser,
        "folder for poses.json (COCO's results), poses.csv, and of every picture NAME_pose.png, NAME_stages.png and "
        "NAME_keypoints.json (OpenPose's); "
        "with a person detector NAME_people.png and NAME_1_stages.png, NAME_2_stages.png, ... (default: poses)",
        required=False,
        default="poses",
    )
    return parser


def _add_pictures(to: argparse.ArgumentParser) -> None:
    """Which pictures are taken, and how many crops of them at once."""
    to.add_argument(
        "--batch-size",
        metavar="N",
        type=command_line.positive_integer,
        default=BATCH,
        help=f"crops in a forward pass, of all scales and people (default: {BATCH})",
    )
    to.add_argument(
        "--max-pixels",
        metavar="N",
        type=command_line.positive_integer,
        default=MAX_PIXELS,
        help=f"refuse larger pictures (default: {MAX_PIXELS})",
    )
    to.add_argument(
        "--skip-bad",
        action="store_true",
        help="name pictures that cannot be used and go on (default: the first of them ends the run)",
    )
    to.add_argument("--recursive", action="store_true", help="pictures in sub-folders too")


def _add_drawings(to: argparse.ArgumentParser) -> None:
    """What is drawn."""
    to.add_argument(
        "--min-score",
        metavar="S",
        type=float,
        default=0.1,
        help="joints believed in less fade in the drawing, and vanish at half of it (default: 0.1)",
    )
    to.add_argument(
        "--parts", metavar="NAME,...", help="whose belief maps are drawn, `all` for every one (default: a telling few)"
    )
    to.add_argument(
        "--html",
        action="store_true",
        help="NAME.html too: poses and every stage's belief maps to play with, in one file",
    )


if __name__ == "__main__":
    command_line.run(main, arguments_parser())
