"""ARCADE as downloaded to labelled windows: python -m data.arcade --Path arcade/stenosis --OUTPUT
windows

ARCADE (Popov et al. 2024, doi 10.1038/s41597-023-02871-z) holds X-ray angiography frames and, as
COCO json, boxes around stenoses. An abnormal window holds one whole box at a random place; a normal
one lies on a vessel of the same frame and touches no box.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from data.duplicates import describe, near_duplicates
from data.geometry import Box, format_boxes
from data.readers import DataError, read_grey
from data.sources import SPLIT_NAMES
from data.tables import write_table
from files import end_ctrl_c_in_one_line, folder_written_whole
from metrics.groups import join

STENOSIS = "stenosis"
VESSEL_WIDTH = 21  # pixels, of the widest vessel that the search for normal windows sees
VESSEL_SHARE = (
    0.03  # of a frame's pixels that count as vessel: the darkest against their surroundings
)
TRIES = 200


def frames_of(root: Path) -> list[tuple[str, Path, list[Box]]]:
    """(split, image, stenosis boxes) of every frame below ``root``.

    Raises:
        DataError: no split/annotations/*.json, or every fault in them, a line each.
    """
    frames = []
    faults = []
    for path in sorted(root.glob("**/annotations/*.json")):
        split = SPLIT_NAMES.get(path.parent.parent.name.lower(), "")
        try:
            coco = json.loads(path.read_text(encoding="utf-8"))
            wanted = {
                category["id"] for category in coco["categories"] if category["name"] == STENOSIS
            }
            boxes: dict[int, list[Box]] = {image["id"]: [] for image in coco["images"]}
            for note in coco["annotations"]:
                if note["category_id"] in wanted:
                    x, y, width, height = note["bbox"]
                    boxes[note["image_id"]].append((x, y, x + width, y + height))
            found = [
                (split, path.parent.parent / "images" / image["file_name"], boxes[image["id"]])
                for image in coco["images"]
            ]
        except (ValueError, KeyError, TypeError, OSError) as error:
            faults.append(f"{path}: not COCO as ARCADE writes it: {type(error).__name__} {error}")
            continue
        frames += [frame for frame in found if frame[1].is_file()]
        if not split:
            faults.append(
                f"{path}: got the folder {path.parent.parent.name}, wanted train, val or test"
            )
    if not frames and not faults:
        faults.append(
            f"{root}: wanted <split>/annotations/*.json and <split>/images/, as ARCADE is downloaded"
        )
    if faults:
        raise DataError("\n".join(faults))
    return frames


def windows(
    image: NDArray, boxes: list[Box], size: int, rng: np.random.Generator
) -> dict[str, tuple[int, int]]:
    """(x, y) of the upper left corner of an abnormal and of a normal window, where the frame has
    room for them.

    Args:
        image: (H, W) uint8 frame, vessels dark.
        boxes: around the stenoses, in pixels.
        size: edge of a window in pixels.
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
        if inside and not any(
            x < x1 and x0 < x + size and y < y1 and y0 < y + size for x0, y0, x1, y1 in boxes
        ):
            found["normal"] = (int(x), int(y))
            break
    return found


def convert(root: Path, output: Path, size: int, seed: int) -> list[dict[str, Any]]:
    """Write split/class/*.png and manifest.csv at ``output``, which must not exist; returns the
    manifest's rows.
    """
    if output.exists():
        raise DataError(f"{output}: exists; name a new folder")
    frames = frames_of(root)
    images = [
        (255 * grey if (grey := read_grey(path)).dtype != np.uint8 else grey).astype(np.uint8)
        for _, path, _ in tqdm(frames, "reading", unit=" frames", mininterval=1)
    ]
    groups = join(
        [()] * len(frames), near_duplicates(np.stack([describe(image) for image in images]))
    )
    rows = []
    with folder_written_whole(output) as made:
        for number, ((split, path, boxes), image) in enumerate(zip(frames, images, strict=True)):
            rng = np.random.default_rng([seed, number])
            for label, (x, y) in windows(image, boxes, size, rng).items():
                name = f"{split}/{label}/{split}_{path.stem}.png"
                (made / name).parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(made / name), image[y : y + size, x : x + size])
                seen = [
                    (max(x0 - x, 0), max(y0 - y, 0), min(x1 - x, size), min(y1 - y, size))
                    for x0, y0, x1, y1 in boxes
                ]
                inside = [box for box in seen if box[0] < box[2] and box[1] < box[3]]
                rows.append(
                    {
                        "path": name,
                        "split": split,
                        "label": label,
                        "group": f"f{groups[number]:05d}",
                        "frame": f"{split}_{path.stem}",
                        "lesion_boxes_xyxy": format_boxes(inside),
                    }
                )
        write_table(made / "manifest.csv", rows)
    return rows


def main() -> None:
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
    arguments = parser.parse_args()
    try:
        rows = convert(arguments.Path, arguments.OUTPUT, arguments.window, arguments.seed)
    except DataError as error:
        sys.exit(str(error))
    count = {label: sum(row["label"] == label for row in rows) for label in ("normal", "abnormal")}
    print(
        f"wrote {arguments.OUTPUT}: {count['normal']} normal and {count['abnormal']} abnormal windows; "
        f"next: python -m data.prepare --Path {arguments.OUTPUT} --OUTPUT ProcessedFolder"
    )


if __name__ == "__main__":
    end_ctrl_c_in_one_line()
    main()
