"""Tiny pictures of which each may hold a bright square, a dark disc, both, or neither."""

import csv
from pathlib import Path

import cv2
import numpy as np

FINDINGS = ["square", "disc"]
COUNT = 12  # pictures of each combination


def with_findings(
    folder: Path, count: int = COUNT, seed: int = 7, columns: bool = False, split: bool = False
) -> Path:
    """A folder with a manifest.csv.

    Args:
        folder: to make.
        count: pictures of each combination.
        seed: of the pictures.
        columns: whether the findings stand in columns of 0 and 1, not in the label.
        split: whether every fourth picture is for validation, the others for training.
    """
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = []
    for i, kind in enumerate(rng.permutation(4 * count) % 4):
        has = {"square": kind % 2 == 1, "disc": kind > 1}
        image = cv2.GaussianBlur(rng.normal(120, 50, (32, 32)), (0, 0), 1.5)
        x, y = rng.integers(3, 8, 2)
        if has["square"]:
            image[y : y + 9, x : x + 9] += 100
        if has["disc"]:
            cv2.circle(image, (int(25 - y / 2), int(25 - x / 2)), 6, 10.0, -1)
        name = f"p{i:02d}.png"
        cv2.imwrite(str(folder / name), np.clip(image, 0, 255).astype(np.uint8))
        row = {"path": name, "patient": f"P{i // 2:02d}"}
        if columns:
            row |= {finding: str(int(has[finding])) for finding in FINDINGS}
        else:
            row["label"] = ";".join(finding for finding in FINDINGS if has[finding]) or "none"
        if split:
            row["split"] = "val" if i // 2 % 4 == 3 else "train"
        rows.append(row)
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder
