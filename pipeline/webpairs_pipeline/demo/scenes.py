"""One drawn scene: some objects of one shape and colour on a background.

A scene is a description; `draw` makes the picture from it, the same one each time. What no caption
mentions (jitter, shading, rotation) comes from the scene's own seed. Objects lie inside the
central square, so that a square crop keeps what the caption says.
"""

import math
import random
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

SHAPES: Final = ("circle", "square", "triangle", "star", "heart", "cross", "ring", "moon")
COLOURS: Final = {
    "red": (214, 32, 38),
    "orange": (246, 134, 16),
    "yellow": (245, 218, 24),
    "green": (34, 150, 52),
    "blue": (30, 74, 206),
    "purple": (128, 38, 164),
    "pink": (247, 128, 184),
    "brown": (122, 72, 30),
    "grey": (128, 130, 132),
    "turquoise": (28, 196, 188),
}
BACKGROUNDS: Final = {
    "white": (243, 243, 243),
    "black": (24, 24, 26),
    "cream": (247, 232, 196),
    "mint": (196, 236, 206),
    "lavender": (214, 204, 244),
    "sky blue": (168, 212, 246),
}
TEXTURES: Final = ("plain", "striped", "dotted", "checked", "cloudy")
SIZES: Final = ("small", "large")
POSITIONS: Final = {
    "middle": (0.5, 0.5),
    "left": (0.27, 0.5),
    "right": (0.73, 0.5),
    "top": (0.5, 0.27),
    "bottom": (0.5, 0.73),
}
COMBINATIONS: Final = tuple((colour, shape) for colour in COLOURS for shape in SHAPES)
HELD_OUT: Final = tuple(
    (tuple(COLOURS)[i % len(COLOURS)], SHAPES[3 * i % len(SHAPES)]) for i in range(16)
)
"""The 16 (colour, shape) pairs that no page shows: what zero-shot classification is tried on. Each
colour and each shape stands in other pairs, so a model can know both words."""
SHOWN: Final = tuple(pair for pair in COMBINATIONS if pair not in HELD_OUT)

Values = npt.NDArray[np.floating]
_MIN_CONTRAST = 110.0
_SUPERSAMPLE = 2


