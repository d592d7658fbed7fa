"""Whether maps say what a model goes by: patches removed in their order, and weights forgotten.

For benchmarks.localisation, which prints what comes of it.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from tqdm import tqdm

from metrics.intervals import RESAMPLES, TAIL, Estimate
from report.plots import upsampled
from vit.checkpoint import build_model
from vit.explain import explain
from vit.model import VisionTransformer

Array = NDArray[Any]
Probability = Callable[[Tensor], Array]  # (B, C, H, W) images to (B,)
Rows = dict[str, dict[str, Estimate]]  # figures by method and name
Explainer = Callable[
    [list[VisionTransformer], Tensor], Array
]  # members, (B, C, H, W) images to (B, h, w) maps

BATCH = 16  # images at a time
# shares of the patches, from none to all; random orders of each image
STEPS = 11
ORDERS = 3
BLUR = 8  # image edge / standard deviation: wider than a vessel
RANDOM = "random order"
# added to the seed, so that forgotten weights are not those with which a training of that seed
# began
APART = 10_000


def explained(models: list[VisionTransformer], images: Tensor, method: str) -> Array:
    """(n, h, w) maps for the positive class, the mean over the members as predict.py's."""
    device = next(models[0].parameters()).device
    parts = [
        torch.stack([explain(model, part.to(device), method)[1] for model in models])
        .float()
        .mean(dim=0)
        for part in torch.split(images, BATCH)
    ]
    return torch.cat(parts).cpu().numpy()


def positive(models: list[VisionTransformer], temperature: float) -> Probability:
    """What gives the probability of the last class of each image."""

    @torch.no_grad()
    def probability(images: Tensor) -> Array:
        device = next(models[0].parameters()).device
        parts = [
            torch.stack([model(part.to(device)) for model in models])
            for part in torch.split(images, BATCH)
        ]
        return (
            (torch.cat(parts, dim=1).float().mean(dim=0) / temperature)
            .softmax(dim=1)[:, -1]
            .cpu()
            .numpy()
        )

    return probability


def interval(values: Array, groups: Sequence[str]) -> Estimate:
    """Mean of (n,) values of images with its percentile interval; images of a group are drawn
    together.
    """
    number = np.unique(groups, return_inverse=True)[1]
    sums = np.bincount(number, values)
    counts = np.bincount(number)
    if len(counts) < 2:
        return Estimate(float(values.mean()), np.nan, np.nan)
    drawn = np.random.default_rng(0).multinomial(
        len(counts), np.full(len(counts), 1 / len(counts)), RESAMPLES
    )
    low, high = np.quantile(drawn @ sums / (drawn @ counts), [TAIL, 1 - TAIL])
    return Estimate(float(values.mean()), float(low), float(high))


def curves(probability: Probability, image: Tensor, map_: Array, rng: np.random.Generator) -> Array:
    """(2, STEPS) probabilities while patches go (deletion), and come back (insertion), the
    strongest first.

    Petsiuk et al. 2018, "RISE", section 4.2, by patches of the model's grid; ties in a random
    order. What goes is replaced by a blurred picture: a patch of one grey, with its edges, is far
    from what the model has seen, and its answer to that would be measured in place of the loss of
    the vessel.

    Args:
        probability: of the positive class.
        image: (C, H, W), standardised.
        map_: (h, w) evidence of each patch.
        rng: for the ties.
    """
    patch = image.shape[1] // map_.shape[0]
    rank = np.lexsort((rng.random(map_.size), -map_.ravel())).argsort().reshape(map_.shape)
    counts = np.linspace(0, rank.size, STEPS).round()
    chosen = torch.from_numpy(rank < counts[:, None, None]).to(image.device)  # (STEPS, h, w)
    chosen = chosen.repeat_interleave(patch, 1).repeat_interleave(patch, 2)[
        :, None
    ]  # (STEPS, 1, H, W)
    width = image.shape[1] / BLUR
    blurred = torch.from_numpy(gaussian_filter(image.cpu().numpy(), (0, width, width))).to(image)
    views = torch.cat([torch.where(chosen, blurred, image), torch.where(chosen, image, blurred)])
    return probability(views).reshape(2, STEPS)


