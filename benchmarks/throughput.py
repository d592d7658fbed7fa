"""Images a second and memory of our model beside timm's, torchvision's and Hugging Face's.

python -m benchmarks.throughput --OUTPUT throughput.csv

All four have the published sizes (width 256, depth 4, 8 heads, 1 channel), random weights and the
same batch; ours is there a second time with half of the patches kept. Each round runs every model
once, in an order that rotates from round to round, so that a busy machine slows all alike; the
ratio peer / ours is taken within a round, and above 1 ours is the faster. ``training`` is forward
pass, cross entropy, backward pass and dropping the gradients; ``inference`` is the forward pass in
inference mode. Ours works out the CLS row alone in its last block, the peers all rows: the logits
are the same, and no peer offers it as an option. Memory is what a step adds at its peak to the
resident process. The share of peak is the floating point operations of our step in a second against
those of a large matrix product here.
"""

import argparse
import itertools
import time
from collections.abc import Iterator
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from statistics import geometric_mean, median

import torch
from torch import Tensor, nn

import errors
from benchmarks.measuring import STEPS, memory, milliseconds, operations, peak
from CONFIG import ModelConfig
from data.tables import write_table
from errors import UserError
from vit.model import VisionTransformer

WIDTH = 256
DEPTH = 4
HEADS = 8
MLP_WIDTH = 1024
CLASSES = 2
CHANNELS = 1
CELLS = ((32, 4), (128, 16), (256, 16))  # image size and patch size
BATCHES = (1, 16, 64)
WARM_UPS = 3  # rounds that do not count
LEAST = 5  # rounds that a cell has
SECONDS = 25.0  # that it takes, or more
ROW = "{:>4}{:>6} {:<10}{:<14}{:>10}{:>10}{:>9}{:>8}"
TITLES = ("px", "batch", "mode", "network", "images/s", "peer/ours", "MB", "of peak")


def ours(image_size: int, patch_size: int, depth: int = DEPTH, kept: float = 1.0) -> nn.Module:
    """This project's model."""
    shape = ModelConfig(
        image_size=image_size,
        patch_size=patch_size,
        num_channels=CHANNELS,
        num_classes=CLASSES,
        embedding_size=WIDTH,
        num_hidden_layers=depth,
        num_heads=HEADS,
        mlp_ratio=MLP_WIDTH / WIDTH,
        kept_tokens=kept,
    )
    return VisionTransformer(shape)


def half(image_size: int, patch_size: int) -> nn.Module:
    """The same, which looks at half of the patches."""
    return ours(image_size, patch_size, kept=0.5)


def timm(image_size: int, patch_size: int) -> nn.Module:
    """timm's, optional here as those below: one that is not installed is left out."""
    from timm.models.vision_transformer import VisionTransformer as Timm

    model: nn.Module = Timm(
        image_size, patch_size, CHANNELS, CLASSES, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS
    )
    return model


def torchvision(image_size: int, patch_size: int) -> nn.Module:
    """torchvision's, with another first layer: it takes three channels only."""
    from torchvision.models import VisionTransformer as Torchvision  # optional

    model: nn.Module = Torchvision(
        image_size, patch_size, DEPTH, HEADS, WIDTH, MLP_WIDTH, num_classes=CLASSES
    )
    model.conv_proj = nn.Conv2d(CHANNELS, WIDTH, patch_size, patch_size)
    return model


def transformers(image_size: int, patch_size: int) -> nn.Module:
    """Hugging Face's."""
    theirs = import_module("transformers")  # optional
    shape = theirs.ViTConfig(
        image_size=image_size,
        patch_size=patch_size,
        num_channels=CHANNELS,
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=HEADS,
        intermediate_size=MLP_WIDTH,
        num_labels=CLASSES,
    )
    model: nn.Module = theirs.ViTForImageClassification(shape)
    return model


BUILDERS = (ours, half, timm, torchvision, transformers)


def build(image_size: int, patch_size: int, device: torch.device) -> dict[str, nn.Module]:
    """The models that are installed."""
    models: dict[str, nn.Module] = {}
    for builder in BUILDERS:
        name = builder.__name__
        try:
            models[name] = builder(image_size, patch_size).to(device)
        except ImportError as error:
            print(f"{name}: left out, {error}")
            continue
        if builder not in (ours, half):
            print(f"{name} {version(name)}")
        parameters = _size(models[name])
        wanted = _size(models["ours"])
        if abs(parameters - wanted) > 0.01 * wanted:
            raise UserError(
                f"{name} has another size than ours ({wanted:,} parameters): no fair comparison"
            )
    return models


