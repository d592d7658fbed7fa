"""Pictures of predictions: which images are drawn, under which names, and the drawing itself."""

import hashlib
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from PIL import Image

from data.inputs import Input
from data.readers import DataError
from files import LONGEST_NAME
from report import plots
from vit.heatmap import shared_scale
from vit.map_request import MapRequest
from vit.predictions import Prediction, Predictions
from vit.predictor import Predictor

LONGEST_STEM = LONGEST_NAME - len("_2000-01-01_00-00-00_9999.png")  # bytes of a picture's name


def spread(
    predictions: Predictions, count: int, positive: str | None
) -> tuple[list[Prediction], str]:
    """At most ``count`` images, and words that say how they were chosen.

    They are evenly spaced in the order of falling positive probability, and where the truth is
    known among the images of each class. ``positive``: the class of that probability; None: the
    most probable finding of each image.
    """

    def probability(each: Prediction) -> float:
        return each.highest_probability if positive is None else each.positive_probability

    followed = "the highest P" if positive is None else f"P({positive})"
    ordered = sorted(predictions, key=lambda each: -probability(each))
    if len(ordered) <= count:
        return ordered, f"all {len(ordered)} {predictions.unit}, in the order of {followed}"
    truths = sorted({each.truth for each in ordered})[:count]
    chosen: list[Prediction] = []
    for number, truth in enumerate(truths):
        of_class = [each for each in ordered if each.truth == truth]
        share = count // len(truths) + (number < count % len(truths))
        wanted = min(len(of_class), share)
        step = (len(of_class) - 1) / max(1, wanted - 1)
        chosen += [of_class[round(i * step)] for i in range(wanted)]
    among = " among each true class" if len(truths) > 1 else ""
    words = f"{len(chosen)} of {len(ordered)} {predictions.unit}, evenly spaced{among}"
    falling = sorted(chosen, key=lambda each: -probability(each))
    return falling, f"{words} in the order of {followed}"


def picture_names(paths: list[Path], root: Path) -> list[str]:
    """A file name for the picture of each image.

    It is the path below ``root``, with the suffix only where two names would be the same. A number
    is no suffix: DICOM files are often named by a UID.
    """
    root = root.parent if root.is_file() else root
    below = [path.relative_to(root) if path.is_relative_to(root) else path for path in paths]
    short = []
    for path in below:
        plain = path if path.suffix[1:].isdecimal() else path.with_suffix("")
        parts = [part for part in plain.parts if part != path.anchor]
        short.append("__".join(parts[-4:]))
    counts = Counter(short)
    names = []
    for i, (name, path) in enumerate(zip(short, below, strict=True)):
        unique = name if counts[name] == 1 else f"{name}_{path.suffix[1:]}_{i}"
        names.append(f"{_short_enough(unique, path)}.png")
    return names


def _short_enough(name: str, path: Path) -> str:
    """A name with room for suffix and date; one that is too long ends in a hash of its path."""
    encoded = os.fsencode(name)
    if len(encoded) <= LONGEST_STEM:
        return name
    digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:12]
    return f"{encoded[: LONGEST_STEM - 13].decode(errors='ignore')}_{digest}"


def pictures_of(inputs: list[Input], output: Path, kind: str, given: str, root: Path) -> list[Path]:
    """The files that will be drawn.

    Raises:
        DataError: one of them is an image that is to be predicted, or lies in a folder where it
            would take the name of a picture that predict.py has not drawn.
    """
    paths = [item.path for item in inputs]
    pictures = [output] if kind else [output / name for name in picture_names(paths, root)]
    lost = {path.resolve() for path in paths} & {path.resolve() for path in pictures}
    if lost:
        raise DataError(
            f"--OUTPUT: got {given}, which would overwrite the image {min(lost)}; name another"
        )
    foreign = [] if kind else [path for path in pictures if path.exists() and not _is_drawn(path)]
    if foreign:
        raise DataError(
            f"--OUTPUT: got {given}, where {len(foreign)} files of the names to write are not "
            f"drawn by predict.py, as {min(foreign)}; name another folder"
        )
    return pictures


def _is_drawn(path: Path) -> bool:
    """Whether a PNG says that it is a figure, as all do that predict.py draws."""
    try:
        with Image.open(path, formats=("PNG",)) as picture:
            return str(picture.info.get("Software", "")).startswith("Matplotlib")
    except Exception:  # whatever a strange file leads to: it is no figure
        return False


def with_maps(
    predictor: Predictor, predictions: Sequence[Prediction], request: MapRequest
) -> list[Prediction]:
    """The same with the map of each; of a group that of the picture that decided."""
    if all(each.map is not None for each in predictions):
        return list(predictions)
    answers = predictor.answer([each.item for each in predictions], request)
    pairs = zip(predictions, answers, strict=True)
    return [replace(each, map=one.map, map_of=one.map_of) for each, one in pairs]


def draw_some(
    predictor: Predictor,
    predictions: Predictions,
    request: MapRequest,
    count: int,
    output: Path,
    checkpoint: str,
) -> None:
    """Draw one figure of at most ``count`` images; its title says how they were chosen.

    checkpoint: name of the ViT.ckpt, for the title.
    """
    source = predictor.facts
    chosen, words = spread(predictions, count, None if source.multilabel else source.positive)
    explained = with_maps(predictor, chosen, request)
    title = f"{checkpoint}: {words}"
    if source.multilabel:
        each = ", ".join(f"{name} {value:.2f}" for name, value in source.thresholds.items())
        title += f"; a finding is there from its own P on: {each}"
    elif len(source.class_names) == 2:
        title += f"; {source.positive} from P = {source.threshold:.2f} on"
    if source.ordered:
        title += f"; the highest grade that, with all above it, has P = {source.threshold:.2f}"
    items = [plots.explained(each, source, request) for each in explained]
    plots.predictions(items, output, title)


def draw_each(
    predictor: Predictor,
    predictions: Predictions,
    request: MapRequest,
    pictures: Mapping[str, Path],
    checkpoint: str,
) -> None:
    """Draw a picture of each image, or of the one that decided for a group, on one scale.

    ``pictures``: the file for each image, by its name.
    """
    mapped = with_maps(predictor, predictions.items, request)
    top = shared_scale([each.map for each in mapped if each.map is not None])
    for each in mapped:
        item = plots.explained(each, predictor.facts, request)
        plots.predictions([item], pictures[each.item.name], checkpoint, top)
