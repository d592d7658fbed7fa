"""train.py: what a run leaves, and that processes, workers and formats do not change it."""

import csv
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import CONFIG
import predict
import train
import vit
from data import processed
from data.augment import Augment
from data.dataset import CoronaryDataset
from data.prepare import prepare
from data.preprocessing import Preprocessing
from data.readers import DataError
from tests.test_config import FIRST_VERSION
from training.data_module import CoronaryData
from training.trainer import History
from vit import checkpoint

pytestmark = pytest.mark.usefixtures("unreported")
PROJECT = Path(__file__).resolve().parents[1]
SMALL = [
    "--image_size",
    "32",
    "--patch_size",
    "8",
    "--embedding_size",
    "16",
    "--num_heads",
    "2",
    "--num_hidden_layers",
    "2",
    "--num_workers",
    "0",
    "--batch_size",
    "8",
]


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
    places = [
        "--Config",
        str(root / "config.yml"),
        "--data_folder",
        str(folder),
        "--OUTPUT",
        str(root / output),
    ]
    return [*places, "--device", "cpu", *SMALL, *more]


def metrics(output: Path) -> list[dict[str, str]]:
    (path,) = output.glob("runs/*/metrics.csv")
    return list(csv.DictReader(path.open()))


def test_a_run_leaves_a_checkpoint_that_says_all(folder: Path) -> None:
    train.main(command(folder, "out", "--epochs", "2"))
    output = folder.parent / "out"
    loaded = checkpoint.load(output / "ViT.ckpt")
    (model,) = loaded.models
    provenance = loaded.provenance
    assert loaded.class_names == ["normal", "abnormal"]
    assert 0 < loaded.threshold < 1
    assert loaded.temperature > 0
    auroc = provenance.estimates["auroc"]
    assert auroc.low <= auroc.value <= auroc.high
    assert len(provenance.training_images_sha256) == 16
    assert provenance.versions["vit"] == vit.__version__
    assert loaded.config.embedding_size == 16
    assert [row["epoch"] for row in provenance.history[0]] == [1, 2]
    best = max(row["val_auroc"] for row in provenance.history[0])
    assert provenance.validation["val_auroc"] == best
    (run,) = (output / "runs").iterdir()
    assert {
        "best.ckpt",
        "last.ckpt",
        "config.yml",
        "metrics.csv",
        "finished.json",
    } <= {path.name for path in run.iterdir()}
    assert not model.training


