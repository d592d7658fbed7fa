"""A prediction is the mean over the mirrored and turned copies that flip can make."""

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import CONFIG
import train
import vit
from tests.conftest import CONFIGURATION, contents, table
from vit import checkpoint
from vit.explain import explain
from vit.map_request import MapRequest
from vit.model import VisionTransformer
from vit.torch_predictor import TorchPredictor
from vit.views import COPIES, PLAIN, View, mean_evidence, mean_logits, views_of

EDGE = CONFIGURATION.image_size


class Corner(nn.Module):
    """One logit: what stands in the upper left pixel."""

    def forward(self, images: Tensor) -> Tensor:
        return images[:, 0, :1, 0]


def pictures(count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(count, 1, EDGE, EDGE, generator=generator)


@pytest.mark.parametrize(("flip", "count"), [("none", 1), ("horizontal", 2), ("both", 4)])
def test_each_value_of_flip_has_its_number_of_different_copies(flip: str, count: int) -> None:
    square = torch.arange(9.0).view(3, 3)
    assert len({tuple(view.of(square).flatten().tolist()) for view in COPIES[flip]}) == count


def test_turns_are_all_eight_ways_to_lay_a_square() -> None:
    square = torch.arange(9.0).view(3, 3)
    assert len({tuple(view.of(square).flatten().tolist()) for view in COPIES["turns"]}) == 8


@pytest.mark.parametrize("view", COPIES["turns"])
def test_a_map_of_a_copy_is_turned_back(view: View) -> None:
    square = torch.arange(16.0).view(4, 4)
    torch.testing.assert_close(view.back(view.of(square)), square)


def test_logits_are_the_mean_over_the_copies() -> None:
    square = torch.tensor([[1.0, 2.0], [4.0, 8.0]])[None, None]
    assert mean_logits(Corner(), square, COPIES["horizontal"]).item() == 1.5
    assert mean_logits(Corner(), square, COPIES["both"]).item() == 3.75


def test_each_image_gets_its_own_copies() -> None:
    first, second = pictures().split(1)
    together = mean_logits(Corner(), torch.cat([first, second]), COPIES["turns"])
    apart = [mean_logits(Corner(), each, COPIES["turns"]) for each in (first, second)]
    torch.testing.assert_close(together, torch.cat(apart))


@pytest.mark.parametrize("kept_tokens", [1.0, 0.5])
def test_a_turned_picture_has_the_turned_map(kept_tokens: float) -> None:
    torch.manual_seed(0)
    model = VisionTransformer(replace(CONFIGURATION, kept_tokens=kept_tokens)).eval()
    views, request = COPIES["turns"], MapRequest(1)
    logits, maps = mean_evidence(model, pictures(), views, request)
    turned_logits, turned = mean_evidence(model, pictures().rot90(1, (2, 3)), views, request)
    torch.testing.assert_close(turned_logits, logits, atol=1e-5, rtol=0)
    torch.testing.assert_close(turned, maps.rot90(1, (1, 2)), atol=1e-4, rtol=1e-4, equal_nan=True)


def test_one_view_is_the_plain_map() -> None:
    torch.manual_seed(0)
    model = VisionTransformer(replace(CONFIGURATION, kept_tokens=0.5)).eval()
    logits, maps = mean_evidence(model, pictures(), PLAIN, MapRequest(1))
    wanted_logits, wanted = explain(model, pictures())
    torch.testing.assert_close(logits, wanted_logits)
    torch.testing.assert_close(maps, wanted, equal_nan=True)


def test_a_checkpoint_of_before_is_asked_of_the_picture_alone(tmp_path: Path) -> None:
    plain = contents()
    del plain["config"]["predict_flipped"]
    checkpoint.save(plain, tmp_path / "ViT.ckpt")
    assert views_of(checkpoint.load(tmp_path / "ViT.ckpt").config) == PLAIN


def test_a_configuration_without_it_predicts_the_picture_alone() -> None:
    assert views_of(CONFIG.Config(predict_flipped=False, flip="turns")) == PLAIN
    assert len(views_of(CONFIG.Config(flip="turns"))) == 8


def test_predictions_are_those_of_the_mirrored_picture_too(tmp_path: Path) -> None:
    path = tmp_path / "ViT.ckpt"
    checkpoint.save(contents(config=asdict(replace(CONFIGURATION, flip="turns"))), path)
    image = pictures(1)[0, 0].numpy()
    model = vit.load(path)
    straight, mirrored = model.predict([image, np.ascontiguousarray(image[:, ::-1])])
    assert straight.logits == pytest.approx(mirrored.logits, abs=1e-5)


def test_a_batch_too_small_for_the_copies_gives_the_same(tmp_path: Path) -> None:
    checkpoint.save(
        contents(config=asdict(replace(CONFIGURATION, flip="turns"))), tmp_path / "ViT.ckpt"
    )
    loaded = checkpoint.load(tmp_path / "ViT.ckpt")
    pixels = pictures(5)[:, 0].numpy()
    request = MapRequest(1)
    small = TorchPredictor(loaded, batch_size=3).run(pixels, request)
    large = TorchPredictor(loaded, batch_size=64).run(pixels, request)
    np.testing.assert_allclose(small.logits, large.logits, atol=1e-5)
    assert small.maps is not None and large.maps is not None
    np.testing.assert_allclose(small.maps, large.maps, atol=1e-4)
    assert small.outliers is not None and small.outliers.shape == (5,)


def test_validation_after_training_is_of_the_copies_too(
    tmp_path: Path, folder: Path, unreported: None
) -> None:
    words = ["--data_folder", folder, "--OUTPUT", tmp_path, "--device", "cpu", "--init", "none"]
    shape = ["--image_size", 32, "--patch_size", 8, "--embedding_size", 16, "--num_heads", 2]
    rest = ["--num_hidden_layers", 1, "--epochs", 1, "--num_workers", 0, "--flip", "turns"]
    train.main([str(word) for word in [*words, *shape, *rest]])
    (validated,) = tmp_path.glob("runs/*/validation.csv")
    model = vit.load(tmp_path / "ViT.ckpt", device="cpu")
    known = {row["path"]: float(row["probability_abnormal"]) for row in table(validated)}
    for each in model.predict(str(folder / "val")):
        first = torch.tensor(each.logits).softmax(dim=0)[1].item()
        path = str(Path(each.name).relative_to(folder))
        assert first == pytest.approx(known[path], abs=1e-4)
