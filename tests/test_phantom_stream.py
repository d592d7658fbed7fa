"""Training on made-up images, and going on from it: phantoms.stream, --phantoms and --init."""

import csv
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import CONFIG
import train
from data.dataset import CoronaryDataset
from data.prepare import prepare
from data.preprocessing import Preprocessing
from data.readers import DataError
from phantoms import kept, stream
from tests.test_train import SMALL
from vit import checkpoint

pytestmark = pytest.mark.usefixtures("unreported")


@pytest.fixture(autouse=True)
def few_to_validate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "VALIDATION", 30)


def config(**changes: float | str) -> CONFIG.Config:
    return CONFIG.Config(
        **({"phantoms": "xray", "phantom_count": 100, "image_size": 32, "patch_size": 8} | changes)
    )  # type: ignore[arg-type]


def test_the_stream_is_the_same_again_and_another_with_another_seed(tmp_path: Path) -> None:
    folders = ("one", "again", "one")
    one, again, other = (
        stream.make(config(seed=seed), tmp_path / folder)
        for seed, folder in zip((0, 0, 1), folders, strict=True)
    )
    assert one.file.read_bytes() == again.file.read_bytes()
    assert one.split_hash() == again.split_hash() != other.split_hash()
    assert (len(one.of("train")), len(one.of("val"))) == (100, 30)


def test_images_that_are_kept_are_not_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first = stream.make(config(), tmp_path)
    assert f"130 made-up images go into {first.file}" in capsys.readouterr().out
    again = stream.make(config(), tmp_path)
    assert "made-up images" not in capsys.readouterr().out
    assert again == first


def test_a_stopped_making_goes_on_where_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = stream.make(config(), tmp_path)
    pixels = whole.file.read_bytes()
    planes = np.load(whole.file, mmap_mode="r+")
    planes[60:] = 0
    planes.flush()
    table = whole.file.with_suffix(".csv")
    table.write_text("".join(table.read_text().splitlines(keepends=True)[:61]) + "normal,12")
    capsys.readouterr()
    again = stream.make(config(), tmp_path)
    assert "70 made-up images go into" in capsys.readouterr().out
    assert again == whole
    assert again.file.read_bytes() == pixels


@pytest.mark.parametrize("damaged", [".npy", ".csv"])
def test_damaged_files_are_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], damaged: str
) -> None:
    whole = stream.make(config(), tmp_path)
    pixels = whole.file.read_bytes()
    whole.file.with_suffix(damaged).write_bytes(b"label,sha256,mean,square\nno\n")
    capsys.readouterr()
    assert stream.make(config(), tmp_path) == whole
    assert "130 made-up images go into" in capsys.readouterr().out
    assert whole.file.read_bytes() == pixels


def test_a_disk_without_room_is_said_before_any_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept, "_free", lambda _: 1000.0)
    with pytest.raises(DataError, match=r"130 made-up images of 32 px need 0.0 GB"):
        stream.make(config(), tmp_path / "full")
    assert not list((tmp_path / "full").glob("*.npy"))


def test_other_code_makes_other_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "__file__", str(tmp_path / "kept.py"))
    names = []
    for text in ("", "x = 1", "x = 2"):
        (tmp_path / "xray.py").write_text(text)
        names.append(stream.make(config(), tmp_path / "made").file)
    assert len(set(names)) == 3


@pytest.mark.parametrize("change", [{"seed": 1}, {"phantom_field": 30.0}, {"phantom_count": 101}])
def test_another_configuration_has_another_file(tmp_path: Path, change: dict[str, float]) -> None:
    assert stream.make(config(**change), tmp_path).file != stream.make(config(), tmp_path).file


def test_pictures_of_another_size_are_made_again(tmp_path: Path) -> None:
    whole = stream.make(config(), tmp_path)
    np.save(whole.file, np.zeros((130, 2, 16, 16), np.uint8))
    assert stream.make(config(), tmp_path) == whole
    assert np.load(whole.file).shape == (130, 2, 32, 32)


def test_masks_go_with_the_label_and_become_targets(tmp_path: Path) -> None:
    made = stream.make(config(), tmp_path)
    for sample in made.samples:
        assert made.lesion(sample).any() == (sample.label == "abnormal")
    dataset = CoronaryDataset(made, "train", Preprocessing(32, 0.5, 0.3), patch_size=8)
    for i in range(20):
        targets = dataset[(0, i)][3]
        assert targets.shape == (16, 2)
        assert bool(targets[:, 0].any()) == (dataset.labels[i] == 1)


