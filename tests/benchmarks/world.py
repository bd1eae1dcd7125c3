"""A street of which everything is known: label pictures and photographs of made-up scenes, pixel for pixel.

Each scene is a street in perspective (horizon, vanishing point, road, pavements, verges, two rows of buildings) with
trees, cars and people in it, those nearer before those farther. Its label picture shows the eight classes in the
flat colours of Cityscapes. Its photograph shows the same under one light: a colour cast, a sunny and a shadowy side,
shadows on the ground, walls of any colour with windows, lane marks, slabs, foliage, clouds, haze, noise. Colour alone
tells little: road, pavement, wall and overcast sky are all grey, a car, a wall and a coat can be anything.

A scene is a pure function of (seed, index). Pixels are 64 × 64; a depth is told by its scale `t`, 0 at the horizon,
1 where the ground meets the lower edge of the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from imgcycle.data.sampling import random_generator
from imgcycle.metrics.segmentation import Palette

Bytes = npt.NDArray[np.uint8]
Plane = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Dice = np.random.Generator

SIDE = 64
COLOURS = {
    "road": (128, 64, 128), "pavement": (244, 35, 232), "building": (70, 70, 70), "tree": (107, 142, 35),
    "grass": (152, 251, 152), "sky": (70, 130, 180), "person": (220, 20, 60), "car": (0, 0, 142),
}  # fmt: skip
CLASSES = tuple(COLOURS)
ROAD, PAVEMENT, BUILDING, TREE, GRASS, SKY, PERSON, CAR = range(len(CLASSES))
_LUT = np.array(list(COLOURS.values()), np.uint8)
yy, xx = (plane.astype(np.float32) for plane in np.mgrid[0:SIDE, 0:SIDE])

WALLS = [
    (150, 78, 58),
    (176, 150, 116),
    (126, 126, 130),
    (196, 190, 178),
    (104, 98, 92),
    (168, 160, 166),
    (96, 112, 96),
]
PAINTS = [(170, 30, 30), (215, 215, 218), (38, 38, 42), (120, 124, 130), (40, 62, 120), (52, 92, 58), (190, 160, 60)]
CLOTHES = [(150, 40, 44), (44, 58, 110), (60, 60, 62), (190, 180, 160), (58, 96, 60), (196, 150, 60), (110, 82, 60)]
FOLIAGE = [(62, 88, 38), (84, 104, 44), (48, 76, 44), (120, 100, 40)]
LIGHTS = [(1.0, 1.0, 1.0), (1.14, 1.0, 0.82), (0.88, 0.98, 1.14), (1.08, 0.94, 0.98)]


def palette() -> Palette:
    """The colours of the classes, for `imgcycle.metrics.segmentation`."""
    return Palette(CLASSES, _LUT.astype(np.int64), np.arange(len(CLASSES)))


@dataclass(frozen=True)
class Scene:
    """`classes` (H, W) are indices into CLASSES, `photo` is (H, W, 3), 8-bit RGB."""

    classes: Bytes
    photo: Bytes

    @property
    def labels(self) -> Bytes:
        """The label picture, (H, W, 3), in colours of the palette alone."""
        return _LUT[self.classes]


def scene(seed: int, index: int) -> Scene:
    """The scene of a number."""
    return Street(random_generator(seed, "street", index)).scene()


class Street:
    """One scene in the making: what is painted later stands before what was painted earlier."""

    def __init__(self, rng: Dice) -> None:
        self.rng = rng
        self.classes = np.full((SIDE, SIDE), SKY, np.uint8)
        self.paint = np.zeros((SIDE, SIDE, 3), np.float32)
        self.horizon, self.vanishing = rng.uniform(15, 38), rng.uniform(8, 56)
        self.sun = float(rng.choice([-1, 1]))
        """The side that lies in the light."""
        self.harsh = rng.uniform(0, 1)
        """From an overcast sky to a cloudless noon."""
        # Where the edges meet the picture's lower edge, as distances from below the vanishing point.
        self.kerbs = {side: rng.uniform(18, 44) for side in (-1, 1)}
        self.paths = {side: self.kerbs[side] + rng.uniform(14, 24) for side in (-1, 1)}
        self.walls = {side: self.paths[side] + rng.choice([1, rng.uniform(14, 40)]) for side in (-1, 1)}
        self.scale = np.maximum((yy - self.horizon) / (SIDE - self.horizon), 1e-3)

    def scene(self) -> Scene:
        """Sky, ground, buildings, then all that stands on the ground; seen through a lens."""
        self._sky()
        self._ground()
        for side in (-1, 1):
            self._row(side)
        things = [(self._tree, 5), (self._car, 4), (self._person, 5)]
        standing = [(t, draw) for draw, most in things for t in self._depths(most)]
        for t, draw in sorted(standing, key=lambda one: one[0]):
            draw(t)
        return Scene(self.classes, self._exposed())

    def _depths(self, most: int) -> list[float]:
        """Scales of up to `most` things, most of them far."""
        return [float(t) for t in 0.22 + 0.85 * self.rng.random(self.rng.integers(1, most + 1)) ** 1.4]

    def put(self, mask: Mask, kind: int, colours: npt.ArrayLike) -> None:
        """Paint an area, of a class, in one colour or in a picture's."""
        self.classes[mask] = kind
        self.paint[mask] = np.broadcast_to(np.asarray(colours, np.float32), self.paint.shape)[mask]

    def noise(self, grain: float, stretch: float = 1.0) -> Plane:
        """Smooth noise of standard deviation 1, spots of `grain` pixels, `stretch` times as wide as high."""
        blurred = cv2.GaussianBlur(
            self.rng.standard_normal((SIDE, SIDE), np.float32), (0, 0), grain * stretch, None, grain
        )
        return np.asarray((blurred - blurred.mean()) / blurred.std(), np.float32)

    def pick(self, colours: list[tuple[int, int, int]], spread: float = 12) -> npt.NDArray[Any]:
        """One of some colours, about."""
        return (
            np.array(colours[self.rng.integers(len(colours))])
            + self.rng.normal(0, spread / 2)
            + self.rng.normal(0, spread / 2, 3)
        )

    def _lit(self, side: float) -> float:
        """How bright a wall of a side is."""
        return 1 + 0.18 * self.harsh if side != self.sun else 1 - 0.42 * self.harsh

    def _sky(self) -> None:
        blue, grey = np.array([112, 156, 208]), np.array([186, 188, 192])
        up = np.clip(1 - yy / self.horizon, 0, 1)[:, :, None]
        clear = np.clip(self.harsh + 0.22 * self.noise(5, 2.5)[:, :, None], 0, 1)
        self.paint[:] = (grey + clear * (blue - grey)) * (1.12 - 0.16 * up)

    def _ground(self) -> None:
        below, across = yy > self.horizon, (xx - self.vanishing) / self.scale
        depth = 1 / self.scale
        fine, broad = self.noise(0.6)[:, :, None], self.noise(4, 2)[:, :, None]
        self.put(below, GRASS, self.pick([(96, 116, 58), (112, 118, 70), (84, 104, 60)]) + 6 * fine + 9 * broad)
        slabs = (np.mod(3 * depth, 1) < 0.25) | (np.mod(across, 8) < 1.2)
        stone = self.pick([(150, 146, 140), (132, 130, 132), (158, 144, 126)])
        tar = self.pick([(92, 92, 96), (110, 108, 106), (128, 126, 124)])
        on = {side: below & (side * across > 0) for side in (-1, 1)}
        for side, half in on.items():
            self.put(half & (side * across < self.paths[side]), PAVEMENT, stone - 16 * slabs[:, :, None] + 3 * fine)
            self.put(half & (side * across < self.kerbs[side]), ROAD, tar + 5 * fine + 4 * broad)
        lane = (self.kerbs[1] - self.kerbs[-1]) / 2
        dashes = (abs(across - lane) < 1.4) & (np.mod(2.2 * depth + self.rng.random(), 1) < 0.5)
        kerb = (abs(across - self.kerbs[1] + 3) < 0.9) | (abs(across + self.kerbs[-1] - 3) < 0.9)
        self.put(below & (dashes | kerb) & (self.scale > 0.06), ROAD, (206, 204, 196))
        # The shadow of the buildings, on the side away from the sun, up to somewhere on the road.
        reach = self.rng.uniform(0, 30)
        self.paint[below & (-self.sun * across > reach)] *= 1 - 0.35 * self.harsh

    def _row(self, side: int) -> None:
        """A row of buildings, with gaps, from the farthest to the nearest; a block closes the street."""
        foot = side * self.walls[side]
        depth, at = np.maximum(side * (xx - self.vanishing), 1e-3) / abs(foot), 0.10
        far = (abs(xx - self.vanishing) < 14) & (yy > self.horizon - self.rng.uniform(2, 8)) & (yy <= self.horizon + 1)
        if side < 0:
            self.put(far, BUILDING if self.rng.random() < 0.6 else TREE, self.pick([(120, 124, 128)]))
        while at < 2.5:
            until = at * self.rng.uniform(1.25, 2.0)
            if self.rng.random() < 0.85:
                self._building(depth, at, until, side)
            at = until

    def _building(self, depth: Plane, start: float, stop: float, side: int) -> None:
        ground = self.horizon + depth * (SIDE - self.horizon)
        height = self.rng.uniform(24, 110)
        above = (ground - yy) / depth
        wall = (depth >= start) & (depth < stop) & (above >= 0) & (above < height)
        colour = self.pick(WALLS, 20) * self._lit(side)
        storey, bay = self.rng.uniform(11, 17), self.rng.uniform(5, 9)
        pane = np.where(self.rng.random() < 0.25, 1.5, self.rng.uniform(0.4, 0.65))
        # Bays are even in the depth of the street, which is the inverse of the scale.
        across = np.mod(bay * 4 / depth, 1)
        holes = (np.mod(above, storey) > 0.45 * storey) & (across > 0.45) & (above < height - 0.4 * storey)
        plaster = colour + 3 * self.noise(0.7)[:, :, None]
        self.put(wall, BUILDING, np.where(holes[:, :, None], colour * pane * [0.92, 0.98, 1.08], plaster))

    def _place(self, t: float, low: float, high: float, side: int | None = None) -> tuple[float, float]:
        """Where something stands: its foot's x, y, for a distance from the middle of the street at scale 1."""
        side = int(self.rng.choice([-1, 1])) if side is None else side
        return self.vanishing + side * t * self.rng.uniform(low, high), self.horizon + t * (SIDE - self.horizon)

    def _tree(self, t: float) -> None:
        side = int(self.rng.choice([-1, 1]))
        x, y = self._place(t, self.paths[side] - 6, self.paths[side] + 14, side)
        tall, wide = t * self.rng.uniform(34, 58), t * self.rng.uniform(13, 22)
        self.put((abs(xx - x) < max(0.6, 1.8 * t)) & (yy <= y) & (yy > y - tall), TREE, (74, 58, 44))
        rough = 0.22 * self.noise(1.6)
        crown = ((xx - x) / wide) ** 2 + ((yy - y + 0.72 * tall) / (0.48 * tall)) ** 2
        leaves = self.noise(0.8)[:, :, None]
        light = (1 + 0.3 * self.harsh * self.sun * (xx - x) / wide)[:, :, None]
        self.put(crown + rough < 1, TREE, (self.pick(FOLIAGE) + 17 * leaves) * light)

    def _car(self, t: float) -> None:
        side = int(self.rng.choice([-1, 1]))
        x, y = self._place(t, 8, self.kerbs[side] - 8, side)
        wide, tall = t * self.rng.uniform(10, 14), t * self.rng.uniform(13, 18)
        self.paint[(abs(xx - x) < 1.15 * wide) & (abs(yy - y) < 1.6 * t) & (self.classes == ROAD)] *= 0.55
        body, along, up = self.pick(PAINTS), (xx - x) / wide, (y - yy) / tall
        lower = (abs(along) < 1) & (up > 0.16) & (up < 0.6)
        cabin = (abs(along) < 0.84 - 0.5 * (up - 0.55)) & (up >= 0.55) & (up < 1)
        self.put((abs(along) < 0.95) & (abs(along) > 0.6) & (up > 0) & (up < 0.3), CAR, (26, 26, 28))
        self.put(lower, CAR, body)
        self.put(cabin, CAR, body * 1.08)
        self.put(cabin & (up > 0.6) & (up < 0.9) & (abs(along) < 0.66), CAR, (44, 52, 60))
        lamps = lower & (abs(along) > 0.68) & (up > 0.38) & (up < 0.52)
        self.put(lamps, CAR, (240, 236, 200) if side > 0 else (200, 40, 36))

    def _person(self, t: float) -> None:
        side = int(self.rng.choice([-1, 1]))
        x, y = self._place(t, self.kerbs[side] - 2, self.paths[side] + 2, side)
        tall = t * self.rng.uniform(17, 22)
        wide, along, up = max(1.0, 0.17 * tall), xx - x, (y - yy) / tall
        self.put((abs(along) < 0.8 * wide) & (up > 0) & (up < 0.5), PERSON, self.pick(CLOTHES) * 0.7)
        self.put((abs(along) < wide) & (up >= 0.45) & (up < 0.84), PERSON, self.pick(CLOTHES))
        self.put((abs(along) < 0.62 * wide) & (up >= 0.82) & (up < 1), PERSON, (190, 148, 120))

    def _exposed(self) -> Bytes:
        """The painting as a photograph: haze, light from one side, colour cast, lens, sensor."""
        haze = 0.35 * self.rng.random() * np.exp(-((yy - self.horizon) ** 2) / 120)[:, :, None]
        seen = self.paint + haze * (np.array([190, 194, 200]) - self.paint)
        aslant = 1 + 0.12 * self.sun * (xx / SIDE - 0.5)
        cast = np.array(LIGHTS[self.rng.integers(len(LIGHTS))]) * self.rng.uniform(0.78, 1.12)
        vignette = 1 - 0.16 * (((xx / SIDE - 0.5) ** 2 + (yy / SIDE - 0.5) ** 2) * 2)
        seen = cv2.GaussianBlur(seen * (aslant * vignette)[:, :, None] * cast, (0, 0), 0.45)
        noisy = seen + self.rng.normal(0, 4, seen.shape)
        return np.asarray(np.rint(np.clip(noisy, 0, 255)), np.uint8)
