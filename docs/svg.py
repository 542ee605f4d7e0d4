"""A drawing of boxes, arrows and words as SVG text, in the few shapes that the documentation's pictures need."""

from html import escape

INK, SOFT, LINE = "#1f2937", "#6b7280", "#9ca3af"
BLUE, GREEN, AMBER, RED, GREY = "#dbeafe", "#dcfce7", "#fef3c7", "#fee2e2", "#f3f4f6"
FONT = "font-family=\"'DejaVu Sans', Verdana, sans-serif\""


class Drawing:
    """Shapes in the order in which they are drawn; coordinates in px from the top left."""

    def __init__(self, width: int, height: int, title: str):
        self.width, self.height, self.title = width, height, title
        self.shapes: list[str] = []

    def box(self, x: float, y: float, width: float, height: float, fill: str = GREY, line: str = LINE, **more) -> None:
        extra = "".join(f' {name.replace("_", "-")}="{value}"' for name, value in more.items())
        place = f'x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}"'
        self.shapes.append(f'<rect {place} rx="4" fill="{fill}" stroke="{line}"{extra}/>')

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: float = 13,
        ink: str = INK,
        anchor: str = "start",
        bold: bool = False,
    ) -> None:
        """Words whose base line is at y; a line break begins a new line."""
        weight = ' font-weight="bold"' if bold else ""
        for number, line in enumerate(words.split("\n")):
            place = f'x="{x:g}" y="{y + number * size * 1.3:g}" font-size="{size:g}" text-anchor="{anchor}"'
            self.shapes.append(f'<text {place} fill="{ink}"{weight}>{escape(line)}</text>')

    def labelled(
        self, x: float, y: float, width: float, height: float, name: str, words: str = "", fill: str = GREY
    ) -> None:
        """A box with a bold name and smaller words below it, both in its middle."""
        self.box(x, y, width, height, fill)
        lines = words.count("\n") + 1 if words else 0
        top = y + height / 2 + 5 - lines * 7.5
        self.text(x + width / 2, top, name, 13, anchor="middle", bold=True)
        if words:
            self.text(x + width / 2, top + 16, words, 11, SOFT, "middle")

    def line(self, points: list[tuple[float, float]], ink: str = LINE, width: float = 1.5, dash: str = "") -> None:
        joined = " ".join(f"{x:g},{y:g}" for x, y in points)
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.shapes.append(f'<polyline points="{joined}" fill="none" stroke="{ink}" stroke-width="{width:g}"{dashed}/>')

    def arrow(self, points: list[tuple[float, float]], dash: str = "") -> None:
        """A line with a head at its last point."""
        self.line(points, SOFT, 1.5, dash)
        (x0, y0), (x1, y1) = points[-2:]
        length = max(abs(x1 - x0), abs(y1 - y0)) or 1
        ux, uy = (x1 - x0) / length, (y1 - y0) / length
        back = [(x1 - 8 * ux - 4 * uy, y1 - 8 * uy + 4 * ux), (x1 - 8 * ux + 4 * uy, y1 - 8 * uy - 4 * ux)]
        joined = " ".join(f"{x:g},{y:g}" for x, y in [(x1, y1), *back])
        self.shapes.append(f'<polygon points="{joined}" fill="{SOFT}"/>')

    def dot(self, x: float, y: float, radius: float = 3, fill: str = INK) -> None:
        self.shapes.append(f'<circle cx="{x:g}" cy="{y:g}" r="{radius:g}" fill="{fill}"/>')

    def svg(self) -> str:
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} {FONT}>'
        ground = f'<rect width="{self.width}" height="{self.height}" fill="#ffffff"/>'
        return "\n".join([head, f"<title>{escape(self.title)}</title>", ground, *self.shapes, "</svg>", ""])
