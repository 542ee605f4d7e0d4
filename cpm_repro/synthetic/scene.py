"""The stage for synthetic people: an antialiased canvas, patterned surfaces, cluttered backgrounds, objects.

Everything is drawn with NumPy inside bounding boxes. Coordinates are 0-based pixels, x right and y down, with
pixel centres at whole numbers; colours are RGB, 0 to 255.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

Point = np.ndarray | tuple[float, float]
Axis = tuple[Point, Point, float]
Normal = tuple[np.ndarray, np.ndarray, np.ndarray]
Surface = Callable[[np.ndarray, np.ndarray, Normal], np.ndarray]
NOISE_SIZE = 64


@dataclass
class Cloth:
    """A surface with a pattern: called with the position along and across a part in pixels, it gives colours.

    `pattern` is plain, hoops (across the part), stripes (along it), checks or mottled; `period` is in pixels.
    """

    colour: np.ndarray
    second: np.ndarray
    pattern: str = "plain"
    period: float = 8.0
    noise: np.ndarray = field(default_factory=lambda: np.zeros((NOISE_SIZE, NOISE_SIZE), np.float32))

    def __call__(self, along: np.ndarray, across: np.ndarray, normal: Normal) -> np.ndarray:
        """Colours, float32 (h, w, 3), for coordinates of shape (h, w); `normal` is not looked at."""
        mask = self._mask(along, across)
        grain = self.noise[along.astype(np.int32) & 63, across.astype(np.int32) & 63]
        colours: np.ndarray
        if isinstance(mask, float):
            colours = self.colour + grain[..., None] * np.float32(14)
            return colours
        if self.pattern == "mottled":
            mask = np.clip(0.5 + grain, 0, 1)
        colours = self.colour + mask[..., None] * (self.second - self.colour)
        return colours

    def _mask(self, along: np.ndarray, across: np.ndarray) -> np.ndarray | float:
        if self.pattern == "hoops":
            return self._wave(along)
        if self.pattern == "stripes":
            return self._wave(across)
        if self.pattern == "checks":
            edges: np.ndarray = np.abs(self._wave(along) - self._wave(across))
            return edges
        return along if self.pattern == "mottled" else 0.0

    def _wave(self, position: np.ndarray) -> np.ndarray:
        return np.clip(0.5 + 2.5 * np.sin(position * (2 * np.pi / self.period)), 0, 1)


class Canvas:
    """An RGB picture, float32 (height, width, 3), lit from one side, that remembers who covers each pixel.

    What is drawn, opaque, while `layer` is n > 0 sets `owner` to n: where `owner` > n, layer n is covered.
    """

    def __init__(self, height: int, width: int, rng: np.random.Generator):
        self.height, self.width = height, width
        self.pixels = np.zeros((height, width, 3), np.float32)
        self.owner = np.zeros((height, width), np.int16)
        self.layer = 0
        self.noise = _noise_tile(rng)
        light = np.array([rng.uniform(-0.7, 0.7), rng.uniform(-0.8, -0.2), 0.8])
        self.light = [float(v) for v in light / np.sqrt((light * light).sum())]
        self.ambient = float(rng.uniform(0.42, 0.62))

    def capsule(
        self,
        start: Point,
        end: Point,
        radii: tuple[float, float],
        surface: Surface,
        bulge: float = 0.0,
        opacity: float = 1.0,
        ball: bool = False,
    ) -> None:
        """A tapered limb with round ends: `radii` at its start and end, more by `bulge` in the middle.

        Shaded like a cylinder, so that two limbs meet smoothly, or with `ball` like a ball drawn long.
        """
        reach = max(radii) + bulge + 1.5
        window = self._window((start, end), reach)
        if window is None:
            return
        x, y = self._grid(window, start)
        dx, dy = float(end[0] - start[0]), float(end[1] - start[1])
        length = max(float(np.hypot(dx, dy)), 1e-3)
        t = np.clip((x * dx + y * dy) / (length * length), 0, 1)
        offset_x, offset_y = x - t * dx, y - t * dy
        radius = radii[0] + (radii[1] - radii[0]) * t + (4 * bulge) * t * (1 - t)
        distance = np.sqrt(offset_x * offset_x + offset_y * offset_y) - radius
        across = (x * dy - y * dx) / length
        if ball:
            normal = self._normal(offset_x / radius, offset_y / radius)
        else:
            lateral = np.clip(across / radius, -1, 1)
            normal = self._normal(lateral * (dy / length), lateral * (-dx / length))
        colour = surface(t * length, across, normal)
        self._paint(window, distance, colour * self._shade(normal)[..., None], opacity)

    def polygon(
        self, corners: np.ndarray, radius: float, surface: Surface, axis: Axis | None = None, opacity: float = 1.0
    ) -> None:
        """A simple polygon (n, 2) grown by `radius`; a barrel if `axis` is (start, end, half width)."""
        window = self._window(corners, radius + 1.5)
        if window is None:
            return
        start, end, half_width = axis or (corners[0], corners[1], 0.0)
        x, y = self._grid(window, start)
        distance = _polygon_distance(x, y, np.asarray(corners, np.float64) - np.asarray(start)) - radius
        dx, dy = float(end[0] - start[0]), float(end[1] - start[1])
        length = max(float(np.hypot(dx, dy)), 1e-3)
        across = (x * dy - y * dx) / length
        lateral = np.clip(across / half_width, -1, 1) * 0.85 if half_width else np.zeros_like(across)
        normal = self._normal(lateral * (dy / length), lateral * (-dx / length))
        colour = surface((x * dx + y * dy) / length, across, normal)
        self._paint(window, distance, colour * self._shade(normal)[..., None], opacity)

    def _window(self, around: np.ndarray | Sequence[Point], reach: float) -> tuple[slice, slice] | None:
        points = np.asarray(around, np.float64)
        low, high = np.floor(points.min(0) - reach), np.ceil(points.max(0) + reach) + 1
        left, right = max(int(low[0]), 0), min(int(high[0]), self.width)
        top, bottom = max(int(low[1]), 0), min(int(high[1]), self.height)
        return (slice(top, bottom), slice(left, right)) if left < right and top < bottom else None

    @staticmethod
    def _grid(window: tuple[slice, slice], origin: Point) -> tuple[np.ndarray, np.ndarray]:
        rows, columns = window
        x = np.arange(columns.start, columns.stop, dtype=np.float32) - np.float32(origin[0])
        y = np.arange(rows.start, rows.stop, dtype=np.float32) - np.float32(origin[1])
        return x[None, :], y[:, None]

    @staticmethod
    def _normal(nx: np.ndarray, ny: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return nx, ny, np.sqrt(np.maximum(1 - nx * nx - ny * ny, 0))

    def _shade(self, normal: Normal) -> np.ndarray:
        light: np.ndarray = normal[0] * self.light[0] + normal[1] * self.light[1] + normal[2] * self.light[2]
        shade: np.ndarray = self.ambient + (1.1 - self.ambient) * np.maximum(light, 0)
        return shade

    def _paint(self, window: tuple[slice, slice], distance: np.ndarray, colour: np.ndarray, opacity: float) -> None:
        coverage = np.clip(0.5 - distance, 0, 1)
        target = self.pixels[window]
        target += (coverage * np.float32(opacity))[..., None] * (colour - target)
        if self.layer and opacity == 1.0:
            self.owner[window][coverage > 0.5] = self.layer


def _polygon_distance(x: np.ndarray, y: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Signed distance (negative inside) of the grid x (1, w), y (h, 1) to a simple polygon."""
    nearest = np.full((y.shape[0], x.shape[1]), np.inf, np.float32)
    inside = np.zeros(nearest.shape, bool)
    for (ax, ay), (bx, by) in zip(corners.tolist(), np.roll(corners, -1, 0).tolist(), strict=True):
        dx, dy = bx - ax, by - ay
        px, py = x - ax, y - ay
        t = np.clip((px * dx + py * dy) / max(dx * dx + dy * dy, 1e-6), 0, 1)
        np.minimum(nearest, (px - t * dx) ** 2 + (py - t * dy) ** 2, out=nearest)
        if dy != 0:
            inside ^= ((y >= ay) != (y >= by)) & (px < py * (dx / dy))
    distance = np.sqrt(nearest)
    return np.where(inside, -distance, distance)