class Scene(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the picture, and its size in pixels."""

    colour: str
    shape: str
    number: int = 1
    size: str = "large"
    position: str = "middle"
    background: str = "white"
    texture: str = "plain"
    width: int = 160
    height: int = 160
    seed: int = 0
    """Decides what captions do not say."""

    @property
    def name(self) -> str:
        """The class name: colour and shape."""
        return f"{self.colour} {self.shape}"


def random_scene(
    rng: random.Random, combinations: Sequence[tuple[str, str]] = SHOWN, *, is_single: bool = False
) -> Scene:
    """A scene with one of the given (colour, shape) pairs; sides 84 to 320 px, aspect below 1.4."""
    colour, shape = rng.choice(combinations)
    short = rng.randint(84, 232)
    long = min(320, round(short * rng.uniform(1.0, 1.38)))
    is_wide = rng.random() < 0.6
    return Scene(
        colour=colour,
        shape=shape,
        number=1 if is_single else rng.choice((1, 1, 1, 2, 2, 3)),
        size=rng.choice(SIZES),
        position=rng.choice(tuple(POSITIONS)),
        background=rng.choice(backgrounds_for(colour)),
        texture=rng.choice(TEXTURES),
        width=long if is_wide else short,
        height=short if is_wide else long,
        seed=rng.getrandbits(32),
    )


def backgrounds_for(colour: str) -> tuple[str, ...]:
    """The backgrounds that an object of this colour can be told from."""
    return tuple(
        name
        for name, rgb in BACKGROUNDS.items()
        if math.dist(rgb, COLOURS[colour]) >= _MIN_CONTRAST
    )


def draw(scene: Scene) -> Image.Image:
    """The picture of a scene, RGB."""
    rng = random.Random(scene.seed)
    picture = _background(scene, rng)
    picture.paste(_jitter(COLOURS[scene.colour], rng, 10), None, _objects_mask(scene, rng))
    return picture


def _jitter(rgb: tuple[int, int, int], rng: random.Random, amount: int) -> tuple[int, int, int]:
    red, green, blue = (min(255, max(0, c + rng.randint(-amount, amount))) for c in rgb)
    return red, green, blue


def _background(scene: Scene, rng: random.Random) -> Image.Image:
    """The background with its texture and, always, a soft uneven light: no two photographs have the
    same, and perceptual hashes tell scenes apart by it."""
    width, height = scene.width, scene.height
    light = _soft_field(rng, (width, height), 5) * (34.0 if scene.texture == "cloudy" else 16.0)
    tone = light + 20.0 * _pattern(scene, rng)
    base = np.array(_jitter(BACKGROUNDS[scene.background], rng, 8), dtype=np.float32)
    return Image.fromarray((base + tone[:, :, None]).clip(0, 255).astype(np.uint8))


def _soft_field(rng: random.Random, size: tuple[int, int], cells: int) -> Values:
    """Smooth random values in about -1..1, (height, width)."""
    grid = np.array([rng.uniform(-1, 1) for _ in range(cells * cells)], dtype=np.float32)
    image = Image.fromarray(grid.reshape(cells, cells))
    return np.asarray(image.resize(size, Image.Resampling.BICUBIC))


def _pattern(scene: Scene, rng: random.Random) -> Values:
    """The texture as values in -1..1, (height, width)."""
    angle, phase = rng.uniform(0, math.pi), rng.uniform(0, 2 * math.pi)
    period = rng.uniform(0.07, 0.14) * min(scene.width, scene.height)
    x, y = np.meshgrid(
        np.arange(scene.width, dtype=np.float32) * (2 * math.pi / period),
        np.arange(scene.height, dtype=np.float32) * (2 * math.pi / period),
    )
    along = math.cos(angle) * x + math.sin(angle) * y + phase
    across = math.cos(angle) * y - math.sin(angle) * x + phase
    values: Values = np.zeros_like(x)
    if scene.texture == "striped":
        values = np.sign(np.sin(along))
    elif scene.texture == "checked":
        values = np.sign(np.sin(along / 2) * np.sin(across / 2))
    elif scene.texture == "dotted":
        values = np.where(np.sin(along) + np.sin(across) > 1.0, 1.0, -0.2)
    return values


def _objects_mask(scene: Scene, rng: random.Random) -> Image.Image:
    """White where an object is, (height, width), antialiased by drawing larger."""
    scale = _SUPERSAMPLE
    mask = Image.new("L", (scene.width * scale, scene.height * scale), 0)
    pen = ImageDraw.Draw(mask)
    side = min(scene.width, scene.height) * scale
    left, top = (mask.width - side) / 2, (mask.height - side) / 2
    radius, centres = _arrange(scene, rng)
    for x, y in centres:
        turn = math.radians(rng.uniform(-12, 12))
        for points, fill in _OUTLINES[scene.shape]:
            pen.polygon(
                [
                    (
                        left + side * (x + radius * (px * math.cos(turn) - py * math.sin(turn))),
                        top + side * (y + radius * (px * math.sin(turn) + py * math.cos(turn))),
                    )
                    for px, py in points
                ],
                fill=fill,
            )
    return mask.reduce(scale)


def _arrange(scene: Scene, rng: random.Random) -> tuple[float, list[tuple[float, float]]]:
    """Radius and centres of the objects, as shares of the central square's side."""
    low, high = {
        ("small", True): (0.21, 0.25),
        ("large", True): (0.31, 0.37),
        ("small", False): (0.135, 0.155),
        ("large", False): (0.185, 0.215),
    }[scene.size, scene.number == 1]
    radius = rng.uniform(low, high)
    step = radius * rng.uniform(1.1, 1.22)
    if scene.number == 1:
        around = [(0.0, 0.0)]
    elif scene.number == 2:
        around = rng.choice([[(-1.0, 0.0), (1.0, 0.0)], [(0.0, -1.0), (0.0, 1.0)]])
    else:
        flip = rng.choice((-1, 1))
        around = [(-1.0, flip * 0.9), (1.0, flip * 0.9), (0.0, -flip * 0.9)]
    anchor_x, anchor_y = (c + rng.uniform(-0.04, 0.04) for c in POSITIONS[scene.position])
    reach_x = radius + step * max(abs(dx) for dx, _ in around)
    reach_y = radius + step * max(abs(dy) for _, dy in around)
    middle_x = min(max(anchor_x, reach_x), 1 - reach_x)
    middle_y = min(max(anchor_y, reach_y), 1 - reach_y)
    return radius, [(middle_x + dx * step, middle_y + dy * step) for dx, dy in around]


Outline = tuple[list[tuple[float, float]], int]


def _arc(
    radius: float, start: float, end: float, centre_x: float = 0.0
) -> list[tuple[float, float]]:
    steps = [start + (end - start) * i / 40 for i in range(41)]
    return [(centre_x + radius * math.cos(t), radius * math.sin(t)) for t in steps]


def _star() -> list[tuple[float, float]]:
    tips = []
    for i in range(10):
        reach, angle = (1.0 if i % 2 == 0 else 0.42), math.pi * (i / 5 - 0.5)
        tips.append((reach * math.cos(angle), reach * math.sin(angle)))
    return tips


def _heart() -> list[tuple[float, float]]:
    points = []
    for i in range(48):
        t = 2 * math.pi * i / 48
        x = 16 * math.sin(t) ** 3
        y = 13 * math.cos(t) - 5 * math.cos(2 * t) - 2 * math.cos(3 * t) - math.cos(4 * t)
        points.append((x / 17, -y / 17))
    return points


def _cross() -> list[tuple[float, float]]:
    arm, reach = 0.3, 0.94
    quarter = [(arm, -reach), (arm, -arm), (reach, -arm)]
    points = []
    for _ in range(4):
        points += quarter
        quarter = [(-y, x) for x, y in quarter]
    return points


_OUTLINES: Final[dict[str, list[Outline]]] = {
    "circle": [(_arc(0.95, 0, 2 * math.pi), 255)],
    "square": [([(-0.84, -0.84), (0.84, -0.84), (0.84, 0.84), (-0.84, 0.84)], 255)],
    "triangle": [([(0.0, -0.95), (0.95, 0.8), (-0.95, 0.8)], 255)],
    "star": [(_star(), 255)],
    "heart": [(_heart(), 255)],
    "cross": [(_cross(), 255)],
    "ring": [(_arc(0.95, 0, 2 * math.pi), 255), (_arc(0.52, 0, 2 * math.pi), 0)],
    # A disc less another one, shifted: the two arcs meet at x = 0.30, y = ±0.90.
    "moon": [(_arc(0.95, 1.249, 2 * math.pi - 1.249) + _arc(0.91, 4.552, 1.731, 0.44), 255)],
}
"""Polygons in a unit circle, drawn in order: 255 adds, 0 takes away."""
