"""What a training step would gain from what is not built in.

python -m benchmarks.speedups --device cpu

torch.compile, bf16 (autocast), and random changes of whole batches on the device instead of image
by image in a loader worker. Each round does every way once, in an order that rotates, so that other
work on the machine slows all alike; the ratio to the plain way is taken within a round, and above 1
a way is the faster. Changes of images are timed without the step, and by processor time on a CPU,
where they run beside it.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

import errors
from benchmarks.measuring import wait_for
from CONFIG import Config
from data.augment import Augment
from data.preprocessing import BLACK, FARTHEST, FLAT, Preprocessing, as_float
from presets import PRESETS
from vit.device import torch_device
from vit.model import VisionTransformer

ROUNDS = 15
WARM_UPS = 3
Ways = dict[str, Callable[[], object]]


def one_by_one(pictures: NDArray[np.uint8], augment: Augment) -> Tensor:
    """(B, S, S) uint8 to (B, 1, S, S), as data.dataset does it."""
    preprocessing = Preprocessing(pictures.shape[1], mean=None, std=None)
    each = []
    for number, picture in enumerate(pictures):
        grey, _ = augment(as_float(picture, len(picture)), np.random.default_rng([0, 1, number]))
        each.append(torch.from_numpy(preprocessing.standardised(grey)))
    return torch.stack(each)


def together(pictures: NDArray[np.uint8], augment: Augment, device: torch.device) -> Tensor:
    """The same changes by torch on the device.

    What is random of an image still depends on its number alone.
    """
    numbers = range(len(pictures))
    drawn = np.stack([np.random.default_rng([0, 1, n]).uniform(-1, 1, 9) for n in numbers])
    draws = torch.from_numpy(drawn.T).float().to(device)  # (9, B)
    images = torch.from_numpy(pictures).to(device)[:, None].float() / 255
    return _standardised(_recoloured(_moved(images, draws[:6], augment), draws[6:], augment))


def _moved(images: Tensor, draws: Tensor, augment: Augment) -> Tensor:
    flip, mirror, turn, zoom, right, down = draws
    angle = (augment.rotate * turn).deg2rad()
    scale = 1 / (1 + augment.zoom * zoom)
    across = scale * flip.sign()
    along = scale * (mirror.sign() if augment.flip != "horizontal" else 1)
    rows = [
        torch.stack([angle.cos() * across, angle.sin() * along, 2 * augment.shift * right], dim=1),
        torch.stack([-angle.sin() * across, angle.cos() * along, 2 * augment.shift * down], dim=1),
    ]
    grid = F.affine_grid(torch.stack(rows, dim=1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def _recoloured(images: Tensor, draws: Tensor, augment: Augment) -> Tensor:
    gain, gamma, offset = augment.contrast * draws[:, :, None, None, None]  # (B, 1, 1, 1) each
    images = images.clamp(0, 1) ** gamma.exp() * gain.exp() + offset / 2
    return (images + augment.noise * 0.5 * torch.randn_like(images)).clamp(0, 1)


def _standardised(images: Tensor) -> Tensor:
    seen = images > BLACK
    count = seen.sum(dim=(2, 3), keepdim=True).clamp(min=1)
    mean = (images * seen).sum(dim=(2, 3), keepdim=True) / count
    spread = (((images - mean) * seen) ** 2).sum(dim=(2, 3), keepdim=True).div(count).sqrt() + FLAT
    return ((images - mean) / spread).clamp(-FARTHEST, FARTHEST)


def steps(config: Config, device: torch.device) -> Ways:
    """Forward and backward passes of one batch."""
    images = torch.randn(config.batch_size, 1, config.image_size, config.image_size, device=device)
    labels = torch.arange(config.batch_size, device=device) % 2
    model: nn.Module = VisionTransformer(config).to(device).train()
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


def changes(config: Config, device: torch.device, rng: np.random.Generator) -> Ways:
    """Random changes of one batch."""
    size = config.image_size
    noise = rng.integers(0, 256, (config.batch_size, size, size), np.uint8)
    pictures = np.stack([cv2.GaussianBlur(picture, (0, 0), 2) for picture in noise])
    augment = Augment.from_config(config)
    return {
        "one by one, in a worker": partial(one_by_one, pictures, augment),
        "a batch on the device": partial(together, pictures, augment, device),
    }


def compare(ways: Ways, images: int, clock: Callable[[], float]) -> None:
    """Print milliseconds an image and the ratio to the first way."""
    names = list(ways)
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-WARM_UPS, ROUNDS):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            start = clock()
            ways[name]()
            if number >= 0:
                spent[name].append((clock() - start) / images * 1000)
    for name, each in spent.items():
        ratio = median(plain / own for plain, own in zip(spent[names[0]], each, strict=True))
        print(
            f"  {name:<24}{median(each):8.3f} ms an image, {ratio:5.2f} times as fast", flush=True
        )


def main(argv: list[str]) -> None:
    """Compare the ways for each preset."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.speedups",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--device", default="cpu", choices=("cpu", "gpu", "cuda", "mps"))
    parser.add_argument(
        "--presets", nargs="+", default=["windows", "reformations"], choices=PRESETS
    )
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        device = torch_device(given.device)
    cv2.setNumThreads(0)
    rng = np.random.default_rng(0)

    def now() -> float:
        wait_for(device)
        return time.perf_counter()

    for name in given.presets:
        config = Config(**PRESETS[name])
        print(
            f"{name}: {config.image_size} px, batches of {config.batch_size}, {device}; "
            "a training step"
        )
        compare(steps(config, device), config.batch_size, now)
        print("random changes, one thread")
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        clock = time.process_time if device.type == "cpu" else now
        compare(changes(config, device, rng), config.batch_size, clock)
        torch.set_num_threads(threads)


if __name__ == "__main__":
    errors.run(main)