def _noise_tile(rng: np.random.Generator) -> np.ndarray:
    """Noise that wraps around, a few pixels coarse, float32 (64, 64)."""
    noise = rng.standard_normal((NOISE_SIZE, NOISE_SIZE), np.float32)
    for axis in (0, 1):
        noise = noise + np.roll(noise, 1, axis) + np.roll(noise, 2, axis)
    return noise / np.float32(6)


def smooth_field(rng: np.random.Generator, height: int, width: int, cells: int) -> np.ndarray:
    """Low-frequency noise, float32 (height, width, 3), about unit variance, bilinear between knots."""
    knots = rng.standard_normal((cells + 1, cells + 1, 1), np.float32) * np.float32(0.9)
    knots = knots + rng.standard_normal((cells + 1, cells + 1, 3), np.float32) * np.float32(0.4)
    row, row_part = _knots(height, cells)
    column, column_part = _knots(width, cells)
    wide = knots[:, column] + column_part[:, None] * (knots[:, column + 1] - knots[:, column])
    smooth: np.ndarray = wide[row] + row_part[:, None, None] * (wide[row + 1] - wide[row])
    return smooth


def _knots(size: int, cells: int) -> tuple[np.ndarray, np.ndarray]:
    position = np.arange(size, dtype=np.float32) * np.float32(cells / size)
    knot = position.astype(np.int32)
    return knot, position - knot


def random_colour(rng: np.random.Generator, low: float = 25, high: float = 235, vivid: float = 1.0) -> np.ndarray:
    """RGB, float32 (3,), between grey (`vivid` 0) and anything."""
    gray = rng.uniform(low, high)
    saturation = vivid * rng.beta(1.2, 1.6)
    return (gray + saturation * (rng.uniform(low, high, 3) - gray)).astype(np.float32)


