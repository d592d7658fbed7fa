"""Conformal sets, images that were in training, and what of both reaches predictions.csv."""

import math
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

import CONFIG
import predict
import train
from data import processed
from data.inputs import gather
from data.prepare import prepare
from data.preprocessing import Preprocessing
from metrics.conformal import ROUNDING, conformal_scores, conformal_set, limits
from tests.conftest import CONFIGURATION, contents, table
from vit import checkpoint, familiarity
from vit.archive import CheckpointError
from vit.model import VisionTransformer

PREPROCESSING = Preprocessing(32, 0.4, 0.2)


def simulated(rng: np.random.Generator, images: int) -> tuple[np.ndarray, np.ndarray]:
    """(n,) labels of three classes and (n, 3) probabilities that are right more often than not."""
    labels = rng.integers(3, size=images)
    shares = np.exp(rng.normal(0, 1, (images, 3)) + 1.5 * np.eye(3)[labels])
    return labels, shares / shares.sum(axis=1, keepdims=True)


def test_each_class_is_covered_at_the_level() -> None:
    rng = np.random.default_rng(0)
    names = ["a", "b", "c"]
    covered = []
    for _ in range(200):
        limit = limits(conformal_scores(*simulated(rng, 150), names), 0.8)
        labels, shares = simulated(rng, 150)
        held = np.array(
            [
                names[y] in conformal_set(row, limit)
                for y, row in zip(labels, shares.tolist(), strict=True)
            ]
        )
        covered.append([held[labels == k].mean() for k in range(3)])
    assert np.mean(covered, axis=0) == pytest.approx([0.806] * 3, abs=0.02)


def test_limit_has_the_finite_sample_rank() -> None:
    scores = {"a": [i / 100 for i in range(1, 20)]}
    assert limits(scores, 0.9)["a"] == pytest.approx(0.18 + ROUNDING)  # 18th of 19
    assert limits(scores, 0.95)["a"] == pytest.approx(0.19 + ROUNDING)
    assert limits(scores, 0.96)["a"] == math.inf


def test_a_class_with_too_few_images_is_in_every_set() -> None:
    limit = limits({"a": [0.1] * 8, "b": [0.1] * 9}, 0.9)
    assert conformal_set([0.0, 1.0], limit) == ["a", "b"]
    assert conformal_set([1.0, 0.0], limit) == ["a"]


def test_scores_are_rounded_up_so_that_a_sure_class_stays_in_its_own_set() -> None:
    sure = 1 - 3e-8
    scores = conformal_scores([0] * 9, [[sure, 1 - sure]] * 9, ["a", "b"])
    assert scores == {"a": [1e-6] * 9, "b": []}
    assert "a" in conformal_set([sure, 1 - sure], limits(scores, 0.9))


def test_another_rounding_of_a_probability_leaves_the_set_as_it_is() -> None:
    own = [0.3 - 1e-9, 0.7 + 1e-9]  # the image whose score is the limit
    limit = limits(conformal_scores([0] * 9, [own] * 9, ["a", "b"]), 0.9)
    for change in (-3e-6, 3e-6):
        assert "a" in conformal_set([own[0] + change, own[1] - change], limit)
    assert "a" not in conformal_set([own[0] - 1e-4, own[1] + 1e-4], limit)


def predicted(tmp_path: Path, path: Path, *more: str, **changes: object) -> list[dict[str, str]]:
    checkpoint.save(contents(**changes), tmp_path / "u.ckpt")
    predict.main(
        [
            "-p",
            str(path),
            "-k",
            str(tmp_path / "u.ckpt"),
            "-o",
            str(tmp_path / "o" / "a.png"),
            *more,
            "--num_images",
            "1",
            "--method",
            "attention",
        ]
    )
    return table(tmp_path / "o" / "predictions.csv")


