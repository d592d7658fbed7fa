"""ARCADE as downloaded to labelled windows.

python -m data.arcade --Path arcade/stenosis --OUTPUT windows

ARCADE (Popov et al. 2024, doi 10.1038/s41597-023-02871-z) holds X-ray angiography frames and, as
COCO json, boxes around stenoses. An abnormal window holds one whole box at a random place. A normal
one lies on a vessel of the same frame and touches no box.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

import errors
from data.copies import same_pictures
from data.geometry import Box, format_boxes
from data.readers import DataError, read_grey
from data.sketch import sketch
from data.split_words import SPLIT_NAMES
from data.tables import write_table
from files import folder_written_whole
from metrics.groups import join

STENOSIS = "stenosis"
VESSEL_WIDTH = 21  # pixels, of the widest vessel that the search for normal windows sees
# share of a frame's pixels that count as vessel: the darkest against their surroundings
VESSEL_SHARE = 0.03
TRIES = 200


class Frame(NamedTuple):
    """One frame as it was downloaded."""

    split: str
    path: Path
    boxes: list[Box]  # of stenoses


def frames_of(root: Path) -> list[Frame]:
    """Every frame below ``root``.

    Raises:
        DataError: no split/annotations/*.json, or every fault in them, a line each.
    """
    frames: list[Frame] = []
    faults = []
    for path in sorted(root.glob("**/annotations/*.json")):
        folder = path.parent.parent
        split = SPLIT_NAMES.get(folder.name.lower(), "")
        if not split:
            faults.append(f"{path}: got the folder {folder.name}, wanted train, val or test")
        try:
            frames += [frame for frame in _annotated(path, split) if frame.path.is_file()]
        except (ValueError, KeyError, TypeError, OSError) as error:
            faults.append(f"{path}: not COCO as ARCADE writes it: {type(error).__name__} {error}")
    if not frames and not faults:
        faults.append(
            f"{root}: wanted <split>/annotations/*.json and <split>/images/, "
            "as ARCADE is downloaded"
        )
    if faults:
        raise DataError("\n".join(faults))
    return frames


def _annotated(path: Path, split: str) -> list[Frame]:
    """The frames that a COCO file names, whether they are there or not."""
    coco = json.loads(path.read_text(encoding="utf-8"))
    stenoses = {category["id"] for category in coco["categories"] if category["name"] == STENOSIS}
    boxes: dict[int, list[Box]] = {image["id"]: [] for image in coco["images"]}
    for annotation in coco["annotations"]:
        if annotation["category_id"] in stenoses:
            x, y, width, height = annotation["bbox"]
            boxes[annotation["image_id"]].append((x, y, x + width, y + height))
    images = path.parent.parent / "images"
    return [
        Frame(split, images / image["file_name"], boxes[image["id"]]) for image in coco["images"]
    ]


def windows(
    image: NDArray, boxes: list[Box], size: int, rng: np.random.Generator
) -> dict[str, tuple[int, int]]:
    """Where an abnormal and a normal window lie, as far as the frame has room for them.

    Args:
        image: (H, W) uint8 frame, vessels dark.
        boxes: around the stenoses, in pixels.
        size: edge of a window in pixels.
        rng: chooses the places.

    Returns:
        for each label x, y of the upper left corner.
    """
    height, width = image.shape
    found = {}
    small = [box for box in boxes if box[2] - box[0] <= size and box[3] - box[1] <= size]
    if small:
        start, end = np.reshape(small[rng.integers(len(small))], (2, 2))  # x, y each
        low = np.maximum(np.ceil(end - size), 0).astype(int)
        high = np.minimum(np.floor(start), [width - size, height - size]).astype(int)
        if (low <= high).all():
            x, y = rng.integers(low, high + 1)
            found["abnormal"] = (int(x), int(y))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (VESSEL_WIDTH, VESSEL_WIDTH))
    depth = cv2.GaussianBlur(cv2.morphologyEx(image, cv2.MORPH_BLACKHAT, kernel), (0, 0), 2)
    places = np.argwhere(depth >= np.quantile(depth, 1 - VESSEL_SHARE))
    for _ in range(TRIES):
        y, x = places[rng.integers(len(places))] - size // 2
        inside = 0 <= x <= width - size and 0 <= y <= height - size
        if inside and not any(_within(box, x, y, size) for box in boxes):
            found["normal"] = (int(x), int(y))
            break
    return found


def _within(box: Box, x: int, y: int, size: int) -> Box | None:
    """The part of a box that a window shows, in pixels of the window; None if it shows none."""
    x0 = max(box[0] - x, 0)
    y0 = max(box[1] - y, 0)
    x1 = min(box[2] - x, size)
    y1 = min(box[3] - y, size)
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None


def convert(root: Path, output: Path, size: int, seed: int) -> list[dict[str, str]]:
    """Write split/class/*.png and manifest.csv at ``output``; gives the manifest's rows.

    Args:
        root: ARCADE as downloaded.
        output: must not exist.
        size: edge of a window in pixels.
        seed: of the places that chance chooses.

    Raises:
        DataError: ``output`` exists, or as ``frames_of``.
    """
    if output.exists():
        raise DataError(f"{output}: exists; name a new folder")
    frames = frames_of(root)
    images = [
        _read_frame(frame.path) for frame in tqdm(frames, "reading", unit=" frames", mininterval=1)
    ]
    pairs = same_pictures([sketch(image) for image in images])
    groups = join([()] * len(frames), pairs)
    rows = []
    with folder_written_whole(output) as made:
        for number, (frame, image) in enumerate(zip(frames, images, strict=True)):
            rng = np.random.default_rng([seed, number])
            name = f"{frame.split}_{frame.path.stem}"
            for label, (x, y) in windows(image, frame.boxes, size, rng).items():
                path = f"{frame.split}/{label}/{name}.png"
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(made / path), image[y : y + size, x : x + size])
                seen = [_within(box, x, y, size) for box in frame.boxes]
                row = {
                    "path": path,
                    "split": frame.split,
                    "label": label,
                    "group": f"f{groups[number]:05d}",
                    "frame": name,
                    "lesion_boxes_xyxy": format_boxes([box for box in seen if box]),
                }
                rows.append(row)
        write_table(made / "manifest.csv", rows)
    return rows


def _read_frame(path: Path) -> NDArray:
    """(H, W) uint8."""
    grey = read_grey(path)
    return grey if grey.dtype == np.uint8 else (255 * grey).astype(np.uint8)


def main(argv: list[str]) -> None:
    """Cut windows from ARCADE frames and say how many."""
    """Make the windows and say how many there are."""
    parser = argparse.ArgumentParser(
        prog="python -m data.arcade", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument(
        "--Path", "--path", "-p", type=Path, required=True, help="the folder with train/ and val/"
    )
    parser.add_argument(
        "--OUTPUT", "--output", "-o", type=Path, required=True, help="the folder to make"
    )
    parser.add_argument(
        "--window", type=int, default=128, help="edge of a window [px] (default 128)"
    )
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    with errors.ending_in_one_line():
        rows = convert(arguments.Path, arguments.OUTPUT, arguments.window, arguments.seed)
    count = {label: sum(row["label"] == label for row in rows) for label in ("normal", "abnormal")}
    errors.say(
        f"wrote {arguments.OUTPUT}: {count['normal']} normal and {count['abnormal']} abnormal "
        f"windows; next: python -m data.prepare --Path {arguments.OUTPUT} --OUTPUT ProcessedFolder"
    )


if __name__ == "__main__":
    errors.run(main)
