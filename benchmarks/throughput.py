"""Time of a step of our Vision Transformer beside timm's, torchvision's and Hugging Face's.

    python benchmarks/throughput.py --rounds 15

All four have the published sizes (width 256, depth 4, 8 heads, 1 channel), random weights and the same batch. Each
round runs every model once, in an order that rotates from round to round, so that a busy machine slows all alike;
the ratio peer / ours is taken within a round, and above 1 ours is the faster. ``training`` is forward pass, cross
entropy, backward pass and dropping the gradients; ``inference`` is the forward pass in inference mode. Ours works out
the CLS row alone in its last block, the peers all rows: the logits are the same, and no peer offers it as an option.
"""

import argparse
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

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from vit.model import VisionTransformer

WIDTH, DEPTH, HEADS, MLP_WIDTH, CLASSES, CHANNELS = 256, 4, 8, 1024, 2, 1
WARM_UPS = 3


def ours(image_size: int, patch_size: int) -> nn.Module:
    return VisionTransformer(image_size, patch_size, CHANNELS, CLASSES, WIDTH, DEPTH, HEADS, MLP_WIDTH / WIDTH)


def timm(image_size: int, patch_size: int) -> nn.Module:
    from timm.models.vision_transformer import VisionTransformer as Timm

    model: nn.Module = Timm(image_size, patch_size, CHANNELS, CLASSES, embed_dim=WIDTH, depth=DEPTH, num_heads=HEADS)
    return model


def torchvision(image_size: int, patch_size: int) -> nn.Module:
    from torchvision.models import VisionTransformer as Torchvision

    model: nn.Module = Torchvision(image_size, patch_size, DEPTH, HEADS, WIDTH, MLP_WIDTH, num_classes=CLASSES)
    model.conv_proj = nn.Conv2d(CHANNELS, WIDTH, patch_size, patch_size)  # it comes for three channels only
    return model


def transformers(image_size: int, patch_size: int) -> nn.Module:
    from transformers import ViTConfig, ViTForImageClassification

    sizes: dict[str, Any] = {
        "image_size": image_size, "patch_size": patch_size, "num_channels": CHANNELS, "hidden_size": WIDTH,
        "num_hidden_layers": DEPTH, "num_attention_heads": HEADS, "intermediate_size": MLP_WIDTH, "num_labels": CLASSES,
    }  # fmt: skip
    return ViTForImageClassification(ViTConfig(**sizes))


BUILDERS = (ours, timm, torchvision, transformers)


def build(image_size: int, patch_size: int, device: torch.device) -> dict[str, nn.Module]:
    """The models that are installed, each with its number of parameters printed."""
    models: dict[str, nn.Module] = {}
    for builder in BUILDERS:
        name = builder.__name__
        try:
            models[name] = builder(image_size, patch_size).to(device)
        except ImportError as error:
            print(f"{name}: left out, {error}")
            continue
        parameters = sum(parameter.numel() for parameter in models[name].parameters())
        wanted = sum(parameter.numel() for parameter in models["ours"].parameters())
        print(f"{name}: {parameters:,} parameters" + (f", {name} {version(name)}" if name != "ours" else ""))
        if abs(parameters - wanted) > 0.01 * wanted:
            raise SystemExit(f"{name} has another size than ours ({wanted:,} parameters): no fair comparison")
    return models


def training(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    output = model(images)
    logits = output if isinstance(output, Tensor) else output.logits
    torch.autograd.backward(F.cross_entropy(logits, labels))
    model.zero_grad(set_to_none=True)


def inference(model: nn.Module, images: Tensor, labels: Tensor) -> None:
    with torch.inference_mode():
        model(images)


STEPS: dict[str, Callable[[nn.Module, Tensor, Tensor], None]] = {"training": training, "inference": inference}


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
    models: dict[str, nn.Module], mode: str, images: Tensor, labels: Tensor, rounds: int
) -> dict[str, list[float]]:
    """Milliseconds of each model in each round, warm-up rounds left out."""
    times: dict[str, list[float]] = {name: [] for name in models}
    names = list(models)
    for model in models.values():
        model.train(mode == "training")
    for turn in range(-WARM_UPS, rounds):
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            spent = milliseconds(mode, models[name], images, labels)
            if turn >= 0:
                times[name].append(spent)
    return times


def report(mode: str, times: dict[str, list[float]]) -> None:
    print(f"\n{mode:<14}{'median ms':>10}{'peer / ours':>13}{'min':>8}{'max':>8}")
    medians = []
    for name, spent in times.items():
        ratios = [peer / own for peer, own in zip(spent, times["ours"], strict=True)]
        row = f"{name:<14}{median(spent):>10.1f}"
        if name != "ours":
            medians.append(median(ratios))
            row += f"{medians[-1]:>13.3f}{min(ratios):>8.3f}{max(ratios):>8.3f}"
        print(row)
    if medians:
        print(f"{'geometric mean':<24}{geometric_mean(medians):>13.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of a step, ours beside its peers.")
    parser.add_argument("--image_size", type=int, default=256, help="edge in pixels")
    parser.add_argument("--patch_size", type=int, default=16, help="edge in pixels")
    parser.add_argument("--batch_size", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--device", type=torch.device, default=torch.device("cpu"))
    parser.add_argument("--modes", nargs="+", choices=STEPS, default=list(STEPS))
    args = parser.parse_args()
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {args.device}, {torch.get_num_threads()} threads, float32, {args.rounds} rounds")
    print(f"{args.image_size} px, patches of {args.patch_size} px, batch of {args.batch_size}")
    models = build(args.image_size, args.patch_size, args.device)
    images = torch.randn(args.batch_size, CHANNELS, args.image_size, args.image_size, device=args.device)
    labels = torch.arange(args.batch_size, device=args.device) % CLASSES
    for mode in args.modes:
        report(mode, measure(models, mode, images, labels, args.rounds))


if __name__ == "__main__":
    main()
