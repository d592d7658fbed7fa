"""A trained model that answers: predictions of images, and where the evidence for them lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor
from tqdm import tqdm

import errors
from data.expected import notes_of
from data.inputs import Input, Picture, inputs_of
from data.readers import DataError
from data.remarks import Remark, notes_of_remarks
from data.scale import Depth, depth_of
from metrics.conformal import conformal_set, limits
from vit import BATCH_SIZE, LEVEL, heatmap
from vit import checkpoint as checkpoints
from vit import explain as explanations
from vit.archive import CheckpointError
from vit.checkpoint import Checkpoint
from vit.device import torch_device
from vit.explain import DEFAULT, ExplanationError
from vit.hooks import OUTLIER, token_outliers
from vit.map_request import MapRequest as MapRequest
from vit.predictions import Prediction, Predictions


@dataclass(frozen=True)
class _Batch:
    """Images that are ready for the model."""

    items: list[Input]
    images: Tensor  # (B, C, S, S), standardised
    in_training: list[bool]
    depths: list[Depth]  # of those with more than 8 bits
    own_scales: int  # how many run from their own least to their own greatest value
    remarks: dict[str, tuple[Remark, ...]]  # by the name of the image, as in data.picture.Stored
    aspects: dict[str, float]  # height of a pixel over its width, by the name of the image


class Predictor:
    """The model of a ViT.ckpt, ready to be asked. ``vit.load`` makes one.

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
        self.checkpoint = checkpoint
        self.device = torch.device(device)
        self.batch_size = batch_size
        self.level = level
        self.limits = limits(checkpoint.conformal_scores, level)
        self._trained_on = checkpoint.provenance.known_images
        for module in [*checkpoint.models, *checkpoint.familiarity]:
            module.to(self.device)

    @property
    def class_names(self) -> list[str]:
        """In index order, the positive class last."""
        return self.checkpoint.class_names

    def predict(self, images: Picture | Sequence[Picture], progress: bool = False) -> Predictions:
        """What the model says of each image.

        Args:
            images: one or several of these: a path, a folder, a glob; a numpy array, (H, W) grey or
                (H, W, 3) RGB, uint8, uint16, or floating from 0 to 1; a PIL image.
            progress: show a bar on stderr.

        Returns:
            Predictions, one for each image, in order.

        Raises:
            DataError: every image that cannot be read, a line each.
        """
        return self.answer(inputs_of(images, self.class_names), progress=progress)

    def answer(
        self,
        inputs: list[Input],
        request: MapRequest | None = None,
        logits: ArrayLike | None = None,
        progress: bool = True,
    ) -> Predictions:
        """As ``predict``, of inputs whose truth and lesions may be known.

        Args:
            inputs: the images.
            request: the map that is wanted of each image; None: none.
            logits: (n, K), where the model has been asked already, as in validation.
            progress: show a bar on stderr.

        Raises:
            DataError: every image, or lesion to be drawn, that cannot be read, a line each.
        """
        known = None if logits is None else torch.as_tensor(np.asarray(logits))
        answers: list[Prediction] = []
        faults: list[str] = []
        longest: list[Tensor] = []
        depths: list[Depth] = []
        own_scales = 0
        aspects: dict[str, float] = {}
        remarks: dict[str, tuple[Remark, ...]] = {}
        bar = tqdm(
            total=len(inputs),
            desc="predicting",
            unit=" images",
            mininterval=1,
            leave=False,
            disable=not progress,
        )
        with bar, token_outliers(self.checkpoint.models[0]) as ratios:
            for start in range(0, len(inputs), self.batch_size):
                part = slice(start, start + self.batch_size)
                batch = self._read(inputs[part], request is not None, faults)
                bar.update(len(inputs[part]))
                depths += batch.depths
                own_scales += batch.own_scales
                aspects |= batch.aspects
                remarks |= batch.remarks
                if faults:
                    continue  # only the other faults are still of interest
                answers += self._answer(batch, request, None if known is None else known[part])
                longest += ratios[:1]  # occlusion makes more passes, of painted images
                ratios.clear()
        _refuse(faults, len(inputs))
        preprocessing = self.checkpoint.preprocessing
        lines = notes_of(inputs, depths, preprocessing, own_scales, aspects)
        for line in [*lines, *notes_of_remarks(remarks)]:
            errors.note(line)
        outliers = int((torch.cat(longest) > OUTLIER).sum()) if longest else 0
        return Predictions(self.class_names, answers, self.limits, outliers)

    def explain(
        self,
        image: Picture,
        method: str = DEFAULT,
        target: str | None = None,
        layer: int | None = None,
        head: int | None = None,
    ) -> NDArray:
        """Where in an image the evidence for a class lies.

        Args:
            image: as ``predict`` takes it; one.
            method: attention, rollout, gradient-rollout, relevance, legrad, agreement (the
                default), grad-cam, occlusion.
            target: the class; by default the positive one.
            layer, head: the only encoder block or attention head that is used, from 0.

        Returns:
            (H, W) float32 in the pixels of the image; 1 is an even share, 0 is none. What
            preprocessing cuts off, and patches that the model leaves out, are 0.

        Raises:
            DataError: not exactly one image, or one that cannot be read.
            ExplanationError: no such method, class, block or head.
        """
        item = self._single(image)
        request = self.request(method, target, layer, head)
        map_ = self.answer([item], request, progress=False)[0].map
        assert map_ is not None, "it was asked for"
        preprocessing = self.checkpoint.preprocessing
        size = preprocessing.image_size
        shape = item.grey(preprocessing).shape
        evidence = heatmap.upsampled(map_, (size, size))
        return preprocessing.placement(shape, item.prepared).back(evidence)

    def overlay(self, image: Picture, heat: NDArray) -> Image.Image:
        """The image with the evidence that ``explain`` found in it, as a colour picture.

        Raises:
            DataError: not exactly one image, or evidence of another shape.
        """
        item = self._single(image)
        grey = item.grey(self.checkpoint.preprocessing)
        if heat.shape != grey.shape:
            raise DataError(f"heat: got shape {heat.shape}, wanted that of the image {grey.shape}")
        scale = 255 if grey.dtype == np.uint8 else 1
        return Image.fromarray(heatmap.over(grey.astype(np.float32) / scale, heat))

    def request(
        self,
        method: str = DEFAULT,
        target: str | None = None,
        layer: int | None = None,
        head: int | None = None,
    ) -> MapRequest:
        """A request that the model can answer.

        Raises:
            ExplanationError: no such method, class, block or head.
        """
        names = self.class_names
        name = names[-1] if target is None else target
        if name not in names:
            raise ExplanationError(f"target: got {name}, wanted one of {', '.join(names)}")
        request = MapRequest(names.index(name), method, layer, head)
        explanations.check(self.checkpoint.models[0], method, request.target, layer, head)
        return request

    def _single(self, image: Picture) -> Input:
        inputs = inputs_of(image, self.class_names)
        if len(inputs) != 1:
            raise DataError(f"image: got {len(inputs)} images, wanted one")
        return inputs[0]

    def _read(self, items: list[Input], with_lesions: bool, faults: list[str]) -> _Batch:
        """The images; what cannot be read goes to ``faults``, a line each."""
        preprocessing = self.checkpoint.preprocessing
        tensors = []
        in_training = []
        depths = []
        own_scales = 0
        aspects = {}
        remarks = {}
        for item in items:
            try:
                stored = item.stored(preprocessing)
                pixels = preprocessing.place(preprocessing.grey(stored), item.prepared)
                digests = item.digests(preprocessing, stored) if self._trained_on else set()
                if with_lesions:
                    item.lesion(preprocessing)
            except ValueError as error:
                faults.append(str(error))
            else:
                tensors.append(preprocessing.tensor(pixels))
                in_training.append(bool(self._trained_on & digests))
                depths.append(depth_of(stored))
                own_scales += stored.ends is not None
                aspects[item.name] = stored.aspect
                remarks[item.name] = stored.remarks
        images = torch.stack(tensors).to(self.device) if tensors else torch.empty(0)
        known_depths = [depth for depth in depths if depth]
        return _Batch(items, images, in_training, known_depths, own_scales, remarks, aspects)

    def _answer(
        self, batch: _Batch, request: MapRequest | None, known: Tensor | None
    ) -> list[Prediction]:
        logits, maps = self._ask(batch.images, request) if known is None else (known, None)
        distances = self._distances(batch.images)
        _check_numbers(batch.items, logits, maps, distances)
        shares = (logits / self.checkpoint.temperature).softmax(dim=1).tolist()
        answers = []
        for i, item in enumerate(batch.items):
            row = shares[i]
            answers.append(
                Prediction(
                    item,
                    self._decide(row),
                    tuple(logits[i].tolist()),
                    dict(zip(self.class_names, row, strict=True)),
                    tuple(conformal_set(row, self.limits)) if self.limits else None,
                    None if distances is None else distances[i],
                    batch.in_training[i],
                    None if maps is None else maps[i],
                )
            )
        return answers

    def _ask(self, images: Tensor, request: MapRequest | None) -> tuple[Tensor, NDArray | None]:
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
        logits = _mean([of_one for of_one, _ in pairs])
        return logits, _mean([map_ for _, map_ in pairs]).numpy()

    def _distances(self, images: Tensor) -> list[float] | None:
        pairs = zip(self.checkpoint.models, self.checkpoint.familiarity, strict=False)
        found = [familiarity(model, images) for model, familiarity in pairs]
        return list(_mean(found).tolist()) if found else None

    def _decide(self, probabilities: list[float]) -> str:
        """The predicted class: by the threshold where there are two, else the most probable."""
        if len(probabilities) == 2:
            return self.class_names[int(probabilities[1] >= self.checkpoint.threshold)]
        return self.class_names[probabilities.index(max(probabilities))]