def random_cloth(rng: np.random.Generator, canvas: Canvas, plain: float, unit: float, vivid: float = 1.0) -> Cloth:
    """Random colours; `plain` is the share of unpatterned cloths, `unit` the pattern's size in pixels."""
    pattern = "plain" if rng.random() < plain else str(rng.choice(["hoops", "stripes", "checks", "mottled"]))
    base = random_colour(rng, vivid=vivid)
    second = np.clip(base + rng.choice([-1, 1]) * (rng.uniform(35, 100) + rng.uniform(-20, 20, 3)), 10, 245).astype(
        np.float32
    )
    return Cloth(base, second, pattern, max(float(unit * rng.uniform(0.7, 1.6)), 3.0), canvas.noise)


def draw_background(canvas: Canvas, rng: np.random.Generator) -> float:
    """Wall or sky above floor or grass, polygons, poles and blobs in front of it; returns the horizon's y."""
    height, width = canvas.height, canvas.width
    horizon = height * rng.uniform(0.45, 0.8)
    rise = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    below = (np.arange(height) > horizon)[:, None, None]
    upper, lower = random_colour(rng, 70, 225, 0.7), random_colour(rng, 50, 180, 0.7)
    canvas.pixels[:] = np.where(below, lower * (1.25 - 0.4 * rise), upper * (0.85 + 0.3 * rise))
    canvas.pixels += smooth_field(rng, height, width, int(rng.integers(2, 6))) * np.float32(rng.uniform(4, 20))
    canvas.pixels += smooth_field(rng, height, width, int(rng.integers(12, 40))) * np.float32(rng.uniform(2, 12))
    for _ in range(int(rng.integers(2, 10))):
        _draw_block(canvas, rng, horizon)
    for _ in range(int(rng.integers(0, 7))):
        _draw_stick(canvas, rng)
    np.clip(canvas.pixels, 0, 255, out=canvas.pixels)
    return horizon


def _draw_block(canvas: Canvas, rng: np.random.Generator, horizon: float) -> None:
    """A building, a window, a hill: an upright box or a random quadrilateral behind the people."""
    x, y = rng.uniform(0, canvas.width), rng.uniform(0.1 * canvas.height, horizon)
    half = rng.uniform(0.04, 0.2, 2) * canvas.height
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
    if rng.random() < 0.4:
        corners += rng.uniform(-0.8, 0.8, (4, 2)) * half
    cloth = random_cloth(rng, canvas, 0.5, 0.06 * canvas.height, 0.6)
    canvas.polygon(corners + [x, y], 0.0, cloth, opacity=float(rng.uniform(0.4, 1.0)))


def _draw_stick(canvas: Canvas, rng: np.random.Generator) -> None:
    """A pole, branch or pipe as thick as a limb, with one bend."""
    start = rng.uniform(0, 1, 2) * [canvas.width, canvas.height]
    bend = start + rng.normal(0, 0.22, 2) * canvas.height
    end = bend + rng.normal(0, 0.18, 2) * canvas.height
    radius = float(rng.uniform(0.006, 0.028) * canvas.height)
    cloth = random_cloth(rng, canvas, 0.7, 3 * radius, 0.7)
    canvas.capsule(start, bend, (radius, radius), cloth)
    canvas.capsule(bend, end, (radius, 0.7 * radius), cloth)


def draw_object(canvas: Canvas, rng: np.random.Generator, at: np.ndarray, size: float) -> None:
    """Something in front of the people: a box, a bar or a leafy branch at `at`, about `size` pixels."""
    kind = rng.choice(["box", "bar", "leaves"])
    if kind == "box":
        half = rng.uniform(0.3, 0.75, 2) * size
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half + rng.normal(0, 0.06 * size, (4, 2))
        canvas.polygon(corners + at, 1.0, random_cloth(rng, canvas, 0.4, 0.3 * size))
    elif kind == "bar":
        angle = rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.15)
        reach = np.array([np.cos(angle), np.sin(angle)]) * canvas.height * rng.uniform(0.25, 1.0)
        radius = float(size * rng.uniform(0.06, 0.16))
        canvas.capsule(at - reach, at + reach, (radius, radius), random_cloth(rng, canvas, 0.5, 3 * radius))
    else:
        _draw_leaves(canvas, rng, at, size)


def _draw_leaves(canvas: Canvas, rng: np.random.Generator, at: np.ndarray, size: float) -> None:
    stem = Cloth(np.array([80, 60, 40], np.float32), np.array([50, 40, 25], np.float32), noise=canvas.noise)
    reach = rng.normal(0, 1, 2) * size
    canvas.capsule(at - reach, at + reach, (1.5, 1.0), stem)
    for _ in range(int(rng.integers(6, 14))):
        green = np.array([rng.uniform(20, 110), rng.uniform(80, 170), rng.uniform(15, 70)], np.float32)
        start = at + reach * rng.uniform(-1, 1) + rng.normal(0, 0.2 * size, 2)
        end = start + rng.normal(0, 0.22 * size, 2)
        radius = float(size * rng.uniform(0.02, 0.04))
        canvas.capsule(start, end, (radius, 0.8), Cloth(green, green * 0.7, "mottled", noise=canvas.noise), 2 * radius)
