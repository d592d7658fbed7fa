"""Where the pixels of a source image come to lie in the square that the model sees."""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from data.mask_levels import marked
from data.readers import DataError, read_pixels

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
        self.shape = (height, width)
        self.size = size
        self.crop = (left, top, width - left, height - top)  # x0, y0, x1, y1
        self.kept = (width - 2 * left, height - 2 * top)  # width, height
        scale = size / max(self.kept)
        if stretch:
            self.resized = (size, size)  # width, height
        else:
            self.resized = (self._scaled(self.kept[0], scale), self._scaled(self.kept[1], scale))
        self.offset = ((size - self.resized[0]) // 2, (size - self.resized[1]) // 2)  # left, top

    @staticmethod
    def _scaled(edge: int, scale: float) -> int:
        return max(1, round(edge * scale))

    def image(self, image: NDArray) -> NDArray:
        """(height, width) to (size, size), same type."""
        if image.shape != self.shape:
            raise ValueError(f"got an array of shape {image.shape}, wanted {self.shape}")
        (x0, y0, x1, y1), (width, height), (left, top) = self.crop, self.resized, self.offset
        inside = image[y0:y1, x0:x1]
        if inside.shape != (height, width):
            method = cv2.INTER_AREA if width < x1 - x0 else cv2.INTER_LINEAR
            inside = cv2.resize(np.ascontiguousarray(inside), (width, height), interpolation=method)
        square = np.zeros((self.size, self.size), image.dtype)
        square[top : top + height, left : left + width] = inside
        return square

    def back(self, square: NDArray) -> NDArray:
        """(size, size) values of the square to (height, width) float32 in the source image.

        What the border cuts off is 0.
        """
        (x0, y0, x1, y1), (width, height), (left, top) = self.crop, self.resized, self.offset
        inside = square[top : top + height, left : left + width].astype(np.float32)
        source = np.zeros(self.shape, np.float32)
        source[y0:y1, x0:x1] = cv2.resize(inside, (x1 - x0, y1 - y0))
        return source

    def mask(self, mask: NDArray) -> NDArray:
        """(height, width) to (size, size) uint8, 1 where half of a pixel or more is marked.

        Where no pixel is so full, 1 where any part of it is.
        """
        share = self.image(mask.astype(np.float32))
        marked = share >= 0.5
        return (marked if marked.any() else share > 0).astype(np.uint8)

    def boxes(self, boxes: list[Box]) -> list[Box]:
        """The boxes in the square; one that the crop cuts off altogether is left out."""
        placed = []
        scale = np.array(self.resized) / self.kept
        for box in boxes:
            inside = np.clip(np.reshape(box, (2, 2)), self.crop[:2], self.crop[2:])
            if (inside[0] < inside[1]).all():
                moved = (inside - self.crop[:2]) * scale + self.offset
                x0, y0, x1, y1 = (round(edge, 1) for edge in moved.ravel().tolist())
                x0, x1 = self._seen(x0, x1)
                y0, y1 = self._seen(y0, y1)
                placed.append((x0, y0, x1, y1))
        return placed

    def _seen(self, low: float, high: float) -> tuple[float, float]:
        """The ends of an edge; one below a pixel becomes the pixel that it lies in."""
        if high - low >= 1:
            return low, high
        first = float(min(int(low), self.size - 1))
        return first, first + 1

    def spacing(self, text: str) -> str:
        """Pixel spacing in the square from that of the source, both in mm; empty stays empty.

        One number, or one for rows and one for columns. DataError: the text is neither.
        """
        if not text:
            return ""
        try:
            rows, columns = (float(number) for number in (text.split() * 2)[:2])
        except ValueError:
            raise DataError(
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
    """(H, W) uint8 lesion mask, 1 where the file means lesion; an empty one is a mask too.

    Raises:
        DataError: unreadable, of another size than its image's (height, width), or not of two
            levels; see data.mask_levels.
    """
    mask = read_pixels(path)
    if mask.shape[:2] != size or mask.ndim > 3 or mask.dtype.kind not in "buif":
        raise DataError(
            f"{path}: got shape {mask.shape}, wanted a mask of its image's shape {size}"
        )
    return marked(mask, path)


def parts_of(text: str) -> list[Box]:
    """Four numbers for each box of a text, joined by ``;``, as they stand there.

    Raises:
        DataError: the text that is no box.
    """
    parts = []
    for part in (text or "").split(";"):
        if not part.strip():
            continue
        try:
            x0, y0, x1, y1 = (float(number) for number in part.split(","))
        except ValueError:
            raise DataError(f"got the box {part.strip()!r}, wanted x0,y0,x1,y1") from None
        parts.append((x0, y0, x1, y1))
    return parts


def parse_boxes(text: str) -> list[Box]:
    """Boxes from ``x0,y0,x1,y1`` joined by ``;``; opposite corners may come in any order.

    Raises:
        DataError: the text that is no box, or a box without an area.
    """
    boxes = []
    for part in parts_of(text):
        x0, x1 = sorted((part[0], part[2]))
        y0, y1 = sorted((part[1], part[3]))
        if not (-1e9 < x0 < x1 < 1e9 and -1e9 < y0 < y1 < 1e9):
            raise DataError(f"got the box {format_boxes([part])!r}, wanted x0 < x1 and y0 < y1")
        boxes.append((x0, y0, x1, y1))
    return boxes


def format_boxes(boxes: Sequence[Box]) -> str:
    """The text that ``parse_boxes`` reads."""
    return ";".join(",".join(f"{edge:g}" for edge in box) for box in boxes)
