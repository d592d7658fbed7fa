"""A graph whose products are worked out in 8 bits: smaller and faster, and a little less exact.

The ranges of the values in between come from the user's training images, and what it costs is
measured on the validation images.
"""

import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from data.inputs import Input, find, gather
from data.readers import DataError
from vit import graph
from vit.batches import read_batch
from vit.graph_predictor import GraphPredictor
from vit.predictions import Predictions

OPERATORS = ("Conv", "Gemm")  # products with weights; attention stays exact
MOST = 200  # training images for the ranges


class Change(NamedTuple):
    """What 8 bits change in the predictions of n images.

    Args:
        images: how many.
        before, after: AUROC.
        decisions: how many images are decided otherwise.
        largest: largest change of the probability of the positive class.
    """

    images: int
    before: float
    after: float
    decisions: int
    largest: float

    def line(self) -> str:
        """In words."""
        return (
            f"in 8 bits: AUROC of {self.images} validation images {self.after:.4f}, before "
            f"{self.before:.4f}; {self.decisions} decided otherwise; probabilities differ by up to "
            f"{self.largest:.3f}"
        )


@dataclass(frozen=True)
class Measure:
    """Images of the user that tell the ranges, and what 8 bits cost.

    Args:
        training, validation: at most MOST of the former, and all of the latter, of two classes.
    """

    training: list[Input]
    validation: list[Input]

    @classmethod
    def of(cls, folder: Path, class_names: list[str]) -> "Measure":
        """Those of the ProcessedFolder that a model was trained on.

        Raises:
            DataError: no such folder, or its validation images do not tell an AUROC.
        """
        if not (folder / "manifest.csv").is_file():
            raise DataError(
                f"--int8: got {folder}, which has no manifest.csv; wanted a folder of data.prepare"
            )
        known = [
            gather(find(str(folder / split)), class_names, folder / split)
            for split in ("train", "val")
        ]
        training, validation = known
        truths = {image.truth for image in validation}
        if len(class_names) != 2 or truths != set(class_names):
            raise DataError(
                f"--int8: the loss of AUROC cannot be measured on {folder}; wanted validation "
                f"images of two classes, {' and '.join(class_names)}; got "
                f"{', '.join(sorted(truths)) or 'none'}"
            )
        chosen = np.linspace(0, len(training) - 1, min(MOST, len(training))).round().astype(int)
        return cls([training[i] for i in chosen], validation)

    def quantised(self, exact: GraphPredictor) -> GraphPredictor:
        """The same graph in 8 bits, by onnxruntime's static quantisation.

        Weights have a scale for each channel (Jacob et al. 2018, "Quantization and Training of
        Neural Networks for Efficient Integer-Arithmetic-Only Inference"). Only products that lead
        to the probabilities are changed; those of the map alone stay exact.

        Raises:
            DataError: a training image cannot be read; onnxruntime is not installed.
        """
        pixels = _pixels(self.training, exact)
        size = exact.batch_size
        batches = [exact.fed(pixels[start : start + size]) for start in range(0, len(pixels), size)]
        content = in_8_bits(exact.content, batches)
        return GraphPredictor(content, exact.facts, exact.uint8, size, exact.level)

    def change(self, exact: GraphPredictor, rounded: GraphPredictor) -> Change:
        """What the graph in 8 bits says otherwise of the validation images."""
        positive = [image.truth == exact.class_names[1] for image in self.validation]
        before, after = (each.answer(self.validation) for each in (exact, rounded))
        pairs = list(zip(before, after, strict=True))
        return Change(
            len(self.validation),
            _auroc(positive, before),
            _auroc(positive, after),
            sum(a.label != b.label for a, b in pairs),
            max(abs(a.positive_probability - b.positive_probability) for a, b in pairs),
        )


def _auroc(positive: list[bool], said: Predictions) -> float:
    return float(roc_auc_score(positive, [each.positive_probability for each in said]))


def _pixels(images: list[Input], model: GraphPredictor) -> NDArray:
    """(n, S, S) float32 from 0 to 1."""
    faults: list[str] = []
    batch = read_batch(images, model.facts.preprocessing, set(), False, faults)
    if faults:
        raise DataError("\n".join(faults))
    return batch.pixels


def in_8_bits(content: bytes, batches: Iterable[dict[str, NDArray]]) -> bytes:
    """The graph with its products in 8 bits, ranges from these inputs."""
    tools = graph.library("onnxruntime.quantization")

    class Reader(tools.CalibrationDataReader):  # type: ignore[name-defined]
        """Gives one batch after the other, then None."""

        def __init__(self) -> None:
            self._rest = iter(batches)

        def get_next(self) -> dict[str, NDArray] | None:
            return next(self._rest, None)

    towards = graph.nodes(graph.only(content, ("probabilities",)), OPERATORS)
    with tempfile.TemporaryDirectory() as place, graph.quiet():
        source, target = Path(place) / "exact.onnx", Path(place) / "rounded.onnx"
        source.write_bytes(content)
        tools.quantize_static(
            source,
            target,
            Reader(),
            per_channel=True,
            activation_type=tools.QuantType.QUInt8,
            weight_type=tools.QuantType.QInt8,
            nodes_to_quantize=towards,
        )
        return target.read_bytes()
