"""Predictions, and where the evidence for them lies:
python predict.py --Path VAL_DATA --Path_Checkpoint ViT.ckpt --OUTPUT predictions.png
"""

import argparse
import hashlib
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import errors
from files import LONGEST_NAME

if TYPE_CHECKING:
    from data.inputs import Input
    from vit.predictions import Prediction, Predictions
    from vit.predictor import MapRequest, Predictor

LONGEST_STEM = LONGEST_NAME - len("_2000-01-01_00-00-00_9999.png")  # bytes of a picture's name


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="predict.py", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--Path",
        "--path",
        "-p",
        required=True,
        help="split folder, any folder, one file, or a glob in quotes",
    )
    parser.add_argument(
        "--Path_Checkpoint",
        "--path_checkpoint",
        "-k",
        type=Path,
        default=Path("ViT.ckpt"),
        help="ViT.ckpt",
    )
    parser.add_argument(
        "--OUTPUT",
        "--output",
        "-o",
        default="predictions.png",
        help="x.png: a figure; x.html: the report; folder/: a PNG of each image. predictions.csv "
        "lies beside it or in it",
    )
    parser.add_argument(
        "--num_images", type=int, default=12, help="images at most in one figure (default 12)"
    )
    parser.add_argument("--batch_size", type=int, default=16, help="images at a time (default 16)")
    parser.add_argument(
        "--level",
        type=float,
        default=0.9,
        help="share of the images of each class whose prediction set shall hold it (default 0.9)",
    )
    _add_map_options(parser)
    parser.add_argument(
        "--device", "-d", default="auto", choices=("auto", "cpu", "gpu", "cuda", "mps")
    )
    arguments = parser.parse_args(_joined(argv))
    for name in ("num_images", "batch_size"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name}: got {getattr(arguments, name)}, wanted 1 or more")
    if not 0 < arguments.level < 1:
        parser.error(f"--level: got {arguments.level}, wanted more than 0 and less than 1")
    return arguments


def _add_map_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        default="relevance",
        help="how the map is made (default relevance): attention, rollout, gradient-rollout, "
        "relevance, legrad, grad-cam, occlusion",
    )
    parser.add_argument(
        "--target", help="class whose evidence the map shows (default: the positive one)"
    )
    parser.add_argument(
        "--layer", type=int, help="encoder block that alone is asked, from 0 (default: all)"
    )
    parser.add_argument(
        "--head", type=int, help="attention head that alone is asked, from 0 (default: all)"
    )


def _joined(argv: list[str]) -> list[str]:
    """The words with each dash pair that stands alone joined to the next word.

    The published command line prints '-- Path_Checkpoint'.
    """
    words = []
    rest = iter(argv)
    for word in rest:
        words.append("--" + next(rest, "") if word == "--" else word)
    return words


def spread(predictions: "Predictions", count: int, positive: str) -> "tuple[list[Prediction], str]":
    """At most ``count`` images, and words that say how they were chosen.

    They are evenly spaced in the order of falling positive probability, and where the truth is
    known among the images of each class.
    """
    ordered = sorted(predictions, key=lambda each: -each.positive_probability)
    if len(ordered) <= count:
        return ordered, f"all {len(ordered)} images, in the order of P({positive})"
    truths = sorted({each.truth for each in ordered})[:count]
    chosen: list[Prediction] = []
    for number, truth in enumerate(truths):
        of_class = [each for each in ordered if each.truth == truth]
        share = count // len(truths) + (number < count % len(truths))
        wanted = min(len(of_class), share)
        step = (len(of_class) - 1) / max(1, wanted - 1)
        chosen += [of_class[round(i * step)] for i in range(wanted)]
    among = " among each true class" if len(truths) > 1 else ""
    words = f"{len(chosen)} of {len(ordered)} images, evenly spaced{among}"
    falling = sorted(chosen, key=lambda each: -each.positive_probability)
    return falling, f"{words} in the order of P({positive})"


def picture_names(paths: list[Path], root: Path) -> list[str]:
    """A file name for the picture of each image.

    It is the path below ``root``, with the suffix only where two names would be the same.
    """
    root = root.parent if root.is_file() else root
    below = [path.relative_to(root) if path.is_relative_to(root) else path for path in paths]
    short = []
    for path in below:
        parts = [part for part in path.with_suffix("").parts if part != path.anchor]
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


