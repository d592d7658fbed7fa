"""A checkpoint with all that one may hold, and changes of it; for benchmarks.fuzz."""

import io
import zipfile
from dataclasses import asdict

import numpy as np
import torch

from benchmarks.odd_files import ODD, changed
from CONFIG import Config
from data.preprocessing import Preprocessing
from metrics.intervals import Estimate
from vit.checkpoint import Checkpoint, Provenance, load
from vit.checkpoint_gate import Plain
from vit.familiarity import Familiarity
from vit.model import VisionTransformer

__all__ = ["checkpoint_seed", "load", "odd_checkpoint"]
SHAPE = Config(image_size=32, patch_size=8, embedding_size=16, num_heads=2, num_hidden_layers=2)


def checkpoint_seed() -> bytes:
    """A good ViT.ckpt of two models."""
    model = VisionTransformer(SHAPE)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    provenance = Provenance(
        run="a-1",
        split_sha256="0" * 64,
        training_images_sha256=["0" * 64],
        versions={"torch": "2"},
        init={"run": "b", "config": asdict(SHAPE), "split_sha256": ""},
        validation={"epoch": 1, "val_auroc": 0.9},
        estimates={"auroc": Estimate(0.9, 0.8, 1.0)},
        history=[[{"epoch": 1, "train_loss": 0.5}], []],
    )
    contents = Checkpoint(
        SHAPE,
        ["normal", "abnormal"],
        Preprocessing(32, mean=0.4, std=0.2),
        conformal_scores={"normal": [0.1] * 20, "abnormal": [0.2] * 20},
        provenance=provenance,
    )
    more = {
        "state_dict": state,
        "members": [dict(state)],
        "familiarity": [dict(Familiarity(model).state_dict()) for _ in range(2)],
    }
    return _saved({**contents.plain(), **more})


def odd_checkpoint(rng: np.random.Generator, seeds: list[bytes]) -> bytes:
    """Changed as a file, or its pickle within a whole archive, or a value within a whole pickle."""
    kind = rng.integers(3)
    (seed,) = seeds
    if kind == 0:
        return changed(rng, seed, seed)
    if kind == 1:
        return _with_changed_pickle(rng, seed)
    contents = torch.load(io.BytesIO(seed), weights_only=True)
    for _ in range(rng.integers(1, 4)):
        _change_a_value(rng, contents)
    return _saved(contents)


def _with_changed_pickle(rng: np.random.Generator, seed: bytes) -> bytes:
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(seed)) as old, zipfile.ZipFile(result, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith("data.pkl"):
                content = changed(rng, content, content)
            new.writestr(name, content)
    return result.getvalue()


def _change_a_value(rng: np.random.Generator, part: Plain) -> None:
    """Put an odd value somewhere into names with values, of which some hold more such."""
    while True:
        keys = list(part) if isinstance(part, dict) else list(range(len(part)))
        key = keys[rng.integers(len(keys))]
        if not isinstance(part[key], dict | list) or not part[key] or rng.random() < 0.3:
            break
        part = part[key]
    part[key] = ODD[rng.integers(len(ODD))]


def _saved(contents: Plain) -> bytes:
    file = io.BytesIO()
    torch.save(contents, file)
    return file.getvalue()