def _refuse(faults: list[str], count: int) -> None:
    """Raise DataError with all faults; nothing where there are none."""
    if faults:
        told = f"{len(faults)} of {count} images cannot be used; mend or remove them"
        raise DataError("\n".join([*faults, told]))


def _check_numbers(
    items: list[Input], logits: Tensor, maps: NDArray | None, distances: list[float] | None
) -> None:
    """Refuse what is no number: it must not leave the model as a prediction.

    Raises:
        CheckpointError: with the first image at fault. A map may hold NaN, for patches not seen.
    """
    finite = logits.isfinite().all(dim=1).numpy()
    if maps is not None:
        finite &= ~np.isinf(maps).any(axis=(1, 2))
    if distances is not None:
        finite &= np.isfinite(distances)
    if not finite.all():
        first = items[int(np.argmin(finite))].name
        raise CheckpointError(
            f"{first}: the model gives no finite number for it, so its weights are damaged or far "
            "too large; train again, with a lower lr"
        )


def _mean(members: list[Tensor]) -> Tensor:
    return torch.stack(members).float().mean(dim=0).cpu()


def load(path: str | Path, device: str = "auto", level: float = LEVEL) -> Predictor:
    """The model of a ViT.ckpt, as a Predictor; see ``vit.load``."""
    return Predictor(checkpoints.load(Path(path)), torch_device(device), level=level)
