"""Whether maps say what a model goes by: patches removed in their order, and weights forgotten.

For benchmarks.localisation, which prints what comes of it.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torch import Tensor, nn
from tqdm import tqdm

from CONFIG import ModelConfig
from metrics.intervals import RESAMPLES, TAIL, Estimate
from vit.heatmap import upsampled
from vit.map_request import MapRequest
from vit.model import VisionTransformer
from vit.views import PLAIN, Views, mean_evidence, mean_logits

Probability = Callable[[Tensor], NDArray]  # (B, C, H, W) images to (B,)
Estimates = dict[str, dict[str, Estimate]]  # by method and name
# members, (B, C, H, W) images to (B, h, w) maps
Explainer = Callable[[list[VisionTransformer], Tensor], NDArray]

BATCH = 16  # images at a time
STEPS = 11  # shares of the patches, from none to all
ORDERS = 3  # random orders of each image
BLUR = 8  # image edge / standard deviation: wider than a vessel
RANDOM = "random order"
SIDES = ("deletion", "insertion")
# added to the seed, so that forgotten weights are not those with which a training of that seed
# began
APART = 10_000


def explained(
    models: list[VisionTransformer], images: Tensor, method: str, views: Views = PLAIN
) -> NDArray:
    """(n, h, w) maps for the positive class, the mean over the members as predict.py's."""
    device = next(models[0].parameters()).device
    asked = MapRequest(models[0].num_classes - 1, method)
    parts = [
        torch.stack([mean_evidence(model, part.to(device), views, asked)[1] for model in models])
        for part in torch.split(images, BATCH)
    ]
    return torch.cat(parts, dim=1).float().mean(dim=0).cpu().numpy()


def positive(
    models: list[VisionTransformer], temperature: float, views: Views = PLAIN
) -> Probability:
    """What gives the probability of the last class of each image."""

    @torch.no_grad()
    def probability(images: Tensor) -> NDArray:
        device = next(models[0].parameters()).device
        parts = [
            torch.stack([mean_logits(model, part.to(device), views) for model in models])
            for part in torch.split(images, BATCH)
        ]
        logits = torch.cat(parts, dim=1).float().mean(dim=0)  # (B, K)
        return (logits / temperature).softmax(dim=1)[:, -1].cpu().numpy()

    return probability


def interval(values: NDArray, groups: Sequence[str]) -> Estimate:
    """Mean of (n,) values of images with its percentile interval.

    Images of a group are drawn together.
    """
    number = np.unique(groups, return_inverse=True)[1]
    sums = np.bincount(number, values)
    counts = np.bincount(number)
    size = len(counts)
    mean = float(values.mean())
    if size < 2:
        return Estimate(mean, np.nan, np.nan)
    rng = np.random.default_rng(0)
    drawn = rng.multinomial(size, np.full(size, 1 / size), RESAMPLES)
    low, high = np.quantile(drawn @ sums / (drawn @ counts), [TAIL, 1 - TAIL])
    return Estimate(mean, float(low), float(high))


def curves(
    probability: Probability, image: Tensor, map_: NDArray, rng: np.random.Generator
) -> NDArray:
    """(2, STEPS) probabilities while the strongest patches go (deletion), or come back (insertion).

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
    order = np.lexsort((rng.random(map_.size), -map_.ravel()))
    rank = order.argsort().reshape(map_.shape)
    counts = np.linspace(0, rank.size, STEPS).round()
    chosen = torch.from_numpy(rank < counts[:, None, None]).to(image.device)  # (STEPS, h, w)
    pixels = chosen.repeat_interleave(patch, 1).repeat_interleave(patch, 2)  # (STEPS, H, W)
    gone = pixels[:, None]  # (STEPS, 1, H, W)
    width = image.shape[1] / BLUR
    blurred = torch.from_numpy(gaussian_filter(image.cpu().numpy(), (0, width, width))).to(image)
    views = torch.cat([torch.where(gone, blurred, image), torch.where(gone, image, blurred)])
    return probability(views).reshape(2, STEPS)


def scores(
    probability: Probability,
    images: Tensor,
    maps: dict[str, NDArray],
    grid: tuple[int, int],
    seed: int,
) -> dict[str, NDArray]:
    """(n, 2) deletion and insertion scores by method: the means of ``curves``.

    RANDOM is the mean of ORDERS orders.
    """
    result: dict[str, list[NDArray]] = {name: [] for name in (*maps, RANDOM)}
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


def faithful(scored: dict[str, NDArray], groups: Sequence[str]) -> Estimates:
    """Deletion and insertion scores by method, and what each gains over random orders."""
    estimates: Estimates = {}
    for name, own in scored.items():
        row = {side: interval(own[:, i], groups) for i, side in enumerate(SIDES)}
        if name != RANDOM:
            gained = (own - scored[RANDOM]) * [-1, 1]
            for i, side in enumerate(SIDES):
                row[f"{side}_gain"] = interval(gained[:, i], groups)
        estimates[name] = row
    return estimates


@dataclass(frozen=True)
class Sanity:
    """How like the original maps are to those of forgotten weights, and to those of other images.

    Args:
        stages: mean SSIM after each part was forgotten too, head first.
        unrelated: mean SSIM of the original maps of two images, of two groups.
    """

    stages: dict[str, float]
    unrelated: float

    @property
    def passed(self) -> bool:
        """Whether the map without any learned weights is less like the original than another's."""
        return list(self.stages.values())[-1] < self.unrelated


def _parts(model: VisionTransformer) -> dict[str, nn.Module]:
    """From the answer down to the pixels."""
    blocks = {f"block {i}": model.blocks[i] for i in reversed(range(len(model.blocks)))}
    head = nn.ModuleList([model.norm, model.head])
    return {"head": head, **blocks, "embeddings": model.embeddings}


def forgotten(model: VisionTransformer, config: ModelConfig, seed: int) -> Iterator[str]:
    """Give the model new weights part by part, head first; gives the name of each part after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(APART + seed)
        fresh = VisionTransformer(config)
    for (name, own), new in zip(_parts(model).items(), _parts(fresh).values(), strict=True):
        own.load_state_dict(new.state_dict())
        yield name


def sanity(
    explainer: Explainer,
    models: list[VisionTransformer],
    config: ModelConfig,
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

    def pictures(members: list[VisionTransformer]) -> list[NDArray]:
        big = [upsampled(map_, images.shape[-2:]) for map_ in explainer(members, images)]
        return [(each - each.min()) / max(float(np.ptp(each)), 1e-12) for each in big]

    before = pictures(models)
    copies = copy.deepcopy(models)
    stages = {}
    members = [forgotten(model, config, seed + number) for number, model in enumerate(copies)]
    for name, *_ in zip(*members, strict=True):
        after = pictures(copies)
        stages[name] = float(np.mean([_alike(*pair) for pair in zip(before, after, strict=True)]))
    pairs = [(i, j) for i, j in combinations(range(len(before)), 2) if groups[i] != groups[j]]
    likenesses = [_alike(before[i], before[j]) for i, j in pairs]
    return Sanity(stages, float(np.mean(likenesses)) if pairs else np.nan)


def _alike(one: NDArray, two: NDArray) -> float:
    """SSIM of two pictures from 0 to 1."""
    same = structural_similarity(one, two, data_range=1.0)  # type: ignore[no-untyped-call]
    return float(same)
