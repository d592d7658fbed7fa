"""Mirrored and turned copies of pictures: what a model says of a picture is the mean over them.

A model that learned from copies which ``flip`` makes is as much at home in each of them, and its
errors in them differ in part. Known as test-time augmentation: Krizhevsky et al. 2012, "ImageNet
Classification with Deep Convolutional Neural Networks", section 4.1.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from CONFIG import Config
from vit.checkpoint import Checkpoint
from vit.explain import explain, explain_chosen
from vit.map_request import MapRequest
from vit.model import VisionTransformer


class View(NamedTuple):
    """One copy of a picture.

    Args:
        turns: quarter turns, anticlockwise.
        mirrored: left and right exchanged, after the turns.
    """

    turns: int = 0
    mirrored: bool = False

    def of(self, pictures: Tensor) -> Tensor:
        """(..., S, S) pictures as this copy shows them."""
        turned = pictures.rot90(self.turns, (-2, -1))
        return turned.flip(-1) if self.mirrored else turned

    def back(self, maps: Tensor) -> Tensor:
        """(..., N, N) maps of this copy as maps of the picture."""
        straight = maps.flip(-1) if self.mirrored else maps
        return straight.rot90(-self.turns, (-2, -1))


Views = Sequence[View]
Ask = Callable[[Tensor], Tensor]  # (B, C, S, S) standardised images to (B, ...) answers
PLAIN: Views = (View(),)
# by the value of flip; the picture itself comes first
COPIES: dict[str, Views] = {
    "none": PLAIN,
    "horizontal": (View(), View(mirrored=True)),
    "both": tuple(View(turns, mirrored) for turns in (0, 2) for mirrored in (False, True)),
    "turns": tuple(View(turns, mirrored) for turns in range(4) for mirrored in (False, True)),
}


def views_of(config: Config) -> Views:
    """The copies that a model of this configuration is asked of."""
    return COPIES[config.flip] if config.predict_flipped else PLAIN


def mean_logits(ask: Ask, images: Tensor, views: Views) -> Tensor:
    """(B, C, S, S) standardised images to (B, K) logits, means over the copies.

    ``ask``: a model, or its ``scored``.
    """
    return _apart(ask(_copies(images, views)), views).mean(dim=0)


def mean_evidence(
    model: VisionTransformer,
    images: Tensor,
    views: Views,
    request: MapRequest,
    targets: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """As ``vit.explain.explain``, means over the copies, maps turned back.

    A patch is NaN where the model leaves it out in every copy. ``targets``: (B,) the class of each
    image, where the request names none for all.
    """
    assert request.target is not None or targets is not None, "a map is of a class"
    copies = _copies(images, views)
    how = (request.layer, request.head)
    if targets is None:
        logits, maps = explain(model, copies, request.method, request.target, *how)
    else:
        chosen = targets.repeat(len(views))
        logits, maps = explain_chosen(model, copies, chosen, request.method, *how)
    parts = _apart(maps, views).unbind(dim=0)
    straight = torch.stack([view.back(part) for view, part in zip(views, parts, strict=True)])
    seen = ~straight.isnan()
    total = straight.nan_to_num().sum(dim=0)
    return _apart(logits, views).mean(dim=0), total / seen.sum(dim=0)


def logits_of(source: Checkpoint, images: Tensor) -> Tensor:
    """As ``mean_logits``, means over the models too."""
    views = views_of(source.config)
    return torch.stack([mean_logits(model, images, views) for model in source.models]).mean(dim=0)


def scored_of(source: Checkpoint, images: Tensor) -> Tensor:
    """(B, K + 1) logits and score, means over copies and models; see vit.pooling."""
    views = views_of(source.config)
    answers = [mean_logits(model.scored, images, views) for model in source.models]
    return torch.stack(answers).mean(dim=0)


def targets_of(source: Checkpoint, images: Tensor) -> Tensor:
    """(B,) index of the finding of each image that ``Facts.followed`` names."""
    with torch.no_grad():
        logits = logits_of(source, images)
        return (logits - logits.new_tensor(source.limits.tolist())).argmax(dim=1)


def evidence_of(
    source: Checkpoint, images: Tensor, request: MapRequest, targets: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """As ``mean_evidence``, means over the models too."""
    views = views_of(source.config)
    pairs = [mean_evidence(model, images, views, request, targets) for model in source.models]
    logits = torch.stack([of_one for of_one, _ in pairs]).mean(dim=0)
    return logits, torch.stack([maps for _, maps in pairs]).mean(dim=0)


def _copies(images: Tensor, views: Views) -> Tensor:
    """(V * B, C, S, S): first all images in the first view."""
    return torch.cat([view.of(images) for view in views])


def _apart(answers: Tensor, views: Views) -> Tensor:
    """(V * B, ...) answers of all copies to (V, B, ...)."""
    return answers.view(len(views), -1, *answers.shape[1:])
