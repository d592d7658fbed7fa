"""Predictions and why: python predict.py --Path VAL_DATA --Path_Checkpoint ViT.ckpt --OUTPUT
predictions.png
"""

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from files import end_ctrl_c_in_one_line, keeping_former

if TYPE_CHECKING:
    from report.plots import Explained
    from vit.predictor import Prediction


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
    about = "x.png: a figure; x.html: the report; folder/: a PNG of each image. predictions.csv lies beside it or in it"
    parser.add_argument("--OUTPUT", "--output", "-o", default="predictions.png", help=about)
    parser.add_argument(
        "--num_images", type=int, default=12, help="images at most in one figure (default 12)"
    )
    parser.add_argument("--batch_size", type=int, default=16, help="images at a time (default 16)")
    parser.add_argument(
        "--level",
        type=float,
        default=0.9,
        help="share of the images of each class whose set of classes shall hold it (default 0.9)",
    )
    parser.add_argument(
        "--method",
        default="relevance",
        help="how the map is made (default relevance): attention, "
        "rollout, gradient-rollout, relevance, legrad, grad-cam, occlusion",
    )
    parser.add_argument(
        "--target", help="class whose evidence the map shows (default: the positive one)"
    )
    parser.add_argument(
        "--layer",
        type=int,
        help="encoder block that alone is asked, from 0 (default: as the method)",
    )
    parser.add_argument(
        "--head", type=int, help="attention head that alone is asked, from 0 (default: all)"
    )
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


def _joined(argv: list[str]) -> list[str]:
    """The published command line prints '-- Path_Checkpoint': a dash pair that stands alone joins
    the next word.
    """
    words = []
    rest = iter(argv)
    for word in rest:
        words.append("--" + next(rest, "") if word == "--" else word)
    return words


def drawn(prediction: "Prediction", about: dict[str, Any], title: str) -> "Explained":
    """The prediction with its pixels, ready to be drawn."""
    from report.plots import Explained

    item = prediction.item
    how = about["preprocessing"]
    said = (item.truth, prediction.predicted, about["class_names"], prediction.probabilities)
    assert prediction.map is not None, "only what was explained is drawn"
    return Explained(item.name, item.image(how), prediction.map, title, *said, item.lesion(how))


