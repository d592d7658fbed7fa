"""Whether the ONNX graph of a model says the same as its ViT.ckpt.

python -m benchmarks.graph --Path ProcessedFolder/val --Path_Checkpoint ViT.ckpt

Differences are the largest of all images.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np

import errors
from data.inputs import find, folder_given, gather
from vit import checkpoint, export, graph_predictor
from vit.map_request import MapRequest
from vit.predictions import Predictions
from vit.torch_predictor import TorchPredictor


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


def measure(path: str, source: Path) -> None:
    """As ``main``."""
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


def main(argv: list[str]) -> None:
    """Print the differences."""
    parser = argparse.ArgumentParser(
        "python -m benchmarks.graph",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--Path", required=True, help="images, as of predict.py")
    parser.add_argument("--Path_Checkpoint", type=Path, required=True, help="ViT.ckpt")
    given = parser.parse_args(argv)
    with errors.ending_in_one_line():
        measure(given.Path, given.Path_Checkpoint)


if __name__ == "__main__":
    errors.run(main)
