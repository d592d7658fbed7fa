"""Images a second and memory of our Vision Transformer beside timm's, torchvision's and Hugging
Face's.

    python benchmarks/throughput.py --OUTPUT throughput.csv

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
import csv
import ctypes
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from statistics import geometric_mean, median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from vit.attention import explicit_attention
from vit.model import VisionTransformer

WIDTH = 256
DEPTH = 4
HEADS = 8
MLP_WIDTH = 1024
CLASSES = 2
CHANNELS = 1
CELLS = ((32, 4), (128, 16), (256, 16))  # image size and patch size
BATCHES = (1, 16, 64)
# rounds that do not count, that a cell has at least, and its time
WARM_UPS = 3
LEAST = 5
SECONDS = 25.0
COLUMNS = (
    "image size",
    "batch",
    "mode",
    "network",
    "images per second",
    "peer / ours",
    "memory MB",
    "share of peak",
)


def ours(image_size: int, patch_size: int, depth: int = DEPTH, kept: float = 1.0) -> nn.Module:
    sizes = (image_size, patch_size, CHANNELS, CLASSES, WIDTH, depth, HEADS, MLP_WIDTH / WIDTH)
    return VisionTransformer(*sizes, kept_tokens=kept)


def half(image_size: int, patch_size: int) -> nn.Module:
    return ours(image_size, patch_size, kept=0.5)


def timm(image_size: int, patch_size: int) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer as Timm

    model: nn.Module = Timm(
        image_size, patch_size, CHANNELS, CLASSES, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS
    )
    return model


def torchvision(image_size: int, patch_size: int) -> nn.Module:
    from torchvision.models import VisionTransformer as Torchvision

    model: nn.Module = Torchvision(
        image_size, patch_size, DEPTH, HEADS, WIDTH, MLP_WIDTH, num_classes=CLASSES
    )
    model.conv_proj = nn.Conv2d(
        CHANNELS, WIDTH, patch_size, patch_size
    )  # it comes for three channels only
    return model


def transformers(image_size: int, patch_size: int) -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    sizes: dict[str, Any] = {
        "image_size": image_size,
        "patch_size": patch_size,
        "num_channels": CHANNELS,
        "hidden_size": WIDTH,
        "num_hidden_layers": DEPTH,
        "num_attention_heads": HEADS,
        "intermediate_size": MLP_WIDTH,
        "num_labels": CLASSES,
    }
    return ViTForImageClassification(ViTConfig(**sizes))


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
        parameters = sum(parameter.numel() for parameter in models[name].parameters())
        wanted = sum(parameter.numel() for parameter in models["ours"].parameters())
        if abs(parameters - wanted) > 0.01 * wanted:
            raise SystemExit(
                f"{name} has another size than ours ({wanted:,} parameters): no fair comparison"
            )
    return models


def training(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    output = model(images)
    logits = output if isinstance(output, Tensor) else output.logits
    torch.autograd.backward(F.cross_entropy(logits, labels))
    model.zero_grad(set_to_none=True)


def inference(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    with torch.inference_mode():
        model(images)


STEPS: dict[str, Callable[[nn.Module, Tensor, Tensor], None]] = {
    "training": training,
    "inference": inference,
}


def wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def milliseconds(mode: str, model: nn.Module, images: Tensor, labels: Tensor) -> float:
    wait_for(images.device)
    start = time.perf_counter()
    STEPS[mode](model, images, labels)
    wait_for(images.device)
    return 1e3 * (time.perf_counter() - start)


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


def memory(mode: str, model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Megabytes that a step adds at its peak."""
    if images.is_cuda:
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        STEPS[mode](model, images, labels)
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    return added_memory(lambda: STEPS[mode](model, images, labels))


def added_memory(step: Callable[[], object]) -> float:
    """Megabytes that a step on the CPU adds at its peak to the resident process (Linux)."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _resident("VmRSS")
    step()
    return (_resident("VmHWM") - before) / 1e3


def _resident(name: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1])  # kB


def operations(mode: str, model: nn.Module, images: Tensor, labels: Tensor) -> float:
    """Floating point operations of a step, by torch's counter, which knows the explicit attention."""
    with FlopCounterMode(display=False) as counter, explicit_attention(model):
        STEPS[mode](model, images, labels)
    return float(counter.get_total_flops())