def test_class_shares_and_seeds_are_in_the_printed_configuration(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train.main(command(folder, "out", "--epochs", "1", "--seed", "5"))
    assert '"seed": 5' in capsys.readouterr().out


def test_a_second_run_keeps_the_former_checkpoint(folder: Path) -> None:
    train.main(command(folder, "out", "--epochs", "1"))
    before = (folder.parent / "out" / "ViT.ckpt").read_bytes()
    train.main(command(folder, "out", "--epochs", "1"))
    (kept,) = (folder.parent / "out").glob("ViT_20*.ckpt")
    assert kept.read_bytes() == before
    assert len(list((folder.parent / "out" / "runs").iterdir())) == 2


def test_it_learns_what_can_be_learnt(folder: Path) -> None:
    train.main(
        command(folder, "out", "--epochs", "60", "--lr", "3e-3", "--rotate", "0", "--contrast", "0")
    )
    last = metrics(folder.parent / "out")[-1]
    assert float(last["train_loss"]) < 0.45


def test_folds_end_in_one_file_and_go_on_where_they_were_cut(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(
        folder.parent / "raw" / "train",
        folder.parent / "whole",
        CONFIG.Config(image_size=32, patch_size=8, folds=2),
    )
    arguments = [*command(folder.parent / "whole", "a"), "--folds", "2", "--epochs", "2"]
    train.main(arguments)
    whole = checkpoint.load(folder.parent / "a" / "ViT.ckpt")
    assert (len(whole.models), len(whole.provenance.training_images_sha256)) == (2, 16)
    rows = list(csv.DictReader((folder.parent / "a" / "out_of_fold.csv").open()))
    assert len({row["path"] for row in rows}) == len(rows) == 16
    for row in rows:  # as predict.py would say it
        is_positive = float(row["probability_abnormal"]) >= whole.threshold
        assert row["predicted"] == ("abnormal" if is_positive else "normal")

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
    again = checkpoint.load(folder.parent / "b" / "ViT.ckpt")
    assert again.provenance.estimates == whole.provenance.estimates


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
    with pytest.raises(
        SystemExit, match=r"1 groups of images that belong together are in train and in val"
    ):
        train.main(command(folder))
    train.main(command(folder, "out", "--epochs", "1", "--allow_leaks", "true"))


def test_patience_stops_early(folder: Path) -> None:
    train.main(command(folder, "out", "--epochs", "30", "--patience", "2", "--lr", "1e-9"))
    assert len(metrics(folder.parent / "out")) <= 4


def test_bf16_mixed_precision_runs(folder: Path) -> None:
    train.main(command(folder, "out", "--epochs", "1", "--precision", "bf16-mixed"))
    assert np.isfinite(float(metrics(folder.parent / "out")[0]["train_loss"]))


def test_first_version_configuration_and_folder_train_as_they_are(tmp_path: Path) -> None:

    rng = np.random.default_rng(0)
    for split, label in ((split, label) for split in ("train", "val") for label in ("0", "1")):
        (tmp_path / "ProcessedFolder" / split / label).mkdir(parents=True)
        for i in range(2):
            image = rng.random((256, 256, 1)).astype(np.float16)
            np.save(tmp_path / "ProcessedFolder" / split / label / f"{i}.npy", image)
    text = FIRST_VERSION.replace("./ProcessedFolder/", str(tmp_path / "ProcessedFolder"))
    (tmp_path / "config.yml").write_text(text)
    train.main(
        [
            "--Config",
            str(tmp_path / "config.yml"),
            "--device",
            "cpu",
            "--OUTPUT",
            str(tmp_path),
            "--Epoch",
            "1",
        ]
    )
    loaded = checkpoint.load(tmp_path / "ViT.ckpt")
    assert loaded.class_names == ["normal", "abnormal"]
    assert loaded.config.batch_size == 1


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here")
def test_a_gpu_that_is_not_there_is_one_line(folder: Path) -> None:
    with pytest.raises(
        SystemExit, match=r"\A--device gpu: this machine has no GPU.*\Z"
    ):  # a dot is no end of line
        train.main([*command(folder), "--device", "gpu"])


def test_a_missing_folder_says_how_to_make_one(folder: Path) -> None:
    with pytest.raises(SystemExit, match=r"no such folder; make one with: python -m data.prepare"):
        train.main(command(folder.parent / "nowhere"))


def test_classes_and_num_classes_must_agree(folder: Path) -> None:
    with pytest.raises(
        SystemExit, match=r"got 2 classes \(normal, abnormal\), but num_classes is 3; set it to 2"
    ):
        train.main(command(folder, "out", "--num_classes", "3"))


def on_processes(folder: Path, devices: int, *more: str) -> list[dict[str, str]]:
    """The metrics of a run on that many CPU processes (gloo), each step an epoch of its own."""
    output = f"on_{devices}"
    sizes = ("--batch_size", "16", "--num_workers", "1", "--devices", str(devices))
    arguments = command(folder, output, *sizes, *more)
    if devices == 1:
        train.main(arguments)
    else:
        script = [sys.executable, str(PROJECT / "train.py"), *arguments]
        subprocess.run(script, check=True, capture_output=True, cwd=PROJECT)
    return metrics(folder.parent / output)


def test_two_processes_follow_one(folder: Path) -> None:
    one, two = (on_processes(folder, devices, "--epochs", "8") for devices in (1, 2))
    losses = [[float(row["train_loss"]) for row in table] for table in (one, two)]
    assert len(losses[0]) == 8
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)


def test_two_processes_validate_as_one_does(folder: Path) -> None:
    """9 images, an odd number; a learning rate so small that both validate the same weights."""
    one, two = (
        on_processes(folder, devices, "--epochs", "1", "--lr", "1e-9")[0] for devices in (1, 2)
    )
    for name in (
        "val_loss",
        "val_auroc",
        "val_accuracy",
        "val_sensitivity",
        "val_specificity",
        "val_f1",
    ):
        assert float(two[name]) == pytest.approx(float(one[name]), abs=1e-6), name


def test_augmentation_depends_on_seed_epoch_and_image_alone(folder: Path) -> None:

    loaded = processed.load(folder)
    augment = Augment("both", 10, 0.1, 0.1, 0.2, 0.05)
    a, b = (
        CoronaryDataset(loaded, "train", Preprocessing(32, 0.4, 0.2), augment, seed=1)
        for _ in range(2)
    )
    _ = a[(0, 3)], a[(7, 1)]
    assert torch.equal(a[(4, 5)][0], b[(4, 5)][0])
    assert not torch.equal(a[(4, 5)][0], a[(5, 5)][0])


def test_images_of_another_size_are_resized_on_load(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train.main(command(folder, "out", "--epochs", "1", "--image_size", "48"))
    assert "note: 25 images are resized" in capsys.readouterr().err


def test_batch_must_divide_among_processes(folder: Path) -> None:

    data = CoronaryData(
        CONFIG.Config(image_size=32, patch_size=8, batch_size=8), processed.load(folder)
    )
    data.trainer = SimpleNamespace(global_rank=0, world_size=3)  # type: ignore[assignment]
    with pytest.raises(
        DataError, match=r"batch_size: got 8, wanted a multiple of 3 processes, as 6"
    ):
        data.train_dataloader()


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_run_on_a_gpu(folder: Path) -> None:
    train.main([*command(folder, "out", "--epochs", "1"), "--device", "gpu"])
    assert (folder.parent / "out" / "ViT.ckpt").exists()


def test_three_classes_train_and_predict(tmp_path: Path, pictures: Callable[..., Path]) -> None:

    raw = pictures(height=32, width=32)
    (pictures(height=32, width=32, name="more") / "abnormal").rename(raw / "soft")
    prepare(raw, tmp_path / "three", CONFIG.Config(image_size=32, patch_size=8))
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    train.main(command(tmp_path / "three", "out", "--epochs", "1", "--num_classes", "3"))
    weights = str(tmp_path / "out" / "ViT.ckpt")
    found = checkpoint.load(Path(weights)).provenance.estimates
    assert list(found) == ["auroc, normal or not", "auroc, soft or not", "auroc, abnormal or not"]
    assert all(each.low <= each.value <= each.high for each in found.values())
    predict.main(
        ["-p", str(tmp_path / "three" / "val"), "-k", weights, "-o", str(tmp_path / "three.png")]
    )
    rows = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    assert sum(name.startswith("probability_") for name in rows[0]) == 3


def test_an_image_standardised_by_itself_trains_and_predicts_the_same(folder: Path) -> None:

    train.main(command(folder, "out", "--epochs", "1", "--standardise", "image"))
    loaded = checkpoint.load(folder.parent / "out" / "ViT.ckpt")
    assert loaded.preprocessing.mean is None
    picture = folder.parent / "predictions.png"
    predict.main(
        [
            "-p",
            str(folder / "val"),
            "-k",
            str(folder.parent / "out" / "ViT.ckpt"),
            "-o",
            str(picture),
        ]
    )
    (validation,) = (folder.parent / "out").glob("runs/*/validation.csv")
    own = {
        row["path"].split("/", 1)[1]: float(row["probability_abnormal"])
        for row in csv.DictReader(validation.open())
    }
    said = list(csv.DictReader((folder.parent / "predictions.csv").open()))
    for row in said:  # the temperature alone lies between
        share = own["/".join(Path(row["path"]).parts[-2:])]
        logit = np.log(share / (1 - share)) / loaded.temperature
        assert float(row["probability_abnormal"]) == pytest.approx(
            1 / (1 + np.exp(-logit)), abs=1e-4
        )
