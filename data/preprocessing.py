"""From a grey picture to what the model sees: placed in its square, then standardised."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from data.geometry import Placement
from data.readers import Stored, read_stored
from data.scale import grey_of

BLACK = 0.12  # grey value below which a pixel shows collimator or air
FLAT = 0.01  # added to the standard deviation of an image, so that a flat one is not blown up
FARTHEST = 4.0  # standard deviations from the mean at which a single image is cut off


def as_float(image: NDArray, size: int) -> NDArray:
    """Stored pixels, uint8 or float16, to (size, size) float32 from 0 to 1."""
    grey = image.astype(np.float32) / (255 if image.dtype == np.uint8 else 1)
    if grey.shape == (size, size):
        return grey
    return Placement(grey.shape[0], grey.shape[1], size).image(grey)


@dataclass(frozen=True)
class Preprocessing:
    """What is done to a picture before a model sees it; part of ViT.ckpt.

    Args:
        image_size: edge of the square that the model takes, S [px].
        mean, std: of the training pixels, grey range 0 to 1; None: of each image's own.
        num_channels: channels that the grey image is repeated in, C.
        border: share of height and of width that is cut from each edge of a raw picture.
        stretch: fill the square by stretching, instead of keeping the aspect ratio.
        window: centre and width of the grey window for DICOM [HU]; None: the file's own.
        frame: of a DICOM file with many, as in CONFIG: from 0; -1: the middle one; or a word.
        full_scale: the value of white in a picture of more than 8 bits; None, or one that 8 bits
            hold: by the bits that it declares, else by its own greatest value.
        stored_size: edge of the square that data.prepare stored the training images in [px]; a raw
            picture is placed in the same one before it is resized to image_size; None: the same.
    """

    image_size: int
    mean: float | None
    std: float | None
    num_channels: int = 1
    border: float = 0.0
    stretch: bool = False
    window: tuple[float, float] | None = None
    frame: int | str = -1
    full_scale: int | None = None
    stored_size: int | None = None

    @classmethod
    def from_plain(cls, values: dict[str, Any], num_channels: int) -> "Preprocessing":
        """From the form that ViT.ckpt keeps."""
        window = values.get("window")
        return cls(
            image_size=values["image_size"],
            mean=values.get("mean"),
            std=values.get("std"),
            num_channels=num_channels,
            border=values.get("border", 0.0),
            stretch=values.get("stretch", False),
            window=None if window is None else (window[0], window[1]),
            frame=values.get("frame", -1),
            full_scale=values.get("full_scale"),
            stored_size=values.get("stored_size"),
        )

    def plain(self) -> dict[str, Any]:
        """The form that ViT.ckpt keeps: plain types only."""
        return {
            "image_size": self.image_size,
            "mean": self.mean,
            "std": self.std,
            "border": self.border,
            "stretch": self.stretch,
            "window": self.window,
            "frame": self.frame,
            "full_scale": self.full_scale,
            "stored_size": self.stored_size,
        }

    def read(self, path: Path) -> NDArray:
        """(H, W) grey picture of a file, DICOM in this window and frame. DataError: unreadable."""
        return self.grey(self.read_stored(path))

    def read_stored(self, path: Path, frame: int | None = None) -> Stored:
        """As ``read``, whole numbers as they are stored; ``frame``: one of several of a run."""
        if frame is not None:
            return read_stored(path, self.window, frame).as_one_of_all()
        return read_stored(path, self.window, self.frame)

    def grey(self, stored: Stored) -> NDArray:
        """(H, W) grey picture, uint8 from 0 to 255 or float32 from 0 to 1, in this scale."""
        return grey_of(stored, self.full_scale)

    def placement(self, shape: tuple[int, ...], prepared: bool = False) -> Placement:
        """Where the pixels of an (H, W) picture come to lie in the square.

        prepared: the picture was prepared by data.prepare, so that its border is cut already.
        """
        height, width = shape
        if prepared:
            return Placement(height, width, self.image_size)
        return Placement(height, width, self.image_size, self.border, self.stretch)

    def place(self, grey: NDArray, prepared: bool = False) -> NDArray:
        """(H, W) uint8 from 0 to 255, or floating from 0 to 1, to (S, S) float32 from 0 to 1."""
        if not prepared:
            size = self.stored_size or self.image_size
            height, width = grey.shape
            grey = Placement(height, width, size, self.border, self.stretch).image(grey)
            if self.stored_size and grey.dtype != np.uint8:
                grey = np.clip(grey, 0, 1).astype(np.float16)  # as data.prepare stores it
        return as_float(grey, self.image_size)

    def standardised(self, grey: NDArray) -> NDArray:
        """(S, S) float32 from 0 to 1 to the (C, S, S) float32 that the model sees.

        Without a mean the image's own is taken, of the pixels that are not black.
        """
        if self.mean is None or self.std is None:
            standardised = _by_itself(grey)
        else:
            standardised = (grey - self.mean) / self.std
        one = np.asarray(standardised, dtype=np.float32)
        return np.broadcast_to(one, (self.num_channels, *one.shape)).copy()


def _by_itself(grey: NDArray) -> NDArray:
    seen = grey[grey > BLACK]
    mean = float(seen.mean()) if seen.size else 0.0
    std = float(seen.std()) + FLAT if seen.size else 1.0
    cut = np.clip(grey, mean - FARTHEST * std, mean + FARTHEST * std)
    return np.asarray((cut - mean) / std)
