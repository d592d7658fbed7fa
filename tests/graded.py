"""Tiny pictures of three grades or more: the higher the grade, the brighter a square."""

import csv
from pathlib import Path

import cv2
import numpy as np

GRADES = ("0", "1-49", "50-100")
COUNT = 12  # pictures of a grade


def graded(folder: Path, grades: tuple[str, ...] = GRADES, boxed: str = "", seed: int = 7) -> Path:
    """A folder with a manifest.csv; ``boxed`` is the grade whose pictures have a lesion box."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)
    rows = []
    for number, grade in enumerate(grades):
        for i in range(COUNT):
            noise = cv2.GaussianBlur(rng.normal(90, 60, (32, 32)), (0, 0), 1.5)
            y, x = rng.integers(4, 20, 2)
            noise[y : y + 8, x : x + 8] += 60 * number
            name = f"p{number}_{i:02d}.png"
            cv2.imwrite(str(folder / name), np.clip(noise, 0, 255).astype(np.uint8))
            box = f"{x},{y},{x + 8},{y + 8}" if grade == boxed else ""
            rows.append({"path": name, "label": grade, "lesion_boxes_xyxy": box})
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    return folder
