"""A Vision Transformer for medical images: load a trained model, ask it, see where it looked.

    import vit

    model = vit.load("ViT.ckpt")                            # checked before anything of it is used
    for p in model.predict(["a.png", "scan.dcm", array]):   # paths, folders, numpy, PIL
        print(p.name, p.label, p.probabilities, p.prediction_set, p.distance, p.in_training)

    heat = model.explain("a.png", method="agreement", target="abnormal")   # (H, W) float32
    model.overlay("a.png", heat).save("heat.png")

Names that stay stable (changes stand in CHANGELOG.md):

    load         reads a ViT.ckpt, or a graph of vit.export, and gives a Predictor
    Predictor    predict(images), explain(image, ...), overlay(image, heat)
    Prediction   what predict gives of each image: label, probabilities (by class name, the positive
                 class last), prediction_set, distance (above 1: unlike the training images),
                 in_training, logits, name, truth
    UserError    the root of all errors that you can correct; their text says how

Probabilities of classes and of grades sum to 1. A model of findings (task: multilabel) has one for
each by itself; label and truth then hold all findings of the image, as calcified;stent, or none,
and prediction_set is None.

Importing this package is cheap. PyTorch is imported by the first ``load``, after the file has been
checked.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from errors import UserError
    from vit.predictions import Prediction
    from vit.predictor import Predictor

__version__ = "2.4.0"
LEVEL = 0.9  # share of the images of each class whose prediction set holds it, unless said
BATCH_SIZE = 16  # images at a time, unless said
__all__ = ["Prediction", "Predictor", "UserError", "load"]


def load(path: "str | Path", device: str = "auto", level: float = LEVEL) -> "Predictor":
    """The model of a ViT.ckpt or of a graph, ready to predict and to explain.

    Args:
        path: ViT.ckpt as train.py writes it, or model.onnx as vit.export does, which is run
            without PyTorch.
        device: auto (a GPU where there is one), cpu, gpu, cuda or mps.
        level: share of the images of each class whose prediction set shall hold it, 0 to 1.

    Raises:
        UserError: no such file, damaged, not ours, holding more than plain types; no such device.
        ImportError: one of your files has the name of a module of this project.
    """
    from vit.collisions import refuse_collisions

    refuse_collisions()
    from pathlib import Path

    from vit.archive import is_graph, screened

    if is_graph(Path(path)):
        return _load_graph(Path(path), device, level)
    screened(Path(path))  # before torch, for which a hostile file may have been made, is there
    from vit import torch_predictor

    return torch_predictor.load(path, device, level)


def _load_graph(path: "Path", device: str, level: float) -> "Predictor":
    from errors import UserError
    from vit import graph_predictor

    if device not in ("auto", "cpu"):
        raise UserError(f"device: got {device}, but a graph is run on the CPU; wanted auto or cpu")
    return graph_predictor.load(path, level=level)


def __getattr__(name: str) -> Any:
    """The public classes, imported when they are asked for."""
    from vit.collisions import refuse_collisions

    homes = {
        "Prediction": "vit.predictions",
        "Predictor": "vit.predictor",
        "UserError": "errors",
    }
    if name not in homes:
        raise AttributeError(f"module 'vit' has no attribute {name!r}; it has {', '.join(__all__)}")
    refuse_collisions()
    from importlib import import_module

    return getattr(import_module(homes[name]), name)
