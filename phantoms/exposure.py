"""What lies round the vessels of a made-up angiogram, and how the picture is taken."""

import math

import cv2
import numpy as np

from phantoms.vessels import Array, Mask, fall

# of the soft tissue's structure: grain in mm, depth in attenuation
GRAINS = ((14, 0.12), (5, 0.05), (2, 0.025), (1, 0.02))


def background(
    rng: np.random.Generator, x: Array, y: Array, field: float, difficulty: float
) -> Array:
    """Attenuation of all that is not vessel, (S, S).

    It is soft tissue, lung, diaphragm, heart border, ribs and spine. ``x``, (1, S), and ``y``,
    (S, 1), are in mm from the middle of the picture, ``field`` its edge in mm.
    """
    turn = rng.uniform(0, math.tau)
    shade: Array = np.zeros((y.size, x.size), np.float32)
    shade += rng.uniform(0, 0.3) * (x * math.cos(turn) + y * math.sin(turn)) / field
    for grain, depth in GRAINS:
        cells = max(2, round(field / grain)) + 1
        grid = rng.standard_normal((cells, cells), np.float32)
        grid = np.asarray(cv2.resize(grid, shade.shape, interpolation=cv2.INTER_CUBIC), np.float32)
        shade += depth * math.exp(rng.uniform(-1.8, 0.4)) * grid
    narrow = rng.integers(3)
    for number in range(narrow + rng.integers(3)):
        turn = rng.uniform(0, math.tau)
        bow = rng.uniform(-0.012, 0.012)
        place = rng.uniform(-0.5, 0.5) * field
        along = x * math.cos(turn) + y * math.sin(turn)
        off = y * math.cos(turn) - x * math.sin(turn) + bow * along**2 - place
        if number < narrow:  # rib, edge of a vertebra
            depth = rng.uniform(-0.1, 0.15)
            inside = (np.abs(off) - rng.uniform(1, 5)) / rng.uniform(0.5, 1.5)
            shade += depth * fall(inside)
        else:  # lung, heart, diaphragm
            shade += rng.uniform(0.05, 0.5) * fall(off / rng.uniform(0.3, 3))
    return (0.2 + 0.8 * difficulty) * shade


def draw_shutter(rng: np.random.Generator, field: float, difficulty: float) -> Array:
    """Where the collimator is open, (2, 2): least and greatest x, y in mm.

    Mostly it is open beyond the picture.
    """
    limits = np.array([[-field, -field], [field, field]])
    if rng.random() < 0.2 * difficulty:
        for axis in rng.permutation(2)[: rng.integers(1, 3)]:  # an edge or a corner
            limits[rng.integers(2), axis] *= rng.uniform(-0.25, 0.5)
    return limits


def expose(
    rng: np.random.Generator,
    pixel_rng: np.random.Generator,
    light: Array,
    field: float,
    difficulty: float,
) -> Mask:
    """The picture, (S, S), of the ``light`` that comes through, (S, S), 1 where nothing is.

    In this order: scatter, blur, quantum noise, edge enhancement, compression. ``pixel_rng`` gives
    the noise of the pixels, ``rng`` all else.
    """
    pixels = len(light) / field  # per mm
    veiled = (rng.uniform(75, 210) * light + rng.uniform(0, 15)).astype(np.float32)
    blur = max(0.15, rng.uniform(0.15, 0.45) * pixels)
    out: Array = cv2.GaussianBlur(veiled, (0, 0), blur).astype(np.float32)
    noise = pixel_rng.standard_normal(out.shape, np.float32)
    grain = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.4, 0.8))
    strength = rng.uniform(1.5, 2.5) + difficulty * rng.uniform(0, 2)
    out += strength / grain.std() * grain * np.sqrt(out / 100)
    crisp = rng.uniform(0, 0.8) * rng.integers(2)
    width = rng.uniform(0.6, 1.5)
    edges = out - cv2.GaussianBlur(out, (0, 0), width * pixels)
    grey = np.clip(out + crisp * edges, 0, 255).astype(np.uint8)
    if rng.random() < 0.5:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))]
        _, code = cv2.imencode(".jpg", grey, quality)
        grey = np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)
    return grey
