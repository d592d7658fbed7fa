"""What the report's script needs to show every image: its picture, maps by method, block and head,
known lesions.
"""

import base64
import zlib
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from data.dataset import to_tensor
from report.plots import COVER, shared_scale
from vit.explain import DEFAULT, explain, explain_at_once
from vit.model import VisionTransformer
from vit.predictor import LEVEL, Prediction

WHOLE = (
    DEFAULT,
    "rollout",
    "gradient-rollout",
    "legrad",
    "grad-cam",
)  # maps of all blocks and heads together
HEADS = ("attention", "relevance")  # maps of each block and head too
MOST_CELLS = 40_000_000  # of all images' maps; beyond, single heads are left out
# of the pictures (WebP); of a map's values; a patch that was left out
QUALITY = 85
STEPS = 254
UNSEEN = 255
SHOWN_APART = (
    "path",
    "split",
    "label",
    "sha256",
    "mask",
    "lesion_boxes_xyxy",
    "fold",
)  # columns of the manifest

Parts = list[tuple[list[Prediction], list[VisionTransformer]]]


def gallery(
    parts: Parts, about: dict[str, Any], device: torch.device, batch_size: int, root: Path
) -> dict[str, Any]:
    """Plain types for the page's JSON; maps as deflated bytes, in the order of WHOLE, then HEADS by
    block and head.

    Names are those below the folder ``root``: where it lies on this machine is nobody's business.
    """
    model = parts[0][1][0]
    how = about["preprocessing"]
    names = about["class_names"]
    count = sum(len(said) for said, _ in parts)
    layers = len(model.blocks)
    cells = count * int(np.prod(model.grid)) * len(HEADS) * layers * (1 + model.num_heads)
    per = (
        1 + model.num_heads if cells <= MOST_CELLS else 1
    )  # maps of a block: mean over its heads, each head
    images = list[dict[str, Any]]()
    parts_of_maps = list[NDArray]()
    with tqdm(
        total=count, desc="explaining", unit=" images", mininterval=1, leave=False
    ) as progress:
        for predictions, models in parts:
            for start in range(0, len(predictions), batch_size):
                batch = predictions[start : start + batch_size]
                greys = [each.item.image(how) for each in batch]
                tensors = [
                    to_tensor(grey, how["mean"], how["std"], about["config"]["num_channels"])
                    for grey in greys
                ]
                parts_of_maps.append(
                    _maps(models, torch.stack(tensors).to(device), len(names) - 1, per)
                )
                images += [
                    _image(each, grey, how, root) for each, grey in zip(batch, greys, strict=True)
                ]
                progress.update(len(batch))
    maps = np.concatenate(parts_of_maps)  # (n, maps, grid height, grid width)
    tops = dict[str, float]()
    start = 0
    for name, size in (
        *((name, 1) for name in WHOLE),
        *((f"heads of {name}", layers * per) for name in HEADS),
    ):
        own = maps[:, start : start + size]
        tops[name] = shared_scale(list(own.astype(np.float32)))
        own[:] = np.where(
            np.isnan(own), UNSEEN, np.clip(own.astype(np.float32) / tops[name], 0, 1) * STEPS
        )
        start += size
    for image, own in zip(images, maps.round().astype(np.uint8), strict=True):
        image["maps"] = base64.b64encode(zlib.compress(own.tobytes(), 9)).decode()
    colours = (
        (matplotlib.colormaps["inferno"](np.arange(256))[:, :3] * 255).round().astype(np.uint8)
    )
    shape = {"grid": list(model.grid), "size": how["image_size"], "layers": layers, "perLayer": per}
    choice = {
        "whole": WHOLE,
        "heads": HEADS,
        "methods": [DEFAULT, "attention", *WHOLE[1:]],
        "tops": tops,
    }
    look = {"cover": COVER, "colours": base64.b64encode(colours.tobytes()).decode()}
    return (
        {"classes": names, "level": about.get("level", LEVEL), "images": images}
        | shape
        | choice
        | look
    )


def _maps(models: list[VisionTransformer], images: torch.Tensor, target: int, per: int) -> NDArray:
    """(B, maps, grid height, grid width) float16, mean of the models."""
    own = []
    for model in models:
        maps = explain_at_once(model, images, target)
        maps |= {
            name: explain(model, images, name, target)[1][:, None]
            for name in WHOLE
            if name not in maps
        }
        blocks = (len(images), len(model.blocks), -1, *model.grid)
        single = [maps[f"heads of {name}"].view(*blocks)[:, :, :per] for name in HEADS]
        own.append(
            torch.cat(
                [*(maps[name] for name in WHOLE), *(each.flatten(1, 2) for each in single)], dim=1
            )
        )
    return np.asarray(torch.stack(own).mean(dim=0).clamp(max=6e4).half().numpy(force=True))


def _image(said: Prediction, grey: NDArray, how: dict[str, Any], root: Path) -> dict[str, Any]:
    _, picture = cv2.imencode(
        ".webp", (grey * 255).round().astype(np.uint8), [cv2.IMWRITE_WEBP_QUALITY, QUALITY]
    )
    lesion = said.item.lesion(how)
    outlines = []
    if lesion is not None and lesion.any():
        found, _ = cv2.findContours(
            (lesion > 0).astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE
        )
        outlines = [[float(value) + 0.5 for value in points.ravel()] for points in found]
    more = {
        name: value for name, value in said.item.row.items() if value and name not in SHOWN_APART
    }
    return {
        "name": Path(said.item.name).relative_to(root).as_posix(),
        "truth": said.item.truth,
        "predicted": said.predicted,
        "p": [round(p, 6) for p in said.probabilities],
        "set": said.set,
        "unlike": said.unlike,
        "training": said.in_training,
        "more": more,
        "lesion": outlines,
        "picture": "data:image/webp;base64," + base64.b64encode(picture.tobytes()).decode(),
    }
