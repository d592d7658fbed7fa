"""Tiny made data for the tests: class folders of grey pictures whose class a model can learn."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[1].parent / "shared" / "datasets"


@pytest.fixture
def pictures(tmp_path: Path) -> Callable[..., Path]:
    """Makes raw/normal and raw/abnormal; an abnormal picture holds a bright square."""

    def make(count: int = 12, height: int = 40, width: int = 32, name: str = "raw", suffix: str = ".png") -> Path:
        rng = np.random.default_rng(sum(name.encode()))  # another name, other pictures
        for label in ("normal", "abnormal"):
            folder = tmp_path / name / label
            folder.mkdir(parents=True)
            for i in range(count):
                image = cv2.GaussianBlur(rng.normal(90, 60, (height, width)), (0, 0), 1.5) + rng.uniform(-20, 20)
                if label == "abnormal":
                    y, x = rng.integers(10, height - 18), rng.integers(8, width - 16)
                    image[y : y + 7, x : x + 7] += 120
                cv2.imwrite(str(folder / f"p{i:02d}{suffix}"), np.clip(image, 0, 255).astype(np.uint8))
        return tmp_path / name

    return make