def spread(
    predictions: "list[Prediction]", count: int, positive: str
) -> "tuple[list[Prediction], str]":
    """At most ``count`` images, positive probability falling, and words that say how they were
    chosen.

    Evenly spaced in that order, and where the truth is known among the images of each class alike.
    """
    ordered = sorted(predictions, key=lambda said: -said.probabilities[-1])
    if len(ordered) <= count:
        return ordered, f"all {len(ordered)} images, in the order of P({positive})"
    truths = sorted({said.item.truth for said in ordered})[:count]
    chosen = []
    for number, truth in enumerate(truths):
        own = [said for said in ordered if said.item.truth == truth]
        wanted = min(len(own), count // len(truths) + (number < count % len(truths)))
        chosen += [own[round(i * (len(own) - 1) / max(1, wanted - 1))] for i in range(wanted)]
    among = " among each true class" if len(truths) > 1 else ""
    words = f"{len(chosen)} of {len(ordered)} images, evenly spaced{among} in the order of P({positive})"
    return sorted(chosen, key=lambda said: -said.probabilities[-1]), words


def picture_names(paths: list[Path], root: Path) -> list[str]:
    """A file name for the picture of each image: its path below ``root``, the suffix only where two
    would be alike.
    """
    root = root.parent if root.is_file() else root
    stems = [path.relative_to(root) if path.is_relative_to(root) else path for path in paths]
    short = [
        "__".join([part for part in path.with_suffix("").parts if part != path.anchor][-4:])
        for path in stems
    ]
    many = {name for name, count in Counter(short).items() if count > 1}
    return [
        f"{f'{name}_{path.suffix[1:]}_{i}' if name in many else name}.png"
        for i, (name, path) in enumerate(zip(short, stems, strict=True))
    ]


def predict(arguments: argparse.Namespace) -> None:
    """Write predictions.csv and the picture or pictures."""
    from data.inputs import find, gather
    from data.readers import DataError
    from report import plots
    from vit import checkpoint
    from vit.device import torch_device
    from vit.explain import check
    from vit.predictor import judge, write

    output = Path(arguments.OUTPUT)
    suffix = (
        "" if arguments.OUTPUT.endswith(("/", "\\")) or output.is_dir() else output.suffix.lower()
    )
    if suffix not in ("", ".png", ".html"):
        raise DataError(
            f"--OUTPUT: got {arguments.OUTPUT}, wanted a name that ends in .png or .html, or a folder that ends in /"
        )
    device = torch_device(arguments.device)
    models, about = checkpoint.load(arguments.Path_Checkpoint)
    names = about["class_names"]
    about["level"] = arguments.level
    inputs = gather(find(arguments.Path), names)
    paths = [item.path for item in inputs]
    pictures = (
        [output]
        if suffix
        else [output / name for name in picture_names(paths, Path(arguments.Path))]
    )
    if lost := {path.resolve() for path in paths} & {path.resolve() for path in pictures}:
        raise DataError(
            f"--OUTPUT: got {arguments.OUTPUT}, which would overwrite the image {min(lost)}; name another"
        )
    how = (models, about, device, arguments.batch_size)
    if arguments.target not in (None, *names):
        raise DataError(f"--target: got {arguments.target}, wanted one of {', '.join(names)}")
    asked = {name: getattr(arguments, name) for name in ("method", "layer", "head")}
    asked["target"] = names.index(arguments.target or names[-1])
    check(models[0], **asked)
    parts = [f"{name} {asked[name]}" for name in ("layer", "head") if asked[name] is not None]
    title = f"{', '.join([arguments.method, *parts])}, for {names[asked['target']]}"
    predictions = judge(inputs, *how, None if suffix else asked)
    size = about["preprocessing"]["image_size"]
    if resized := sum(item.resized(size) for item in inputs):
        print(f"note: {resized} images are resized to the model's {size} px", file=sys.stderr)
    beside = output if suffix == "" else output.parent
    if suffix == ".png":
        chosen, words = spread(predictions, arguments.num_images, names[-1])
        items = [
            drawn(said, about, title)
            for said in judge([said.item for said in chosen], *how, asked, False)
        ]
    write(predictions, names, beside / "predictions.csv")
    if suffix == ".html":
        from report import page

        page.write(
            output,
            [(predictions, models)],
            about,
            device,
            arguments.batch_size,
            arguments.Path_Checkpoint,
        )
    elif suffix == ".png":
        limit = f"; {names[1]} from P = {about['threshold']:.2f} on" if len(names) == 2 else ""
        with keeping_former(output):
            plots.predictions(items, output, f"{arguments.Path_Checkpoint.name}: {words}{limit}")
    else:
        top = plots.shared_scale([said.map for said in predictions if said.map is not None])
        for said, picture in zip(predictions, pictures, strict=True):
            plots.predictions(
                [drawn(said, about, title)], picture, arguments.Path_Checkpoint.name, top
            )
    known = [said for said in predictions if said.item.truth]
    right = sum(said.item.truth == said.predicted for said in known)
    print(
        f"{len(predictions)} images"
        + (f", {right} of {len(known)} with known truth right" if known else "")
    )
    print(f"wrote {beside / 'predictions.csv'} and {output}")


def main(argv: list[str]) -> None:
    arguments = parse(argv)
    from vit.archive import CheckpointError, screened

    try:
        screened(
            arguments.Path_Checkpoint
        )  # before torch, for which it may have been made, is there
    except CheckpointError as error:
        sys.exit(str(error))
    from data.readers import DataError
    from vit.device import DeviceError, out_of_memory_in_one_line
    from vit.explain import ExplanationError

    try:
        with out_of_memory_in_one_line(f"lower --batch_size, which is {arguments.batch_size}"):
            predict(arguments)
    except (DataError, CheckpointError, DeviceError, ExplanationError) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(
            f"{error.filename}: {error.strerror}; --OUTPUT is a .png, or a folder, where you may write"
        )


if __name__ == "__main__":
    end_ctrl_c_in_one_line()
    main(sys.argv[1:])
