"""train.py: what a run leaves, how it goes on, and that processes, workers and formats do not change it."""

import csv
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

import CONFIG
import train
from data import processed
from data.augment import Augment
from data.datamodule import CoronaryData
from data.dataset import CoronaryDataset, SeededSampler, to_tensor
from data.prepare import prepare
from data.readers import DataError
from vit import checkpoint
from vit.module import classification_metrics
from vit.progress import History

PROJECT = Path(__file__).resolve().parents[1]
SMALL = ["--image_size", "32", "--patch_size", "8", "--embedding_size", "16", "--num_heads", "2",
         "--num_hidden_layers", "2", "--num_workers", "0", "--batch_size", "8"]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, pictures: Callable[..., Path]) -> Path:
    """A ProcessedFolder of 32 px: 16 training images and 9 for validation, an odd number."""
    raw = pictures(count=8, height=32, width=32, name="raw/train")
    pictures(count=5, height=32, width=32, name="raw/val")
    (raw.parent / "val" / "normal" / "p04.png").unlink()
    prepare(raw.parent, tmp_path / "processed", CONFIG.Config(image_size=32, patch_size=8))
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    return tmp_path / "processed"


def command(folder: Path, output: str = "out", *more: str) -> list[str]:
    root = folder.parent
    places = ["--Config", str(root / "config.yml"), "--data_folder", str(folder), "--OUTPUT", str(root / output)]
    return [*places, "--device", "cpu", *SMALL, *more]


def metrics(output: Path) -> list[dict[str, str]]:
    (path,) = output.glob("runs/*/metrics.csv")
    return list(csv.DictReader(path.open()))


def test_a_run_leaves_a_checkpoint_that_says_all(folder: Path) -> None:
    train.main(command(folder, "out", "--epochs", "2"))
    output = folder.parent / "out"
    (model,), about = checkpoint.load(output / "ViT.ckpt")
    assert about["class_names"] == ["normal", "abnormal"]
    assert 0 < about["threshold"] < 1
    assert about["temperature"] > 0
    value, low, high = about["figures"]["auroc"]
    assert low <= value <= high
    assert len(about["training_images_sha256"]) == 16
    assert about["config"]["embedding_size"] == 16
    assert [row["epoch"] for row in about["history"][0]] == [1, 2]
    best = max(row["val_auroc"] for row in about["history"][0])
    assert about["validation"]["val_auroc"] == best
    (run,) = (output / "runs").iterdir()
    assert {"best.ckpt", "last.ckpt", "config.yml", "metrics.csv", "curves.png", "finished.json"} <= {
        path.name for path in run.iterdir()
    }
    assert not model.training


