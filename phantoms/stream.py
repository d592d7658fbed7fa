"""Made-up images as if they were a prepared folder.

``train.py --phantoms xray`` learns from them. They are kept on disk (phantoms/kept.py).
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
from phantoms import ct, mpr, xray
from phantoms.kept import Drawn, Known, code_digest, make_once, planes_of

VALIDATION = 1000  # images beyond those for training, at full difficulty
SPREAD = 0.15  # share by which the field of view of X-ray pictures varies either way
LESION = 1  # bits of the second plane
VESSEL = 2
KNOWS_VESSELS = ("mpr", "xray")


@dataclass(frozen=True)
class Phantoms(processed.Processed):
    """Images of a stream; a sample's path ends in its number there."""

    file: Path  # of the pictures

    def content_hash(self) -> str:
        """Nothing more than the split says: the configuration makes them."""
        return ""

    @property
    def digests(self) -> dict[str, str]:
        """None: they are no files."""
        return {}

    def keep(self, splits: Sequence[str], most: int = 0) -> None:
        """The system keeps in memory what it has room for."""

    def image(self, sample: processed.Sample) -> NDArray:
        """(S, S) uint8 pixels."""
        return self._of(sample)[0]

    def lesion(self, sample: processed.Sample) -> NDArray:
        """(S, S) uint8, 1 = lesion, else 0."""
        return self._of(sample)[1] & LESION

    def vessel(self, sample: processed.Sample) -> NDArray | None:
        """(S, S) uint8, 1 = vessel (X-ray: where it is open), else 0; None: it is not known."""
        if self.info["kind"] not in KNOWS_VESSELS:
            return None
        return (self._of(sample)[1] & VESSEL) // VESSEL

    @property
    def knows_lesions(self) -> bool:
        """Every lesion is known."""
        return True

    def _of(self, sample: processed.Sample) -> NDArray:
        return np.array(planes_of(self.file)[int(sample.path.rsplit("/")[-1])])


def make(config: CONFIG.Config, folder: Path) -> Phantoms:
    """``phantom_count`` images for training, and VALIDATION more.

    Those for training come in any order of difficulty, from easy to as hard as in patients. The
    first process of a run makes them, on all cores, and keeps them in ``folder``; they depend on
    the configuration alone. Those that are there are not made again.

    Raises:
        DataError: an image size or a field of view that the phantoms cannot have, or a full disk.
    """
    try:
        _draw(0, config)
    except ValueError as error:
        raise DataError(f"phantoms: {error}") from None
    count = config.phantom_count + VALIDATION
    file = (folder / f"{config.phantoms}-{_key(config)}.npy").absolute()
    known = make_once(file, partial(_draw, config=config), count, config.image_size)
    samples = [
        processed.Sample(
            path=f"{config.phantoms}/{number:07d}",
            split="train" if number < config.phantom_count else "val",
            label=one.label,
            group=str(number),
            sha256=one.sha256,
        )
        for number, one in enumerate(known)
    ]
    mean, std = _statistics(known[: config.phantom_count])
    info = {
        "kind": config.phantoms,
        "mean": mean,
        "std": std,
        "split": f"made up, seed {config.seed}",
        "notes": [],
    }
    return Phantoms(Path(f"{config.phantoms} phantoms"), samples, list(ct.LABELS), info, file)


def _key(config: CONFIG.Config) -> str:
    """Of all that the pictures depend on."""
    parts = (config.seed, config.phantom_count, VALIDATION, config.image_size, config.phantom_field)
    return hashlib.sha256(f"{parts} {code_digest()}".encode()).hexdigest()[:12]


def _statistics(known: list[Known]) -> tuple[float, float]:
    """Mean and standard deviation of all pixels, grey range 0 to 1."""
    mean = float(np.mean([one.mean for one in known]))
    square = float(np.mean([one.square for one in known]))
    return mean, float(np.sqrt(max(square - mean**2, 1e-6)))


def _draw(number: int, config: CONFIG.Config) -> Drawn:
    """Image ``number``."""
    if config.phantoms == "ct":
        patient = ct.phantom(config.seed, number, config.image_size, 1)
        return Drawn(patient.label, np.stack([patient.image, patient.mask * np.uint8(LESION)]))
    field, difficulty = view_of(number, config)
    if config.phantoms == "mpr":
        view = mpr.phantom(config.seed, number, config.image_size, 1, 1, difficulty)
        bits = view.lesion * np.uint8(LESION) + view.vessel * np.uint8(VESSEL)
        return Drawn(view.label, np.stack([view.image, bits]))
    scene = xray.phantom(config.seed, number, config.image_size, field, difficulty)
    bits = scene.lesion * np.uint8(LESION) + scene.vessel * np.uint8(VESSEL)
    return Drawn(scene.label, np.stack([scene.image, bits]))


def view_of(number: int, config: CONFIG.Config) -> tuple[float, float]:
    """Field of view in mm, of an X-ray picture, and difficulty.

    Half of the pictures for training are as hard as in patients.
    """
    # the stream of the pixels' noise, 1; that of the scene says with its second number whether a
    # tree is unfilled, so that the difficulty would tell the label
    rng = np.random.default_rng([config.seed, number, 1])
    field = config.phantom_field * (1 + rng.uniform(-SPREAD, SPREAD))
    return field, 1.0 if number >= config.phantom_count else min(1.0, rng.uniform(0, 2))
