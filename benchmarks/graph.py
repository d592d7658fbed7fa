"""Whether the ONNX graph of a model says the same as its ViT.ckpt, and how fast either is.

python -m benchmarks.graph --Path ProcessedFolder/val --Path_Checkpoint ViT.ckpt --threads 1

Differences are the largest of all images. Times are taken in turn, and are medians.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import errors
from data.inputs import find, folder_given, gather
from vit import checkpoint, export, graph, graph_predictor
from vit.map_request import MapRequest
from vit.predictions import Predictions
from vit.torch_predictor import TorchPredictor

BATCHES = (1, 16)
ROUNDS = 15


def agree(ours: Predictions, theirs: Predictions) -> None:
    """Print the largest differences between two tables of the same images."""
    pairs = list(zip(ours, theirs, strict=True))
    shares = [abs(a.positive_probability - b.positive_probability) for a, b in pairs]
    maps = [np.nanmax(np.abs(a.map - b.map)) for a, b in pairs if a.map is not None]
    far = [abs((a.distance or 0) - (b.distance or 0)) for a, b in pairs]
    sets = sum(a.label != b.label or a.prediction_set != b.prediction_set for a, b in pairs)
    print(
        f"{len(pairs)} images: probability {max(shares):.1e}, map {max(maps):.1e}, distance "
        f"{max(far):.1e}; other label or prediction set: {sets}"
    )


def rates(runs: dict[str, Callable[[], object]], images: int) -> None:
    """Print images a second of each, timed in turn, and the ratio to the first."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(ROUNDS + 2):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if number > 1:
                seconds[name].append(time.perf_counter() - start)
    first, *_ = (statistics.median(each) for each in seconds.values())
    for name, each in seconds.items():
        middle = statistics.median(each)
        print(f"batch {images}, {name}: {images / middle:.0f} images/s, {first / middle:.2f} times")


def measure(path: str, source: Path, threads: int) -> None:
    """As ``main``."""
    torch.set_num_threads(threads)
    loaded = checkpoint.load(source)
    ours = TorchPredictor(loaded)
    request = MapRequest(len(loaded.class_names) - 1)
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "model.onnx"
        file.write_bytes(export.export(loaded))
        print(f"graph: {file.stat().st_size / 1e6:.1f} MB")
        theirs = graph_predictor.load(file)
        inputs = gather(find(path), loaded.class_names, folder_given(path))
        agree(ours.answer(inputs, request), theirs.answer(inputs, request))
        content = file.read_bytes()
    with_map = graph.session_of(content, threads)
    alone = graph.session_of(graph.only(content, ("probabilities",)), threads)
    size = loaded.preprocessing.image_size
    for batch in BATCHES:
        pixels = np.random.default_rng(0).random((batch, 1, size, size)).astype(np.float32)
        images = torch.from_numpy(
            np.stack([loaded.preprocessing.standardised(each) for each in pixels[:, 0]])
        )
        rates(
            {
                "torch, probabilities": partial(_forward, loaded.models[0], images),
                "graph, probabilities": partial(alone.run, None, {"pixels": pixels}),
            },
            batch,
        )
        rates(
            {
                "torch, all": partial(ours.run, pixels[:, 0], request),
                "graph, all": partial(with_map.run, None, {"pixels": pixels}),
            },
            batch,
        )


def _forward(model: torch.nn.Module, images: torch.Tensor) -> NDArray:
    with torch.inference_mode():
        return np.asarray(model(images).softmax(dim=1))


def main(argv: list[str]) -> None:
    """Print differences and times."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.graph",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--Path", required=True, help="images, as of predict.py")
    parser.add_argument("--Path_Checkpoint", type=Path, required=True, help="ViT.ckpt")
    parser.add_argument("--threads", type=int, default=1)
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        measure(given.Path, given.Path_Checkpoint, given.threads)


if __name__ == "__main__":
    errors.run(main)
