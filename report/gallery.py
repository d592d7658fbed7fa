"""What the page's script needs to show every image.

That is its picture, its maps by method, block and head, and known lesions.
"""

import base64
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import matplotlib
import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from data.inputs import Input
from data.preprocessing import Preprocessing
from data.runs import columns_of
from vit.explain import explain, explain_at_once
from vit.heatmap import COVER, shared_scale
from vit.map_request import DEFAULT
from vit.model import VisionTransformer
from vit.predictions import Prediction, Predictions, written
from vit.torch_predictor import TorchPredictor

# maps of all blocks and heads together
WHOLE = (DEFAULT, "relevance", "rollout", "gradient-rollout", "legrad", "grad-cam")
HEADS = ("attention", "relevance")  # maps of each block and head too
MOST_CELLS = 40_000_000  # of all images' maps; beyond, single heads are left out
QUALITY = 85  # of the pictures, as WebP
STEPS = 254  # a map's values go from 0 to this
UNSEEN = 255  # the value of a patch that was left out
# columns of the manifest that are not named beside an image
SHOWN_APART = ("path", "split", "label", "sha256", "mask", "lesion_boxes_xyxy", "fold")

# predictions, and the predictor that made them; of a cross-validation one pair for each fold
Parts = list[tuple[Predictions, TorchPredictor]]
Json = dict[str, Any]  # as page.js reads it


@dataclass(frozen=True)
class Layout:
    """Which maps each image has, and in which order: those of WHOLE, then those of HEADS.

    Args:
        layers: encoder blocks.
        per_layer: maps of a block: the mean over its heads and, unless left out, each head.
    """

    layers: int
    per_layer: int

    @classmethod
    def of(cls, model: VisionTransformer, images: int) -> "Layout":
        """That of a model; of too many images without single heads."""
        layers = len(model.blocks)
        whole = cls(layers, 1 + model.num_heads)
        cells = images * int(np.prod(model.grid)) * len(HEADS) * layers * whole.per_layer
        return whole if cells <= MOST_CELLS else cls(layers, 1)

    def scales(self) -> Iterator[tuple[str, slice]]:
        """The maps that share a colour scale, by their name."""
        for number, name in enumerate(WHOLE):
            yield name, slice(number, number + 1)
        start = len(WHOLE)
        for name in HEADS:
            stop = start + self.layers * self.per_layer
            yield f"heads of {name}", slice(start, stop)
            start = stop


def gallery(parts: Parts, root: Path) -> Json:
    """All images as plain types; maps as deflated bytes, in the order of ``Layout``.

    Names are those below the folder ``root``: where it lies on this machine is nobody's business.
    """
    predictor = parts[0][1]
    model = predictor.checkpoint.models[0]
    count = sum(len(predictions) for predictions, _ in parts)
    layout = Layout.of(model, count)
    images: list[Json] = []
    maps_of_batches: list[NDArray] = []
    bar = tqdm(total=count, desc="explaining", unit=" images", mininterval=1, leave=False)
    with bar:
        for batch, asked in _batches(parts):
            preprocessing = asked.checkpoint.preprocessing
            greys = [each.item.image(preprocessing) for each in batch]
            seen = np.stack([preprocessing.standardised(grey) for grey in greys])
            tensors = torch.from_numpy(seen).to(asked.device)
            targets = _targets(asked, batch)
            maps_of_batches.append(_maps(asked, tensors, targets, layout))
            for each, grey, target in zip(batch, greys, targets.tolist(), strict=True):
                images.append(_image(each, grey, preprocessing, root) | {"followed": target})
            bar.update(len(batch))
    maps = np.concatenate(maps_of_batches)
    tops = _scale(maps, layout)
    for image, own in zip(images, maps.round().astype(np.uint8), strict=True):
        image["maps"] = _text(zlib.compress(own.tobytes(), 9))
    colours = matplotlib.colormaps["inferno"](np.arange(256))[:, :3]
    return {
        "classes": predictor.class_names,
        "multilabel": predictor.facts.multilabel,
        "level": predictor.level,
        "images": images,
        "grid": list(model.grid),
        "size": predictor.checkpoint.preprocessing.image_size,
        "layers": layout.layers,
        "perLayer": layout.per_layer,
        "whole": WHOLE,
        "heads": HEADS,
        "methods": [DEFAULT, "attention", *WHOLE[1:]],
        "tops": tops,
        "cover": COVER,
        "colours": _text((colours * 255).round().astype(np.uint8).tobytes()),
    }


