"""What a CT scanner and its workstation make of a cut: blur, noise, streaks, window, text."""

import math
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from phantoms.shapes import Array, sample, scan_noise

Range = tuple[float, float]
AIR = -1024.0  # HU outside of what was reconstructed
DENSE = 750.0  # HU above which calcium and metal bloom and streak


@dataclass(frozen=True)
class Scanner:
    """Ranges from which a patient's examination is drawn, least and greatest.

    Args:
        blood: contrast in the aorta [HU].
        right: that in the right heart, as a share of it.
        blur: standard deviation of the kernel [mm].
        noise: standard deviation [HU]; voxel: of the noise [mm]; kernels: sharpness 0 to 2.
        level, width: of the display window [HU].
        blooming: share of dense matter that spreads; streaks: their strength.
        straightened, projected, slab, step, doubled, text, mirrored, jpeg: shares of pictures.
        quality: of JPEG.
        box: half edge of what was reconstructed [mm].
    """

    blood: Range = (330, 520)
    right: Range = (0.04, 0.7)
    blur: Range = (0.34, 0.58)
    noise: Range = (14, 36)
    voxel: Range = (0.32, 0.5)
    kernels: tuple[int, ...] = (0, 1, 2, 2)
    level: Range = (140, 290)
    width: Range = (650, 960)
    blooming: Range = (0.2, 0.6)
    streaks: Range = (0.0, 0.25)
    straightened: float = 0.1
    projected: float = 0.2
    slab: float = 0.12
    step: float = 0.3
    doubled: float = 0.15
    text: float = 0.75
    mirrored: float = 0.15
    jpeg: float = 0.85
    quality: Range = (72, 96)
    box: Range = (82, 112)


USUAL = Scanner()
# of another maker: outside the ranges above in kernel, noise, window and field
OTHER = Scanner(
    blood=(280, 340),
    blur=(0.58, 0.75),
    noise=(36, 48),
    voxel=(0.5, 0.62),
    kernels=(0,),
    level=(80, 140),
    width=(960, 1250),
    straightened=0.0,
    projected=0.6,
    mirrored=0.0,
    quality=(60, 72),
    box=(70, 82),
)


@dataclass(frozen=True)
class Settings:
    """One patient's examination, drawn from a Scanner."""

    blood: float
    right: float
    blur: float
    noise: float
    voxel: float
    kernel: int
    level: float
    width: float
    blooming: float
    streaks: float
    text: bool
    corner: int
    words: str
    smudge: float  # of the words, in 512ths of the edge
    quality: int
    box: float


def draw_settings(rng: np.random.Generator, scanner: Scanner, difficulty: float) -> Settings:
    """The settings of one patient; an easy one has less noise."""
    noise = rng.uniform(*scanner.noise) * (0.4 + 0.6 * difficulty)
    letters = "ABCDEFGHIKLMNOPRSTUVW0123456789().-/ "
    words = "".join(letters[k] for k in rng.integers(0, len(letters), int(rng.integers(6, 18))))
    return Settings(
        blood=rng.uniform(*scanner.blood),
        right=scanner.right[0] + np.ptp(scanner.right) * rng.random() ** 3.5,
        blur=rng.uniform(*scanner.blur),
        noise=noise,
        voxel=rng.uniform(*scanner.voxel),
        kernel=int(rng.choice(scanner.kernels)),
        level=rng.uniform(*scanner.level),
        width=rng.uniform(*scanner.width),
        blooming=rng.uniform(*scanner.blooming),
        streaks=rng.uniform(*scanner.streaks) * difficulty,
        text=bool(rng.random() < scanner.text),
        corner=int(rng.integers(2)),
        words=words,
        smudge=rng.uniform(0.6, 1.3),
        quality=int(rng.uniform(*scanner.quality)) if rng.random() < scanner.jpeg else 100,
        box=rng.uniform(*scanner.box),
    )