def kind_of_output(name: str) -> str:
    """.png, .html, or nothing for a folder of pictures.

    Raises:
        DataError: another kind.
    """
    from data.readers import DataError

    output = Path(name)
    is_folder = name.endswith(("/", "\\")) or output.is_dir()
    suffix = "" if is_folder else output.suffix.lower()
    if suffix not in ("", ".png", ".html"):
        wanted = "wanted a name that ends in .png or .html, or a folder that ends in /"
        raise DataError(f"--OUTPUT: got {name}, {wanted}")
    return suffix


def pictures_of(
    inputs: "list[Input]", output: Path, kind: str, given: str, root: Path
) -> list[Path]:
    """The files that will be drawn.

    Raises:
        DataError: one of them is an image that is to be predicted, or lies in a folder where it
            would take the name of a picture that predict.py has not drawn.
    """
    from data.readers import DataError

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
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG",)) as picture:
            return str(picture.info.get("Software", "")).startswith("Matplotlib")
    except Exception:  # whatever a strange file leads to: it is no figure
        return False


def predict(arguments: argparse.Namespace) -> None:
    """Write predictions.csv and the picture or pictures."""
    from data.inputs import find, folder_given, gather
    from vit import checkpoint
    from vit.device import torch_device
    from vit.predictor import Predictor

    kind = kind_of_output(arguments.OUTPUT)
    output = Path(arguments.OUTPUT)
    device = torch_device(arguments.device)
    source = checkpoint.load(arguments.Path_Checkpoint)
    predictor = Predictor(source, device, arguments.batch_size, arguments.level)
    inputs = gather(find(arguments.Path), predictor.class_names, folder_given(arguments.Path))
    pictures = pictures_of(inputs, output, kind, arguments.OUTPUT, Path(arguments.Path))
    request = predictor.request(arguments.method, arguments.target, arguments.layer, arguments.head)
    predictions = predictor.answer(inputs, request if kind == "" else None)
    for note in predictions.notes():
        errors.note(note)
    size = source.preprocessing.image_size
    if resized := sum(item.resized(size) for item in inputs):
        errors.note(f"{resized} images are resized to the model's {size} px")
    table = (output.parent if kind else output) / "predictions.csv"
    if kind == ".png":
        draw_figure(arguments, predictor, predictions, request, table)
    elif kind == ".html":
        from report import page

        predictions.write(table)
        page.write(output, [(predictions, predictor)], arguments.Path_Checkpoint)
    else:
        predictions.write(table)
        draw_each(arguments, predictor, predictions, request, pictures)
    print(counted(predictions))
    errors.say(f"wrote {table} and {output}")


def draw_figure(
    arguments: argparse.Namespace,
    predictor: "Predictor",
    predictions: "Predictions",
    request: "MapRequest",
    table: Path,
) -> None:
    """Write predictions.csv, and one figure of some of the images."""
    from report import plots

    source = predictor.checkpoint
    chosen, words = spread(predictions, arguments.num_images, source.positive)
    explained = predictor.answer([each.item for each in chosen], request)
    predictions.write(table)
    title = f"{arguments.Path_Checkpoint.name}: {words}"
    if len(source.class_names) == 2:
        title += f"; {source.positive} from P = {source.threshold:.2f} on"
    items = [plots.explained(each, source, request) for each in explained]
    plots.predictions(items, Path(arguments.OUTPUT), title)


def draw_each(
    arguments: argparse.Namespace,
    predictor: "Predictor",
    predictions: "Predictions",
    request: "MapRequest",
    pictures: list[Path],
) -> None:
    """Write a picture of each image, all on one colour scale."""
    from report import plots
    from vit.heatmap import shared_scale

    top = shared_scale([each.map for each in predictions if each.map is not None])
    for each, picture in zip(predictions, pictures, strict=True):
        item = plots.explained(each, predictor.checkpoint, request)
        plots.predictions([item], picture, arguments.Path_Checkpoint.name, top)


def counted(predictions: "Predictions") -> str:
    """How many images there are, and of how many of known truth the prediction is right."""
    known = [each for each in predictions if each.truth]
    words = f"{len(predictions)} images"
    if not known:
        return words
    right = sum(each.truth == each.label for each in known)
    return f"{words}, {right} of {len(known)} with known truth right"


def main(argv: list[str]) -> None:
    """Predict as the command line says; a user's mistake ends in one line."""
    arguments = parse(argv)
    memory = f"lower --batch_size, which is {arguments.batch_size}"
    disk = "--OUTPUT is a .png, or a folder, where you may write"
    with errors.ending_in_one_line(memory, disk):
        from vit.archive import screened

        screened(arguments.Path_Checkpoint)  # before torch, for which it may have been made
        predict(arguments)


if __name__ == "__main__":
    errors.run(main)