def _size(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def measure(
    models: dict[str, nn.Module], mode: str, images: Tensor, labels: Tensor
) -> dict[str, list[float]]:
    """Milliseconds of each model in each round, warm-up rounds left out."""
    times: dict[str, list[float]] = {name: [] for name in models}
    names = list(models)
    turn = -WARM_UPS
    started = time.perf_counter()
    for model in models.values():
        model.train(mode == "training")
    while turn < LEAST or time.perf_counter() - started < SECONDS:
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            spent = milliseconds(mode, models[name], images, labels)
            if turn >= 0:
                times[name].append(spent)
        turn += 1
    return times


def batch_of(batch: int, image_size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Random (B, C, S, S) images and (B,) labels."""
    images = torch.randn(batch, CHANNELS, image_size, image_size, device=device)
    return images, torch.arange(batch, device=device) % 2


def cell(
    models: dict[str, nn.Module], mode: str, batch: int, size: int, top: float
) -> list[dict[str, str]]:
    """One row for each network; ``top`` is what ``peak`` gives."""
    device = next(models["ours"].parameters()).device
    images, labels = batch_of(batch, size, device)
    times = measure(models, mode, images, labels)
    own = times["ours"]
    rows = []
    for name, spent in times.items():
        ratio = median(theirs / mine for theirs, mine in zip(spent, own, strict=True))
        row = {
            "image size": str(size),
            "batch": str(batch),
            "mode": mode,
            "network": name,
            "images per second": f"{1e3 * batch / median(spent):.1f}",
            "peer / ours": f"{ratio:.3f}",
            "memory MB": f"{memory(mode, models[name], images, labels):.1f}",
            "share of peak": "",
        }
        rows.append(row)
    work = operations(mode, models["ours"], images, labels)
    rows[0]["share of peak"] = f"{1e3 * work / median(own) / top:.2f}"
    return rows


def measured(given: argparse.Namespace, top: float) -> Iterator[dict[str, str]]:
    """The rows of all cells that are asked for."""
    for size, patch in CELLS:
        models = build(size, patch, given.device) if size in given.sizes else {}
        for mode, batch in itertools.product(STEPS, given.batches):
            if models:
                yield from cell(models, mode, batch, size, top)


def growth(device: torch.device) -> None:
    """How the time of a training step of ours grows with image size, and with depth."""
    by_size = {size: (size, DEPTH) for size in (64, 128, 256, 512)}
    by_depth = {depth: (256, depth) for depth in (2, 4, 8, 16)}
    for title, builds in (
        ("image size, patches of 16 px", by_size),
        ("depth, 256 px", by_depth),
    ):
        print(f"\n{title:<32}{'ms':>10}{'times':>8}{'operations, times':>20}")
        before: tuple[float, float] | None = None
        for key, (size, depth) in builds.items():
            model = ours(size, 16, depth).to(device)
            images, labels = batch_of(4, size, device)
            rounds = range(WARM_UPS + 9)
            spent = median(milliseconds("training", model, images, labels) for _ in rounds)
            work = operations("training", model, images, labels)
            ratio = f"{spent / before[0]:>8.2f}{work / before[1]:>20.2f}" if before else ""
            print(f"{key:<32}{spent:>10.1f}{ratio}")
            before = (spent, work)


def main(argv: list[str]) -> None:
    """Print a row for each cell and network, and write them as CSV."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.throughput",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--OUTPUT", type=Path, default=Path("throughput.csv"))
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    sizes = [size for size, _ in CELLS]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes, choices=sizes)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    given = parser.parse_args(argv)
    torch.manual_seed(0)
    top = peak(given.device)
    print(
        f"torch {torch.__version__}, {given.device}, {torch.get_num_threads()} threads, float32; "
        f"a matrix product reaches {top / 1e9:.0f} GFLOP/s"
    )
    print(ROW.format(*TITLES))
    rows = []
    with errors.ending_in_one_line():
        for row in measured(given, top):
            rows.append(row)
            print(ROW.format(*row.values()), flush=True)
        write_table(given.OUTPUT, rows)
    ratios = [float(row["peer / ours"]) for row in rows if row["network"] not in ("ours", "half")]
    if ratios:
        mean = geometric_mean(ratios)
        print(f"{len(ratios)} cells of peers: least {min(ratios):.3f}, geometric mean {mean:.3f}")
    growth(given.device)


if __name__ == "__main__":
    errors.run(main)
