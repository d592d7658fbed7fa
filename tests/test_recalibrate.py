"""predict.py --recalibrate: threshold, temperature and sets from images of another place."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import predict
from tests.conftest import contents
from vit import checkpoint


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose threshold is far from what its probabilities are."""
    plain = contents(threshold=0.99, training_images_sha256=[])
    checkpoint.save(plain, tmp_path / "ViT.ckpt")
    return tmp_path / "ViT.ckpt"


def asked(model: Path, folder: Path) -> None:
    predict.main(["--recalibrate", str(folder), "--Path_Checkpoint", str(model), "--device", "cpu"])


def test_the_new_file_has_its_own_threshold_and_the_same_weights(
    model: Path, pictures: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    before = model.read_bytes()
    asked(model, pictures(count=12))
    assert model.read_bytes() == before
    old = checkpoint.load(model)
    new = checkpoint.load(model.with_name("ViT_recalibrated.ckpt"))
    assert new.threshold < 0.99
    assert [len(each) for each in new.conformal_scores.values()] == [12, 12]
    pairs = zip(old.models[0].parameters(), new.models[0].parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
    said = capsys.readouterr().out
    assert "threshold 0.990 before: sensitivity 0.000" in said
    assert "fitted to, so they look too good" in said


def test_too_few_images_of_a_class_are_refused(model: Path, pictures: Callable[..., Path]) -> None:
    with pytest.raises(
        SystemExit, match=r"got 4 of normal, 4 of abnormal; wanted 10 different images"
    ):
        asked(model, pictures(count=4))


def test_copies_of_a_picture_count_once(model: Path, pictures: Callable[..., Path]) -> None:
    folder = pictures(count=9)
    for label in ("normal", "abnormal"):
        shutil.copy(folder / label / "p00.png", folder / label / "again.png")
    with pytest.raises(SystemExit, match=r"got 9 of normal, 9 of abnormal; wanted 10 different"):
        asked(model, folder)


def test_a_report_says_what_was_fitted_elsewhere(
    model: Path, pictures: Callable[..., Path]
) -> None:
    folder = pictures(count=12)
    asked(model, folder)
    new = checkpoint.load(model.with_name("ViT_recalibrated.ckpt"))
    assert new.provenance.recalibrated_images == 24
    page = model.with_name("page.html")
    of_new = ["--Path_Checkpoint", str(model.with_name("ViT_recalibrated.ckpt"))]
    predict.main(["--Path", str(folder), *of_new, "--OUTPUT", str(page), "--device", "cpu"])
    said = "prediction sets were fitted to 24 images of another place"
    assert said in page.read_text(encoding="utf-8")


def test_it_takes_no_output(model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        predict.main(["--recalibrate", "x", "--OUTPUT", "y.ckpt"])
    assert "writes its file beside ViT.ckpt; leave out --OUTPUT" in capsys.readouterr().err


def test_images_without_a_class_are_refused(model: Path, pictures: Callable[..., Path]) -> None:
    folder = pictures(count=12)
    shutil.copy(folder / "normal" / "p00.png", folder / "alone.png")
    with pytest.raises(SystemExit, match=r"1 of 25 images have no known class, such as .*alone"):
        asked(model, folder)


def test_images_of_training_are_refused(tmp_path: Path, pictures: Callable[..., Path]) -> None:
    from data.prepare import prepare
    from tests.conftest import CONFIGURATION

    made = prepare(pictures(count=12), tmp_path / "PF", CONFIGURATION)
    known = [sample.sha256 for sample in made.of("train")]
    checkpoint.save(contents(training_images_sha256=known), tmp_path / "ViT.ckpt")
    with pytest.raises(SystemExit, match=r"the model learned from \d+ of 24 images, such as"):
        asked(tmp_path / "ViT.ckpt", tmp_path / "raw")


@pytest.mark.parametrize("words", [[], ["--Path", "a", "--recalibrate", "b"]])
def test_one_of_the_two_is_asked_for(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        predict.main(words)
    assert "give --Path, the images to predict, or --recalibrate" in capsys.readouterr().err
