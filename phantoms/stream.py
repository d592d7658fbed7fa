"""Made-up images held in memory as if they were a prepared folder: train.py --phantoms xray learns
from them.
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
from phantoms import ct, xray
from data.readers import DataError
from data.workers import on_all_cores

VALIDATION = 1000  # images beyond those for training, at full difficulty
SPREAD = 0.15  # share by which the field of view of X-ray pictures varies either way


@dataclass(frozen=True)
class Phantoms(processed.Processed):
    """Images of a stream; a sample's path ends in its number there."""

    pixels: NDArray  # (n, 3, S, S) uint8: image, lesion mask, vessel mask

    def keep(self, splits: Sequence[str], most: int = 0) -> None:
        """They are in memory."""

    def image(self, sample: processed.Sample) -> NDArray:
        return self._of(sample)[0]

    def lesion(self, sample: processed.Sample) -> NDArray:
        return self._of(sample)[1]

    def vessel(self, sample: processed.Sample) -> NDArray | None:
        vessel = self._of(sample)[2]
        return vessel if self.info["kind"] == "xray" else None

    @property
    def knows_lesions(self) -> bool:
        return True

    def _of(self, sample: processed.Sample) -> NDArray:
        return np.asarray(self.pixels[int(sample.path.rsplit("/")[-1])])


def make(config: CONFIG.Config) -> Phantoms:
    """``phantom_count`` images for training, from easy to as hard as in patients in any order, and
    more to validate.

    Every process of a run makes them all, on all cores: they depend on the configuration alone.
    DataError for an image size or a field of view that the phantoms cannot have.
    """
    count = config.phantom_count + VALIDATION
    work = partial(_draw, config=config)
    try:
        _draw(0, config)
    except ValueError as error:
        raise DataError(f"phantoms: {error}") from None
    drawn = on_all_cores(work, range(count), "phantoms", 64)
    samples = []
    for number, (label, patient, pixels) in enumerate(drawn):
        split = "train" if number < config.phantom_count else "val"
        digest = hashlib.sha256(pixels[0].tobytes()).hexdigest()
        samples.append(
            processed.Sample(
                f"{config.phantoms}/{number:07d}", split, label, patient, sha256=digest
            )
        )
    pixels = np.stack([pixels for _, _, pixels in drawn])
    mean, std = processed.statistics(list(pixels[: config.phantom_count, 0]))
    info = {
        "kind": config.phantoms,
        "mean": mean,
        "std": std,
        "split": f"made up, seed {config.seed}",
        "notes": [],
    }
    return Phantoms(
        Path(f"{config.phantoms} phantoms"), samples, list(ct.LABELS), info, pixels
    )


def _draw(number: int, config: CONFIG.Config) -> tuple[str, str, NDArray]:
    """Label, group, and (3, S, S) pixels of image, lesion and vessel."""
    size = config.image_size
    seed = config.seed
    if config.phantoms == "ct":
        patient = ct.phantom(seed, number, size, 1)
        return (
            patient.label,
            str(number),
            np.stack([patient.image, patient.mask, np.zeros_like(patient.mask)]),
        )
    field, difficulty = view_of(number, config)
    scene = xray.phantom(seed, number, size, field, difficulty)
    return scene.label, str(number), np.stack([scene.image, scene.lesion, scene.vessel])


def view_of(number: int, config: CONFIG.Config) -> tuple[float, float]:
    """Field of view in mm and difficulty of an X-ray picture; half of those for training are as
    hard as in patients.
    """
    # 1: the stream of the pixels' noise, never that of the scene, whose second draw says whether a
    # tree is unfilled
    rng = np.random.default_rng([config.seed, number, 1])
    field = config.phantom_field * (1 + rng.uniform(-SPREAD, SPREAD))
    return field, 1.0 if number >= config.phantom_count else min(1.0, rng.uniform(0, 2))
