"""Belief maps over their pictures: every stage's (the paper's figure 7), and a person detector's.

Drawn by Pillow: `cpm demo` shows its first pose a second earlier than with matplotlib, whose import and layout take
that long. Pictures are uint8 (H, W, 3) BGR as everywhere in the project.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from cpm_repro.inference.imresize import imresize
from data_lmdb.joints import part_names, spoken

Pixels = NDArray[np.uint8]

# The parts of the 14 whose belief maps say most about the stages: easy (head), and left-right pairs.
SHOWN_PARTS = {9: (8, 3, 4, 5, 2), 14: (0, 3, 4, 6, 7, 10), 28: (0, 3, 4, 6, 7, 10)}

# The colour map turbo (A. Mikhailov, 2019) at 17 places, R, G, B.
_TURBO = (
    *((48, 18, 59), (64, 64, 161), (70, 107, 227), (66, 147, 255), (41, 187, 236), (24, 220, 195), (49, 242, 153)),
    *((107, 253, 100), (163, 253, 60), (204, 237, 52), (237, 208, 58), (253, 174, 53), (251, 128, 34), (236, 82, 15)),
    *((210, 49, 5), (172, 23, 1), (122, 4, 3)),
)
_CELL, _GAP, _LINE = 186, 10, 21  # px: a picture of the sheet, what is between them, a line of writing
_LONGER_SIDE = 840  # px, of a person detector's picture
_INK, _WHITE = (34, 34, 34), (255, 255, 255)


def colours(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The colour of each of the values, 0 to 1, by linear interpolation in turbo: (…, 3) RGB, 0 to 255."""
    places, table = np.linspace(0, 1, len(_TURBO)), np.array(_TURBO, float)
    return np.stack([np.interp(values, places, channel) for channel in table.T], axis=-1)


def overlay(image_bgr: Pixels, belief: NDArray[np.floating]) -> Pixels:
    """A belief map (h, w) in colour over its picture, grey and dimmed: uint8 RGB (H, W, 3)."""
    height, width = image_bgr.shape[:2]
    belief = np.clip(imresize(belief.astype(np.float64), output_size=(height, width)), 0, 1)
    grey = image_bgr.astype(np.float64) @ [0.114, 0.587, 0.299]
    strength = np.clip(0.2 + 1.2 * belief, 0, 0.85)[..., None]
    mixed: NDArray[np.float64] = grey[..., None] * (1 - strength) + colours(belief) * strength
    return np.rint(mixed).astype(np.uint8)


def stages_sheet(
    crop_bgr: Pixels,
    maps: Sequence[NDArray[np.float32]],
    parts: Sequence[int] | None = None,
    own_names: tuple[str, ...] = (),
) -> Pixels:
    """The paper's figure 7: a row per stage, a column per part, each belief map over the crop.

    crop_bgr: uint8 (box, box, 3); maps: per stage (P+1, h, w). parts: 0-based, P is the
    background (default: a telling few). own_names: of the parts, if they are not the release's.
    """
    number_of_parts = len(maps[0]) - 1
    names = (*part_names(number_of_parts, own_names), "background")
    if parts is None:
        few = tuple(range(min(number_of_parts, 6)))
        parts = few if own_names else SHOWN_PARTS.get(number_of_parts, few)
    small, across, down = _resized(crop_bgr, (_CELL, _CELL)), _CELL + _GAP, _CELL + _LINE + _GAP
    size = _GAP + across * (len(parts) + 1), _GAP + 2 * _LINE + down * len(maps)
    sheet = Image.new("RGB", size, _WHITE)
    draw = ImageDraw.Draw(sheet)
    _centred(draw, (size[0] / 2, _GAP), "Belief maps, stage by stage", 15)
    for column, title in enumerate(["input", *(names[part] for part in parts)]):
        _centred(draw, (_GAP + column * across + _CELL / 2, _GAP + _LINE), spoken(title), 13)
    for stage, stage_maps in enumerate(maps, start=1):
        top = _GAP + 2 * _LINE + down * (stage - 1)
        cells = [(small[..., ::-1], f"stage {stage}")]
        cells += [(overlay(small, stage_maps[part]), f"max {stage_maps[part].max():.2f}") for part in parts]
        for column, (pixels, text) in enumerate(cells):
            left = _GAP + column * across
            sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)), (left, top))
            _centred(draw, (left + _CELL / 2, top + _CELL + 2), text, 13 if column == 0 else 11)
    return _bgr(sheet)


def person_map_picture(
    image_bgr: Pixels,
    belief: NDArray[np.floating],
    peaks: NDArray[np.floating],
    centers: NDArray[np.floating] | None = None,
) -> Pixels:
    """A person detector's map (h, w) over its picture, and the peaks (n, 2) of the people it found, numbered; a line
    from each to where the pose network settled the person's centre, if it did."""
    height, width = image_bgr.shape[:2]
    factor = _LONGER_SIDE / max(height, width)
    size = max(round(width * factor), 1), max(round(height * factor), 1)
    settled = centers is not None and len(centers) > 0
    title = "Belief in people's centres" + (": + peaks, o where the pose network settled the person" if settled else "")
    sheet = Image.new("RGB", (max(size[0], 3 * _CELL), size[1] + _LINE), _WHITE)
    corner = np.array([(sheet.width - size[0]) // 2, _LINE])
    sheet.paste(Image.fromarray(overlay(_resized(image_bgr, size), belief)), tuple(corner.tolist()))
    draw = ImageDraw.Draw(sheet)
    _centred(draw, (sheet.width / 2, 2), title, 13)
    places = [(points + 0.5) * factor - 0.5 + corner for points in (peaks, peaks if centers is None else centers)]
    for number, ((x, y), (to_x, to_y)) in enumerate(zip(*places, strict=True), start=1):
        draw.line((x - 7, y, x + 7, y), _WHITE, 2)
        draw.line((x, y - 7, x, y + 7), _WHITE, 2)
        draw.text((x + 6, y - 20), str(number), _WHITE, ImageFont.load_default(15))
        draw.line((x, y, to_x, to_y), _WHITE, 2)
        if settled:
            draw.ellipse((to_x - 4, to_y - 4, to_x + 4, to_y + 4), outline=_WHITE, width=2)
    return _bgr(sheet)


def _resized(image_bgr: Pixels, size: tuple[int, int]) -> Pixels:
    return np.asarray(Image.fromarray(image_bgr).resize(size, Image.Resampling.LANCZOS))


def _centred(draw: ImageDraw.ImageDraw, place: tuple[float, float], text: str, size: float) -> None:
    """Writing whose top is at `place`, and its middle."""
    draw.text(place, text, _INK, ImageFont.load_default(size), anchor="ma")


def _bgr(sheet: Image.Image) -> Pixels:
    return np.ascontiguousarray(np.asarray(sheet)[..., ::-1])
