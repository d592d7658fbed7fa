"""A report of made pictures by an untrained model, for the tests of the page and of the browser."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import predict
from tests.conftest import CONFIGURATION, contents
from vit import checkpoint

HOSTILE = "<img src=x onerror=hacked=1> & <script>hacked=1<"


def report(
    folder: Path, labels: tuple[str, ...] = ("normal", "abnormal"), count: int = 20, **changes: Any
) -> Path:
    """Pictures of 32 px in a folder for each label, some names hostile; gives the report,
    predictions.csv beside it.

    changes: of the configuration.
    """
    rng = np.random.default_rng(5)
    for label in labels:
        place = folder / "images" / label
        place.mkdir(parents=True)
        for i in range(count):
            name = f"p{i:02d}{HOSTILE if i == 3 else ''}.png"
            image = np.clip(
                cv2.GaussianBlur(rng.normal(100, 60, (32, 32)), (0, 0), 1.5), 0, 255
            ).astype(np.uint8)
            (place / name).write_bytes(cv2.imencode(".png", image)[1].tobytes())
    scores = {name: np.linspace(0.3, 0.7, 20).tolist() for name in labels}
    config = {
        **asdict(CONFIGURATION),
        "num_classes": len(labels),
        "initializer_range": 0.4,
        **changes,
    }
    torch.manual_seed(1)
    state = {
        f"model.{name}": value
        for name, value in checkpoint.build_model(config).state_dict().items()
    }
    about = {
        "class_names": list(labels),
        "conformal_scores": scores,
        "config": config,
        "state_dict": state,
    }
    checkpoint.save(contents(**about), folder / "ViT.ckpt")
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