def scores(
    probability: Probability,
    images: Tensor,
    maps: dict[str, Array],
    grid: tuple[int, int],
    seed: int,
) -> dict[str, Array]:
    """(n, 2) deletion and insertion scores by method, the means of ``curves``; RANDOM: the mean of
    ORDERS orders.
    """
    result: dict[str, list[Array]] = {name: [] for name in (*maps, RANDOM)}
    for number, image in enumerate(tqdm(images, "deletion and insertion", leave=False)):
        for name, own in maps.items():
            seen = np.nan_to_num(own[number], nan=0).astype(np.float32)
            patches = cv2.resize(seen, grid[::-1], interpolation=cv2.INTER_AREA)
            ties = np.random.default_rng([seed, number])
            result[name].append(curves(probability, image, patches, ties).mean(axis=1))
        rng = np.random.default_rng([seed, number, ORDERS])
        orders = [
            curves(probability, image, rng.random(grid), rng).mean(axis=1) for _ in range(ORDERS)
        ]
        result[RANDOM].append(np.mean(orders, axis=0))
    return {name: np.array(values) for name, values in result.items()}


def faithful(scored: dict[str, Array], groups: Sequence[str]) -> Rows:
    """Deletion and insertion scores by method, and what each gains over random orders."""
    rows: Rows = {}
    for name, own in scored.items():
        gained = (own - scored[RANDOM]) * [-1, 1]
        rows[name] = {
            side: interval(own[:, i], groups) for i, side in enumerate(("deletion", "insertion"))
        }
        if name != RANDOM:
            rows[name] |= {
                f"{side}_gain": interval(gained[:, i], groups) for i, side in enumerate(rows[name])
            }
    return rows


@dataclass(frozen=True)
class Sanity:
    """How like the original maps are to those of forgotten weights, and to the original maps of
    other images.
    """

    stages: dict[str, float]  # mean SSIM after each part was forgotten too, head first
    unrelated: float  # mean SSIM of the original maps of two images, of two groups

    @property
    def passed(self) -> bool:
        """Without its weights a model's map is no more like the original than that of another image
        is.
        """
        return list(self.stages.values())[-1] < self.unrelated


def _parts(model: VisionTransformer) -> dict[str, nn.Module]:
    """From the answer down to the pixels."""
    blocks = {f"block {i}": model.blocks[i] for i in reversed(range(len(model.blocks)))}
    return {
        "head": nn.ModuleList([model.norm, model.head]),
        **blocks,
        "embeddings": model.embeddings,
    }


def forgotten(model: VisionTransformer, config: dict[str, Any], seed: int) -> Iterator[str]:
    """Give the model new weights part by part, head first, embeddings last; after each, the part's
    name.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(APART + seed)
        fresh = build_model(config)
    for (name, own), new in zip(_parts(model).items(), _parts(fresh).values(), strict=True):
        own.load_state_dict(new.state_dict())
        yield name


def sanity(
    explainer: Explainer,
    models: list[VisionTransformer],
    config: dict[str, Any],
    images: Tensor,
    groups: Sequence[str],
    seed: int,
) -> Sanity:
    """Cascading randomisation (Adebayo et al. 2018, "Sanity Checks for Saliency Maps").

    Passed below the likeness of the maps of two images, as Arun et al. 2021, "Assessing the
    Trustworthiness of Saliency Maps for Localizing Abnormalities in Medical Imaging", Radiology: AI
    3(6).

    Args:
        explainer: gives the maps.
        models: the members; they stay as they are.
        config: what the members were built from.
        images: (n, C, H, W), of groups (n,).
        seed: of the new weights.
    """

    def pictures(members: list[VisionTransformer]) -> list[Array]:
        big = [upsampled(map_, images.shape[-2:]) for map_ in explainer(members, images)]
        return [(each - each.min()) / max(float(np.ptp(each)), 1e-12) for each in big]

    def alike(one: Array, two: Array) -> float:
        same = structural_similarity(one, two, data_range=1.0)  # type: ignore[no-untyped-call]
        return float(same)

    before = pictures(models)
    copies = copy.deepcopy(models)
    stages = {}
    members = [forgotten(model, config, seed + number) for number, model in enumerate(copies)]
    for name, *_ in zip(*members, strict=True):
        stages[name] = float(
            np.mean([alike(*pair) for pair in zip(before, pictures(copies), strict=True)])
        )
    pairs = [(i, j) for i, j in combinations(range(len(before)), 2) if groups[i] != groups[j]]
    return Sanity(
        stages, float(np.mean([alike(before[i], before[j]) for i, j in pairs])) if pairs else np.nan
    )
