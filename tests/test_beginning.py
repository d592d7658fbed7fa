"""training.beginning and training.probe: what training begins with, and why."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import CONFIG
import train
from data import processed
from data.prepare import prepare
from errors import UserError
from tests.conftest import CONFIGURATION, contents
from training import beginning, boxed, probe
from training.beginning import begin
from training.data_module import preprocessing_of
from vit import checkpoint
from vit.archive import CheckpointError
from vit.model import VisionTransformer

LEARNED = replace(CONFIGURATION, phantoms="xray", init="none", num_heads=4)
AUTO = CONFIG.Config(init="auto")


def boxed_at(path: Path, config: CONFIG.Config = LEARNED) -> Path:
    """A box of weights with random numbers."""
    plain = contents()
    plain["config"] = vars(config)
    torch.manual_seed(1)
    state = VisionTransformer(config).state_dict()
    plain["state_dict"] = {f"model.{name}": value for name, value in state.items()}
    plain["preprocessing"]["image_size"] = config.image_size
    checkpoint.save(plain, path.with_suffix(".ckpt"))
    boxed.write(path.with_suffix(".ckpt"), path)
    return path


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only file of the box."""
    (tmp_path / "weights").mkdir()
    monkeypatch.setattr(beginning, "BOX", tmp_path / "weights")
    return boxed_at(tmp_path / "weights" / "made.safetensors")


@pytest.fixture
def folder(tmp_path: Path, pictures: Callable[..., Path]) -> processed.Processed:
    small = replace(CONFIGURATION, image_size=48)
    return prepare(pictures(height=32, width=32), tmp_path / "processed", small)


@pytest.mark.parametrize(("made", "taken"), [(0.9, "made"), (0.4, "random"), (0.5, "made")])
def test_auto_takes_the_best_and_of_equals_the_weights(
    tmp_path: Path,
    box: Path,
    folder: processed.Processed,
    monkeypatch: pytest.MonkeyPatch,
    made: float,
    taken: str,
) -> None:
    found = iter([made, 0.5])
    monkeypatch.setattr(beginning, "auroc_of", lambda *_: next(found))
    begun = begin(AUTO, folder, tmp_path)
    assert begun.probe == {"made": made, "random weights": 0.5}
    assert bool(begun.init) == (taken == "made")
    sizes = (begun.config.image_size, begun.config.embedding_size, begun.config.num_heads)
    assert sizes == ((32, 16, 4) if taken == "made" else (48, 96, 4))


def test_a_choice_by_few_images_is_said_to_be_unsure(
    tmp_path: Path, box: Path, folder: processed.Processed, capsys: pytest.CaptureFixture[str]
) -> None:
    begin(AUTO, folder, tmp_path)
    count = len(folder.of("train"))
    assert f"{count} training images are few, so this choice is unsure" in capsys.readouterr().err


