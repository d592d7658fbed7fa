"""How far an image lies from the training images.

What a model says of an image that is unlike them may mean nothing.
"""

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from vit.model import VisionTransformer

EDGE = 4  # pixels along a cosine pattern
QUANTILES = torch.linspace(0, 1, 21)
# strength of a pattern, and spread of a figure, below which all counts as this
FAINTEST = 1e-4
NARROWEST = 1e-2
SMALLEST_LIMIT = 1e-3  # a fitted one is NARROWEST at least
SHRINKAGE = 0.3  # of the covariance towards none: few training images do not tell it
INSIDE = 0.95  # share of held-out images within the limit


@torch.no_grad()
def describe(model: VisionTransformer, images: Tensor) -> Tensor:
    """(B, F) figures of (B, C, H, W) standardised images.

    The mean patch token after the first block, and what the tokens of a classifier have already
    given up: quantiles of the grey values, and the strength of each 4 x 4 cosine pattern (its mean,
    and the mean of its logarithm), which tells sharpness, noise and texture. Those alone, later
    blocks, spreads of the tokens, the CLS token and distances to the nearest neighbours told X-ray
    images, CT images and textures apart less well: docs/uncertainty.md.
    """
    tokens = model.embeddings(images, model.embeddings.kept(images))
    patches = model.blocks[0](tokens)[:, model.num_prefix_tokens :]
    grey = images.mean(dim=1, keepdim=True)
    quantiles = grey.flatten(1).quantile(QUANTILES.to(grey), dim=1).T
    waves = conv2d(grey, _patterns().to(grey), stride=EDGE // 2).flatten(2)  # (B, 16, places)
    strength = waves.abs() + FAINTEST
    figures = [patches.mean(1), quantiles, strength.mean(2).log(), strength.log().mean(2)]
    return torch.cat(figures, dim=1).float()


def _patterns() -> Tensor:
    """(16, 1, 4, 4) products of two orthonormal cosines (Ahmed, Natarajan and Rao 1974)."""
    order = torch.arange(EDGE)[:, None]
    place = torch.arange(EDGE) + 0.5
    waves = torch.cos(math.pi / EDGE * order * place) * (2 / EDGE) ** 0.5
    waves[0] /= 2**0.5
    return torch.einsum("ay,bx->abyx", waves, waves).flatten(0, 1)[:, None]


class Familiarity(nn.Module):
    """Mahalanobis distance from the training images, 1 for the farthest usual image.

    Lee et al. 2018, "A Simple Unified Framework for Detecting Out-of-Distribution Samples",
    equation 2, with all classes as one; divided by the distance of the farthest usual image.
    Its state, less than 0.5 MB for tokens of 256, is part of ViT.ckpt.

    Args:
        model: whose training images they are.
    """

    def __init__(self, model: VisionTransformer) -> None:
        super().__init__()
        size = model.norm.normalized_shape[0] + len(QUANTILES) + 2 * EDGE**2
        self.mean: Tensor
        self.whitening: Tensor
        self.limit: Tensor
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("whitening", torch.zeros(size, size))
        self.register_buffer("limit", torch.ones(()))

    def forward(self, model: VisionTransformer, images: Tensor) -> Tensor:
        """(B, C, H, W) standardised images to (B,) distances; above 1: unlike the training."""
        return ((describe(model, images) - self.mean) @ self.whitening).norm(dim=1) / self.limit


def fit(
    model: VisionTransformer, training: Iterable[Tensor], held_out: Iterable[Tensor]
) -> Familiarity:
    """Learn the usual from training images, and the limit from images of other patients.

    Args:
        training, held_out: batches of (B, C, H, W) standardised images, not augmented.
    """
    known = torch.cat([describe(model, images) for images in training]).double()
    spread = known.std(dim=0, correction=0).clamp_min(NARROWEST)
    scaled = (known - known.mean(dim=0)) / spread
    seen = scaled.T @ scaled / len(scaled)
    covariance = (1 - SHRINKAGE) * seen + SHRINKAGE * torch.eye(scaled.shape[1])
    result = Familiarity(model)
    result.mean.copy_(known.mean(dim=0))
    result.whitening.copy_(torch.linalg.cholesky(covariance.inverse()) / spread[:, None])
    distances = torch.cat([result(model, images) for images in held_out])
    count = len(distances)
    rank = min(count, math.ceil((count + 1) * INSIDE))  # as for a prediction set of one class
    result.limit.copy_(distances.kthvalue(rank).values.clamp_min(NARROWEST))
    return result


def restore(model: VisionTransformer, state: dict[str, Tensor]) -> Familiarity:
    """That of a checkpoint.

    Raises:
        RuntimeError, ValueError: the state is not that of this model.
    """
    result = Familiarity(model)
    # a plain dictionary: an ordered one may carry torch's instructions for loading
    result.load_state_dict(dict(state))
    finite = all(part.isfinite().all() for part in result.state_dict().values())
    if not finite or result.limit < SMALLEST_LIMIT:
        raise ValueError(f"familiarity: wanted finite numbers and a limit from {SMALLEST_LIMIT} on")
    return result