def test_half_are_hard_and_some_normal_ones_show_hardly_a_vessel(tmp_path: Path) -> None:
    settings = config(phantom_count=600)
    made = stream.make(settings, tmp_path)
    hard = np.array([stream.view_of(number, settings)[1] == 1 for number in range(630)])
    assert 0.4 < hard[:600].mean() < 0.6
    assert hard[600:].all()
    shown = [made.vessel(sample).mean() for sample in made.of("train") if sample.label == "normal"]
    assert (
        0.02 < np.mean(np.array(shown) < 0.02) < 0.15
    )  # none, if difficulty and scene share their draws


def test_a_field_that_no_phantom_can_have_is_said(tmp_path: Path) -> None:
    CONFIG.write(config(phantom_field=100.0), tmp_path / "config.yml")
    with pytest.raises(SystemExit, match=r"phantoms: got .* wanted .* field 5 to 2 x image_size"):
        train.main(
            ["--Config", str(tmp_path / "config.yml"), "--device", "cpu", "--OUTPUT", str(tmp_path)]
        )


def test_vessels_of_made_up_ct_are_not_known(tmp_path: Path) -> None:
    made = stream.make(config(phantoms="ct"), tmp_path)
    assert made.vessel(made.samples[0]) is None
    assert made.lesion(made.samples[0]).shape == (32, 32)


def test_made_up_reformations_come_with_lesion_and_vessel(tmp_path: Path) -> None:
    made = stream.make(config(phantoms="mpr", image_size=64), tmp_path)
    for sample in made.samples:
        vessel = made.vessel(sample)
        assert vessel is not None
        assert vessel.any()
        assert made.lesion(sample).any() == (sample.label == "abnormal")


def test_training_goes_on_from_what_phantoms_taught(
    tmp_path: Path, pictures: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    common = ["--Config", str(tmp_path / "config.yml"), "--device", "cpu", *SMALL, "--epochs", "1"]
    made = ["--phantoms", "xray", "--phantom_count", "100", "--OUTPUT", str(tmp_path / "first")]
    train.main([*common, *made])
    weights = tmp_path / "first" / "ViT.ckpt"
    first = checkpoint.load(weights)
    (before,) = first.models
    assert first.class_names == ["normal", "abnormal"]
    prepare(
        pictures(height=32, width=32), tmp_path / "real", CONFIG.Config(image_size=32, patch_size=8)
    )
    still = [
        *common,
        "--data_folder",
        str(tmp_path / "real"),
        "--lr",
        "1e-9",
        "--OUTPUT",
        str(tmp_path / "second"),
    ]
    train.main([*still, "--init", str(weights)])
    second = checkpoint.load(tmp_path / "second" / "ViT.ckpt")
    (after,) = second.models
    for name, value in before.state_dict().items():
        assert np.allclose(value, after.state_dict()[name], atol=1e-6), name
    train.main(still)  # without --init it is another run, from weights of its own
    assert len(list((tmp_path / "second" / "runs").iterdir())) == 2
    assert second.provenance.init["run"] == first.provenance.run
    (table, _) = sorted((tmp_path / "second" / "runs").glob("*/metrics.csv"))
    assert len(list(csv.DictReader(table.open()))) == 1


def test_a_wrong_file_to_begin_with_is_said_in_one_line(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    prepare(
        pictures(height=32, width=32), tmp_path / "real", CONFIG.Config(image_size=32, patch_size=8)
    )
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    (tmp_path / "x.ckpt").write_bytes(b"no")
    places = ["--Config", str(tmp_path / "config.yml"), "--data_folder", str(tmp_path / "real")]
    with pytest.raises(SystemExit, match=r"x.ckpt: is damaged, or no checkpoint"):
        train.main([*places, *SMALL, "--device", "cpu", "--init", str(tmp_path / "x.ckpt")])


def test_weights_that_learned_from_validation_images_are_refused(
    tmp_path: Path, pictures: Callable[..., Path]
) -> None:
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    common = ["--Config", str(tmp_path / "config.yml"), "--device", "cpu", *SMALL, "--epochs", "1"]
    made = pictures(height=32, width=32)
    small = {"image_size": 32, "patch_size": 8}
    for name, seed in (("one", 0), ("two", 5)):
        # type: ignore[arg-type]
        prepare(made, tmp_path / name, CONFIG.Config(**small, seed=seed, val_share=0.5))
    train.main(
        [*common, "--data_folder", str(tmp_path / "one"), "--OUTPUT", str(tmp_path / "first")]
    )
    again = [
        *common,
        "--data_folder",
        str(tmp_path / "two"),
        "--init",
        str(tmp_path / "first" / "ViT.ckpt"),
    ]
    with pytest.raises(
        SystemExit, match=r"ViT\.ckpt: learned from \d+ of the \d+ validation images"
    ):
        train.main([*again, "--OUTPUT", str(tmp_path / "second")])
    with pytest.raises(
        SystemExit, match=r"is of another architecture; set num_heads to 2 \(got 8\)"
    ):
        train.main([*again, "--OUTPUT", str(tmp_path / "third"), "--num_heads", "8"])