def test_a_choice_is_kept_and_not_made_again(
    tmp_path: Path, box: Path, folder: processed.Processed, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = begin(AUTO, folder, tmp_path)
    monkeypatch.setattr(beginning, "auroc_of", None)
    again = begin(AUTO, folder, tmp_path)
    assert (again.probe, again.config) == (first.probe, first.config)


def test_a_damaged_choice_is_made_again(
    tmp_path: Path, box: Path, folder: processed.Processed
) -> None:
    first = begin(AUTO, folder, tmp_path)
    kept = next((tmp_path / "runs").glob("init-*.json"))
    kept.write_text(json.dumps({"made": 7.0}))
    assert begin(AUTO, folder, tmp_path).probe == first.probe


@pytest.mark.parametrize(("images", "epochs"), [(18, 100), (64, 75), (400, 25)])
def test_few_images_are_seen_in_more_epochs(
    tmp_path: Path, box: Path, folder: processed.Processed, images: int, epochs: int
) -> None:
    samples = [replace(folder.samples[0], split="train") for _ in range(images)]
    begun = begin(replace(AUTO, init=str(box)), replace(folder, samples=samples), tmp_path)
    assert (begun.config.epochs, begun.config.lr) == (epochs, 5e-4)


def test_fewer_labels_in_a_step_lower_the_learning_rate(
    tmp_path: Path, box: Path, folder: processed.Processed
) -> None:
    own = replace(AUTO, init=str(box), label_of="group", batch_size=32, group_images=8)
    assert begin(own, folder, tmp_path).config.lr == 5e-4 * 4 / 32


def test_a_choice_among_other_names_is_made_again(
    tmp_path: Path, box: Path, folder: processed.Processed
) -> None:
    begin(AUTO, folder, tmp_path)
    box.rename(box.with_name("other.safetensors"))
    begun = begin(AUTO, folder, tmp_path)
    assert begun.probe.keys() == {"other", "random weights"}
    kept = next((tmp_path / "runs").glob("init-*.json"))
    kept.write_text(json.dumps({"ghost": 0.9, "random weights": 0.5}))
    assert "ghost" not in begin(AUTO, folder, tmp_path).probe


def test_keys_that_agree_with_the_weights_are_no_shape_of_ones_own(
    tmp_path: Path, box: Path, folder: processed.Processed
) -> None:
    begun = begin(replace(AUTO, init=str(box), patch_size=8), folder, tmp_path)
    assert begun.config.embedding_size == 16
    assert begun.init
    begun.init.give_to(VisionTransformer(begun.config), begun.config)


def test_images_that_the_first_weights_knew_stay_known(
    tmp_path: Path, folder: processed.Processed, unreported: None
) -> None:
    places = ["--data_folder", str(folder.folder), "--device", "cpu", "--epochs", "1"]
    known = contents(training_images_sha256=["a" * 64])
    checkpoint.save(known, tmp_path / "first.ckpt")
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    first = ["--init", str(tmp_path / "first.ckpt"), "--OUTPUT", str(tmp_path / "out")]
    train.main(["--Config", str(tmp_path / "config.yml"), *places, *first])
    trained = checkpoint.load(tmp_path / "out" / "ViT.ckpt")
    assert "a" * 64 in trained.provenance.known_images
    assert "a" * 64 not in trained.provenance.training_images_sha256
    assert trained.config.init == "first.ckpt"


@pytest.mark.parametrize("init", ["Auto", "made", "no"])
def test_an_init_that_is_no_file_says_what_is_wanted(tmp_path: Path, init: str) -> None:
    CONFIG.write(CONFIG.Config(init=init), tmp_path / "config.yml")
    with pytest.raises(SystemExit, match=rf"init: got {init}, .* wanted auto, none, or a file"):
        train.main(["--Config", str(tmp_path / "config.yml")])


def test_a_folder_that_does_not_say_its_size_is_measured(folder: processed.Processed) -> None:
    unsaid = replace(folder, info={"mean": 0.4, "std": 0.2})
    assert preprocessing_of(unsaid, CONFIGURATION).stored_size == 48


def test_an_image_size_of_ones_own_is_kept(
    tmp_path: Path, box: Path, folder: processed.Processed
) -> None:
    assert (
        begin(replace(AUTO, init=str(box), image_size=64), folder, tmp_path).config.image_size == 64
    )


def test_a_shape_of_ones_own_that_fits_no_weights_begins_anew_with_a_note(
    tmp_path: Path,
    box: Path,
    folder: processed.Processed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    own = replace(AUTO, embedding_size=32)
    begun = begin(own, folder, tmp_path)
    assert begun.init is None
    assert begun.config == replace(own, image_size=48, lr=1e-3, epochs=60)
    said = capsys.readouterr().err
    assert "init: auto: training begins with random weights, for none of weights/ fit" in said
    assert "made.safetensors: set embedding_size to 16 (got 32)" in said


def test_weights_that_are_named_must_fit(
    tmp_path: Path, box: Path, folder: processed.Processed
) -> None:
    begun = begin(replace(AUTO, init=str(box), embedding_size=32), folder, tmp_path)
    assert begun.init
    with pytest.raises(CheckpointError, match=r"another architecture; set .*embedding_size to 16"):
        begun.init.give_to(VisionTransformer(begun.config), begun.config)


def test_an_empty_box_is_said_with_what_to_do(
    tmp_path: Path, box: Path, folder: processed.Processed
) -> None:
    box.unlink()
    with pytest.raises(UserError, match=r"holds no weights; .* or set init: none"):
        begin(AUTO, folder, tmp_path)
    assert begin(replace(AUTO, init="none"), folder, tmp_path).init is None


def test_a_damaged_box_is_said_with_what_to_do(
    tmp_path: Path, box: Path, folder: processed.Processed
) -> None:
    box.write_bytes(box.read_bytes()[:-40])
    with pytest.raises(CheckpointError, match=r"made.safetensors: is damaged: .*init: none"):
        begin(AUTO, folder, tmp_path)


def test_too_few_groups_begin_anew_with_a_note(
    tmp_path: Path,
    box: Path,
    folder: processed.Processed,
    capsys: pytest.CaptureFixture[str],
) -> None:
    one = [replace(sample, group=sample.label) for sample in folder.samples]
    begun = begin(AUTO, replace(folder, samples=one), tmp_path)
    assert begun.init is None
    assert "are of too few groups to compare weights" in capsys.readouterr().err


def test_no_group_of_the_probe_is_on_two_sides(folder: processed.Processed) -> None:
    samples = probe.images_for(folder, 0)
    tied = [replace(sample, group=f"{sample.label}{i % 4}") for i, sample in enumerate(samples)]
    ((_, sides),) = probe.questions_of(folder, tied)
    assert sides
    for known, held_out in sides:
        assert not {tied[i].group for i in known} & {tied[i].group for i in held_out}


def test_the_probe_finds_what_tokens_show_and_nothing_where_labels_are_shuffled(
    folder: processed.Processed, monkeypatch: pytest.MonkeyPatch
) -> None:
    samples = folder.samples
    of_class = np.array([[float(sample.label == "abnormal"), 1.0] for sample in samples])
    noise = np.random.default_rng(0).normal(size=of_class.shape)
    asked = probe.questions_of(folder, samples)
    monkeypatch.setattr(probe, "_figures", lambda *_: of_class)
    assert probe.auroc_of(None, None, folder, samples, asked) == 1.0  # type: ignore[arg-type]
    monkeypatch.setattr(probe, "_figures", lambda *_: noise)
    assert probe.auroc_of(None, None, folder, samples, asked) < 0.8  # type: ignore[arg-type]


def test_the_comparison_stands_in_the_checkpoint(
    tmp_path: Path,
    box: Path,
    folder: processed.Processed,
    unreported: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = iter([0.9, 0.5])
    monkeypatch.setattr(beginning, "auroc_of", lambda *_: next(found))
    CONFIG.write(CONFIG.Config(epochs=1, lr=1e-9), tmp_path / "config.yml")
    places = ["--Config", str(tmp_path / "config.yml"), "--OUTPUT", str(tmp_path)]
    train.main([*places, "--data_folder", str(folder.folder), "--device", "cpu"])
    trained = checkpoint.load(tmp_path / "ViT.ckpt")
    begun = trained.provenance.init
    assert begun["probe"] == {"made": 0.9, "random weights": 0.5}
    assert begun["file"] == "made.safetensors"
    first = boxed.read(box).models[0].state_dict()
    for name, value in trained.models[0].state_dict().items():
        torch.testing.assert_close(value, first[name], atol=1e-5, rtol=1e-5)


def test_a_configuration_of_before_begins_with_random_weights(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config.yml").write_text("lr: 0.1\n")
    config = CONFIG.load(tmp_path / "config.yml")
    assert (config.init, config.image_size) == ("none", 256)
    assert "has no init, so it is read as that of an earlier version" in capsys.readouterr().err
