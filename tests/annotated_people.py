"""Annotated persons with random joints, noise for photographs, and what an LMDB of them holds."""

import numpy as np
from PIL import Image

from data_lmdb.annotations import Annotation, write_json
from data_lmdb.records.reader import LmdbReader
from data_lmdb.records.sources import ordered, read_sources

PEOPLE = 7


def pixels(number, width=50, height=40):
    """uint8 (height, width, 3), another noise for every number."""
    return np.random.default_rng(number).integers(0, 256, (height, width, 3), np.uint8)


def annotation(number, joints=16, **changes):
    """A person alone in the image <number>.png of 50 x 40 px; every third is for validation."""
    rng = np.random.default_rng(number)
    values = {
        "dataset": "MPI",
        "is_validation": number % 3 == 0,
        "img_paths": f"{number}.png",
        "img_width": 50,
        "img_height": 40,
        "objpos": rng.uniform(1, 40, 2).round(3),
        "joint_self": rng.uniform(1, 40, (joints, 3)).round(3),
        "scale_provided": 0.4,
        "annolist_index": number,
        "people_index": 1,
    }
    return Annotation(**{**values, **changes})


def write_people(folder):
    """x.json with seven persons and their images, in the folders first and second; returns `folder`."""
    for number in range(PEOPLE):
        images = folder / ("first" if number < 4 else "second")
        images.mkdir(exist_ok=True)
        Image.fromarray(pixels(number)).save(images / f"{number}.png")
    write_json(folder / "x.json", [annotation(number) for number in range(PEOPLE)])
    return folder


def write_many_people(folder, count=160):
    """large.json with `count` persons and their five images, 200 x 200 px, in the folder large; returns the shuffled
    sources and the list of folders."""
    (folder / "large").mkdir()
    for number in range(5):
        Image.fromarray(pixels(number, 200, 200)).save(folder / "large" / f"{number}.png")
    size = {"img_width": 200, "img_height": 200}
    people = [annotation(n, img_paths=f"{n % 5}.png", **size) for n in range(count)]
    write_json(folder / "large.json", people)
    return ordered(read_sources([folder / "large.json"], "include"), seed=1), [folder / "large"]


def annotations_in(path):
    """The annotations of a JSON file, in its order."""
    return [source.annotation for source in read_sources([path], "include")]


def values_in(path):
    """Keys and values of an LMDB."""
    with LmdbReader(path) as reader:
        return list(zip(reader.keys(), map(bytes, reader), strict=True))
