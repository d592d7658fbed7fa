"""Images a second of PyTorch, torch.compile, timm, the ONNX graph, its 8 bit form and OpenVINO.

OMP_NUM_THREADS=1 python -m benchmarks.graph_speed --shape windows --threads 1

Weights are random and each picture is seen once, not in its mirrored copies too. All run in turn in
each round; a ratio is that of medians. timm's is a plain ViT of the same width, depth and patches,
so it is beside "published" alone. OpenVINO is measured where it is installed.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import errors
from benchmarks import throughput
from CONFIG import Config
from data.preprocessing import Preprocessing
from presets import PRESETS
from vit import export, graph
from vit.checkpoint import Checkpoint
from vit.map_request import MapRequest
from vit.model import VisionTransformer
from vit.quantisation import in_8_bits
from vit.torch_predictor import TorchPredictor
from vit.views import logits_of

Run = Callable[[], object]
BATCHES = (1, 16)
SHAPES = {
    "windows": {**PRESETS["windows"], "predict_flipped": False},
    "published": {
        "image_size": 256,
        "patch_size": 16,
        "embedding_size": throughput.WIDTH,
        "num_heads": throughput.HEADS,
        "num_hidden_layers": throughput.DEPTH,
        "mlp_ratio": throughput.MLP_WIDTH / throughput.WIDTH,
        "predict_flipped": False,
    },
}


def made(shape: str) -> Checkpoint:
    """A model of this shape with random weights."""
    config = Config(**SHAPES[shape])
    torch.manual_seed(0)
    model = VisionTransformer(config).eval()
    preprocessing = Preprocessing(config.image_size, 0.4, 0.2)
    return Checkpoint(config, ["normal", "abnormal"], preprocessing, models=[model])


def pictures(count: int, size: int) -> NDArray:
    """(n, 1, S, S) smooth random pictures from 0 to 1."""
    rough = np.random.default_rng(0).random((count, 1, size // 8, size // 8), np.float32)
    return rough.repeat(8, axis=2).repeat(8, axis=3)


def networks(shape: str, source: Checkpoint, threads: int) -> tuple[Callable, Callable]:
    """What gives the runs of a batch: for probabilities alone, and for all with the map."""
    size = source.preprocessing.image_size
    exact = export.export(source)
    ranges = pictures(64, size)
    batches = [{graph.INPUT: ranges[start : start + 16]} for start in range(0, 64, 16)]
    contents = {"graph": exact, "graph in 8 bits": in_8_bits(exact, batches)}
    alone = {name: graph.only(each, ("probabilities",)) for name, each in contents.items()}
    sessions = {name: graph.session_of(each, threads) for name, each in alone.items()}
    whole = {name: graph.session_of(each, threads) for name, each in contents.items()}
    model = source.models[0]
    others = {"compiled": torch.compile(model)}
    if shape == "published":
        others["timm"] = throughput.timm(size, source.config.patch_size).eval()
    openvino = _openvino(alone["graph"], threads)
    ours = TorchPredictor(source, batch_size=max(BATCHES))

    def probabilities(pixels: NDArray) -> dict[str, Run]:
        images = ours.images(pixels[:, 0])
        runs: dict[str, Run] = {"torch": partial(_without_gradients, logits_of, source, images)}
        for name, each in others.items():
            runs[name] = partial(_without_gradients, each, images)
        for name, session in sessions.items():
            runs[name] = partial(session.run, None, {graph.INPUT: pixels})
        if openvino:
            runs["OpenVINO"] = partial(openvino, [pixels])
        return runs

    def everything(pixels: NDArray) -> dict[str, Run]:
        runs: dict[str, Run] = {"torch": partial(ours.run, pixels[:, 0], MapRequest(1))}
        for name, session in whole.items():
            runs[name] = partial(session.run, None, {graph.INPUT: pixels})
        return runs

    return probabilities, everything


def _without_gradients(network: Callable, *given: object) -> object:
    with torch.inference_mode():
        return network(*given)


def _openvino(content: bytes, threads: int) -> Callable | None:
    """The graph as OpenVINO runs it; None: it is not installed."""
    try:
        core = import_module("openvino").Core()
    except ImportError:
        return None
    # it would work in bfloat16 where the processor can
    settings = {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}
    with tempfile.TemporaryDirectory() as place:
        file = Path(place) / "model.onnx"
        file.write_bytes(content)
        compiled: Callable = core.compile_model(core.read_model(file), "CPU", settings)
    return compiled


def compare(runs: dict[str, Run], images: int, rounds: int) -> None:
    """Print images a second of each, timed in turn, and the ratio to the first."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 3):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            if number > 2:
                seconds[name].append(time.perf_counter() - start)
    middle = {name: statistics.median(each) for name, each in seconds.items()}
    for name, each in middle.items():
        ratio = middle["torch"] / each
        print(f"  {name:16s} {images / each:8.0f} images/s, {ratio:.2f} times")


def main(argv: list[str]) -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.graph_speed",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--shape", choices=SHAPES, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=31)
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        torch.set_num_threads(given.threads)
        source = made(given.shape)
        kinds = networks(given.shape, source, given.threads)
        for batch in BATCHES:
            pixels = pictures(batch, source.preprocessing.image_size)
            for kind, title in zip(kinds, ("probabilities", "all, with the map"), strict=True):
                print(f"{given.shape}, {given.threads} threads, batch {batch}, {title}:")
                compare(kind(pixels), batch, given.rounds)


if __name__ == "__main__":
    errors.run(main)
