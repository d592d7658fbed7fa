"""predict.py: each image in the table, pictures that show it, one line for a user's mistake."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import predict
from data.inputs import Input, find
from report.prediction_pictures import spread
from tests.conftest import contents, table
from vit import checkpoint
from vit.model import VisionTransformer
from vit.predictions import Prediction, Predictions
from vit.torch_predictor import TorchPredictor

PROJECT = Path(__file__).resolve().parents[1]


def test_every_image_is_in_the_table_and_the_figure_is_drawn(
    tmp_path: Path, folder: Path, ckpt: Path
) -> None:
    predict.main(
        [
            "--Path",
            str(folder / "train"),
            "--Path_Checkpoint",
            str(ckpt),
            "--OUTPUT",
            str(tmp_path / "a.png"),
            "--num_images",
            "3",
        ]
    )
    rows = table(tmp_path / "predictions.csv")
    assert len(rows) == len(list((folder / "train").rglob("*.npy")))
    assert list(rows[0]) == [
        "path",
        "truth",
        "probability_normal",
        "probability_abnormal",
        "predicted",
        "set",
        "unlike",
        "in_training",
    ]
    assert {row["truth"] for row in rows} == {"normal", "abnormal"}
    for row in rows:
        assert float(row["probability_normal"]) + float(
            row["probability_abnormal"]
        ) == pytest.approx(1, abs=2e-6)
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture is not None
    assert picture.shape[0] > 600
    assert picture.std() > 20


def test_out_of_memory_names_the_option_to_lower(
    tmp_path: Path, folder: Path, ckpt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(VisionTransformer, "forward", full)
    with pytest.raises(SystemExit, match=r"\Aout of memory: lower --batch_size, which is 16"):
        predict.main(["-p", str(folder / "val"), "-k", str(ckpt), "-o", str(tmp_path / "a.png")])


def test_probabilities_are_those_of_the_model(tmp_path: Path, folder: Path, ckpt: Path) -> None:
    file = next((folder / "val").rglob("*.npy"))
    predict.main(["-p", str(file), "-k", str(ckpt), "-o", str(tmp_path / "a.png")])
    (row,) = table(tmp_path / "predictions.csv")
    (model,) = checkpoint.load(ckpt).models
    image = torch.from_numpy((np.load(file).astype(np.float32) / 255 - 0.4) / 0.2)
    both = torch.stack([image, image.flip(1)])[:, None]  # flip is horizontal
    expected = model(both).mean(dim=0).softmax(dim=0).detach()
    assert float(row["probability_abnormal"]) == pytest.approx(float(expected[1]), abs=1e-5)


def test_threshold_and_temperature_are_used(tmp_path: Path, folder: Path) -> None:
    predicted = {}
    for threshold in (0.0, 1.0):
        checkpoint.save(contents(threshold=threshold, temperature=3.0), tmp_path / "t.ckpt")
        predict.main(
            [
                "-p",
                str(folder / "val"),
                "-k",
                str(tmp_path / "t.ckpt"),
                "-o",
                str(tmp_path / f"{threshold}" / "a.png"),
            ]
        )
        predicted[threshold] = {
            row["predicted"] for row in table(tmp_path / f"{threshold}" / "predictions.csv")
        }
    assert predicted == {0.0: {"abnormal"}, 1.0: {"normal"}}


def test_logits_are_divided_by_the_temperature(tmp_path: Path, folder: Path) -> None:
    odds = {}
    for temperature in (1.0, 4.0):
        checkpoint.save(contents(temperature=temperature), tmp_path / "t.ckpt")
        predict.main(
            [
                "-p",
                str(folder / "val"),
                "-k",
                str(tmp_path / "t.ckpt"),
                "-o",
                str(tmp_path / "t.png"),
            ]
        )
        shares = np.array(
            [float(row["probability_abnormal"]) for row in table(tmp_path / "predictions.csv")]
        )
        odds[temperature] = np.log(shares / (1 - shares))
    assert odds[4.0] == pytest.approx(odds[1.0] / 4, abs=1e-4)
    assert np.abs(odds[1.0]).max() > 0.01


def test_a_class_is_called_from_the_threshold_on(folder: Path, ckpt: Path) -> None:
    loaded = checkpoint.load(ckpt)
    image = next((folder / "val").rglob("*.npy"))
    (first,) = TorchPredictor(loaded).predict(image)
    moved = replace(loaded, threshold=first.probabilities["abnormal"])
    (again,) = TorchPredictor(moved).predict(image)
    assert again.label == "abnormal"


def test_a_folder_gets_a_picture_for_each_image(tmp_path: Path, folder: Path, ckpt: Path) -> None:
    predict.main(["-p", str(folder / "val"), "-k", str(ckpt), "-o", f"{tmp_path / 'each'}/"])
    count = len(list((folder / "val").rglob("*.npy")))
    assert len(list((tmp_path / "each").glob("*.png"))) == count
    assert len(table(tmp_path / "each" / "predictions.csv")) == count


def test_masks_that_a_glob_matches_are_left_out_and_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        grey = cv2.GaussianBlur(rng.normal(110, 70, (48, 48)), (0, 0), 1.2)
        cv2.imwrite(str(tmp_path / f"{name}.png"), np.clip(grey, 0, 255).astype(np.uint8))
    mask = np.zeros((48, 48), np.uint8)
    mask[10:20, 10:20] = 255
    cv2.imwrite(str(tmp_path / "a_mask.png"), mask)
    found = find(str(tmp_path / "*.png"))
    assert [path.name for path in found] == ["a.png", "b.png"]
    said = capsys.readouterr().err
    assert "left out: 1 files, which are masks of other images; such as a_mask.png" in said


def test_raw_pictures_and_globs_work(
    tmp_path: Path, pictures: Callable[..., Path], ckpt: Path
) -> None:
    raw = pictures(suffix=".jpg")
    predict.main(["-p", f"{raw}/*normal/p0*.jpg", "-k", str(ckpt), "-o", str(tmp_path / "a.png")])
    rows = table(tmp_path / "predictions.csv")
    assert len(rows) == 20
    assert {row["truth"] for row in rows} == {"normal", "abnormal"}


def test_the_published_spelling_with_a_stray_space_works(
    tmp_path: Path, folder: Path, ckpt: Path
) -> None:
    arguments = [
        "--Path",
        str(folder / "val"),
        "--",
        "Path_Checkpoint",
        str(ckpt),
        "--OUTPUT",
        str(tmp_path / "a.png"),
    ]
    predict.main(arguments)
    assert (tmp_path / "a.png").exists()


def test_a_former_table_is_kept(tmp_path: Path, folder: Path, ckpt: Path) -> None:
    (tmp_path / "predictions.csv").write_text("mine\n")
    predict.main(["-p", str(folder / "val"), "-k", str(ckpt), "-o", str(tmp_path / "a.png")])
    (kept,) = tmp_path.glob("predictions_20*.csv")
    assert kept.read_text() == "mine\n"


def made_predictions(count: int, truth_of: Callable[[int], str]) -> Predictions:
    """Of images called by their number, whose P(a) rises with it."""
    items = []
    for i in range(count):
        shares = {"n": 1 - i / count, "a": i / count}
        item = Input(Path(f"{i}.png"), f"{i}", truth_of(i))
        items.append(Prediction(item, "a", (0.0, 0.0), shares))
    return Predictions(["n", "a"], items)


def test_chosen_images_span_the_probabilities() -> None:
    chosen, words = spread(made_predictions(11, lambda _: ""), 3, "a")
    assert [prediction.name for prediction in chosen] == ["10", "5", "0"]
    assert words == "3 of 11 images, evenly spaced in the order of P(a)"


def test_chosen_images_are_of_each_true_class() -> None:
    predictions = made_predictions(12, lambda i: "n" if i < 9 else "a")
    chosen, words = spread(predictions, 4, "a")
    assert [prediction.name for prediction in chosen] == ["11", "9", "8", "0"]
    assert "among each true class" in words


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("executed"),))


def test_a_malicious_checkpoint_executes_nothing(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({**contents(), "hyper_parameters": Evil()}, tmp_path / "evil.ckpt")
    with pytest.raises(SystemExit, match=r"evil.ckpt: .* which could run code; none was run"):
        predict.main(["-p", str(folder / "val"), "-k", "evil.ckpt", "-o", "a.png"])
    assert not (tmp_path / "executed").exists()
    assert not (tmp_path / "a.png").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.unlink(), "no such file; python train.py"),
        (lambda path: path.write_bytes(path.read_bytes()[:2000]), "is damaged"),
        (lambda path: path.write_bytes(b""), "is damaged"),
        (lambda path: torch.save({"state_dict": {}}, path), "is no checkpoint of this project"),
        (
            lambda path: torch.save(contents(format_version=99), path),
            "has format 99, this version reads up to 1",
        ),
        (
            lambda path: torch.save(contents(state_dict={}), path),
            "weights and configuration do not fit",
        ),
        (
            lambda path: torch.save(contents(state_dict=[]), path),
            "weights and configuration do not fit",
        ),
    ],
)
def test_an_unusable_checkpoint_is_one_line(
    folder: Path, ckpt: Path, damage: Callable[[Path], Any], message: str
) -> None:
    damage(ckpt)
    with pytest.raises(SystemExit, match=message) as error:
        predict.main(
            ["-p", str(folder / "val"), "-k", str(ckpt), "-o", str(ckpt.with_name("a.png"))]
        )
    assert len(str(error.value).splitlines()) == 1


def test_damaged_images_are_listed_and_nothing_is_written(
    tmp_path: Path, folder: Path, ckpt: Path
) -> None:
    (folder / "val" / "normal" / "zero.png").write_bytes(b"")
    (folder / "val" / "normal" / "text.jpg").write_bytes(b"text")
    with pytest.raises(SystemExit, match=r"(?s)text.jpg: no readable.*zero.png: empty file.*2 of"):
        predict.main(["-p", str(folder / "val"), "-k", str(ckpt), "-o", str(tmp_path / "a.png")])
    assert not (tmp_path / "predictions.csv").exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--Path", "nowhere", "nowhere: no image there; wanted a folder, a file, or a glob"),
        ("--OUTPUT", "a.docx", "--OUTPUT: got a.docx, wanted a name that ends in .png"),
    ],
)
def test_a_wrong_path_says_what_is_wanted(
    folder: Path, ckpt: Path, option: str, value: str, message: str
) -> None:
    given = {
        "--Path": str(folder / "val"),
        "--Path_Checkpoint": str(ckpt),
        "--OUTPUT": "a.png",
        option: value,
    }
    with pytest.raises(SystemExit, match=message):
        predict.main([word for pair in given.items() for word in pair])


def test_prepared_images_of_another_size_are_resized_with_a_note(
    tmp_path: Path, ckpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first_form = tmp_path / "val" / "0"
    first_form.mkdir(parents=True)
    for name, size in (("a", 32), ("b", 48)):
        pixels = np.arange(size * size, dtype=np.uint8).reshape(size, size)
        np.save(first_form / f"{name}.npy", pixels)
    predict.main(["-p", str(first_form / "*.npy"), "-k", str(ckpt), "-o", str(tmp_path / "x.png")])
    assert "note: 1 images are resized to the model's 32 px" in capsys.readouterr().err


def test_a_place_where_nothing_can_be_written_is_one_line(tmp_path: Path, ckpt: Path) -> None:
    image = tmp_path / "i.png"
    cv2.imwrite(str(image), np.arange(1024, dtype=np.uint8).reshape(32, 32))
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match=r"--OUTPUT is a \.png, or a folder, where you may write"):
        predict.main(["-p", str(image), "-k", str(ckpt), "-o", f"{tmp_path}/file/"])


def test_predict_starts_without_lightning(tmp_path: Path, folder: Path, ckpt: Path) -> None:
    file = next((folder / "val").rglob("*.npy"))
    arguments = ["-p", str(file), "-k", str(ckpt), "-o", str(tmp_path / "a.png")]
    loaded = "[m for m in sys.modules if 'lightning' in m]"
    code = f"import sys, predict; predict.main({arguments!r}); print({loaded})"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"


def test_help_is_quick_because_it_imports_nothing_heavy() -> None:
    code = "import sys, train; train.parse(['--help'])"
    result = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", code],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "usage: train.py" in result.stdout
    assert not {"torch", "numpy", "matplotlib"} & {
        line.split("|")[-1].strip() for line in result.stderr.splitlines()
    }
