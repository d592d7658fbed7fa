"""A Predictor that PyTorch runs."""

from pathlib import Path

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
        for module in [*checkpoint.models, *checkpoint.familiarity]:
            module.to(self.device)

    def run(self, pixels: NDArray, request: MapRequest | None) -> Answers:
        """What the models say of (B, S, S) float32 pictures from 0 to 1."""
        images = self._images(pixels)
        with token_outliers(self.checkpoint.models[0]) as ratios:
            logits, maps = self._ask(images, request)
        # occlusion makes more passes, of painted images
        return Answers(logits, self._distances(images), maps, ratios[0].numpy(force=True))

    def distances(self, pixels: NDArray) -> NDArray | None:
        """(B,) distances of such pictures from the training images; None: they are not known."""
        return self._distances(self._images(pixels))

    def _distances(self, images: Tensor) -> NDArray | None:
        pairs = zip(self.checkpoint.models, self.checkpoint.familiarity, strict=False)
        found = [familiarity(model, images) for model, familiarity in pairs]
        return _mean(found) if found else None

    def check(self, request: MapRequest) -> None:
        """Raise ExplanationError unless ``run`` can answer this."""
        model = self.checkpoint.models[0]
        explanations.check(model, request.method, request.target, request.layer, request.head)

    def _images(self, pixels: NDArray) -> Tensor:
        """(B, C, S, S), standardised."""
        preprocessing = self.checkpoint.preprocessing
        images = np.stack([preprocessing.standardised(each) for each in pixels])
        return torch.from_numpy(images).to(self.device)

    def _ask(self, images: Tensor, request: MapRequest | None) -> tuple[NDArray, NDArray | None]:
        """(B, K) logits and (B, grid height, grid width) maps, means over the models."""
        models = self.checkpoint.models
        if request is None:
            with torch.inference_mode():
                return _mean([model(images) for model in models]), None
        pairs = [
            explanations.explain(
                model, images, request.method, request.target, request.layer, request.head
            )
            for model in models
        ]
        return _mean([of_one for of_one, _ in pairs]), _mean([map_ for _, map_ in pairs])


def _mean(members: list[Tensor]) -> NDArray:
    return np.asarray(torch.stack(members).float().mean(dim=0).numpy(force=True))


def load(path: str | Path, device: str = "auto", level: float = LEVEL) -> TorchPredictor:
    """The model of a ViT.ckpt; see ``vit.load``."""
    return TorchPredictor(checkpoint.load(Path(path)), torch_device(device), level=level)
