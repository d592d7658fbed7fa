"""Made-up images held in memory as if they were a prepared folder.

``train.py --phantoms xray`` learns from them.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import CONFIG
from data import processed
from data.readers import DataError
from data.workers import on_all_cores
from phantoms import ct, xray

VALIDATION = 1000  # images beyond those for training, at full difficulty
SPREAD = 0.15  # share by which the field of view of X-ray pictures varies either way


@dataclass(frozen=True)
class Phantoms(processed.Processed):
    """Images of a stream; a sample's path ends in its number there."""

    pixels: NDArray  # (n, 3, S, S) uint8: image, lesion mask, vessel mask

    def content_hash(self) -> str:
        """Nothing more than the split says: the configuration makes them."""
        return ""

    @property
    def digests(self) -> dict[str, str]:
        """None: they are no files."""
        return {}

    def keep(self, splits: Sequence[str], most: int = 0) -> None:
        """They are in memory."""

    def image(self, sample: processed.Sample) -> NDArray:
        """(S, S) uint8 pixels."""
        return self._of(sample)[0]

    def lesion(self, sample: processed.Sample) -> NDArray:
        """(S, S) uint8, 1 = lesion, else 0."""
        return self._of(sample)[1]

    def vessel(self, sample: processed.Sample) -> NDArray | None:
        """(S, S) uint8, 1 = open vessel, else 0; None for CT."""
        return self._of(sample)[2] if self.info["kind"] == "xray" else None

    @property
    def knows_lesions(self) -> bool:
        """Every lesion is known."""
        return True

    def _of(self, sample: processed.Sample) -> NDArray:
        return np.asarray(self.pixels[int(sample.path.rsplit("/")[-1])])


def make(config: CONFIG.Config) -> Phantoms:
    """``phantom_count`` images for training, and VALIDATION more.

    Those for training come in any order of difficulty, from easy to as hard as in patients. Every
    process of a run makes them all, on all cores: they depend on the configuration alone.

    Raises:
        DataError: an image size or a field of view that the phantoms cannot have.
    """
    try:
        _draw(0, config)
    except ValueError as error:
        raise DataError(f"phantoms: {error}") from None
    count = config.phantom_count + VALIDATION
    drawn = on_all_cores(partial(_draw, config=config), range(count), "phantoms", 64)
    samples = [
        processed.Sample(
            path=f"{config.phantoms}/{number:07d}",
            split="train" if number < config.phantom_count else "val",
            label=label,
            group=str(number),
            sha256=hashlib.sha256(images[0].tobytes()).hexdigest(),
        )
        for number, (label, images) in enumerate(drawn)
    ]
    pixels = np.stack([images for _, images in drawn])
    mean, std = processed.statistics(list(pixels[: config.phantom_count, 0]))
    info = {
        "kind": config.phantoms,
        "mean": mean,
        "std": std,
        "split": f"made up, seed {config.seed}",
        "notes": [],
    }
    return Phantoms(Path(f"{config.phantoms} phantoms"), samples, list(ct.LABELS), info, pixels)


def _draw(number: int, config: CONFIG.Config) -> tuple[str, NDArray]:
    """Label, and (3, S, S) pixels of image, lesion and vessel."""
    if config.phantoms == "ct":
        patient = ct.phantom(config.seed, number, config.image_size, 1)
        no_vessel = np.zeros_like(patient.mask)
        return patient.label, np.stack([patient.image, patient.mask, no_vessel])
    field, difficulty = view_of(number, config)
    scene = xray.phantom(config.seed, number, config.image_size, field, difficulty)
    return scene.label, np.stack([scene.image, scene.lesion, scene.vessel])


def view_of(number: int, config: CONFIG.Config) -> tuple[float, float]:
    """Field of view in mm, and difficulty, of an X-ray picture.

    Half of the pictures for training are as hard as in patients.
    """
    # the stream of the pixels' noise, 1; that of the scene says with its second number whether a
    # tree is unfilled, so that the difficulty would tell the label
    rng = np.random.default_rng([config.seed, number, 1])
    field = config.phantom_field * (1 + rng.uniform(-SPREAD, SPREAD))
    return field, 1.0 if number >= config.phantom_count else min(1.0, rng.uniform(0, 2))