def _batches(parts: Parts) -> Iterator[tuple[list[Prediction], TorchPredictor]]:
    for predictions, predictor in parts:
        size = predictor.batch_size
        for start in range(0, len(predictions), size):
            yield predictions.items[start : start + size], predictor


def _targets(predictor: TorchPredictor, batch: Sequence[Prediction]) -> torch.Tensor:
    """(B,) the class whose evidence is shown: the positive one, or the followed finding."""
    positive = len(predictor.class_names) - 1
    if not predictor.facts.multilabel:
        return torch.full((len(batch),), positive, device=predictor.device)
    followed = predictor.facts.followed([each.logits for each in batch])
    return torch.from_numpy(followed).to(predictor.device)


def _maps(
    predictor: TorchPredictor, images: torch.Tensor, target: torch.Tensor, layout: Layout
) -> NDArray:
    """(B, maps, grid height, grid width) float16 for each image's target, mean of the models."""
    every = []
    for model in predictor.checkpoint.models:
        maps = explain_at_once(model, images, target)
        for name in WHOLE:
            if name not in maps:
                maps[name] = explain(model, images, name, target)[1][:, None]
        chosen = [maps[name] for name in WHOLE]
        for name in HEADS:
            by_block = maps[f"heads of {name}"].view(
                len(images), layout.layers, -1, *model.grid
            )  # (B, L, 1 + H, grid height, grid width)
            chosen.append(by_block[:, :, : layout.per_layer].flatten(1, 2))
        every.append(torch.cat(chosen, dim=1))
    mean = torch.stack(every).mean(dim=0)
    return np.asarray(mean.clamp(max=6e4).half().numpy(force=True))  # half ends at 65504


def _scale(maps: NDArray, layout: Layout) -> dict[str, float]:
    """Turn (n, maps, grid height, grid width) evidence into steps, in place.

    Gives the upper end of each colour scale.
    """
    tops = {}
    for name, part in layout.scales():
        evidence = maps[:, part].astype(np.float32)
        tops[name] = shared_scale(list(evidence))
        steps = np.clip(evidence / tops[name], 0, 1) * STEPS
        maps[:, part] = np.where(np.isnan(evidence), UNSEEN, steps)
    return tops


def _image(prediction: Prediction, grey: NDArray, preprocessing: Preprocessing, root: Path) -> Json:
    item = prediction.item
    pixels = (grey * 255).round().astype(np.uint8)
    _, picture = cv2.imencode(".webp", pixels, [cv2.IMWRITE_WEBP_QUALITY, QUALITY])
    return {
        "name": Path(item.name).relative_to(root).as_posix(),
        "truth": item.truth,
        "predicted": prediction.label,
        "p": [float(written(share)) for share in prediction.probabilities.values()],
        "set": prediction.prediction_set,
        "unlike": prediction.distance,
        "training": prediction.in_training,
        "more": _more(item),
        "lesion": _outlines(item.lesion(preprocessing)),
        "picture": "data:image/webp;base64," + _text(picture.tobytes()),
    }


def _more(item: Input) -> dict[str, str]:
    """What else is said of an image: columns of its manifest, and the frame of a run."""
    more = {name: value for name, value in item.row.items() if value and name not in SHOWN_APART}
    if item.run:
        more = {name: value for name, value in more.items() if name not in columns_of(item.run)}
        more["of its run"] = str(item.run)
    return more


def _outlines(lesion: NDArray | None) -> list[list[float]]:
    """Of each known lesion the places x, y, x, y, ... of its outline [px]."""
    if lesion is None or not lesion.any():
        return []
    mask = (lesion > 0).astype(np.uint8)
    found, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return [[float(value) + 0.5 for value in points.ravel()] for points in found]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
