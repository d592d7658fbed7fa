"""What a training step would gain from what is not built in: python -m benchmarks.speedups --device
cpu

torch.compile, bf16 (autocast), and random changes of whole batches on the device instead of image
by image in a loader worker. Each round does every way once, in an order that rotates, so that other
work on the machine slows all alike; the ratio to the plain way is taken within a round, and above 1
a way is the faster. Changes of images are timed without the step, and by processor time on a CPU,
where they run beside it.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from statistics import median

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

import CONFIG
from data.augment import Augment
from data.dataset import BLACK, FARTHEST, FLAT, as_float, to_tensor
from presets import PRESETS
from vit.checkpoint import build_model
from vit.device import DeviceError, torch_device

ROUNDS = 15
WARM_UPS = 3


def one_by_one(pictures: NDArray[np.uint8], augment: Augment) -> Tensor:
    """(B, S, S) uint8 to (B, 1, S, S), as data.dataset does it."""
    each = []
    for number, picture in enumerate(pictures):
        grey, _ = augment(as_float(picture, len(picture)), np.random.default_rng([0, 1, number]))
        each.append(to_tensor(grey, None, None, 1))
    return torch.stack(each)


def together(pictures: NDArray[np.uint8], augment: Augment, device: torch.device) -> Tensor:
    """The same changes by torch on the device; what is random of an image still depends on its
    number alone.
    """
    drawn = np.stack(
        [np.random.default_rng([0, 1, number]).uniform(-1, 1, 9) for number in range(len(pictures))]
    )
    flip, mirror, turn, zoom, right, down, gain, gamma, offset = (
        torch.from_numpy(drawn.T).float().to(device)
    )
    images = torch.from_numpy(pictures).to(device)[:, None].float() / 255
    angle = (augment.rotate * turn).deg2rad()
    scale = 1 / (1 + augment.zoom * zoom)
    across = scale * flip.sign()
    along = scale * (mirror.sign() if augment.flip != "horizontal" else 1)
    rows = [
        torch.stack([angle.cos() * across, angle.sin() * along, 2 * augment.shift * right], dim=1),
        torch.stack([-angle.sin() * across, angle.cos() * along, 2 * augment.shift * down], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    images = F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)
    gain, gamma, offset = (
        augment.contrast * each[:, None, None, None] for each in (gain, gamma, offset / 2)
    )
    images = images.clamp(0, 1) ** gamma.exp() * gain.exp() + offset
    images = (images + augment.noise * 0.5 * torch.randn_like(images)).clamp(0, 1)
    seen = images > BLACK
    count = seen.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean = (images * seen).sum(dim=(2, 3), keepdim=True) / count
    spread = (((images - mean) * seen) ** 2).sum(dim=(2, 3), keepdim=True).div(count).sqrt() + FLAT
    standardised: Tensor = ((images - mean) / spread).clamp(-FARTHEST, FARTHEST)
    return standardised


def steps(config: CONFIG.Config, device: torch.device) -> dict[str, Callable[[], object]]:
    """Forward and backward passes of one batch."""
    images = torch.randn(config.batch_size, 1, config.image_size, config.image_size, device=device)
    labels = torch.arange(config.batch_size, device=device) % 2
    model: nn.Module = build_model(asdict(config)).to(device).train()
    compiled: nn.Module = torch.compile(model)  # type: ignore[assignment]

    def step(net: nn.Module, short: bool) -> Callable[[], None]:
        def run() -> None:
            with torch.autocast(device.type, torch.bfloat16, enabled=short):
                loss = F.cross_entropy(net(images), labels)
            torch.autograd.backward(loss)
            model.zero_grad()

        return run

    return {
        "plain": step(model, False),
        "bf16": step(model, True),
        "torch.compile": step(compiled, False),
        "torch.compile and bf16": step(compiled, True),
    }


def compare(ways: dict[str, Callable[[], object]], images: int, clock: Callable[[], float]) -> None:
    """Print milliseconds an image and the ratio to the first way."""
    names = list(ways)
    spent = {name: list[float]() for name in ways}
    for number in range(-WARM_UPS, ROUNDS):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            start = clock()
            ways[name]()
            if number >= 0:
                spent[name].append((clock() - start) / images * 1000)
    for name, each in spent.items():
        ratio = median(first / own for first, own in zip(spent[names[0]], each, strict=True))
        print(
            f"  {name:<24}{median(each):8.3f} ms an image, {ratio:5.2f} times as fast", flush=True
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "gpu", "cuda", "mps"))
    parser.add_argument(
        "--presets", nargs="+", default=["tiny", "windows", "small"], choices=PRESETS
    )
    given = parser.parse_args()
    try:
        device = torch_device(given.device)
    except DeviceError as error:
        sys.exit(str(error))
    cv2.setNumThreads(0)
    rng = np.random.default_rng(0)

    def now() -> float:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    for name in given.presets:
        config = CONFIG.Config(**PRESETS[name])
        size = config.image_size
        print(f"{name}: {size} px, batches of {config.batch_size}, {device}; a training step")
        compare(steps(config, device), config.batch_size, now)
        noise = rng.integers(0, 256, (config.batch_size, size, size), np.uint8)
        pictures = np.stack([cv2.GaussianBlur(picture, (0, 0), 2) for picture in noise])
        augment = Augment(**{key: getattr(config, key) for key in Augment.__dataclass_fields__})
        print("random changes, one thread")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        compare(
            {
                "one by one, in a worker": partial(one_by_one, pictures, augment),
                "a batch on the device": partial(together, pictures, augment, device),
            },
            len(pictures),
            time.process_time if device.type == "cpu" else now,
        )
        torch.set_num_threads(threads)


if __name__ == "__main__":
    main()
