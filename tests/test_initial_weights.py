"""training.initial_weights: weights that another training begins with."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import contents
from tests.models import PUBLISHED, model_of
from training.initial_weights import InitialWeights
from vit import checkpoint
from vit.archive import CheckpointError
from vit.model import VisionTransformer

SIZES = {
    "image_size": 32,
    "patch_size": 8,
    "num_channels": 1,
    "num_classes": 2,
    "embedding_size": 16,
    "num_hidden_layers": 2,
    "num_heads": 2,
    "stem": "patch",
}


def model(**changes: int | str) -> VisionTransformer:
    return model_of(**(SIZES | changes))  # type: ignore[arg-type]


def saved(path: Path, source: VisionTransformer, **changes: int | str) -> Path:
    state = {f"model.{name}": value for name, value in source.state_dict().items()}
    how = {"image_size": 32, "mean": 0.4, "std": 0.2, "border": 0.0, "stretch": False}
    about = {
        "class_names": ["a", "b"],
        "preprocessing": how,
        "threshold": 0.5,
        "temperature": 1.0,
        "format_version": 1,
    }
    checkpoint.save(
        {"state_dict": state, "config": {**asdict(PUBLISHED), **SIZES, **changes}, **about}, path
    )
    return path


def test_the_same_architecture_begins_with_the_same_weights(tmp_path: Path) -> None:
    source = model()
    target = model()
    InitialWeights(saved(tmp_path / "a.ckpt", source)).give_to(target, PUBLISHED)
    images = torch.rand(3, 1, 32, 32)
    assert torch.equal(source.eval()(images), target.eval()(images))


def test_another_image_size_resamples_the_positions(tmp_path: Path) -> None:
    source = model()
    target = model(image_size=48)
    waves = torch.linspace(0, 1, 4)[:, None] + torch.linspace(0, 2, 4)  # (h, w), a plane
    source.embeddings.position_embedding.data[0, 1:, 3] = waves.flatten()
    InitialWeights(saved(tmp_path / "a.ckpt", source)).give_to(target, PUBLISHED)
    assert torch.equal(
        target.embeddings.position_embedding[:, 0], source.embeddings.position_embedding[:, 0]
    )
    plane = target.embeddings.position_embedding[0, 1:, 3].unflatten(0, (6, 6))
    assert (plane[:, 1:] > plane[:, :-1]).all()
    assert (plane[1:] > plane[:-1]).all()
    assert float(plane[2:4, 2:4].detach().mean()) == pytest.approx(1.5, abs=0.01)
    assert torch.equal(target.blocks[1].mlp.fc1.weight, source.blocks[1].mlp.fc1.weight)


def test_a_head_of_other_classes_is_left_as_it_is(tmp_path: Path) -> None:
    source = model()
    target = model(num_classes=3)
    before = target.head[-1].weight.clone()
    InitialWeights(saved(tmp_path / "a.ckpt", source)).give_to(target, PUBLISHED)
    assert torch.equal(target.head[-1].weight, before)
    assert torch.equal(target.norm.weight, source.norm.weight)


HEADS = [  # task, names of the weights, names of the model, rows that it begins with
    ("classes", "normal abnormal", "healthy sick", [0, 1]),
    ("classes", "normal abnormal", "abnormal normal", [1, 0]),
    ("classes", "normal abnormal", "Abnormal Normal", [1, 0]),
    ("classes", "normal abnormal", "diseased healthy", [1, 0]),
    ("classes", "normal abnormal", "abnormal severe", []),
    ("classes", "a b c", "c a b", [2, 0, 1]),
    ("classes", "a b c", "C A b", [2, 0, 1]),
    ("classes", "a b c", "a b d", []),
    ("multilabel", "soft stent", "stent soft", [1, 0]),
    ("multilabel", "soft stent", "calcified soft", []),
]


@pytest.mark.parametrize(("task", "known", "names", "rows"), HEADS)
def test_the_head_of_a_class_goes_to_the_class_of_its_name(
    tmp_path: Path, task: str, known: str, names: str, rows: list[int]
) -> None:
    count = len(known.split())
    changes: dict[str, Any] = SIZES | {"task": task, "num_classes": count}
    config = replace(PUBLISHED, **changes)
    source, target = VisionTransformer(config), VisionTransformer(config)
    state = {f"model.{name}": value for name, value in source.state_dict().items()}
    plain = contents(config=asdict(config), class_names=known.split(), state_dict=state)
    checkpoint.save(plain, tmp_path / "a.ckpt")
    before = target.head[-1].weight.clone()
    InitialWeights(tmp_path / "a.ckpt").give_to(target, config, names.split())
    wanted = source.head[-1].weight[rows] if rows else before
    assert torch.equal(target.head[-1].weight, wanted)


@pytest.mark.parametrize(
    ("changes", "wanted"),
    [
        ({"num_hidden_layers": 3}, r"num_hidden_layers to 2 \(got 3\)"),
        (
            {"embedding_size": 32, "num_heads": 4},
            r"embedding_size to 16 \(got 32\), num_heads to 2 \(",
        ),
        ({"stem": "convolution"}, r"stem to patch \(got convolution\)"),
    ],
)
def test_another_architecture_is_refused_with_what_to_set(
    tmp_path: Path, changes: dict[str, int | str], wanted: str
) -> None:
    path = saved(tmp_path / "a.ckpt", model())
    config = replace(PUBLISHED, **SIZES | changes)  # type: ignore[arg-type]
    with pytest.raises(CheckpointError, match=rf"is of another architecture; set {wanted}"):
        InitialWeights(path).give_to(model(**changes), config)
