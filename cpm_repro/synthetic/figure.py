"""A synthetic person's looks: skin, hair and clothes, and how a posed body is drawn with them.

A figure is drawn back to front by the depth of its parts: capsules for limbs, a polygon for the shirt, a
ball with hair and a face for the head. The face, the collar, the buttons and a pocket on the left breast
tell front from back, and so left from right.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from data_lmdb.joints import PARTS_14

from .pose import Pose
from .scene import Canvas, Cloth, Normal, Point, Surface, random_cloth, random_colour

Part = tuple[float, Callable[[], None]]
"""Its depth, and what draws it."""
SKINS = ((241, 205, 180), (226, 180, 145), (200, 150, 112), (160, 110, 78), (118, 78, 56), (92, 60, 44))
HAIRS = ((30, 24, 20), (66, 44, 28), (112, 76, 44), (196, 158, 92), (140, 136, 132), (120, 52, 26))
LIMB_RADII = {
    "upper_arm": (0.034, 0.027),
    "forearm": (0.028, 0.019),
    "thigh": (0.056, 0.037),
    "shin": (0.036, 0.022),
}


@dataclass
class Look:
    """What a person wears: cloths for the shirt, the trousers, bare skin and the shoes, and the hair."""

    skin: Cloth
    hair: Cloth
    shirt: Cloth
    trousers: Cloth
    shoes: Cloth
    trim: Cloth
    bare: frozenset[str]
    hair_length: float
    girth: float


@dataclass
class HeadSurface:
    """Skin on the side of the face, hair on the crown and the back, by where the surface looks."""

    skin: Cloth
    hair: Cloth
    towards_hair: np.ndarray
    hairline: float

    def __call__(self, along: np.ndarray, across: np.ndarray, normal: Normal) -> np.ndarray:
        x, y, z = (float(v) for v in self.towards_hair)
        hairy = np.clip((normal[0] * x + normal[1] * y + normal[2] * z - self.hairline) * 6, 0, 1)[..., None]
        skin = self.skin(along, across, normal)
        mixed: np.ndarray = skin + hairy * (self.hair(along, across, normal) - skin)
        return mixed


def random_look(rng: np.random.Generator, canvas: Canvas, stature: float) -> Look:
    """Clothes, skin and hair; patterns are sized to the person's stature in pixels."""

    def plain(dye: np.ndarray | Sequence[int]) -> Cloth:
        colour = np.clip(np.asarray(dye, np.float32) * np.float32(rng.uniform(0.88, 1.08)), 0, 250)
        return Cloth(colour, colour, noise=canvas.noise)

    shirt = random_cloth(rng, canvas, 0.4, 0.05 * stature)
    trousers = random_cloth(rng, canvas, 0.75, 0.035 * stature)
    bare = {"forearm"} if rng.random() < 0.5 else set()
    if rng.random() < 0.12:
        bare |= {"forearm", "upper_arm"}
    if rng.random() < 0.3:
        bare.add("shin")
    return Look(
        skin=plain(SKINS[int(rng.integers(len(SKINS)))]),
        hair=plain(HAIRS[int(rng.integers(len(HAIRS)))] if rng.random() < 0.85 else random_colour(rng)),
        shirt=shirt,
        trousers=trousers,
        shoes=plain(random_colour(rng, 15, 95) if rng.random() < 0.75 else random_colour(rng, 170, 240)),
        trim=plain(np.clip(shirt.colour + rng.choice([-90, 90]), 10, 245)),
        bare=frozenset(bare),
        hair_length=float(rng.uniform(0.08, 0.16)) if rng.random() < 0.35 else 0.0,
        girth=float(rng.uniform(0.88, 1.22)),
    )


