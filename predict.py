"""Predictions, and where the evidence for them lies:
python predict.py --Path VAL_DATA --Path_Checkpoint ViT.ckpt --OUTPUT predictions.png
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import errors
import vit
from files import refuse_other_kinds
from vit.archive import is_graph

if TYPE_CHECKING:
    from vit.predictions import Predictions
    from vit.predictor import Predictor


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="predict.py", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--Path",
        "--path",
        "-p",
        help="split folder, any folder, one file, or a glob in quotes",
    )
    parser.add_argument(
        "--Path_Checkpoint",
        "--path_checkpoint",
        "-k",
        type=Path,
        default=Path("ViT.ckpt"),
        help="ViT.ckpt, or a graph of python -m vit.export",
    )
    parser.add_argument(
        "--OUTPUT",
        "--output",
        "-o",
        help="x.png: a figure; x.html: the report; folder/: a PNG of each image. predictions.csv "
        "lies beside it or in it (default predictions.png)",
    )
    parser.add_argument(
        "--num_images", type=int, default=12, help="images at most in one figure (default 12)"
    )
    parser.add_argument(
        "--batch_size",
        type=int,
        default=vit.BATCH_SIZE,
        help="images at a time (default %(default)s)",
    )
    parser.add_argument(
        "--level",
        type=float,
        default=vit.LEVEL,
        help="share of the images of each class whose prediction set shall hold it "
        "(default %(default)s)",
    )
    parser.add_argument(
        "--recalibrate",
        metavar="FOLDER",
        help="labelled images of another place, 10 or more of each class: fit threshold, "
        "temperature and prediction sets to them, and write a new file beside ViT.ckpt; "
        "nothing is predicted",
    )
    parser.add_argument(
        "--dicom",
        action="store_true",
        help="answer DICOM files by DICOM objects for their archive, two a file, in the folder "
        "--OUTPUT: a picture, and a structured report (needs highdicom)",
    )
    _add_map_options(parser)
    parser.add_argument(
        "--device", "-d", default="auto", choices=("auto", "cpu", "gpu", "cuda", "mps")
    )
    arguments = parser.parse_args(_joined(argv))
    for name in ("num_images", "batch_size"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name}: got {getattr(arguments, name)}, wanted 1 or more")
    if (arguments.Path is None) == (arguments.recalibrate is None):
        parser.error("give --Path, the images to predict, or --recalibrate, and not both")
    if arguments.recalibrate and arguments.OUTPUT:
        parser.error("--recalibrate writes its file beside ViT.ckpt; leave out --OUTPUT")
    if arguments.recalibrate and arguments.dicom:
        parser.error("--recalibrate predicts nothing; leave out --dicom")
    if arguments.dicom and not arguments.OUTPUT:
        parser.error("--dicom writes into a folder; name one with --OUTPUT results/")
    arguments.OUTPUT = arguments.OUTPUT or "predictions.png"
    if not 0 < arguments.level < 1:
        parser.error(f"--level: got {arguments.level}, wanted more than 0 and less than 1")
    return arguments


def _add_map_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--method",
        default="agreement",
        help="how the map is made (default agreement): attention, rollout, gradient-rollout, "
        "relevance, legrad, agreement, grad-cam, occlusion",
    )
    parser.add_argument(
        "--target",
        help="class whose evidence the map shows (default: the positive one; of findings the one "
        "farthest above its threshold)",
    )
    parser.add_argument(
        "--layer", type=int, help="use this encoder block only, from 0 (default: all)"
    )
    parser.add_argument(
        "--head", type=int, help="use this attention head only, from 0 (default: all)"
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


def predict(arguments: argparse.Namespace) -> None:
    """Write predictions.csv and the picture or pictures."""
    from report.answering import PATIENTS, PICTURES, answered, inputs_of
    from report.prediction_pictures import draw_each, draw_some, pictures_of

    if arguments.dicom:
        answer_dicom(arguments)
        return
    kind = kind_of_output(arguments.OUTPUT)
    output = Path(arguments.OUTPUT)
    folder = output.parent if kind else output
    refuse_other_kinds(folder / PICTURES, folder / PATIENTS)
    predictor = predictor_of(arguments, kind)
    source = predictor.facts
    inputs = inputs_of(arguments.Path, predictor)
    pictures = pictures_of(inputs, output, kind, arguments.OUTPUT, Path(arguments.Path))
    request = predictor.request(arguments.method, arguments.target, arguments.layer, arguments.head)
    all_drawn = kind == "" or (kind == ".png" and len(inputs) <= arguments.num_images)
    answers = answered(predictor, inputs, request if all_drawn else None)
    predictions = answers.judged
    size = source.preprocessing.image_size
    usual = source.preprocessing.stored_size or size
    if resized := sum(item.resized(usual) for item in inputs):
        errors.note(f"{resized} images are resized to the model's {size} px")
    answers.write(folder)
    name = arguments.Path_Checkpoint.name
    if kind == ".png":
        draw_some(predictor, predictions, request, arguments.num_images, output, name)
    elif kind == ".html":
        from report import page  # the page's libraries are not loaded for a figure
        from vit.torch_predictor import TorchPredictor

        assert isinstance(predictor, TorchPredictor), "no page of a graph is made"
        page.write(output, [(predictions, predictor)], arguments.Path_Checkpoint)
    else:
        files = {item.name: file for item, file in zip(inputs, pictures, strict=True)}
        draw_each(predictor, predictions, request, files, name)
    print(counted(predictions, source.multilabel))
    tables = ", ".join(str(folder / name) for name in answers.tables)
    errors.say(f"wrote {tables} and {output}")


def answer_dicom(arguments: argparse.Namespace) -> None:
    """Write the tables, and a picture and a report of each source DICOM, or of each group."""
    from data.readers import DataError
    from report.answering import PATIENTS, PICTURES, answered, inputs_of
    from report.dicom_answer import Author, check_installed, sha256_of
    from report.prediction_pictures import with_maps

    check_installed()
    from report import dicom_objects
    from vit.facts import refuse_findings

    if kind_of_output(arguments.OUTPUT):
        raise DataError(f"--dicom: got --OUTPUT {arguments.OUTPUT}, wanted a folder that ends in /")
    output = Path(arguments.OUTPUT)
    refuse_other_kinds(output / PICTURES, output / PATIENTS)
    predictor = predictor_of(arguments)
    refuse_findings(predictor.facts, "--dicom")
    digest = sha256_of(arguments.Path_Checkpoint)
    inputs = inputs_of(arguments.Path, predictor)
    plan = dicom_objects.planned(inputs, output, Path(arguments.Path))
    request = predictor.request(arguments.method, arguments.target, arguments.layer, arguments.head)
    answers = answered(predictor, inputs, request)
    name = arguments.Path_Checkpoint.name
    author = Author(name, digest, predictor.facts, arguments.level, request)
    explained = with_maps(predictor, answers.judged.items, request)
    made = dicom_objects.checked(plan, explained, author)
    answers.write(output)
    dicom_objects.write(made)
    print(counted(answers.judged))
    tables = ", ".join(str(output / name) for name in answers.tables)
    each = "group" if predictor.of_groups else "picture"
    errors.say(f"wrote {tables}, and two DICOM files of each {each} into {output}")


def predictor_of(arguments: argparse.Namespace, kind: str = "") -> "Predictor":
    """The model of a ViT.ckpt, or of a graph, which needs no PyTorch.

    Raises:
        UserError: no such file, damaged or not ours; a graph is asked for what it cannot give.
    """
    path = arguments.Path_Checkpoint
    if not is_graph(path):
        from vit import checkpoint
        from vit.device import torch_device
        from vit.torch_predictor import TorchPredictor

        device = torch_device(arguments.device)
        source = checkpoint.load(path)
        return TorchPredictor(source, device, arguments.batch_size, arguments.level)
    from vit import graph_predictor

    wanted = {"a report": kind == ".html", "--recalibrate": bool(arguments.recalibrate)}
    wanted[f"--device {arguments.device}"] = arguments.device not in ("auto", "cpu")
    for name in [name for name, asked in wanted.items() if asked]:
        raise errors.UserError(f"{path}: {name} needs a ViT.ckpt, got a graph")
    return graph_predictor.load(path, arguments.batch_size, arguments.level)


def recalibrate(arguments: argparse.Namespace) -> None:
    """Write a model whose threshold and probabilities are fitted to another place's images."""
    from report.answering import answered, inputs_of
    from training import recalibrate
    from vit.torch_predictor import TorchPredictor

    predictor = predictor_of(arguments)
    assert isinstance(predictor, TorchPredictor), "a graph is refused"
    inputs = inputs_of(arguments.recalibrate, predictor)
    predictions = answered(predictor, inputs).judged
    recalibrate.write(predictor.checkpoint, predictions, arguments.Path_Checkpoint)


def counted(predictions: "Predictions", multilabel: bool = False) -> str:
    """How many there are, and of how many of known truth the prediction is right."""
    all_of_it = " in every finding" if multilabel else ""
    known = [each for each in predictions if each.truth]
    words = f"{len(predictions)} {predictions.unit}"
    if not known:
        return words
    right = sum(each.truth == each.label for each in known)
    return f"{words}, {right} of {len(known)} with known truth right{all_of_it}"


def main(argv: list[str]) -> None:
    """Predict as the command line says; a user's mistake ends in one line."""
    arguments = parse(argv)
    memory = f"lower --batch_size, which is {arguments.batch_size}"
    disk = "--OUTPUT is a .png, or a folder, where you may write"
    with errors.ending_in_one_line(memory, disk):
        from vit.archive import screened

        if not is_graph(arguments.Path_Checkpoint):
            screened(arguments.Path_Checkpoint)  # before torch, for which it may have been made
        from data.read_lock import reading

        with reading(arguments.Path or arguments.recalibrate):
            if arguments.recalibrate:
                recalibrate(arguments)
            else:
                predict(arguments)


if __name__ == "__main__":
    errors.run(main)
