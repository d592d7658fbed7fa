"""Predictions and attention maps: python predict.py --Path VAL_DATA --Path_Checkpoint ViT.ckpt --OUTPUT out.png"""

import argparse
import csv
import glob
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from files import keep_aside, written_whole

if TYPE_CHECKING:
    import torch

    from data.inputs import Input
    from vit.plot import Explained


def parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="predict.py", description=__doc__, allow_abbrev=False)
    parser.add_argument(
        "--Path", "--path", "-p", required=True, help="split folder, any folder, one file, or a glob in quotes"
    )
    parser.add_argument(
        "--Path_Checkpoint", "--path_checkpoint", "-k", type=Path, default=Path("ViT.ckpt"), help="ViT.ckpt"
    )
    about = "x.png: one figure; folder/: a PNG for each image. predictions.csv lies beside it, or in it"
    parser.add_argument("--OUTPUT", "--output", "-o", default="predictions.png", help=about)
    parser.add_argument("--num_images", type=int, default=12, help="images at most in one figure (default 12)")
    parser.add_argument("--batch_size", type=int, default=16, help="images at a time (default 16)")
    parser.add_argument("--device", "-d", default="auto", choices=("auto", "cpu", "gpu", "cuda", "mps"))
    arguments = parser.parse_args(_joined(argv))
    for name in ("num_images", "batch_size"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name}: got {getattr(arguments, name)}, wanted 1 or more")
    return arguments


def _joined(argv: list[str]) -> list[str]:
    """The published command line prints '-- Path_Checkpoint': a dash pair that stands alone joins the next word."""
    words, rest = [], iter(argv)
    for word in rest:
        words.append("--" + next(rest, "") if word == "--" else word)
    return words


def find(path: str) -> list[Path]:
    """The image files that ``path`` names. Raises DataError if there is none."""
    from data.readers import SUFFIXES, DataError

    root = Path(path)
    if root.is_dir():
        files = [file for file in sorted(root.rglob("*")) if "masks" not in file.relative_to(root).parts[:1]]
    elif root.is_file():
        return [root]
    else:
        files = [Path(file) for file in sorted(glob.glob(path, recursive=True))]
    images = [
        file
        for file in files
        if file.suffix.lower() in SUFFIXES and file.is_file() and file.name != "contact_sheet.png"
    ]
    if not images:
        raise DataError(
            f"{path}: no image there; wanted a folder, a file, or a glob in quotes, of {', '.join(SUFFIXES)}"
        )
    return images


def torch_device(device: str) -> "torch.device":
    """Raises DataError for a device that this machine lacks."""
    import torch

    from data.readers import DataError

    gpu, mps = torch.cuda.is_available(), torch.backends.mps.is_available()
    if (device in ("gpu", "cuda") and not gpu) or (device == "mps" and not mps):
        raise DataError(f"--device {device}: this machine has none that torch {torch.__version__} can use; "
                        "use --device cpu or --device auto")  # fmt: skip
    return torch.device("cuda" if gpu and device != "cpu" and device != "mps" else "mps" if device == "mps" else "cpu")


def explain(
    inputs: "list[Input]", model: Any, about: dict[str, Any], device: "torch.device", batch_size: int
) -> "list[Explained]":
    """Prediction and map for each input, in their order."""
    import torch

    from data.dataset import to_tensor
    from vit.explain import cls_attention
    from vit.plot import Explained

    how, names = about["preprocessing"], about["class_names"]
    explained = []
    model.to(device)
    for start in range(0, len(inputs), batch_size):
        part = inputs[start : start + batch_size]
        images = [item.image(how) for item in part]
        channels = about["config"]["num_channels"]
        batch = torch.stack([to_tensor(image, how["mean"], how["std"], channels) for image in images])
        logits, maps = cls_attention(model, batch.to(device))
        probabilities = (logits.float() / about["temperature"]).softmax(dim=1).cpu().numpy()
        for item, image, row, attention in zip(part, images, probabilities, maps.float().cpu().numpy(), strict=True):
            chosen = int(row[1] >= about["threshold"]) if len(names) == 2 else int(row.argmax())
            explained.append(
                Explained(item.name, image, attention, item.truth, names[chosen], names, row.tolist(), item.lesion(how))
            )
        if sys.stderr.isatty():
            print(f"\r{len(explained)} of {len(inputs)} images", end="", file=sys.stderr)
    return explained


def table(explained: "list[Explained]") -> str:
    """predictions.csv: path, truth, probability of each class, predicted class."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["path", "truth", *(f"probability_{name}" for name in explained[0].class_names), "predicted"])
    for item in explained:
        rows.writerow([item.name, item.truth, *(f"{p:.6f}" for p in item.probabilities), item.predicted])
    return text.getvalue()


def write_table(text: str, path: Path) -> None:
    if path.exists() and path.read_text(encoding="utf-8") != text:
        print(f"kept the former {path} as {keep_aside(path)}")
    with written_whole(path) as beside:
        beside.write_text(text, encoding="utf-8")


def spread(explained: "list[Explained]", count: int) -> "tuple[list[Explained], str]":
    """At most ``count`` images, evenly spaced in the order of the positive probability, and words that say so."""
    ordered = sorted(explained, key=lambda item: -item.probabilities[-1])
    positive = explained[0].class_names[-1]
    if len(ordered) <= count:
        return ordered, f"all {len(ordered)} images, by P({positive})"
    steps = [round(i * (len(ordered) - 1) / max(1, count - 1)) for i in range(count)]
    return [ordered[i] for i in steps], f"{count} of {len(ordered)} images, evenly spaced in the order of P({positive})"


def predict(arguments: argparse.Namespace) -> None:
    """Write predictions.csv and the picture or pictures."""
    from data.inputs import gather
    from data.readers import DataError
    from vit import checkpoint, plot

    output = Path(arguments.OUTPUT)
    suffix = "" if arguments.OUTPUT.endswith(("/", "\\")) or output.is_dir() else output.suffix.lower()
    if suffix not in ("", ".png"):
        raise DataError(
            f"--OUTPUT: got {arguments.OUTPUT}, wanted a name that ends in .png, or a folder that ends in /"
        )
    device = torch_device(arguments.device)
    model, about = checkpoint.load(arguments.Path_Checkpoint)
    inputs = gather(find(arguments.Path), about["class_names"], about["preprocessing"])
    explained = explain(inputs, model, about, device, arguments.batch_size)
    beside = output if suffix == "" else output.parent
    write_table(table(explained), beside / "predictions.csv")
    if suffix == ".png":
        chosen, words = spread(explained, arguments.num_images)
        plot.predictions(chosen, output, f"{arguments.Path_Checkpoint}: {words}")
    else:
        top = plot.shared_scale(explained)
        for item in explained:
            picture = output / f"{Path(item.name).with_suffix('').as_posix().replace('/', '__')}.png"
            plot.predictions([item], picture, str(arguments.Path_Checkpoint), top)
    known = [item for item in explained if item.truth]
    right = sum(item.truth == item.predicted for item in known)
    print(f"{len(explained)} images" + (f", {right} of {len(known)} with known truth right" if known else ""))
    print(f"wrote {beside / 'predictions.csv'} and {output}")


def main(argv: list[str]) -> None:
    arguments = parse(argv)
    from data.readers import DataError
    from vit.checkpoint import CheckpointError

    try:
        predict(arguments)
    except (DataError, CheckpointError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
