"""A Predictor that PyTorch runs."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from vit import BATCH_SIZE, LEVEL, checkpoint
from vit import explain as explanations
from vit.checkpoint import Checkpoint
from vit.device import torch_device
from vit.hooks import token_outliers
from vit.map_request import MapRequest
from vit.predictor import Answers, Predictor
from vit.views import evidence_of, logits_of, scored_of, targets_of, views_of


class _Part(NamedTuple):
    """What the models say of some images."""

    logits: NDArray
    maps: NDArray | None
    outliers: NDArray
    scores: NDArray | None
    targets: NDArray | None


class TorchPredictor(Predictor):
    """The model of a ViT.ckpt, ready to be asked.

    Args:
        checkpoint: the models, and all that belongs to them.
        device: that works on the images.
        batch_size: images at a time.
        level: share of the images of each class whose prediction set shall hold it, 0 to 1.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: torch.device | str = "cpu",
        batch_size: int = BATCH_SIZE,
        level: float = LEVEL,
    ) -> None:
        super().__init__(checkpoint, batch_size, level)
        self.checkpoint = checkpoint
        self.device = torch.device(device)
        self._views = views_of(checkpoint.config)
        for module in [*checkpoint.models, *checkpoint.familiarity]:
            module.to(self.device)

    def run(self, pixels: NDArray, request: MapRequest | None) -> Answers:
        """What the models say of (B, S, S) float32 pictures from 0 to 1."""
        images = self.images(pixels)
        # so that all copies together are no more than a batch
        together = max(1, self.batch_size // len(self._views))
        parts = [self._ask(part, request) for part in torch.split(images, together)]
        maps = None if request is None else np.concatenate([part.maps for part in parts])
        return Answers(
            np.concatenate([part.logits for part in parts]),
            self._distances(images),
            maps,
            np.concatenate([part.outliers for part in parts]),
            _joined([part.scores for part in parts]),
            _joined([part.targets for part in parts]),
        )

    def distances(self, pixels: NDArray) -> NDArray | None:
        """(B,) distances of such pictures from the training images; None: they are not known."""
        return self._distances(self.images(pixels))

    def _distances(self, images: Tensor) -> NDArray | None:
        pairs = zip(self.checkpoint.models, self.checkpoint.familiarity, strict=False)
        found = [familiarity(model, images) for model, familiarity in pairs]
        return _mean(found) if found else None

    def check(self, request: MapRequest) -> None:
        """Raise ExplanationError unless ``run`` can answer this."""
        model = self.checkpoint.models[0]
        target = request.target or 0  # any finding, where the logits choose it
        explanations.check(model, request.method, target, request.layer, request.head)

    def images(self, pixels: NDArray) -> Tensor:
        """(B, S, S) pictures as (B, C, S, S) standardised images."""
        preprocessing = self.checkpoint.preprocessing
        images = np.stack([preprocessing.standardised(each) for each in pixels])
        return torch.from_numpy(images).to(self.device)

    def _ask(self, images: Tensor, request: MapRequest | None) -> _Part:
        maps = scores = targets = None
        if request is not None and request.target is None:
            targets = targets_of(self.checkpoint, images)
        with token_outliers(self.checkpoint.models[0]) as ratios:
            if request is not None:
                logits, maps = evidence_of(self.checkpoint, images, request, targets)
            elif self.of_groups:
                with torch.inference_mode():
                    answers = scored_of(self.checkpoint, images)
                logits, scores = answers[:, :-1], answers[:, -1]
            else:
                with torch.inference_mode():
                    logits = logits_of(self.checkpoint, images)
        # of the first pass, for occlusion makes more, and of the picture itself
        return _Part(
            logits.float().numpy(force=True),
            None if maps is None else maps.float().numpy(force=True),
            ratios[0][: len(images)].numpy(force=True),
            None if scores is None else scores.float().numpy(force=True),
            None if targets is None else targets.numpy(force=True),
        )


def _joined(parts: list[NDArray | None]) -> NDArray | None:
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if known else None


def _mean(members: list[Tensor]) -> NDArray:
    return np.asarray(torch.stack(members).float().mean(dim=0).numpy(force=True))


def load(path: str | Path, device: str = "auto", level: float = LEVEL) -> TorchPredictor:
    """The model of a ViT.ckpt; see ``vit.load``."""
    return TorchPredictor(checkpoint.load(Path(path)), torch_device(device), level=level)
