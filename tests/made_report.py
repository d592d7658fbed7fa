"""A report of made pictures by an untrained model, for the tests of the page and of the browser."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import predict
from tests.conftest import CONFIGURATION, contents
from vit import checkpoint
from vit.model import VisionTransformer

HOSTILE = "<img src=x onerror=hacked=1> & <script>hacked=1<"


def report(
    folder: Path, labels: tuple[str, ...] = ("normal", "abnormal"), count: int = 20, **changes: Any
) -> Path:
    """A report, with predictions.csv beside it, of pictures of 32 px, some names hostile.

    Args:
        folder: for the pictures, with a folder for each label, and for the report.
        labels: of the classes.
        count: pictures of each class.
        changes: of the configuration.
    """
    rng = np.random.default_rng(5)
    for label in labels:
        place = folder / "images" / label
        place.mkdir(parents=True)
        for i in range(count):
            name = f"p{i:02d}{HOSTILE if i == 3 else ''}.png"
            noise = cv2.GaussianBlur(rng.normal(100, 60, (32, 32)), (0, 0), 1.5)
            image = np.clip(noise, 0, 255).astype(np.uint8)
            (place / name).write_bytes(cv2.imencode(".png", image)[1].tobytes())
    scores = {name: np.linspace(0.3, 0.7, 20).tolist() for name in labels}
    config = replace(
        CONFIGURATION, num_classes=len(labels), **{"initializer_range": 0.4, **changes}
    )
    torch.manual_seed(1)
    model = VisionTransformer(config)
    plain = contents(
        class_names=list(labels),
        conformal_scores=scores,
        config=asdict(config),
        state_dict={f"model.{name}": value for name, value in model.state_dict().items()},
    )
    checkpoint.save(plain, folder / "ViT.ckpt")
    where = [
        "-p",
        str(folder / "images"),
        "-k",
        str(folder / "ViT.ckpt"),
        "-o",
        str(folder / "report.html"),
    ]
    predict.main([*where, "--device", "cpu"])
    return folder / "report.html"
