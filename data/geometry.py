"""Where the pixels of a source image come to lie in the square that the model sees."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data.readers import read_pixels

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels, x1 and y1 beyond the last pixel


class Placement:
    """Cut the border, resize, and pad to a square with black.

    Args:
        height, width: of the source image in pixels.
        size: edge of the square in pixels.
        border: share of height and of width cut from each edge.
        stretch: fill the square, giving up the aspect ratio, instead of padding.
    """

    def __init__(
        self, height: int, width: int, size: int, border: float = 0.0, stretch: bool = False
    ) -> None:
        top = round(height * border)
        left = round(width * border)
        self.kept = (width - 2 * left, height - 2 * top)
        self.shape = (height, width)
        self.size = size
        self.crop = (left, top, width - left, height - top)  # x0, y0, x1, y1
        self.resized = tuple(
            size if stretch else max(1, round(edge * (size / max(self.kept)))) for edge in self.kept
        )
        self.offset = tuple((size - edge) // 2 for edge in self.resized)  # left, top

    def image(self, image: NDArray) -> NDArray:
        """(height, width) to (size, size), same type."""
        if image.shape != self.shape:
            raise ValueError(f"got an array of shape {image.shape}, wanted {self.shape}")
        (x0, y0, x1, y1), (width, height), (left, top) = self.crop, self.resized, self.offset
        cropped = image[y0:y1, x0:x1]
        square = np.zeros((self.size, self.size), image.dtype)
        how = cv2.INTER_AREA if width < x1 - x0 else cv2.INTER_LINEAR
        same = cropped.shape == (height, width)
        resized = (
            cropped
            if same
            else cv2.resize(np.ascontiguousarray(cropped), (width, height), interpolation=how)
        )
        square[top : top + height, left : left + width] = resized
        return square

    def mask(self, mask: NDArray) -> NDArray:
        """(height, width) to (size, size) uint8, 1 where half of a pixel is; where none is so full,
        where any is.
        """
        share = self.image(mask.astype(np.float32))
        return (share >= 0.5 if (share >= 0.5).any() else share > 0).astype(np.uint8)

    def boxes(self, boxes: list[Box]) -> list[Box]:
        """The boxes in the square; one that the crop cuts off altogether is left out."""
        placed = []
        scale = np.array(self.resized) / self.kept
        for box in boxes:
            inside = np.clip(np.reshape(box, (2, 2)), self.crop[:2], self.crop[2:])
            if (inside[0] < inside[1]).all():
                moved = (inside - self.crop[:2]) * scale + self.offset
                x0, y0, x1, y1 = (round(edge, 1) for edge in moved.ravel().tolist())
                placed.append((x0, y0, x1, y1))
        return placed

    def spacing(self, text: str) -> str:
        """Pixel spacing in the square from that of the source: mm, one number, or rows and columns;
        empty stays.
        """
        if not text:
            return ""
        try:
            rows, columns = (float(number) for number in (text.split() * 2)[:2])
        except ValueError:
            raise ValueError(
                f"got the pixel spacing {text!r}, wanted one or two numbers in mm"
            ) from None
        rows = rows * self.kept[1] / self.resized[1]
        columns = columns * self.kept[0] / self.resized[0]
        return f"{rows:.6g}" if abs(rows - columns) < 1e-9 else f"{rows:.6g} {columns:.6g}"


def rasterise(boxes: list[Box], size: tuple[int, int]) -> NDArray:
    """(H, W) uint8 mask, 1 inside the boxes, of ``size`` (height, width)."""
    mask = np.zeros(size, np.uint8)
    for x0, y0, x1, y1 in boxes:
        mask[max(0, round(y0)) : max(0, round(y1)), max(0, round(x0)) : max(0, round(x1))] = 1
    return mask


def read_mask(path: Path, size: tuple[int, ...]) -> NDArray:
    """(H, W) uint8 lesion mask, 1 where the file's pixels are not 0; an empty one is a mask too.

    Raises:
        ValueError: unreadable, or of another size than its image's (height, width).
    """
    mask = read_pixels(path)
    if mask.shape[:2] != size or mask.ndim > 3 or mask.dtype.kind not in "buif":
        raise ValueError(
            f"{path}: got shape {mask.shape}, wanted a mask of its image's shape {size}"
        )
    marked = (
        mask != 0 if mask.ndim == 2 else (mask[:, :, :3] != 0).any(axis=2)
    )  # a fourth channel is transparency
    return marked.astype(np.uint8)


def parse_boxes(text: str) -> list[Box]:
    """Boxes from ``x0,y0,x1,y1`` joined by ``;``. Raises ValueError with the text that is not a
    box.
    """
    boxes = []
    for part in filter(None, (part.strip() for part in (text or "").split(";"))):
        try:
            x0, y0, x1, y1 = (float(number) for number in part.split(","))
        except ValueError:
            raise ValueError(f"got the box {part!r}, wanted x0,y0,x1,y1") from None
        if not (-1e9 < x0 < x1 < 1e9 and -1e9 < y0 < y1 < 1e9):
            raise ValueError(f"got the box {part!r}, wanted x0 < x1 and y0 < y1")
        boxes.append((x0, y0, x1, y1))
    return boxes


def format_boxes(boxes: Sequence[Box]) -> str:
    """The text that ``parse_boxes`` reads."""
    return ";".join(",".join(f"{edge:g}" for edge in box) for box in boxes)