def noise_at(settings: Settings, shift: Array, points: Array) -> Array:
    """(N,) HU of noise at ``points``, (3, N) mm: it lies in the patient, so that rows repeat it."""
    turned = points * np.float32(1)
    turned[2] *= np.float32(0.8)  # coarser from slice to slice
    return settings.noise * sample(scan_noise(settings.kernel), turned, settings.voxel, shift)


def blurred(settings: Settings, hu: Array, pixel: float) -> Array:
    """(S, S) HU after the kernel, with the blooming and streaks of what is dense."""
    hu = hu.astype(np.float32)
    dense = np.clip(hu - DENSE, 0, 1500)
    wide = cv2.GaussianBlur(dense, (0, 0), max(0.3, 0.85 / pixel))
    along = cv2.GaussianBlur(dense, (0, 0), sigmaX=7 / pixel, sigmaY=max(0.3, 0.5 / pixel))
    out = cv2.GaussianBlur(hu, (0, 0), max(0.25, settings.blur / pixel))
    out = out + settings.blooming * wide - settings.streaks * along
    return np.asarray(out)


def doubled(rng: np.random.Generator, hu: Array, pixel: float) -> Array:
    """A band of rows seen twice, where two heart beats do not fit."""
    size = len(hu)
    y = (np.arange(size)[:, None] + 0.5) / size
    band = np.exp(-(((y - rng.uniform(0.15, 0.9)) / rng.uniform(0.03, 0.1)) ** 4))
    move = np.array([[1, 0, rng.normal(0, 1.6) / pixel], [0, 1, rng.normal(0, 0.8) / pixel]])
    twin = cv2.warpAffine(hu, move, (size, size), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(hu + 0.5 * band * (twin - hu), np.float32)


def shown(settings: Settings, hu: Array, inside: Array) -> npt.NDArray[np.uint8]:
    """(S, S) grey levels in the display window; black where nothing is shown."""
    low = settings.level - 0.5 * settings.width
    grey = np.clip((hu - low) * (255 / settings.width), 0, 255) * inside
    if settings.text:
        grey = np.maximum(grey, _text(settings, len(grey)))
    out = grey.astype(np.uint8)
    if settings.quality < 100:
        _, code = cv2.imencode(".jpg", out, [cv2.IMWRITE_JPEG_QUALITY, settings.quality])
        out = np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE), np.uint8)
    return out


def _text(settings: Settings, size: int) -> Array:
    """(size, size) grey levels of words burned into an upper corner, partly cut off."""
    page: Any = np.zeros((512, 512), np.uint8)
    count = len(settings.words)
    left = -6 if settings.corner else 512 - 6 * count
    for line, part in enumerate((settings.words[: count // 3], settings.words)):
        place = (left if settings.corner else 512 - 6 * len(part) - 4, 10 + 13 * line)
        cv2.putText(page, part, place, cv2.FONT_HERSHEY_SIMPLEX, 0.32, 235, 1, cv2.LINE_AA)
    page = cv2.GaussianBlur(page, (0, 0), settings.smudge)  # a screen shown at another size
    return np.asarray(cv2.resize(page, (size, size), interpolation=cv2.INTER_AREA), np.float32)


def step_shift(rng: np.random.Generator) -> tuple[Array, Array]:
    """Heights, (2,) mm, below each of which the heart lay elsewhere, and how far, (2, 3) mm."""
    heights = np.sort(rng.uniform(-70, 10, 2))[::-1]
    return heights, rng.normal(0, 0.7, (2, 3)) * np.array([1, 1, 0.4])


def shifted(points: Array, heights: Array, moves: Array) -> Array:
    """``points``, (3, N), as the scanner found them after it had moved on."""
    for height, move in zip(heights, moves, strict=True):
        below = (points[2] < height).astype(np.float32)
        points = points + below * move.astype(np.float32)[:, None]
    return points


def tilt_of(rng: np.random.Generator) -> float:
    """How far the sweeping direction leaves the axial plane [radians]."""
    return float(rng.normal(0, math.radians(9)))
