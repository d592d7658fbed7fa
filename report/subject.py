"""What the pictures of a model show: the model, an image, and what is known of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

import errors
from data.inputs import find, folder_given, gather
from data.preprocessing import as_float
from phantoms.ct import SMALLEST, Phantom, phantom
from vit import checkpoint as checkpoints
from vit.explain import explain
from vit.facts import refuse_findings
from vit.model import VisionTransformer

SEED = 2021  # of the phantom; make demo trains on seed 0
TRIES = 100  # phantoms among which an abnormal one is looked for


@dataclass(frozen=True)
class Subject:
    """A model, in eval mode, and the image that it is shown with.

    Args:
        batch: (1, C, H, W) the image, standardised.
        image: (H, W) grey from 0 to 1.
        lesion: (H, W) mask, or None where unknown.
        title: what is known of the image, and what the model says.
        positive: name of the class whose evidence is shown.
    """

    model: VisionTransformer
    batch: Tensor
    image: NDArray
    lesion: NDArray | None
    title: str
    positive: str

    @property
    def legend(self) -> str:
        """Words for what is drawn over the image."""
        words = []
        if self.lesion is not None and self.lesion.any():
            words.append("outline: known lesion")
        if self.model.embeddings.kept(self.batch) is not None:
            words.append("striped: not seen")
        return "; ".join(words)


@dataclass(frozen=True)
class _Shown:
    """An image before the model has seen it."""

    image: NDArray
    lesion: NDArray | None
    name: str
    truth: str = ""


def subject_of(path: str | None, checkpoint: Path) -> Subject:
    """What the pictures show: of an ensemble the first member, of several images the first.

    Args:
        path: of the image; None: a phantom.
        checkpoint: the ViT.ckpt.

    Raises:
        DataError: no image there, or one that cannot be read.
        CheckpointError: as ``vit.checkpoint.load`` does.
    """
    source = checkpoints.load(checkpoint)
    refuse_findings(source, str(checkpoint))
    model = source.models[0]
    if len(source.models) > 1:
        errors.say(f"{checkpoint}: the first of {len(source.models)} members is shown")
    preprocessing = source.preprocessing
    if path is None:
        shown = _made(preprocessing.image_size)
    else:
        first, *more = find(path)
        if more:
            errors.say(f"{path}: the first of {1 + len(more)} images is shown, {first}")
        (item,) = gather([first], source.class_names, folder_given(path))
        name = first.stem[-30:]
        shown = _Shown(item.image(preprocessing), item.lesion(preprocessing), name, item.truth)
    batch = torch.from_numpy(preprocessing.standardised(shown.image))[None]
    logits, _ = explain(model, batch, "attention")
    probability = float((logits / source.temperature).softmax(dim=1)[0, -1])
    truth = f"truth {shown.truth}, " if shown.truth else ""
    title = f"{shown.name}: {truth}P({source.positive}) = {probability:.2f}"
    return Subject(model, batch, shown.image, shown.lesion, title, source.positive)


def _made(size: int) -> _Shown:
    """An abnormal phantom, always the same."""
    large = max(size, SMALLEST)
    made = (phantom(SEED, number, large, views=1) for number in range(TRIES))
    abnormal: Phantom = next(each for each in made if each.label == "abnormal")
    lesion = as_float(abnormal.mask.astype(np.float16), size)
    return _Shown(as_float(abnormal.image, size), lesion, "phantom")
