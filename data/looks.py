"""What data.audit keeps of an image: little, so that memory stays flat."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from CONFIG import Config
from data.aspect import aspect_told
from data.findings import Finding
from data.geometry import Placement, read_mask
from data.picture import is_coloured
from data.readers import kind_of, read_pixels, read_stored, wrong_suffix
from data.remarks import COLOUR, Remark
from data.samples import Sample
from data.scale import Depth, depth_of, grey_of
from data.sketch import Sketch, sketch

# shares of the shorter edge that probes see; pixels of a thumbnail
FRAME = 0.06
CORNER = 0.15
THUMB = 32


class Look(NamedTuple):
    """What is kept of one image."""

    sample: Sample
    size: str
    depth: str  # with format and channels
    sha256: str  # of the file
    sketch: Sketch  # for data.copies
    scale: Depth | None  # of whole numbers with more than 8 bits
    ends: tuple[float, float] | None  # as in data.picture.Stored
    window: tuple[float, float] | None  # likewise
    aspect: float  # likewise, or as the table says
    remarks: tuple[Remark, ...]  # likewise, but for colour, which is a finding
    views: dict[str, NDArray]  # for each probe what it sees, (features,)


def look_at(
    sample: Sample, folder: Path, config: Config, white: int | None = None
) -> tuple[Look | None, list[Finding]]:
    """What is kept of an image, None if it cannot be read, and what is wrong with its file.

    Args:
        sample: of the raw data set.
        folder: where it lies.
        config: as data.prepare stores the image.
        white: the value of white in images of more than 8 bits; None: by the image alone.
    """
    path = folder / sample.path
    try:
        seen = read_stored(path, config.window, config.frame)
        image = grey_of(seen, white)
        kind = kind_of(path)
        content = path.read_bytes()
        if sample.mask:
            read_mask(folder / sample.mask, image.shape)
    except (ValueError, OSError) as error:
        return None, [Finding("unreadable", [sample.path], str(error))]
    stored = image if kind == "DICOM" else np.asarray(read_pixels(path))
    findings = []
    wrong = wrong_suffix(path)
    if wrong:
        findings.append(Finding("wrong_suffix", [sample.path], wrong))
    if is_coloured(stored):
        findings.append(Finding("colour", [sample.path], f"{path}: got colour, wanted grey"))
    height, width = image.shape
    place = Placement(height, width, config.image_size, config.border, config.stretch)
    look = Look(
        sample,
        size=f"{height} x {width} px",
        depth=_depth(stored, kind),
        sha256=hashlib.sha256(content).hexdigest(),
        sketch=sketch(place.image(image)),
        scale=depth_of(seen),
        ends=seen.ends,
        window=seen.window,
        aspect=aspect_told(sample.pixel_spacing_mm, seen.aspect),
        remarks=tuple(remark for remark in seen.remarks if remark != COLOUR),
        views=_views(image, len(content)),
    )
    return look, findings


def _depth(stored: NDArray, kind: str) -> str:
    channels = stored.shape[2] if stored.ndim == 3 else 1
    depth = f"{kind} {8 * stored.dtype.itemsize} bit"
    if channels > 1:
        depth += f" x {channels}"
    return depth


def _views(image: NDArray, size: int) -> dict[str, NDArray]:
    """What each probe sees of an image, (H, W), whose file has ``size`` bytes."""
    height, width = image.shape
    grey = image.astype(np.float32) / (255 if image.dtype == np.uint8 else 1)
    whole = Placement(height, width, max(height, width)).image(grey)
    thumb = cv2.resize(whole, (THUMB, THUMB), interpolation=cv2.INTER_AREA)
    t, c = (max(2, round(share * min(height, width))) for share in (FRAME, CORNER))
    frame = (grey[:t], grey[-t:], grey[:, :t].T, grey[:, -t:].T)
    corners = (grey[:c, :c], grey[:c, -c:], grey[-c:, :c], grey[-c:, -c:])
    return {
        "border pixels": np.concatenate([_cells(side, 1, 16) for side in frame]),
        "corners": np.concatenate([_cells(corner, 4, 4) for corner in corners]),
        "mean brightness": np.array([grey.mean()]),
        "file size": np.log([size]),
        "image size": np.log([height, width]),
        "baseline": thumb.astype(np.float16),
    }


def _cells(part: NDArray, rows: int, columns: int) -> NDArray:
    """(2 * rows * columns,) mean and greatest value of each cell: thin text hardly moves a mean."""
    y = np.arange(rows) * part.shape[0] // rows
    x = np.arange(columns) * part.shape[1] // columns
    mean = cv2.resize(np.ascontiguousarray(part), (columns, rows), interpolation=cv2.INTER_AREA)
    greatest = np.maximum.reduceat(np.maximum.reduceat(part, y, 0), x, 1)
    return np.concatenate([mean.ravel(), greatest.ravel()])
