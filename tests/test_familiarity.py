"""vit.familiarity: images that are unlike the training images are told from those that are like
them.
"""

import io
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from tests.conftest import CONFIGURATION, contents
from tests.models import model_of
from vit import checkpoint, familiarity
from vit.archive import CheckpointError
from vit.checkpoint_gate import Plain
from vit.model import VisionTransformer
from vit.torch_predictor import TorchPredictor


def model(**changes: Any) -> VisionTransformer:
    torch.manual_seed(0)
    sizes = {
        "image_size": 32,
        "patch_size": 8,
        "embedding_size": 24,
        "num_heads": 2,
        "num_hidden_layers": 2,
    }
    return model_of(**(sizes | changes)).eval()


def smooth(count: int, seed: int, channels: int = 1) -> Tensor:
    """(count, channels, 32, 32) blurred noise of spread 1."""
    noise = torch.randn(count, channels, 36, 36, generator=torch.Generator().manual_seed(seed))
    images = avg_pool2d(noise, 5, stride=1)
    return images / images.std(dim=(1, 2, 3), keepdim=True)


@pytest.fixture
def fitted() -> familiarity.Familiarity:
    return familiarity.fit(model(), [smooth(64, 1), smooth(36, 2)], [smooth(60, 3)])


def test_one_in_twenty_images_like_the_training_images_is_beyond_the_limit(
    fitted: familiarity.Familiarity,
) -> None:
    share = float((fitted(model(), smooth(400, 4)) > 1).float().mean())
    assert 0.005 < share < 0.12


def test_the_distance_is_that_of_mahalanobis_over_the_limit(
    fitted: familiarity.Familiarity,
) -> None:
    known = (
        familiarity.describe(model(), torch.cat([smooth(64, 1), smooth(36, 2)])).double().numpy()
    )
    spread = np.maximum(known.std(axis=0), familiarity.NARROWEST)
    scaled = (known - known.mean(axis=0)) / spread
    covariance = 0.7 * np.cov(scaled.T, bias=True) + 0.3 * np.eye(known.shape[1])

    def distances(images: Tensor) -> np.ndarray:
        z = (familiarity.describe(model(), images).double().numpy() - known.mean(axis=0)) / spread
        return np.asarray(np.sqrt(np.einsum("ni,ij,nj->n", z, np.linalg.inv(covariance), z)))

    limit = np.sort(distances(smooth(60, 3)))[57]  # the 58th of 60, as 0.95 * 61 is 57.95
    assert fitted(model(), smooth(9, 6)).numpy() == pytest.approx(
        distances(smooth(9, 6)) / limit, rel=1e-3
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda images: (
            images + torch.randn(images.shape, generator=torch.Generator().manual_seed(9))
        ),
        lambda images: images.sign(),
        lambda images: images + 2,
        lambda images: avg_pool2d(images, 9, stride=1, padding=4),
        lambda images: images * 0,
    ],
    ids=["noise", "two greys", "brighter", "blurred", "blank"],
)
def test_a_changed_image_is_unlike(fitted: familiarity.Familiarity, change: Any) -> None:
    assert (fitted(model(), change(smooth(50, 5))) > 1).float().mean() > 0.9


def test_training_batches_of_any_size_give_the_same(fitted: familiarity.Familiarity) -> None:
    images = torch.cat([smooth(64, 1), smooth(36, 2)])
    other = familiarity.fit(model(), images.split(7), smooth(60, 3).split(13))
    assert torch.allclose(fitted(model(), smooth(9, 6)), other(model(), smooth(9, 6)), rtol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_hidden_layers": 1},
        {"num_channels": 3},
        {"num_registers": 2},
        {"kept_tokens": 0.5},
        {"stem": "convolution"},
    ],
)
def test_every_kind_of_model_has_a_distance(changes: Plain) -> None:
    channels = changes.get("num_channels", 1)
    near = familiarity.fit(model(**changes), [smooth(20, 1, channels)], [smooth(2, 3, channels)])
    distances = near(model(**changes), smooth(5, 4, channels))
    assert distances.shape == (5,)
    assert distances.isfinite().all()


def test_training_images_that_are_all_alike_still_give_a_finite_distance() -> None:
    near = familiarity.fit(model(), [torch.zeros(3, 1, 32, 32)], [torch.zeros(2, 1, 32, 32)])
    assert near(model(), smooth(4, 1)).isfinite().all()


def test_what_is_stored_is_small_at_the_published_size() -> None:
    file = io.BytesIO()
    torch.save(familiarity.Familiarity(model(embedding_size=256)).state_dict(), file)
    assert file.tell() < 500_000


def stored(path: Path, states: Any, **more: Any) -> checkpoint.Checkpoint:
    checkpoint.save(contents(familiarity=states, **more), path / "a.ckpt")
    return checkpoint.load(path / "a.ckpt")


def test_a_checkpoint_gives_it_back(tmp_path: Path) -> None:
    source = VisionTransformer(CONFIGURATION)
    near = familiarity.fit(source, [smooth(9, 1)], [smooth(5, 2)])
    state = {f"model.{name}": value for name, value in source.state_dict().items()}
    checkpoint.save(
        contents(state_dict=state, familiarity=[near.state_dict()]), tmp_path / "a.ckpt"
    )
    loaded = checkpoint.load(tmp_path / "a.ckpt")
    images = smooth(4, 3)
    distances = loaded.familiarity[0](loaded.models[0], images)
    assert torch.equal(distances, near(source.eval(), images))


def test_a_state_does_not_say_how_it_is_taken() -> None:
    state = OrderedDict(
        (name, value.long() + 1)
        for name, value in familiarity.Familiarity(model()).state_dict().items()
    )
    state._metadata = {"": {"assign_to_params_buffers": True}}  # type: ignore[attr-defined]
    restored = familiarity.restore(model(), state).state_dict()
    assert all(value.is_floating_point() for value in restored.values())


def test_distances_of_an_ensemble_are_averaged(tmp_path: Path, folder: Path) -> None:
    source = VisionTransformer(CONFIGURATION).eval()
    near = [familiarity.fit(source, [smooth(9, i)], [smooth(5, 7)]).state_dict() for i in (1, 2)]
    said = []
    for members in (near[:1], near[1:], near):
        more = {"members": [contents()["state_dict"]]} if len(members) == 2 else {}
        predictor = TorchPredictor(stored(tmp_path, members, **more), batch_size=3)
        predictions = predictor.predict(folder / "val")
        said.append(np.array([each.distance for each in predictions], float))
    assert said[2] == pytest.approx((said[0] + said[1]) / 2, rel=1e-4)
    assert said[0] != pytest.approx(said[1], rel=1e-2)


def state(**changes: Any) -> Plain:
    return familiarity.Familiarity(VisionTransformer(CONFIGURATION)).state_dict() | changes


@pytest.mark.parametrize(
    "states",
    [
        [state(), state()],
        [state(mean=torch.zeros(3))],
        [state(limit=torch.tensor(float("nan")))],
        [state(limit=torch.tensor(0.0))],
        [{}],
        ["text"],
        7,
    ],
    ids=[
        "of more members",
        "of another shape",
        "not a number",
        "limit 0",
        "empty",
        "text",
        "a number",
    ],
)
def test_one_that_does_not_fit_is_refused(tmp_path: Path, states: Any) -> None:
    with pytest.raises(CheckpointError, match="do not fit"):
        stored(tmp_path, states)
