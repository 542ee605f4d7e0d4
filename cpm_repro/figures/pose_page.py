"""A picture's poses and belief maps as one page to play with: the paper's figures 1 and 7, stage by stage.

The page is a single file that loads nothing: the photograph, the maps and a script are in it. `pose_page.html` is its
template.
"""

import base64
import html
import io
import json
import os
from collections.abc import Sequence
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cpm_repro.inference.averages import Averaged
from cpm_repro.inference.beliefs import Beliefs
from data_lmdb.joints import limbs_of, spoken
from prototxt_import.files import write_text

from .belief_maps import colours
from .drawing import Pixels, strengths

MAP_SIDE = 128
"""px of a map's longer side on the page."""
SAMPLES = 4
"""Of the averaged maps along each axis, to a pixel of the page's maps, at most."""
PHOTOGRAPH_SIDE = 2000
"""px of the photograph's longer side on the page, at most."""

_TEMPLATE = Path(__file__).with_name("pose_page.html")


def write_pose_page(
    path: str | os.PathLike[str], image_bgr: Pixels, people: Sequence[Beliefs], title: str, min_score: float
) -> None:
    """The page of one picture, uint8 (H, W, 3) BGR, and what is believed of its people; whole or not at all."""
    template = Template(_TEMPLATE.read_text(encoding="utf-8"))
    data = json.dumps(_data(image_bgr, people, min_score)).replace("</", "<\\/")
    text = template.substitute(title=html.escape(title), data=data)
    write_text(path, text)


def _data(image_bgr: Pixels, people: Sequence[Beliefs], min_score: float) -> dict[str, Any]:
    """What the page's script reads: see `pose_page.html`."""
    height, width = image_bgr.shape[:2]
    number_of_parts = people[0].stages[0].shape[1] - 1 if people else 0
    limbs = limbs_of(number_of_parts, people[0].own_names) if people else {}
    shrink = MAP_SIDE / max(height, width)
    size = max(round(width * shrink), 1), max(round(height * shrink), 1)
    return {
        "photograph": _photograph(image_bgr),
        "width": width,
        "height": height,
        "map": {"width": size[0], "height": size[1]},
        "stages": len(people[0].stages) if people else 1,
        "parts": [spoken(name) for name in (*people[0].parts, "background")] if people else [],
        "limbs": [[*ends, f"rgb{tuple(colour)}"] for ends, colour in limbs.items()],
        "colours": _colours(),
        "people": [_person(beliefs, size, min_score, max(height, width)) for beliefs in people],
    }


def _person(beliefs: Beliefs, size: tuple[int, int], min_score: float, side: int) -> dict[str, Any]:
    """Per stage: x, y, strength of drawing and score of each joint, and all maps below one another as a grey PNG."""
    places, maps = [], []
    for stage in range(len(beliefs.stages)):
        pose = beliefs.pose(stage)
        rows = np.column_stack([pose.joints, strengths(pose.scores, min_score), pose.scores])
        places.append([[round(float(value), 3) for value in row] for row in rows])
        maps.append(_sprite(pose.averaged, size))
    thickness = float(np.clip(np.ptp(pose.joints, axis=0).max() / side, 0.2, 1))
    return {"joints": places, "maps": maps, "thickness": thickness}


def _sprite(averaged: Averaged, size: tuple[int, int]) -> str:
    """The maps of some of a large picture's pixels, for they are as smooth as they are at their own stride."""
    height, width = averaged.image_size
    rows, columns = _some(height, SAMPLES * size[1]), _some(width, SAMPLES * size[0])
    maps = averaged.at(rows, columns)
    small = [np.asarray(Image.fromarray(belief).resize(size, Image.Resampling.BILINEAR)) for belief in maps]
    return _png(Image.fromarray(np.rint(255 * np.clip(np.concatenate(small), 0, 1)).astype(np.uint8)))


def _some(length: int, most: int) -> NDArray[np.int64]:
    """So many of an axis' pixels, at most, at equal distances."""
    count = min(length, most)
    return (np.arange(count) * 2 + 1) * length // (2 * count)


def _photograph(image_bgr: Pixels) -> str:
    picture = Image.fromarray(np.ascontiguousarray(image_bgr[..., ::-1]))
    picture.thumbnail((PHOTOGRAPH_SIDE, PHOTOGRAPH_SIDE))
    content = io.BytesIO()
    picture.save(content, format="JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(content.getvalue()).decode()


def _png(picture: Image.Image) -> str:
    content = io.BytesIO()
    picture.save(content, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def _colours() -> str:
    """The colour of each grey value, six hexadecimal digits after six."""
    return np.rint(colours(np.linspace(0, 1, 256))).astype(np.uint8).tobytes().hex()