def peak(device: torch.device, edge: int = 2048) -> float:
    """Floating point operations a second of a large matrix product: the median of 15."""
    matrix = torch.randn(edge, edge, device=device)
    spent = []
    for _ in range(15):
        wait_for(device)
        start = time.perf_counter()
        matrix @ matrix
        wait_for(device)
        spent.append(time.perf_counter() - start)
    return 2 * edge**3 / median(spent)


def cell(
    models: dict[str, nn.Module], mode: str, batch: int, size: int, top: float
) -> list[dict[str, Any]]:
    """One row for each network."""
    device = next(models["ours"].parameters()).device
    images = torch.randn(batch, CHANNELS, size, size, device=device)
    labels = torch.arange(batch, device=device) % 2
    times = measure(models, mode, images, labels)
    rows = []
    for name, spent in times.items():
        rows.append(
            dict.fromkeys(COLUMNS, "")
            | {
                "image size": size,
                "batch": batch,
                "mode": mode,
                "network": name,
                "images per second": f"{1e3 * batch / median(spent):.1f}",
                "peer / ours": f"{median(p / o for p, o in zip(spent, times['ours'], strict=True)):.3f}",
                "memory MB": f"{memory(mode, models[name], images, labels):.1f}",
            }
        )
    work = operations(mode, models["ours"], images, labels)
    rows[0]["share of peak"] = f"{1e3 * work / median(times['ours']) / top:.2f}"
    return rows


def growth(device: torch.device) -> None:
    """How the time of a training step of ours grows with image size, and with depth."""
    for about, builds in (
        ("image size, patches of 16 px", {size: (size, DEPTH) for size in (64, 128, 256, 512)}),
        ("depth, 256 px", {depth: (256, depth) for depth in (2, 4, 8, 16)}),
    ):
        print(f"\n{about:<32}{'ms':>10}{'times':>8}{'operations, times':>20}")
        before: tuple[float, float] | None = None
        for key, (size, depth) in builds.items():
            model = ours(size, 16, depth).to(device)
            images = torch.randn(4, CHANNELS, size, size, device=device)
            labels = torch.arange(4, device=device) % 2
            spent = median(
                milliseconds("training", model, images, labels) for _ in range(WARM_UPS + 9)
            )
            work = operations("training", model, images, labels)
            ratio = f"{spent / before[0]:>8.2f}{work / before[1]:>20.2f}" if before else ""
            print(f"{key:<32}{spent:>10.1f}{ratio}")
            before = (spent, work)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--OUTPUT", type=Path, default=Path("throughput.csv"))
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    sizes = [size for size, _ in CELLS]
    parser.add_argument("--sizes", type=int, nargs="+", default=sizes, choices=sizes)
    parser.add_argument("--batches", type=int, nargs="+", default=BATCHES)
    given = parser.parse_args()
    torch.manual_seed(0)
    top = peak(given.device)
    rows = list[dict[str, Any]]()
    ratios = list[float]()
    print(
        f"torch {torch.__version__}, {given.device}, {torch.get_num_threads()} threads, float32; a matrix product "
        f"reaches {top / 1e9:.0f} GFLOP/s"
    )
    print(
        f"{'px':>4}{'batch':>6} {'mode':<10}{'network':<14}{'images/s':>10}{'peer/ours':>10}{'MB':>9}{'of peak':>8}"
    )
    for size, patch in CELLS:
        models = build(size, patch, given.device) if size in given.sizes else {}
        for mode, batch in ((mode, batch) for mode in STEPS for batch in given.batches if models):
            for row in cell(models, mode, batch, size, top):
                rows.append(row)
                values = [row[name] for name in COLUMNS]
                print("{:>4}{:>6} {:<10}{:<14}{:>10}{:>10}{:>9}{:>8}".format(*values), flush=True)
                if row["network"] not in ("ours", "half"):
                    ratios.append(float(row["peer / ours"]))
    if ratios:
        print(
            f"{len(ratios)} cells of peers: least {min(ratios):.3f}, geometric mean {geometric_mean(ratios):.3f}"
        )
    with given.OUTPUT.open("w", newline="") as file:
        table = csv.DictWriter(file, COLUMNS)
        table.writeheader()
        table.writerows(rows)
    growth(given.device)


if __name__ == "__main__":
    main()