class Figure:
    """One posed, clothed person at a place in the picture, drawn back to front by the depth of its parts."""

    def __init__(self, pose: Pose, look: Look, origin: np.ndarray, stature: float):
        """`origin` is where the middle of the hips comes to lie, in pixels; `stature` is in pixels."""
        self.pose, self.look, self.stature = pose, look, stature
        self.at = {name: origin + stature * point[:2] * (1, -1) for name, point in pose.points.items()}
        self.origin = origin

    def joints(self) -> np.ndarray:
        """x, y of the 14 parts, float64 (14, 2)."""
        return np.array([self.at[name] for name in PARTS_14])

    def draw(self, canvas: Canvas) -> None:
        parts: list[tuple[float, Callable[[], None]]] = []
        for side in ("r_", "l_"):
            parts += self._arm_parts(canvas, side) + self._leg_parts(canvas, side)
        parts += self._trunk_parts(canvas) + self._head_parts(canvas)
        for _, draw in sorted(parts, key=lambda part: part[0]):
            draw()

    def _depth(self, *names: str) -> float:
        return float(np.mean([self.pose.points[name][2] for name in names]))

    def _place(self, point: np.ndarray) -> np.ndarray:
        return self.origin + self.stature * np.asarray(point)[:2] * (1, -1)

    def _limb(
        self,
        canvas: Canvas,
        start: str,
        end: str,
        kind: str,
        surface: Surface,
        bulge: float = 0.0,
        nearer: float = 0.0,
    ) -> Part:
        width = self.stature * self.look.girth
        first, last = LIMB_RADII[kind]
        radii = (width * first, width * last)
        depth = self._depth(start, end) + nearer
        return depth, lambda: canvas.capsule(self.at[start], self.at[end], radii, surface, width * bulge)

    def _arm_parts(self, canvas: Canvas, side: str) -> list[Part]:
        look, width = self.look, self.stature * self.look.girth
        shoulder, elbow, wrist, hand = (side + name for name in ("shoulder", "elbow", "wrist", "hand"))
        sleeve = {kind: look.skin if kind in look.bare else look.shirt for kind in ("upper_arm", "forearm")}

        def draw_hand() -> None:
            canvas.capsule(self.at[wrist], self.at[hand], (0.017 * width, 0.015 * width), look.skin, 0.008 * width)

        return [
            self._limb(canvas, shoulder, elbow, "upper_arm", sleeve["upper_arm"], 0.003, 0.05),
            self._limb(canvas, elbow, wrist, "forearm", sleeve["forearm"], 0.004, 0.055),
            (self._depth(wrist, hand) + 0.05, draw_hand),
        ]

    def _leg_parts(self, canvas: Canvas, side: str) -> list[Part]:
        look, width = self.look, self.stature * self.look.girth
        hip, knee, ankle, heel, toe = (side + name for name in ("hip", "knee", "ankle", "heel", "toe"))
        shin = look.skin if "shin" in look.bare else look.trousers

        def draw_shoe() -> None:
            canvas.capsule(self.at[heel], self.at[toe], (0.024 * width, 0.02 * width), look.shoes, 0.004 * width)

        return [
            self._limb(canvas, hip, knee, "thigh", look.trousers, 0.002),
            self._limb(canvas, knee, ankle, "shin", shin, 0.006, -0.005),
            (self._depth(heel, toe) - 0.02, draw_shoe),
        ]

    def _trunk_parts(self, canvas: Canvas) -> list[Part]:
        def draw_neck() -> None:
            width = 0.03 * self.stature
            canvas.capsule(self.at["neck"], self.at["head_centre"], (width, width), self.look.skin)

        depth = self._depth("neck", "r_hip", "l_hip")
        return [
            (depth + 0.035, draw_neck),
            (depth + 0.03, lambda: self._draw_pelvis(canvas)),
            (depth + 0.04, lambda: self._draw_shirt(canvas)),
        ]

    def _draw_pelvis(self, canvas: Canvas) -> None:
        radius = 0.055 * self.stature * self.look.girth
        canvas.capsule(self.at["r_hip"], self.at["l_hip"], (radius, radius), self.look.trousers)

    def _draw_shirt(self, canvas: Canvas) -> None:
        """From the shoulders to the hips, narrower at the waist."""
        radius = 0.03 * self.stature * self.look.girth
        left, up, forward = self.pose.torso_axes.T
        hips = {side: self.at[side + "hip"] - (0, 0.012 * self.stature) for side in ("r_", "l_")}
        top = self.at["neck"] + (0, 0.012 * self.stature)
        waist = {side: 0.42 * self.at[side + "shoulder"] + 0.58 * hips[side] for side in hips}
        middle = (waist["r_"] + waist["l_"]) / 2
        waist = {side: middle + (point - middle) * (0.86 * self.look.girth) for side, point in waist.items()}
        outline = [self.at["r_shoulder"], top, self.at["l_shoulder"]]
        outline += [waist["l_"], hips["l_"], hips["r_"], waist["r_"]]
        half = float(np.hypot(*(self.at["r_shoulder"] - self.at["l_shoulder"]))) / 2 + radius
        bottom = (hips["r_"] + hips["l_"]) / 2
        canvas.polygon(np.array(outline), radius, self.look.shirt, (top, bottom, half))
        if forward[2] > 0.15:
            self._draw_front(canvas, left, up, forward)

    def _draw_front(self, canvas: Canvas, left: np.ndarray, up: np.ndarray, forward: np.ndarray) -> None:
        unit, neck = self.stature, self.pose.points["neck"]
        chest = neck + 0.055 * forward

        def stroke(surface: Cloth, start: Point, end: Point, radii: tuple[float, float]) -> None:
            top, bottom = (self._place(chest + across * left + along * up) for across, along in (start, end))
            canvas.capsule(top, bottom, (radii[0] * unit, radii[1] * unit), surface)

        stroke(self.look.skin, (0.0, 0.0), (0.0, -0.035), (0.03, 0.006))
        stroke(self.look.trim, (0.0, -0.05), (0.0, -0.28), (0.006, 0.006))
        stroke(self.look.trim, (0.045, -0.1), (0.075, -0.1), (0.016, 0.016))

    def _head_parts(self, canvas: Canvas) -> list[Part]:
        left, up, forward = self.pose.head_axes.T
        centre = self.pose.points["head_centre"]
        hair = 0.8 * up - 0.6 * forward
        surface = HeadSurface(self.look.skin, self.look.hair, hair * (1, -1, 1), 0.08)
        unit = self.stature

        def draw_head() -> None:
            top, bottom = (self._place(centre + step * up) for step in (0.02, -0.028))
            canvas.capsule(top, bottom, (0.054 * unit, 0.04 * unit), surface, ball=True)
            self._draw_face(canvas, centre, left, up, forward)

        depth = float(centre[2]) + 0.03
        if not self.look.hair_length:
            return [(depth, draw_head)]

        def draw_long_hair() -> None:
            behind = centre - 0.03 * forward
            top, bottom = (self._place(behind + step * up) for step in (0.015, -self.look.hair_length))
            canvas.capsule(top, bottom, (0.058 * unit, 0.045 * unit), self.look.hair)

        return [(depth, draw_head), (depth - 0.08 if forward[2] > 0 else depth + 0.05, draw_long_hair)]

    def _draw_face(
        self, canvas: Canvas, centre: np.ndarray, left: np.ndarray, up: np.ndarray, forward: np.ndarray
    ) -> None:
        unit = self.stature
        white, dark, lip = (np.array(c, np.float32) for c in ((235, 235, 230), (25, 20, 20), (140, 50, 50)))

        def dot(across: float, along: float, ahead: float, size: float, colour: np.ndarray, wide: float = 0.0) -> None:
            normal = across * left + 0.4 * along * up + ahead * forward
            if normal[2] / np.sqrt((normal * normal).sum()) < 0.3:
                return
            point = centre + across * left + along * up + ahead * forward
            start, end = (self._place(point + shift * left) for shift in (-wide, wide))
            canvas.capsule(start, end, (size * unit, size * unit), Cloth(colour, colour, noise=canvas.noise))

        for side in (-1, 1):
            dot(side * 0.021, 0.006, 0.046, 0.0085, white, 0.003)
            dot(side * 0.021, 0.006, 0.048, 0.0065, dark)
            dot(side * 0.05, -0.005, 0.0, 0.012, 0.9 * self.look.skin.colour)
        dot(0.0, -0.016, 0.058, 0.008, 0.86 * self.look.skin.colour)
        dot(0.0, -0.038, 0.046, 0.005, lip, 0.012)