def test_sets_reach_the_table_at_the_level_that_is_asked_for(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = {"normal": [0.0] * 8 + [1.0] * 2, "abnormal": [1.0] * 10}
    assert {row["set"] for row in predicted(tmp_path, folder / "val", conformal_scores=scores)} == {
        "normal;abnormal"
    }
    assert "too few" not in capsys.readouterr().err
    low = predicted(
        tmp_path,
        folder / "val",
        "--level",
        "0.5",
        conformal_scores=scores | {"abnormal": [0.0] * 10},
    )
    assert {row["set"] for row in low} == {"none"}
    high = predicted(tmp_path, folder / "val", "--level", "0.99", conformal_scores=scores)
    assert {row["set"] for row in high} == {"normal;abnormal"}
    assert (
        "too few validation images of class normal, abnormal for this --level"
        in capsys.readouterr().err
    )


def test_an_older_checkpoint_leaves_the_columns_empty(tmp_path: Path, folder: Path) -> None:
    rows = predicted(tmp_path, folder / "val")
    assert {(row["set"], row["unlike"], row["in_training"]) for row in rows} == {("", "", "no")}


@pytest.mark.parametrize("level", ["0", "1", "90"])
def test_a_level_that_is_no_share_is_refused(
    level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        predict.parse(["--Path", "a", "--level", level])
    assert "wanted more than 0 and less than 1" in capsys.readouterr().err


@pytest.mark.parametrize(
    "scores", [[0.1], {"normal": [0.1]}, {"normal": [[0.1]], "abnormal": [0.1]}]
)
def test_scores_of_another_form_are_refused(tmp_path: Path, scores: object) -> None:
    checkpoint.save(contents(conformal_scores=scores), tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match="do not fit"):
        checkpoint.load(tmp_path / "a.ckpt")


def test_a_training_image_is_known_by_its_source_and_by_its_prepared_file(
    tmp_path: Path, pictures: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    raw = pictures()
    done = prepare(raw, tmp_path / "P", CONFIGURATION)
    trained = {sample.path: sample for sample in done.of("train")}
    digests = [sample.sha256 for sample in trained.values()]
    rows = predicted(tmp_path, tmp_path / "P", training_images_sha256=digests)
    assert {
        row["path"].removeprefix(f"{tmp_path}/P/") for row in rows if row["in_training"] == "yes"
    } == set(trained)
    assert f"note: {len(trained)} of {len(rows)} images were in training" in capsys.readouterr().err
    sources = {str(raw / sample.source) for sample in trained.values()}
    rows = predicted(tmp_path, raw, training_images_sha256=digests)
    assert {row["path"] for row in rows if row["in_training"] == "yes"} == sources


def test_a_training_image_is_known_in_another_file_format(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    source = pictures() / "normal" / "p00.png"
    cv2.imwrite(str(tmp_path / "same.bmp"), cv2.imread(str(source)))
    one, other = gather([source, tmp_path / "same.bmp"], ["normal", "abnormal"])
    assert len(one.digests(PREPROCESSING) & other.digests(PREPROCESSING)) == 1


def test_an_image_of_a_folder_without_manifest_is_known_by_its_file(tmp_path: Path) -> None:

    for i in range(4):
        path = tmp_path / ("train", "val")[i % 2] / str(i // 2) / "a.npy"
        path.parent.mkdir(parents=True)
        np.save(path, np.linspace(0, i / 4 + 0.1, 1024, dtype=np.float16).reshape(32, 32, 1))
    for sample in processed.load(tmp_path).samples:
        (item,) = gather([tmp_path / sample.path], ["normal", "abnormal"])
        assert sample.sha256 in item.digests(PREPROCESSING)


def test_a_run_leaves_all_that_predict_needs(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "report.page.of_validation", lambda *_: None
    )  # takes its time, and is not asked here
    CONFIG.write(CONFIGURATION, tmp_path / "config.yml")
    train.main(
        [
            "--Config",
            str(tmp_path / "config.yml"),
            "--data_folder",
            str(folder),
            "--OUTPUT",
            str(tmp_path),
            "--device=cpu",
            "--num_workers=0",
            "--epochs=1",
        ]
    )
    predict.main(
        [
            "-p",
            str(folder),
            "-k",
            str(tmp_path / "ViT.ckpt"),
            "-o",
            str(tmp_path / "o" / "a.png"),
            "--num_images=1",
        ]
    )
    rows = table(tmp_path / "o" / "predictions.csv")
    assert {row["set"] for row in rows} == {
        "normal;abnormal"
    }  # two validation images of each class are too few
    assert {row["in_training"] == "yes" for row in rows if "/train/" in row["path"]} == {True}
    assert {row["in_training"] == "yes" for row in rows if "/val/" in row["path"]} == {False}
    assert all(float(row["unlike"]) <= 1 for row in rows if "/val/" in row["path"])


def test_how_many_images_are_unlike_is_said(
    tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = VisionTransformer(CONFIGURATION).eval()
    noise = torch.randn(20, 1, 32, 32, generator=torch.Generator().manual_seed(0))
    near = familiarity.fit(source, [noise], [noise[:5]]).state_dict()
    rows = predicted(tmp_path, folder / "val", familiarity=[near])
    unlike = sum(float(row["unlike"]) > 1 for row in rows)
    assert unlike
    counted = f"note: {unlike} of {len(rows)} images lie farther from the training images than"
    assert f"{counted} 19 in 20 of like" in capsys.readouterr().err
