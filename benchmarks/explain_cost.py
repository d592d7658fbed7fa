"""What maps cost beside the bare forward passes.

python -m benchmarks.explain_cost

100 images of the default size, one thread, processor time. Each of --rounds runs every method once,
and the ratio to the bare passes is taken within a round. Memory is what a method adds at its peak
to the resident process (Linux). --Path_Checkpoint takes a model of yours in place of one with
random weights.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median

import torch
from torch import Tensor

import errors
from benchmarks.measuring import added_memory
from CONFIG import Config
from vit import checkpoint
from vit.explain import METHODS, explain
from vit.model import VisionTransformer

IMAGES = 100
BATCH = 16
Step = Callable[[Tensor], object]


@torch.inference_mode()
def bare(model: VisionTransformer, images: Tensor) -> None:
    """A forward pass without a map."""
    model(images)


def seconds(step: Step, images: Tensor) -> float:
    """Processor time of a step over all images, batch by batch."""
    start = time.process_time()
    for part in torch.split(images, BATCH):
        step(part)
    return time.process_time() - start


def main(argv: list[str]) -> None:
    """Print a row for each method."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.explain_cost",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--Path_Checkpoint", type=Path)
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = VisionTransformer(Config()).eval()
    if given.Path_Checkpoint:
        with errors.ending_in_one_line():
            model = checkpoint.load(given.Path_Checkpoint).models[0]
    images = torch.randn(IMAGES, 1, *model.embeddings.patch_embedding.image_size)
    methods = [name for name in METHODS if name != "occlusion"]
    maps: dict[str, Step] = {name: partial(explain, model, method=name) for name in methods}
    steps: dict[str, Step] = {"bare": partial(bare, model), **maps}
    for step in steps.values():  # warm-up
        step(images[:BATCH])
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(given.rounds):
        for name, step in steps.items():
            times[name].append(seconds(step, images))
    print(f"{'':<18}{'seconds':>8}{'times bare':>12}{'least':>8}{'most':>8}{'MB':>8}")
    for name, step in steps.items():
        ratios = [own / plain for own, plain in zip(times[name], times["bare"], strict=True)]
        memory = added_memory(partial(step, images[:BATCH]))
        print(
            f"{name:<18}{median(times[name]):>8.2f}{median(ratios):>12.2f}"
            f"{min(ratios):>8.2f}{max(ratios):>8.2f}{memory:>8.0f}"
        )


if __name__ == "__main__":
    errors.run(main)
