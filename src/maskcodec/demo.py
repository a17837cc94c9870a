"""A scene to try the codecs on: drawn here, with the exact mask of every labelled object."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from PIL import Image, ImageDraw

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

Point: TypeAlias = tuple[float, float]
Colour: TypeAlias = tuple[int, ...]  # red, green, blue, and how opaque

HEIGHT, WIDTH = 480, 640
LABELS = ("red house", "mountains", "sun", "tree", "black dog", "sailboat")
HOUSE, MOUNTAINS, SUN, TREE, DOG, BOAT = range(1, len(LABELS) + 1)

_SCALE = 4  # drawn larger and averaged, which makes edges smooth
_SHORE = 296


class Scene(NamedTuple):
    """A picture and what is to be seen on it.

    Attributes
    ----------
    image
        RGB, 640 pixels wide and 480 high.
    label_map
        uint8 (480, 640): 0 for background, ``n`` where ``labels[n - 1]`` is seen.
    labels
        The objects' labels.
    """

    image: Image.Image
    label_map: npt.NDArray[np.uint8]
    labels: tuple[str, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return HEIGHT, WIDTH

    def masks(self) -> list[npt.NDArray[np.bool_]]:
        """The mask of each object, in the order of the labels."""
        return [self.label_map == number for number in range(1, len(self.labels) + 1)]


class _Easel:
    """A picture and, drawn with the same strokes, the number of the object at every point."""

    def __init__(self) -> None:
        size = WIDTH * _SCALE, HEIGHT * _SCALE
        self.image = Image.new("RGB", size)
        self.numbers = Image.new("L", size)
        self._colour = ImageDraw.Draw(self.image, "RGBA")  # mixes what is not opaque
        self._number = ImageDraw.Draw(self.numbers)

    def shape(self, points: npt.ArrayLike, colour: Colour, number: int = 0) -> None:
        """A filled polygon through points (x, y)."""
        corners = (np.asarray(points, float) * _SCALE).ravel().tolist()
        self._colour.polygon(corners, colour)
        self._number.polygon(corners, number)

    def curve(self, points: npt.ArrayLike, colour: Colour, number: int = 0) -> None:
        """A filled closed curve through points (Catmull-Rom)."""
        corners = np.asarray(points, float)
        a, b, c, d = (np.roll(corners, step, axis=0)[:, None] for step in (1, 0, -1, -2))
        t = np.linspace(0, 1, 12, endpoint=False)[:, None]
        bent = t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a))
        self.shape((b + t / 2 * (c - a + bent)).reshape(-1, 2), colour, number)

    def oval(self, centre: Point, radius: Point, colour: Colour, number: int = 0) -> None:
        """A filled ellipse."""
        turn = np.linspace(0, math.tau, 96, endpoint=False)[:, None]
        rim = np.hstack([np.cos(turn), np.sin(turn)]) * radius
        self.shape(rim + centre, colour, number)

    def bar(self, box: tuple[float, ...], colour: Colour, number: int = 0) -> None:
        """A filled upright rectangle x1, y1, x2, y2."""
        x1, y1, x2, y2 = box
        self.shape([(x1, y1), (x2, y1), (x2, y2), (x1, y2)], colour, number)

    def fade(self, top: float, bottom: float, stops: Sequence[tuple[float, Colour]]) -> None:
        """Rows of changing colour from edge to edge: (y, colour) pairs, mixed in between."""
        ys = np.arange(round(top * _SCALE), round(bottom * _SCALE))
        places = [y * _SCALE for y, _ in stops]
        channels = [np.interp(ys, places, [colour[c] for _, colour in stops]) for c in range(3)]
        rows = np.round(np.stack(channels, axis=1)).astype(np.uint8)
        band = np.repeat(rows[:, None], self.image.width, axis=1)
        self.image.paste(Image.fromarray(band), (0, int(ys[0])))

    def glow(self, centre: Point, radius: float, colour: Colour) -> None:
        """Light that grows weaker with the distance from a point."""
        ys, xs = np.mgrid[: self.image.height, : self.image.width].astype(np.float32) / _SCALE
        distance = np.hypot(xs - centre[0], ys - centre[1]) / radius
        share = (np.clip(1 - distance, 0, 1) ** 2 * colour[3] / 255)[..., None]
        pixels = np.asarray(self.image) * (1 - share) + np.array(colour[:3]) * share
        self.image.paste(Image.fromarray(np.round(pixels).astype(np.uint8)))

    def clouds(self, places: Sequence[tuple[float, float, float]], colour: Colour) -> None:
        """Flat clouds at x, y of a size, each in one piece."""
        veil = Image.new("L", self.image.size)
        draw = ImageDraw.Draw(veil)
        for x, y, size in places:
            for left, right, top, bottom in [(-70, 20, 0, 8), (-30, 62, -7, 4), (-12, 84, 2, 10)]:
                corners = x + left * size, y + top * size, x + right * size, y + bottom * size
                scaled = [_SCALE * corner for corner in corners]
                draw.rounded_rectangle(scaled, (scaled[3] - scaled[1]) / 2, colour[3])
        self.image.paste(colour[:3], (0, 0), veil)

    def finish(self) -> Scene:
        """The picture in its size; a pixel belongs to the object that covers most of it."""
        image = self.image.reduce(_SCALE)
        numbers = np.asarray(self.numbers).reshape(HEIGHT, _SCALE, WIDTH, _SCALE)
        covered = [(numbers == n).sum(axis=(1, 3)) for n in range(len(LABELS) + 1)]
        return Scene(image, np.argmax(covered, axis=0).astype(np.uint8), LABELS)


def scene() -> Scene:
    """A lake at sunset, 480 x 640, with six labelled objects; the same on every call.

    Examples
    --------
    >>> from maskcodec.demo import scene
    >>> picture = scene()
    >>> picture.label_map.shape, picture.labels[-1]
    ((480, 640), 'sailboat')
    """
    easel = _Easel()
    _sky(easel)
    _mountains(easel)
    _lake(easel)
    _boat(easel)
    _meadow(easel)
    _house(easel)
    _tree(easel)
    _dog(easel)
    return easel.finish()


def _sky(easel: _Easel) -> None:
    stops = [
        (0, (44, 40, 96)),
        (90, (104, 66, 130)),
        (170, (206, 100, 118)),
        (235, (248, 158, 104)),
        (_SHORE, (255, 218, 148)),
    ]
    easel.fade(0, _SHORE, stops)
    easel.glow((404, 196), 230, (255, 226, 150, 190))
    clouds = [(96, 84, 1.2), (250, 128, 0.9), (540, 96, 1.3), (606, 168, 0.8), (20, 156, 0.8)]
    easel.clouds(clouds, (255, 190, 172, 110))
    easel.oval((404, 196), (43, 43), (255, 240, 196), SUN)
    for x, y, size in [(214, 74, 9), (240, 60, 7), (258, 80, 6)]:
        wing = [(0, 0), (-0.5, -0.5), (-1.2, -0.35), (-0.5, -0.28), (0, 0.25)]
        wing += [(-dx, dy) for dx, dy in reversed(wing)]
        easel.shape([(x + dx * size, y + dy * size) for dx, dy in wing], (52, 38, 74))


def _mountains(easel: _Easel) -> None:
    far = [(0, 232), (46, 196), (84, 216), (150, 150), (206, 206), (246, 182), (312, 246)]
    far += [(352, 262), (420, 272), (480, 250), (532, 204), (566, 226), (616, 176), (640, 196)]
    base = [(640, _SHORE), (0, _SHORE)]
    easel.shape(far + base, (126, 88, 138), MOUNTAINS)
    for snow in (
        [(122, 178), (150, 150), (176, 176), (160.6, 170.5), (148, 183), (137.8, 175.4)],
        [(30, 209), (46, 196), (62, 205), (53, 208), (46, 215), (39, 208)],
        [(596, 195), (616, 176), (634, 191), (624, 192), (614, 202), (606, 194)],
    ):
        easel.shape(snow, (236, 190, 196), MOUNTAINS)
    near = [(0, 262), (60, 244), (118, 262), (190, 236), (260, 268), (330, 282), (400, 290)]
    near += [(470, 280), (540, 256), (590, 266), (640, 242)]
    easel.shape(near + base, (92, 66, 118), MOUNTAINS)


def _lake(easel: _Easel) -> None:
    stops = [(_SHORE, (250, 190, 136)), (330, (206, 122, 128)), (420, (92, 74, 132))]
    easel.fade(_SHORE, 430, stops)
    easel.bar((0, _SHORE, WIDTH, 480), (0, 0, 0, 0))  # nothing behind the water is seen
    easel.shape([(0, _SHORE), (330, _SHORE), (150, 322), (0, 330)], (92, 66, 118, 90))
    easel.shape([(450, _SHORE), (640, _SHORE), (640, 326), (560, 318)], (92, 66, 118, 90))
    for row in range(13):
        width = 50 - 26 * math.sin(row * 0.2) + 12 * math.sin(row * 2.1)
        centre = 404 + 7 * math.sin(row * 1.7), _SHORE + 5 + row * 8
        easel.oval(centre, (width, 1.9), (255, 240, 190, 175))
    for row in range(26):
        x, y = (row * 0.618034 % 1) * 660 - 10, 304 + row * 4.2
        easel.oval((x, y), (20 + row % 5 * 6, 1.1), (255, 214, 180, 60))


def _boat(easel: _Easel) -> None:
    easel.shape([(262, 350), (336, 350), (312, 386), (290, 386)], (60, 44, 80, 70))
    main, jib = _sail((299, 256), (303, 338), (332, 334), (322, 298)), (294, 268)
    easel.shape(main, (255, 250, 240), BOAT)
    easel.shape(_sail(jib, (294, 337), (264, 335), (276, 306)), (240, 98, 84), BOAT)
    easel.bar((295.2, 248, 298.4, 346), (86, 58, 52), BOAT)
    easel.shape([(298.4, 248), (313, 252), (298.4, 257)], (255, 190, 60), BOAT)
    hull = [(256, 341), (342, 341), (334, 352), (324, 358), (274, 358), (264, 352)]
    easel.shape(hull, (70, 46, 60), BOAT)
    easel.shape([(256, 341), (342, 341), (339.5, 344.5), (258.5, 344.5)], (250, 236, 220), BOAT)


def _sail(top: Point, foot: Point, tip: Point, wind: Point) -> npt.NDArray[np.float64]:
    """Straight along the mast and the boom, bent by the wind on the free side."""
    t = np.linspace(0, 1, 25)[:, None]
    free = np.square(1 - t) * tip + 2 * t * (1 - t) * wind + np.square(t) * top
    return np.vstack([top, foot, free])


def _meadow(easel: _Easel) -> None:
    for shift, colour in [(0, (58, 84, 82)), (30, (48, 74, 66)), (66, (38, 60, 54))]:
        xs = np.arange(0, WIDTH + 1, 8)
        wave = 26 * np.cos((xs - 120) / 150) + 9 * np.sin(xs / 70 + shift)
        line = np.stack([xs, 386 - wave * (0.6 if shift else 1) + shift], axis=1)
        easel.shape([*line, (WIDTH, HEIGHT), (0, HEIGHT)], colour)
    path = [(89, 392), (108, 392), (124, 412), (168, 430), (226, 452), (262, 484)]
    path += [(176, 484), (150, 458), (112, 434), (93, 414)]
    easel.curve(path, (122, 104, 94))
    for flower in range(34):
        x = flower * 0.618034 % 1 * WIDTH
        y = 424 + (flower * 0.754878 % 1) * 50 + 6 * math.sin(x / 60)
        petals = ((236, 206, 190), (214, 128, 132), (230, 182, 104))[flower % 3]
        if not 80 < x < 270:
            easel.bar((x - 0.4, y, x + 0.4, y + 7), (70, 104, 76))
            easel.oval((x, y), (1.9, 1.5), petals)


def _house(easel: _Easel) -> None:
    wall, side, roof = (196, 64, 58), (160, 48, 52), (74, 48, 66)
    easel.bar((158, 262, 172, 300), (120, 72, 70), HOUSE)
    easel.bar((156, 259, 174, 264), (92, 56, 60), HOUSE)
    easel.shape([(60, 322), (98, 284), (136, 322), (136, 396), (60, 396)], wall, HOUSE)
    easel.shape([(136, 322), (206, 322), (206, 390), (136, 396)], side, HOUSE)
    easel.shape([(98, 276), (172, 276), (216, 324), (142, 326)], roof, HOUSE)
    easel.shape(
        [(98, 276), (142, 326), (134, 326), (98, 288), (62, 326), (53, 325)], (52, 34, 52), HOUSE
    )
    lit, frame = (255, 214, 120), (250, 232, 214)
    easel.bar((88, 352, 109, 396), frame, HOUSE)
    easel.bar((90.5, 354.5, 106.5, 396), (96, 52, 50), HOUSE)
    easel.oval((103.5, 377), (1.4, 1.4), lit, HOUSE)
    easel.oval((98, 315), (9.5, 9.5), frame, HOUSE)
    easel.oval((98, 315), (7, 7), lit, HOUSE)
    for x in (148, 178):
        easel.bar((x - 2, 340, x + 20, 370), frame, HOUSE)
        easel.bar((x, 342, x + 18, 368), lit, HOUSE)
        easel.bar((x + 8, 342, x + 10, 368), frame, HOUSE)
        easel.bar((x, 353.5, x + 18, 355.5), frame, HOUSE)


def _tree(easel: _Easel) -> None:
    bark = (70, 46, 48)
    trunk = [(548, 428), (556, 400), (557, 350), (550, 316), (558, 312), (566, 338), (576, 308)]
    trunk += [(583, 312), (573, 352), (575, 400), (586, 428), (567, 422)]
    easel.shape(trunk, bark, TREE)
    layers = [((30, 70, 62), 1.0, 0), ((44, 96, 70), 0.86, 6), ((78, 128, 74), 0.6, 15)]
    for colour, spread, lift in layers:
        for leaf in range(26):
            angle, distance = leaf * 2.399963, math.sqrt(leaf / 26) * spread
            x = 566 - lift + 62 * distance * math.cos(angle)
            y = 252 - lift + 66 * distance * math.sin(angle)
            radius = (19 - 5 * distance) * (0.75 + 0.25 * spread)
            easel.oval((x, y), (radius, radius), colour, TREE)


def _dog(easel: _Easel) -> None:
    coat, shade = (28, 26, 34), (46, 43, 56)
    easel.oval((424, 449), (64, 5), (16, 28, 28, 120))
    tail = [(376, 384), (368, 376), (356, 366), (347, 351), (344, 340), (348, 340), (355, 352)]
    tail += [(365, 364), (378, 374), (386, 384)]
    hind = [(372, 392), (388, 388), (399, 402), (396, 418), (388, 429), (389, 440), (393, 446)]
    hind += [(379, 447), (379, 432), (373, 424), (373, 408)]
    front = [(462, 400), (477, 398), (473, 424), (473, 439), (476, 446), (462, 447), (461, 424)]
    body = [(374, 387), (388, 379), (412, 381), (436, 379), (450, 371), (459, 356), (465, 343)]
    body += [(477, 337), (488, 340), (494, 346), (507, 349), (513, 353), (511, 360), (502, 364)]
    body += [(491, 366), (483, 370), (480, 382), (479, 394), (471, 408), (452, 412), (426, 407)]
    body += [(406, 401), (392, 408), (376, 405), (370, 395)]
    easel.curve(np.add(hind, (14, -2)), shade, DOG)
    easel.curve(np.add(front, (-13, -2)), shade, DOG)
    for part in (tail, body, hind, front):
        easel.curve(part, coat, DOG)
    ear = [(466, 343), (472, 340), (477, 350), (474, 365), (468, 369), (462, 362), (462, 350)]
    easel.curve(ear, shade, DOG)
    collar = [(455, 366), (469, 374), (483, 375), (482, 381), (468, 380), (452, 371)]
    easel.curve(collar, (226, 62, 62), DOG)
    easel.oval((486, 348), (1.7, 1.8), (244, 226, 190), DOG)
