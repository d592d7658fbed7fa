"""training.boxed: weights in the box, written, read, refused, and begun with."""

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

import CONFIG
import train
from errors import UserError
from tests.conftest import CONFIGURATION, contents
from tests.test_train import command
from training import boxed
from training.initial_weights import InitialWeights
from vit import checkpoint
from vit.archive import CheckpointError, is_boxed, screened
from vit.model import VisionTransformer

WEIGHTS = Path(__file__).resolve().parents[1] / "weights"
LEARNED = asdict(replace(CONFIGURATION, phantoms="xray"))


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """Weights in a box, written from a ViT.ckpt beside it that learned from phantoms."""
    checkpoint.save(contents(config=LEARNED, run="a-1"), tmp_path / "ViT.ckpt")
    boxed.write(tmp_path / "ViT.ckpt", tmp_path / "box.safetensors")
    return tmp_path / "box.safetensors"


def test_the_box_says_what_the_model_said(box: Path) -> None:
    images = torch.randn(4, 1, 32, 32)
    (whole,) = checkpoint.load(box.parent / "ViT.ckpt").models
    (half,) = boxed.read(box).models
    torch.testing.assert_close(half(images), whole(images), atol=2e-3, rtol=0)
    assert half.norm.weight.dtype == torch.float32


def test_the_box_keeps_configuration_and_run_but_nothing_of_the_images(box: Path) -> None:
    checkpoint.save(
        contents(config=LEARNED, run="b-2", training_images_sha256=["0" * 64]),
        box.parent / "ViT.ckpt",
    )
    boxed.write(box.parent / "ViT.ckpt", box)
    loaded = boxed.read(box)
    assert asdict(loaded.config) == LEARNED
    assert loaded.provenance.run == "b-2"
    assert b"training_images" not in box.read_bytes()
    assert len([*box.parent.glob("box_20*.safetensors")]) == 1  # the former one is kept


def test_the_box_is_half_as_large(box: Path) -> None:
    parameters = sum(value.numel() for value in boxed.read(box).models[0].parameters())
    assert 2 * parameters < box.stat().st_size < 2 * parameters + 16_000


def test_weights_that_learned_from_patients_stay_out_of_the_box(tmp_path: Path) -> None:
    checkpoint.save(contents(), tmp_path / "ViT.ckpt")
    with pytest.raises(UserError, match=r"that learned from images in data_folder, wanted weights"):
        boxed.write(tmp_path / "ViT.ckpt", tmp_path / "box.safetensors")
    assert not (tmp_path / "box.safetensors").exists()


def test_nor_does_what_learned_from_patients_before_phantoms(tmp_path: Path) -> None:
    before = {"run": "b", "config": asdict(CONFIGURATION), "split_sha256": ""}
    checkpoint.save(contents(config=LEARNED, init=before), tmp_path / "ViT.ckpt")
    with pytest.raises(UserError, match=r"that learned from images in data_folder"):
        boxed.write(tmp_path / "ViT.ckpt", tmp_path / "box.safetensors")


def test_weights_too_large_for_half_precision_stay_out_of_the_box(tmp_path: Path) -> None:
    plain = contents(config=LEARNED)
    plain["state_dict"]["model.norm.weight"][0] = 1e6
    checkpoint.save(plain, tmp_path / "ViT.ckpt")
    with pytest.raises(UserError, match=r"has weights that half precision cannot hold"):
        boxed.write(tmp_path / "ViT.ckpt", tmp_path / "box.safetensors")


def test_weights_of_folds_stay_out_of_the_box(tmp_path: Path) -> None:
    plain = contents(config=LEARNED)
    checkpoint.save(plain | {"members": [contents()["state_dict"]]}, tmp_path / "ViT.ckpt")
    with pytest.raises(UserError, match=r"got 2 models of folds, wanted one model"):
        boxed.write(tmp_path / "ViT.ckpt", tmp_path / "box.safetensors")


@pytest.mark.parametrize("share", [0.5, 0.99])
def test_a_box_that_is_cut_is_refused(box: Path, share: float) -> None:
    whole = box.read_bytes()
    box.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=r"box.safetensors: is damaged: "):
        InitialWeights(box)


def test_weights_of_no_transformer_are_refused(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"holds no Vision Transformer that is known"):
        InitialWeights(tmp_path / "other.safetensors")


@pytest.mark.parametrize("told", ["[1]", "{}", "no text of JSON", '{"config": 1}'])
def test_a_header_that_is_not_ours_is_refused(tmp_path: Path, told: str) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "x.safetensors", {boxed.META: told})
    with pytest.raises(CheckpointError, match=r"x.safetensors: is damaged: "):
        InitialWeights(tmp_path / "x.safetensors")


def test_a_weight_that_is_no_number_is_refused(box: Path) -> None:
    told = {"config": LEARNED, "class_names": ["normal", "abnormal"]}
    plain = contents(config=LEARNED)
    told["preprocessing"] = plain["preprocessing"]
    state = {name.removeprefix("model."): value for name, value in plain["state_dict"].items()}
    state["norm.weight"] = torch.full_like(state["norm.weight"], np.nan)
    save_file(state, box, {boxed.META: json.dumps(told)})
    with pytest.raises(CheckpointError, match=r"norm.weight: wanted floating, finite numbers"):
        InitialWeights(box)


def test_a_header_of_any_length_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes((2 * boxed.MOST_HEADER).to_bytes(8, "little") + b"{" + b" " * 100)
    with pytest.raises(CheckpointError, match=r"has a header of 2,097,152 bytes"):
        InitialWeights(path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "x.safetensors")
    assert not is_boxed(tmp_path / "x.safetensors")


def test_prediction_from_a_box_is_refused_in_one_line(box: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no trained model; give them to train.py --init"):
        screened(box)


def test_training_begins_with_the_box(
    tmp_path: Path, pictures: Callable[..., Path], unreported: None
) -> None:
    from data.prepare import prepare

    small = replace(CONFIGURATION, image_size=32)
    prepare(pictures(height=32, width=32), tmp_path / "processed", small)
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    checkpoint.save(contents(config=LEARNED, run="a-1"), tmp_path / "phantoms.ckpt")
    box = tmp_path / "box.safetensors"
    boxed.write(tmp_path / "phantoms.ckpt", box)
    words = ["--epochs", "1", "--lr", "1e-9", "--init", str(box)]
    train.main(command(tmp_path / "processed", "out", *words))
    trained = checkpoint.load(tmp_path / "out" / "ViT.ckpt")
    assert trained.provenance.init["run"] == "a-1"
    begun = boxed.read(box).models[0].state_dict()
    for name, value in trained.models[0].state_dict().items():
        torch.testing.assert_close(value, begun[name], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("path", sorted(WEIGHTS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_each_box_is_the_one_of_its_card_and_brings_its_shape(path: Path) -> None:
    card = (WEIGHTS / "README.md").read_text(encoding="utf-8")
    assert hashlib.sha256(path.read_bytes()).hexdigest() in card
    assert path.stat().st_size <= 5_000_000
    weights = InitialWeights(path)
    config = weights.shaped(CONFIG.Config())
    weights.give_to(VisionTransformer(config), config)
    assert boxed.read(path).config.phantoms != "none"