def test_class_shares_and_seeds_are_in_the_printed_configuration(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train.main(command(folder, "out", "--epochs", "1", "--seed", "5"))
    assert '"seed": 5' in capsys.readouterr().out


def test_an_interrupted_run_goes_on_to_the_same_weights(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = ("--epochs", "4", "--hidden_dropout_prob", "0.2")
    train.main(command(folder, "whole", *recipe))

    record = History.on_train_epoch_end

    def power_cut(self: History, trainer: object, module: object) -> None:
        record(self, trainer, module)  # type: ignore[arg-type]
        if len(self.rows) == 3:
            raise OSError("power cut")

    monkeypatch.setattr(History, "on_train_epoch_end", power_cut)
    with pytest.raises(OSError, match=r"power cut"):
        train.main(command(folder, "cut", *recipe))
    assert not (folder.parent / "cut" / "ViT.ckpt").exists()
    monkeypatch.setattr(History, "on_train_epoch_end", record)
    train.main(command(folder, "cut", *recipe))

    whole, cut = (metrics(folder.parent / name) for name in ("whole", "cut"))
    assert whole == cut
    last = [next((folder.parent / name).glob("runs/*/last.ckpt")) for name in ("whole", "cut")]
    a, b = (torch.load(path, weights_only=True)["state_dict"] for path in last)
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_a_second_run_keeps_the_former_checkpoint(folder: Path) -> None:
    train.main(command(folder, "out", "--epochs", "1"))
    before = (folder.parent / "out" / "ViT.ckpt").read_bytes()
    train.main(command(folder, "out", "--epochs", "1"))
    (kept,) = (folder.parent / "out").glob("ViT_20*.ckpt")
    assert kept.read_bytes() == before
    assert len(list((folder.parent / "out" / "runs").iterdir())) == 2


def test_it_learns_what_can_be_learnt(folder: Path) -> None:
    train.main(command(folder, "out", "--epochs", "60", "--lr", "3e-3", "--rotate", "0", "--contrast", "0"))
    last = metrics(folder.parent / "out")[-1]
    assert float(last["train_loss"]) < 0.45


def test_folds_end_in_one_file_and_go_on_where_they_were_cut(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(
        folder.parent / "raw" / "train", folder.parent / "whole", CONFIG.Config(image_size=32, patch_size=8, folds=2)
    )
    arguments = [*command(folder.parent / "whole", "a"), "--folds", "2", "--epochs", "2"]
    train.main(arguments)
    models, about = checkpoint.load(folder.parent / "a" / "ViT.ckpt")
    assert (len(models), len(about["training_images_sha256"])) == (2, 16)
    rows = list(csv.DictReader((folder.parent / "a" / "out_of_fold.csv").open()))
    assert len({row["path"] for row in rows}) == len(rows) == 16

    arguments[arguments.index(str(folder.parent / "a"))] = str(folder.parent / "b")
    record = History.on_train_epoch_end

    def power_cut(self: History, trainer: object, module: object) -> None:
        record(self, trainer, module)  # type: ignore[arg-type]
        if self.folder.name == "fold_1":
            raise OSError("power cut")

    monkeypatch.setattr(History, "on_train_epoch_end", power_cut)
    with pytest.raises(OSError, match=r"power cut"):
        train.main(arguments)
    monkeypatch.setattr(History, "on_train_epoch_end", record)
    train.main(arguments)
    _, again = checkpoint.load(folder.parent / "b" / "ViT.ckpt")
    assert again["figures"] == about["figures"]


def test_folds_must_be_those_of_the_folder(folder: Path) -> None:
    with pytest.raises(SystemExit, match=r"--folds: got 7, but .* was prepared with 5"):
        train.main([*command(folder), "--folds", "7"])


def test_views_of_one_vessel_on_both_sides_are_refused(folder: Path) -> None:
    manifest = folder / "manifest.csv"
    rows = list(csv.DictReader(manifest.open()))
    rows[-1]["group"] = rows[0]["group"]
    assert rows[-1]["split"] != rows[0]["split"]
    with manifest.open("w", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)
    with pytest.raises(SystemExit, match=r"1 groups of images that belong together are in train and in val"):
        train.main(command(folder))
    train.main(command(folder, "out", "--epochs", "1", "--allow_leaks", "true"))


def first_form(tmp_path: Path, copies: dict[str, str]) -> CONFIG.Config:
    """A folder of the first published form, 2 images a class and split; ``copies``: files that equal another one."""
    rng = np.random.default_rng(0)
    for split, label, i in ((split, label, i) for split in ("train", "val") for label in ("0", "1") for i in range(2)):
        (tmp_path / split / label).mkdir(parents=True, exist_ok=True)
        np.save(tmp_path / split / label / f"{i}.npy", rng.random((32, 32, 1)).astype(np.float16))
    for copy, original in copies.items():
        (tmp_path / copy).write_bytes((tmp_path / original).read_bytes())
    return CONFIG.Config(data_folder=str(tmp_path), image_size=32, patch_size=8)


def test_the_same_file_in_train_and_val_is_refused_without_a_manifest(tmp_path: Path) -> None:
    config = first_form(tmp_path, {"val/1/0.npy": "train/1/1.npy"})
    with pytest.raises(DataError, match=r"1 groups .* as train/1/1.npy, val/1/0.npy; validation would flatter"):
        CoronaryData(config, processed.load(tmp_path))


def test_one_image_under_two_labels_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = first_form(tmp_path, {"train/1/0.npy": "train/0/1.npy"})
    CoronaryData(config, processed.load(tmp_path))
    assert "1 images are there under more than one label, as train/0/1.npy, train/1/0.npy" in capsys.readouterr().err


def test_patience_stops_early(folder: Path) -> None:
    train.main(command(folder, "out", "--epochs", "30", "--patience", "2", "--lr", "1e-9"))
    assert len(metrics(folder.parent / "out")) <= 4


def test_bf16_mixed_precision_runs(folder: Path) -> None:
    train.main(command(folder, "out", "--epochs", "1", "--precision", "bf16-mixed"))
    assert np.isfinite(float(metrics(folder.parent / "out")[0]["train_loss"]))


def test_first_version_configuration_and_folder_train_as_they_are(tmp_path: Path) -> None:
    from tests.test_config import FIRST_VERSION

    rng = np.random.default_rng(0)
    for split, label in ((split, label) for split in ("train", "val") for label in ("0", "1")):
        (tmp_path / "ProcessedFolder" / split / label).mkdir(parents=True)
        for i in range(2):
            image = rng.random((256, 256, 1)).astype(np.float16)
            np.save(tmp_path / "ProcessedFolder" / split / label / f"{i}.npy", image)
    text = FIRST_VERSION.replace("./ProcessedFolder/", str(tmp_path / "ProcessedFolder"))
    (tmp_path / "config.yml").write_text(text)
    train.main(["--Config", str(tmp_path / "config.yml"), "--device", "cpu", "--OUTPUT", str(tmp_path), "--Epoch", "1"])
    _, about = checkpoint.load(tmp_path / "ViT.ckpt")
    assert about["class_names"] == ["normal", "abnormal"]
    assert about["config"]["batch_size"] == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_gpu_that_is_not_there_is_one_line(folder: Path) -> None:
    with pytest.raises(SystemExit, match=r"--device gpu: this machine has no GPU") as error:
        train.main([*command(folder), "--device", "gpu"])
    assert len(str(error.value).splitlines()) == 1


def test_a_missing_folder_says_how_to_make_one(folder: Path) -> None:
    with pytest.raises(SystemExit, match=r"no such folder; make one with: python -m data.prepare"):
        train.main(command(folder.parent / "nowhere"))


def test_classes_and_num_classes_must_agree(folder: Path) -> None:
    with pytest.raises(SystemExit, match=r"got 2 classes \(normal, abnormal\), but num_classes is 3; set it to 2"):
        train.main(command(folder, "out", "--num_classes", "3"))


def on_processes(folder: Path, devices: int, *more: str) -> list[dict[str, str]]:
    """The metrics of a run on that many CPU processes (gloo), each step an epoch of its own."""
    output = f"on_{devices}"
    arguments = command(folder, output, "--batch_size", "16", "--num_workers", "1", "--devices", str(devices), *more)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    script = [sys.executable, str(PROJECT / "train.py"), *arguments]
    subprocess.run(script, check=True, capture_output=True, env=environment, cwd=PROJECT)
    return metrics(folder.parent / output)


def test_two_processes_follow_one(folder: Path) -> None:
    one, two = (on_processes(folder, devices, "--epochs", "20") for devices in (1, 2))
    losses = [[float(row["train_loss"]) for row in table] for table in (one, two)]
    assert len(losses[0]) == 20
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)


def test_two_processes_validate_as_one_does(folder: Path) -> None:
    """9 images, an odd number; a learning rate so small that both validate the same weights."""
    one, two = (on_processes(folder, devices, "--epochs", "1", "--lr", "1e-9")[0] for devices in (1, 2))
    for name in ("val_loss", "val_auroc", "val_accuracy", "val_sensitivity", "val_specificity", "val_f1"):
        assert float(two[name]) == pytest.approx(float(one[name]), abs=1e-6), name


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_every_process_count_sees_the_same_batches(world_size: int) -> None:
    parts = []
    for rank in range(world_size):
        sampler = SeededSampler(50, 12, rank, world_size, seed=3, shuffle=True)
        sampler.set_epoch(2)
        parts.append(list(sampler))
    local = 12 // world_size
    batches = [{key for part in parts for key in part[i * local : (i + 1) * local]} for i in range(4)]
    whole = SeededSampler(50, 12, 0, 1, seed=3, shuffle=True)
    whole.set_epoch(2)
    order = list(whole)
    assert batches == [set(order[i * 12 : (i + 1) * 12]) for i in range(4)]


def test_validation_counts_every_image_once() -> None:
    parts = [list(SeededSampler(9, 4, rank, 2, seed=0, shuffle=False)) for rank in range(2)]
    assert sorted(index for part in parts for _, index in part) == list(range(9))


def test_each_epoch_has_its_own_order() -> None:
    sampler = SeededSampler(20, 4, 0, 1, seed=0, shuffle=True)
    first = list(sampler)
    sampler.set_epoch(1)
    assert [index for _, index in first] != [index for _, index in sampler]


def test_augmentation_depends_on_seed_epoch_and_image_alone(folder: Path) -> None:
    from data import processed

    loaded = processed.load(folder)
    augment = Augment("both", 10, 0.1, 0.1, 0.2, 0.05)
    a, b = (CoronaryDataset(loaded, "train", 32, 0.4, 0.2, 1, augment, seed=1) for _ in range(2))
    _ = a[(0, 3)], a[(7, 1)]
    assert torch.equal(a[(4, 5)][0], b[(4, 5)][0])
    assert not torch.equal(a[(4, 5)][0], a[(5, 5)][0])


def test_augmentation_keeps_shape_and_range() -> None:
    rng = np.random.default_rng(0)
    image = rng.random((24, 32), np.float32)
    changed, _ = Augment("both", 20, 0.2, 0.3, 0.5, 0.2)(image, rng)
    assert changed.shape == (24, 32)
    assert changed.dtype == np.float32
    assert 0 <= changed.min() <= changed.max() <= 1


def test_no_augmentation_leaves_the_image() -> None:
    image = np.random.default_rng(0).random((24, 32), np.float32)
    np.testing.assert_array_equal(Augment()(image, np.random.default_rng(1))[0], image)


def test_mask_moves_with_the_image() -> None:
    image = np.zeros((40, 32), np.float32)
    image[8:14, 20:28] = 1
    augment = Augment("both", 15, 0.1, 0.2)
    for seed in range(5):
        changed, (mask,) = augment(image, np.random.default_rng(seed), [image.copy()])
        assert mask is not None
        np.testing.assert_array_equal(changed, mask)


def test_patches_with_lesion_are_targets(tmp_path: Path) -> None:
    from data import processed

    for split, label in ((split, label) for split in ("train", "val") for label in ("normal", "abnormal")):
        (tmp_path / split / label).mkdir(parents=True)
        np.save(tmp_path / split / label / "a.npy", np.random.default_rng(0).random((16, 16)).astype(np.float16))
    boxes = {"normal": "", "abnormal": "4,8,8,12"}
    samples = [
        processed.Sample(f"{split}/{label}/a.npy", split, label, lesion_boxes_xyxy=boxes[label])
        for split in ("train", "val")
        for label in boxes
    ]
    loaded = processed.Processed(tmp_path, samples, ["normal", "abnormal"], {})
    dataset = CoronaryDataset(loaded, "train", 16, 0.5, 0.3, patch_size=4)
    lesion = {dataset.samples[i].label: dataset[(0, i)][3].reshape(4, 4, 2) for i in range(2)}
    assert all(targets[..., 1].isnan().all() for targets in lesion.values())  # of vessels nothing is known
    lesion = {label: targets[..., 0] for label, targets in lesion.items()}
    assert lesion["normal"].sum() == 0
    assert lesion["abnormal"].nonzero().tolist() == [[2, 1]]


def test_images_of_another_size_are_resized_on_load(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    train.main(command(folder, "out", "--epochs", "1", "--image_size", "48"))
    assert "note: 25 images are resized" in capsys.readouterr().err


def test_batch_must_divide_among_processes(folder: Path) -> None:
    from types import SimpleNamespace

    from data import processed
    from data.datamodule import CoronaryData

    data = CoronaryData(CONFIG.Config(image_size=32, patch_size=8, batch_size=8), processed.load(folder))
    data.trainer = SimpleNamespace(global_rank=0, world_size=3)  # type: ignore[assignment]
    with pytest.raises(DataError, match=r"batch_size: got 8, wanted a multiple of 3 processes, as 6"):
        data.train_dataloader()


def test_metrics_of_a_worked_example() -> None:
    logits = torch.tensor([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 3.0], [0.0, 0.5]])
    labels = torch.tensor([0, 0, 1, 1, 1])
    found = {name: round(float(value), 4) for name, value in classification_metrics(logits, labels).items()}
    # positives score -1, 3, 0.5 and negatives -2, 1: four of the six pairs are in order
    assert found == {"val_auroc": 0.6667, "val_accuracy": 0.6, "val_sensitivity": 0.6667, "val_specificity": 0.5,
                     "val_f1": 0.6667}  # fmt: skip


def test_three_classes_have_metrics_too() -> None:
    logits = torch.eye(3).repeat(2, 1) * 4
    assert all(float(value) == 1 for value in classification_metrics(logits, torch.arange(3).repeat(2)).values())


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    code = "import sys, train; train.parse(['--help'])"
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert "usage: train.py" in result.stdout
    assert not {"torch", "numpy", "matplotlib"} & {line.split("|")[-1].strip() for line in result.stderr.splitlines()}


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_run_on_a_gpu(folder: Path) -> None:
    train.main([*command(folder, "out", "--epochs", "1"), "--device", "gpu"])
    assert (folder.parent / "out" / "ViT.ckpt").exists()


def test_three_classes_train_and_predict(tmp_path: Path, pictures: Callable[..., Path]) -> None:
    import predict

    raw = pictures(height=32, width=32)
    (pictures(height=32, width=32, name="more") / "abnormal").rename(raw / "soft")
    prepare(raw, tmp_path / "three", CONFIG.Config(image_size=32, patch_size=8))
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    train.main(command(tmp_path / "three", "out", "--epochs", "1", "--num_classes", "3"))
    weights = str(tmp_path / "out" / "ViT.ckpt")
    figures = checkpoint.load(Path(weights))[1]["figures"]
    assert list(figures) == ["auroc, normal or not", "auroc, soft or not", "auroc, abnormal or not"]
    assert all(low <= value <= high for value, low, high in figures.values())
    predict.main(["-p", str(tmp_path / "three" / "val"), "-k", weights, "-o", str(tmp_path / "three.png")])
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    assert sum(name.startswith("probability_") for name in rows[0]) == 3


def test_an_image_standardised_by_itself_does_not_depend_on_exposure_and_black_frame() -> None:
    rng = np.random.default_rng(0)
    image = rng.uniform(0.4, 0.6, (32, 32)).astype(np.float32)
    framed = image.copy()
    framed[:, :10] = 0.02
    alone, brighter, beside = (to_tensor(x, None, None, 2) for x in (image, 1.3 * image, framed))
    assert alone.shape == (2, 32, 32)
    assert abs(float(alone.mean())) < 1e-3
    assert 0.8 < float(alone.std()) < 1.01
    assert torch.allclose(alone, brighter, atol=0.1)
    assert torch.allclose(alone[:, :, 10:], beside[:, :, 10:], atol=0.1)
    assert float(beside[:, :, :10].max()) == pytest.approx(-4, abs=1e-3)
    assert torch.isfinite(to_tensor(np.zeros((8, 8), np.float32), None, None, 1)).all()


def test_an_image_standardised_by_itself_trains_and_predicts_the_same(folder: Path) -> None:
    import predict

    train.main(command(folder, "out", "--epochs", "1", "--standardise", "image"))
    about = checkpoint.load(folder.parent / "out" / "ViT.ckpt")[1]
    assert about["preprocessing"]["mean"] is None
    picture = folder.parent / "predictions.png"
    predict.main(["-p", str(folder / "val"), "-k", str(folder.parent / "out" / "ViT.ckpt"), "-o", str(picture)])
    (validation,) = (folder.parent / "out").glob("runs/*/validation.csv")
    own = {
        row["path"].split("/", 1)[1]: float(row["probability_abnormal"]) for row in csv.DictReader(validation.open())
    }
    said = list(csv.DictReader((folder.parent / "predictions.csv").open()))
    for row in said:  # the temperature alone lies between
        logit = (
            np.log(own["/".join(Path(row["path"]).parts[-2:])] / (1 - own["/".join(Path(row["path"]).parts[-2:])]))
            / about["temperature"]
        )
        assert float(row["probability_abnormal"]) == pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-4)


def test_turns_give_all_eight_orientations_and_the_mask_goes_along() -> None:
    image = np.random.default_rng(0).random((8, 8), np.float32)
    seen = set()
    for seed in range(60):
        changed, (mask,) = Augment(flip="turns")(image, np.random.default_rng(seed), [image.copy()])
        assert mask is not None
        assert np.array_equal(changed, mask)
        seen.add(changed.tobytes())
    assert seen == {np.ascontiguousarray(np.rot90(way, k)).tobytes() for way in (image, image.T) for k in range(4)}
