"""Where the pixels of a source image come to lie in the square that the model sees."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]  # x0, y0, x1, y1 in pixels, x1 and y1 beyond the last pixel


@dataclass(frozen=True)
class Placement:
    """Cut the border, resize, and pad to a square with black.

    Args:
        height, width: of the source image in pixels.
        size: edge of the square in pixels.
        border: share of height and of width cut from each edge.
        stretch: fill the square, giving up the aspect ratio, instead of padding.
    """

    height: int
    width: int
    size: int
    border: float = 0.0
    stretch: bool = False

    @property
    def _crop(self) -> tuple[int, int, int, int]:
        top, left = round(self.height * self.border), round(self.width * self.border)
        return left, top, self.width - left, self.height - top

    @property
    def _resized(self) -> tuple[int, int]:
        """(width, height) after the resize."""
        x0, y0, x1, y1 = self._crop
        if self.stretch:
            return self.size, self.size
        scale = self.size / max(x1 - x0, y1 - y0)
        return max(1, round((x1 - x0) * scale)), max(1, round((y1 - y0) * scale))

    @property
    def _offset(self) -> tuple[int, int]:
        width, height = self._resized
        return (self.size - width) // 2, (self.size - height) // 2

    def image(self, image: NDArray, nearest: bool = False) -> NDArray:
        """(height, width) to (size, size), same type; ``nearest`` keeps the values of a mask."""
        if image.shape != (self.height, self.width):
            raise ValueError(f"got an array of shape {image.shape}, wanted {(self.height, self.width)}")
        x0, y0, x1, y1 = self._crop
        cropped, (width, height), (left, top) = image[y0:y1, x0:x1], self._resized, self._offset
        shrinks = width < x1 - x0
        how = cv2.INTER_NEAREST if nearest else cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        same = cropped.shape == (height, width)
        resized = cropped if same else cv2.resize(np.ascontiguousarray(cropped), (width, height), interpolation=how)
        square = np.zeros((self.size, self.size), image.dtype)
        square[top : top + height, left : left + width] = resized
        return square

    def boxes(self, boxes: list[Box]) -> list[Box]:
        """The boxes in the square; one that the crop cuts off altogether is left out."""
        (cx0, cy0, cx1, cy1), (width, height), (left, top) = self._crop, self._resized, self._offset
        scale = np.array([width / (cx1 - cx0), height / (cy1 - cy0)] * 2)
        placed = []
        for box in boxes:
            inside = np.clip(box, [cx0, cy0, cx0, cy0], [cx1, cy1, cx1, cy1])
            if inside[2] > inside[0] and inside[3] > inside[1]:
                moved = (inside - [cx0, cy0, cx0, cy0]) * scale + [left, top, left, top]
                placed.append(tuple(round(float(edge), 1) for edge in moved))
        return placed  # type: ignore[return-value]

    def spacing(self, text: str) -> str:
        """Pixel spacing in the square from that of the source: mm, one number, or rows and columns; empty stays."""
        if not text:
            return ""
        try:
            rows, columns = (float(number) for number in (text.split() * 2)[:2])
        except ValueError:
            raise ValueError(f"got the pixel spacing {text!r}, wanted one or two numbers in mm") from None
        (x0, y0, x1, y1), (width, height) = self._crop, self._resized
        rows, columns = rows * (y1 - y0) / height, columns * (x1 - x0) / width
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
    try:
        content = np.fromfile(path, np.uint8)
        mask = (
            np.load(path, allow_pickle=False) if path.suffix == ".npy" else cv2.imdecode(content, cv2.IMREAD_GRAYSCALE)
        )
    except (OSError, ValueError, cv2.error) as error:
        raise ValueError(f"{path}: not readable as a mask: {error}") from None
    if mask is None or mask.shape != size:
        got = "no image" if mask is None else f"shape {mask.shape}"
        raise ValueError(f"{path}: got {got}, wanted a mask of its image's shape {size}")
    return (mask != 0).astype(np.uint8)


def parse_boxes(text: str) -> list[Box]:
    """Boxes from ``x0,y0,x1,y1`` joined by ``;``. Raises ValueError with the text that is not a box."""
    boxes = []
    for part in filter(None, (part.strip() for part in (text or "").split(";"))):
        try:
            x0, y0, x1, y1 = (float(number) for number in part.split(","))
        except ValueError:
            raise ValueError(f"got the box {part!r}, wanted x0,y0,x1,y1") from None
        if not (x0 < x1 and y0 < y1):
            raise ValueError(f"got the box {part!r}, wanted x0 < x1 and y0 < y1")
        boxes.append((x0, y0, x1, y1))
    return boxes


def format_boxes(boxes: Sequence[Box]) -> str:
    """The text that ``parse_boxes`` reads."""
    return ";".join(",".join(f"{edge:g}" for edge in box) for box in boxes)
