"""Maps against known lesions: estimates with known answers, and wrong maps that must not pass."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks import localisation
from benchmarks.faithfulness import RANDOM, explained, faithful, interval, positive, sanity, scores
from benchmarks.localisation import estimates, localised
from CONFIG import Config
from data import processed
from data.dataset import CoronaryDataset
from data.preprocessing import Preprocessing
from data.processed import Sample
from tests.conftest import table
from vit import checkpoint
from vit.checkpoint import Checkpoint
from vit.explain import METHODS, explain
from vit.heatmap import upsampled
from vit.model import VisionTransformer
from vit.views import COPIES

SIZE = 32
PATCH = 8
CONFIGURATION = Config(
    image_size=SIZE,
    patch_size=PATCH,
    embedding_size=16,
    num_hidden_layers=2,
    num_heads=2,
    mlp_ratio=4.0,
    initializer_range=0.2,
)
PREPROCESSING = Preprocessing(SIZE, mean=0.5, std=0.3)
LESION = np.zeros((SIZE, SIZE), bool)
LESION[8:12, 20:26] = True


def peaks(*places: tuple[int, int]) -> NDArray:
    map_ = np.zeros((SIZE, SIZE))
    for place in places:
        map_[place] = 1
    return map_


def vit(seed: int = 3) -> VisionTransformer:
    torch.manual_seed(seed)
    return VisionTransformer(CONFIGURATION).eval()


def noise(count: int) -> Tensor:
    return torch.randn(count, 1, SIZE, SIZE, generator=torch.Generator().manual_seed(4))


@pytest.mark.parametrize(("row", "hit"), [(9, 1), (13, 1), (14, 0), (30, 0)])
def test_a_peak_counts_in_the_lesion_and_up_to_the_tolerance(row: int, hit: int) -> None:
    assert localised(peaks((row, 22)), LESION, tolerance=2 / SIZE)[0] == hit


def test_of_two_equal_peaks_each_counts_half() -> None:
    assert localised(peaks((9, 22), (30, 3)), LESION, 0)[0] == 0.5


def test_energy_is_the_share_inside() -> None:
    assert localised(peaks((9, 22), (10, 24)), LESION, 0)[1] == 1
    assert localised(peaks((9, 22), (10, 24), (10, 28), (30, 3)), LESION, 0)[1] == 0.5


def test_what_was_not_seen_is_no_evidence() -> None:
    map_ = np.where(LESION, 1.0, np.nan)
    assert localised(map_, LESION, 0) == (1, 1, 1)


def test_precision_of_a_perfect_map_is_one_and_falls_with_a_stronger_pixel_outside() -> None:
    assert localised(LESION * 0.5 + 0.1, LESION, 0)[2] == 1
    assert localised(LESION * 0.5 + 0.1 + peaks((30, 3)), LESION, 0)[2] < 1


def test_a_map_without_evidence_counts_as_an_even_one() -> None:
    assert localised(np.zeros((4, 4)), LESION, 0) == pytest.approx([LESION.mean()] * 3)


def test_maps_are_judged_as_large_as_the_picture_shows_them() -> None:
    patches = np.zeros((4, 4))
    patches[1, 2] = 1  # rows 8 to 16, columns 16 to 24
    hit, energy, _ = localised(patches, LESION, tolerance=1 / 16)
    assert hit == 1
    assert 0.1 < energy < 0.4
    assert upsampled(patches, (SIZE, SIZE)).min() == 0


def test_identical_maps_do_not_differ() -> None:
    values = np.random.default_rng(0).random((12, 3))
    judged = {"relevance": values, "attention": values, "centre": values[::-1]}
    row = estimates(judged, [str(i) for i in range(12)])["relevance"]
    for metric in ("hit", "energy", "ap"):
        same = row[f"{metric}_minus_attention"]
        other = row[f"{metric}_minus_centre"]
        assert (same.value, same.low, same.high) == (0, 0, 0)
        assert other.low < other.high


def test_a_difference_is_the_method_minus_the_reference() -> None:
    ones = np.ones((5, 3))
    rows = estimates({"relevance": ones, "centre": ones / 4}, list("abcde"))
    assert rows["relevance"]["ap_minus_centre"].value == 0.75


def test_images_of_a_group_are_drawn_together() -> None:
    values = np.random.default_rng(1).random(20)
    groups = [str(i) for i in range(20)]
    once = interval(values, groups)
    twice = interval(np.tile(values, 2), groups * 2)
    apart = interval(np.tile(values, 2), [str(i) for i in range(40)])
    assert twice.high - twice.low >= once.high - once.low
    assert apart.high - apart.low < 0.85 * (once.high - once.low)
    assert twice.value == pytest.approx(values.mean())
    assert once.low < once.value < once.high


def test_groups_of_different_sizes_are_weighed_by_their_images() -> None:
    found = interval(np.ones(6), list("aaaabc"))
    assert (found.low, found.high) == (1, 1)


def test_one_group_has_no_interval() -> None:
    assert np.isnan(interval(np.array([0.0, 1.0]), ["a", "a"]).low)


def of_one_patch(images: Tensor) -> NDArray:
    """What is sure of images whose patch (1, 2) has detail, and looks at nothing else."""
    patch = images[:, 0, PATCH : 2 * PATCH, 2 * PATCH : 3 * PATCH]
    return patch.std(dim=(1, 2)).clamp(0, 1).numpy()


@pytest.mark.parametrize("sign", [1, -1])
def test_deletion_and_insertion_praise_the_patch_that_counts_and_no_other(sign: int) -> None:
    map_ = np.zeros((6, 4, 4))
    map_[:, 1, 2] = sign
    scored = scores(of_one_patch, noise(6), {"relevance": map_}, (4, 4), seed=0)
    rows = faithful(scored, list("abcdef"))["relevance"]
    assert sign * rows["deletion_gain"].value > 0.2
    assert sign * rows["insertion_gain"].value > 0.2
    assert scored["relevance"].shape == scored[RANDOM].shape == (6, 2)


def test_a_map_as_large_as_the_image_is_put_on_the_patches() -> None:
    map_ = np.zeros((2, SIZE, SIZE))
    map_[:, 12, 20] = 1
    patches = np.zeros((2, 4, 4))
    patches[:, 1, 2] = 1
    scored = scores(of_one_patch, noise(2), {"large": map_, "small": patches}, (4, 4), seed=0)
    np.testing.assert_array_equal(scored["large"], scored["small"])


def test_patches_without_evidence_go_in_a_random_order() -> None:
    images = noise(1).repeat(20, 1, 1, 1)
    scored = scores(of_one_patch, images, {"dead": np.zeros((20, 4, 4))}, (4, 4), seed=0)
    assert len(np.unique(scored["dead"][:, 0])) > 5
    assert len(np.unique(scored[RANDOM][:, 0])) > 5


def test_sanity_fails_for_edges_which_know_no_model() -> None:
    def edges(_: list[VisionTransformer], images: Tensor) -> NDArray:
        return np.abs(np.diff(images[:, 0].numpy(), axis=1))

    found = sanity(edges, [vit()], CONFIGURATION, noise(4), list("abcd"), seed=0)
    assert list(found.stages.values()) == pytest.approx([1] * 4)
    assert found.unrelated < 0.5
    assert not found.passed


READ = {
    "head": "head.0.weight",
    "block 1": "blocks.1.mlp.fc1.weight",
    "block 0": "blocks.0.mlp.fc1.weight",
    "embeddings": "embeddings.patch_embedding.projection.weight",
}


@pytest.mark.parametrize("part", READ)
def test_sanity_passes_once_the_weights_are_forgotten_that_a_map_shows(part: str) -> None:
    def shown(models: list[VisionTransformer], images: Tensor) -> NDArray:
        weights = models[0].state_dict()[READ[part]].abs().flatten()[:32].view(4, 8).numpy()
        return np.repeat(weights[None], len(images), axis=0)

    model = vit()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = sanity(shown, [model], CONFIGURATION, noise(3), list("abc"), seed=0)
    assert list(found.stages) == list(READ)
    place = list(READ).index(part)
    likeness = list(found.stages.values())
    assert likeness[:place] == pytest.approx([1] * place)
    assert max(likeness[place:]) < 0.8
    assert found.passed
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_sanity_compares_images_of_different_groups() -> None:
    def own(_: list[VisionTransformer], images: Tensor) -> NDArray:
        return images[:, 0].numpy()

    images = noise(2)[[0, 0, 1, 1]]
    assert sanity(own, [vit()], CONFIGURATION, images, list("aabb"), seed=0).unrelated < 0.3
    assert not sanity(own, [vit()], CONFIGURATION, images, list("aaaa"), seed=0).passed


def test_members_are_averaged() -> None:
    members = [vit(5), vit(6)]
    images = noise(3)
    wanted = sum(explain(model, images, "relevance")[1] for model in members) / 2
    found = explained(members, images, "relevance")
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def folder(path: Path, boxes: str) -> Path:
    rng = np.random.default_rng(7)
    samples = []
    for split, count in (("train", 1), ("val", 4)):
        for label in ("normal", "abnormal"):
            for i in range(count):
                name = f"{split}/{label}/{i}.npy"
                (path / name).parent.mkdir(parents=True, exist_ok=True)
                np.save(path / name, rng.integers(0, 255, (SIZE, SIZE), dtype=np.uint8))
                known = boxes if label == "abnormal" else ""
                samples.append(Sample(name, split, label, group=name, lesion_boxes_xyxy=known))
    processed.write(path, samples, {"class_names": ["normal", "abnormal"]})
    return path


def saved(path: Path, threshold: float) -> Path:
    weights = {f"model.{name}": value for name, value in vit().state_dict().items()}
    source = Checkpoint(CONFIGURATION, ["normal", "abnormal"], PREPROCESSING, threshold)
    checkpoint.save({**source.plain(), "state_dict": weights}, path)
    return path


def command(tmp_path: Path, boxes: str, threshold: float) -> list[str]:
    data = folder(tmp_path / "data", boxes)
    weights = saved(tmp_path / "ViT.ckpt", threshold)
    files = ["--Path", data, "--Path_Checkpoint", weights, "--OUTPUT", tmp_path / "out"]
    return list(map(str, files))


def test_the_command_writes_every_method(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    localisation.main(command(tmp_path, "8,8,20,20", threshold=0))
    rows = {row["method"]: row for row in table(tmp_path / "out" / "localisation.csv")}
    assert list(rows) == [*METHODS, "centre", "vesselness", "random", RANDOM]
    assert float(rows["centre"]["hit"]) == 1
    assert rows["legrad"]["sanity"] in ("pass", "fail")
    for name in METHODS:
        assert rows[name]["deletion_gain_high"]
        assert rows[name]["ap_minus_vesselness_low"]
    images = table(tmp_path / "out" / "localisation_images.csv")
    assert len(images) == 4 * 11
    assert {row["path"] for row in images} == {f"val/abnormal/{i}.npy" for i in range(4)}
    assert (tmp_path / "out" / "localisation.png").stat().st_size > 10_000
    assert "4 abnormal images, 4 with a known lesion, 4 found" in capsys.readouterr().out


def test_only_images_that_the_model_finds_are_judged(tmp_path: Path) -> None:
    words = command(tmp_path, "8,8,20,20", threshold=0)
    data = CoronaryDataset(processed.load(tmp_path / "data"), "val", PREPROCESSING)
    images = torch.stack([data[0, i][0] for i in range(4)])  # abnormal comes first
    chances = positive([vit()], 1.0, COPIES["horizontal"])(images)
    saved(tmp_path / "ViT.ckpt", threshold=float(np.sort(chances)[2]))
    localisation.main([*words, "--methods", "grad-cam", "--faithful", "0"])
    found = {row["path"] for row in table(tmp_path / "out" / "localisation_images.csv")}
    assert found == {f"val/abnormal/{i}.npy" for i in np.argsort(chances)[2:]}
    localisation.main([*words, "--methods", "grad-cam", "--faithful", "0", "--missed_too"])
    found = {row["path"] for row in table(tmp_path / "out" / "localisation_images.csv")}
    assert found == {f"val/abnormal/{i}.npy" for i in range(4)}


@pytest.mark.parametrize(
    ("boxes", "threshold", "words"),
    [
        ("", 0, "no abnormal image of val has a known lesion"),
        ("8,8,20,20", 1.0, "the model finds none"),
    ],
)
def test_what_cannot_be_judged_is_said(
    tmp_path: Path, boxes: str, threshold: float, words: str
) -> None:
    with pytest.raises(SystemExit, match=words):
        localisation.main(command(tmp_path, boxes, threshold))
