"""A trained model that answers: predictions of images, and where the evidence for them lies.

What runs the model is not known here: PyTorch (vit/torch_predictor.py) or a graph without it
(vit/graph_predictor.py).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from tqdm import tqdm

import errors
from data.expected import notes_of
from data.input_groups import inputs_of_groups
from data.inputs import Input, Picture, inputs_of
from data.multilabel import Findings
from data.readers import DataError
from data.remarks import Remark, notes_of_remarks
from data.run_pictures import inputs_of_runs
from data.scale import Depth
from metrics.conformal import conformal_set, limits
from metrics.decision import sigmoid
from vit import BATCH_SIZE, LEVEL, heatmap
from vit.archive import CheckpointError
from vit.batches import Batch, read_batch
from vit.facts import Facts
from vit.map_request import DEFAULT, ExplanationError, MapRequest
from vit.predictions import OUTLIER, Judged, Prediction, Predictions


class Answers(NamedTuple):
    """What models say of B images; means over the models where there are several.

    Args:
        logits: (B, K) float32.
        distances: (B,) from the training images; None: they are not known.
        maps: (B, grid height, grid width) evidence, NaN where a patch was not seen; None: not
            asked for.
        outliers: (B,) how far the longest patch token stands out, see vit.hooks; None: not known.
        scores: (B,) of each image in its group, see vit.pooling; None: labels are of images, or
            maps were asked for.
        targets: (B,) index of the finding that the map of each is of; None: as the request says.
    """

    logits: NDArray
    distances: NDArray | None = None
    maps: NDArray | None = None
    outliers: NDArray | None = None
    scores: NDArray | None = None
    targets: NDArray | None = None


class Predictor(ABC):
    """A trained model, ready to be asked. ``vit.load`` makes one.

    Args:
        facts: what its file says of it.
        batch_size: images at a time.
        level: share of the images of each class whose prediction set shall hold it, 0 to 1.
    """

    def __init__(self, facts: Facts, batch_size: int = BATCH_SIZE, level: float = LEVEL) -> None:
        self.facts = facts
        self.batch_size = batch_size
        self.level = level
        self.limits = limits(facts.conformal_scores, level)
        self._trained_on = facts.provenance.known_images

    @abstractmethod
    def run(self, pixels: NDArray, request: MapRequest | None) -> Answers:
        """What the models say of (B, S, S) float32 pictures from 0 to 1."""

    @abstractmethod
    def distances(self, pixels: NDArray) -> NDArray | None:
        """(B,) distances of such pictures from the training images; None: they are not known."""

    @abstractmethod
    def check(self, request: MapRequest) -> None:
        """Raise ExplanationError unless ``run`` can answer this."""

    @property
    def class_names(self) -> list[str]:
        """In index order, the positive class last."""
        return self.facts.class_names

    @property
    def of_groups(self) -> bool:
        """Whether labels were of groups of images, see vit.group_predictions."""
        return self.facts.config.label_of == "group"

    @property
    def findings(self) -> Findings | None:
        """What an image may have several of; None: it is of one class."""
        return Findings(self.class_names) if self.facts.multilabel else None

    def predict(self, images: Picture | Sequence[Picture], progress: bool = False) -> Predictions:
        """What the model says of each image.

        Args:
            images: one or several of these: a path, a folder, a glob; a numpy array, (H, W) grey or
                (H, W, 3) RGB, uint8, uint16, or floating from 0 to 1; a PIL image.
            progress: show a bar on stderr.

        Returns:
            Predictions, one for each image, in order; of a run several where the model learned from
            several frames of each (frame: all).

        Raises:
            DataError: every image that cannot be read, a line each.
            UserError: the model learned labels of groups.
        """
        if self.of_groups:
            raise errors.UserError(
                "predict: this model learned labels of groups of images, such as patients; wanted "
                "predict_groups"
            )
        inputs = inputs_of(images, self.class_names, self.findings)
        return self.answer(inputs_of_runs(inputs, self.facts.preprocessing), progress=progress)

    def predict_groups(
        self, groups: Mapping[str, Picture | Sequence[Picture]], progress: bool = False
    ) -> Predictions:
        """What the model says of groups of images, such as patients.

        Args:
            groups: by the name of each group its images, as ``predict`` takes them.
            progress: show a bar on stderr.

        Returns:
            a GroupPrediction for each group, in order.

        Raises:
            DataError: every image that cannot be read, a line each; images of one group with
                several truths.
            UserError: the model learned labels of images.
        """
        # loaded here, for a graph is run without PyTorch
        from vit import group_predictions

        if not self.of_groups:
            raise errors.UserError(
                "predict_groups: this model learned labels of images; wanted predict"
            )
        inputs, names = inputs_of_groups(groups, self.class_names, self.facts.preprocessing)
        return group_predictions.answer(self, inputs, names, progress).groups

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
        preprocessing = self.facts.preprocessing
        known = None if logits is None else np.asarray(logits)
        answers: list[Prediction] = []
        faults: list[str] = []
        longest: list[NDArray] = []
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
        with bar:
            for start in range(0, len(inputs), self.batch_size):
                part = slice(start, start + self.batch_size)
                batch = read_batch(
                    inputs[part], preprocessing, self._trained_on, request is not None, faults
                )
                bar.update(len(inputs[part]))
                depths += batch.depths
                own_scales += batch.own_scales
                aspects |= batch.aspects
                remarks |= batch.remarks
                if faults:
                    continue  # only the other faults are still of interest
                said = (
                    self.run(batch.pixels, request)
                    if known is None
                    else Answers(known[part], self.distances(batch.pixels))
                )
                answers += self._answer(batch, said, request)
                longest += [] if said.outliers is None else [said.outliers]
        _refuse(faults, len(inputs))
        lines = notes_of(inputs, depths, preprocessing, own_scales, aspects)
        for line in [*lines, *notes_of_remarks(remarks)]:
            errors.note(line)
        outliers = int((np.concatenate(longest) > OUTLIER).sum()) if longest else 0
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
            target: the class; by default the positive one, of findings the one that lies farthest
                above its threshold.
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
        preprocessing = self.facts.preprocessing
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
        grey = item.grey(self.facts.preprocessing)
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
        if target is not None and target not in names:
            raise ExplanationError(f"target: got {target}, wanted one of {', '.join(names)}")
        usual = None if self.facts.multilabel else len(names) - 1
        request = MapRequest(usual if target is None else names.index(target), method, layer, head)
        self.check(request)
        return request

    def _single(self, image: Picture) -> Input:
        inputs = inputs_of(image, self.class_names, self.findings)
        if len(inputs) != 1:
            raise DataError(f"image: got {len(inputs)} images, wanted one")
        return inputs[0]

    def _answer(self, batch: Batch, said: Answers, request: MapRequest | None) -> list[Prediction]:
        logits, distances, maps, _, scores, targets = said
        _check_numbers(batch.items, logits, maps, distances)
        answers = []
        for i, item in enumerate(batch.items):
            judged = self.judged(logits[i])
            answers.append(
                Prediction(
                    item,
                    judged.label,
                    tuple(logits[i].tolist()),
                    judged.probabilities,
                    judged.prediction_set,
                    None if distances is None else float(distances[i]),
                    batch.in_training[i],
                    None if maps is None else maps[i],
                    None if scores is None else float(scores[i]),
                    self._map_of(request, targets, i),
                )
            )
        return answers

    def _map_of(self, request: MapRequest | None, targets: NDArray | None, number: int) -> str:
        """The class whose evidence the map of an image shows; empty: it has no map."""
        if request is None:
            return ""
        target = request.target if targets is None else int(targets[number])
        assert target is not None, "the predictor has chosen one"
        return self.class_names[target]

    def judged(self, logits: NDArray) -> Judged:
        """What (K,) logits mean, by temperature, threshold and limits."""
        scaled = logits.astype(np.float32) / self.facts.temperature
        read = sigmoid if self.facts.multilabel else _softmax
        row = read(scaled[None])[0].tolist()
        return Judged(
            self.facts.decided(row),
            dict(zip(self.class_names, row, strict=True)),
            self._set(row),
        )

    def _set(self, probabilities: list[float]) -> tuple[str, ...] | None:
        """The prediction set; None: the checkpoint cannot tell."""
        if not self.limits:
            return None
        return tuple(conformal_set(probabilities, self.limits, self.facts.ordered))


def _softmax(logits: NDArray) -> NDArray:
    """(n, K) to the same; SciPy's takes longer to load than a graph takes to answer."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _refuse(faults: list[str], count: int) -> None:
    """Raise DataError with all faults; nothing where there are none."""
    if faults:
        told = f"{len(faults)} of {count} images cannot be used; mend or remove them"
        raise DataError("\n".join([*faults, told]))


def _check_numbers(
    items: list[Input], logits: NDArray, maps: NDArray | None, distances: NDArray | None
) -> None:
    """Refuse what is no number: it must not leave the model as a prediction.

    Raises:
        CheckpointError: with the first image at fault. A map may hold NaN, for patches not seen.
    """
    finite = np.isfinite(logits).all(axis=1)
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
