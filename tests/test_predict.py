"""predict.py: every image in the table, pictures that show it, and one line for a user's mistake."""

import csv
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import CONFIG
import predict
from data.inputs import gather
from data.prepare import prepare
from vit import checkpoint, plot
from vit.explain import DEFAULT, METHODS, explain

PROJECT = Path(__file__).resolve().parents[1]
CONFIGURATION = CONFIG.Config(image_size=32, patch_size=8, embedding_size=16, num_heads=2, num_hidden_layers=2)


def contents(**changes: Any) -> dict[str, Any]:
    torch.manual_seed(0)
    model = checkpoint.build_model(asdict(CONFIGURATION))
    return {
        "format_version": checkpoint.FORMAT,
        "state_dict": {f"model.{name}": value for name, value in model.state_dict().items()},
        "config": asdict(CONFIGURATION),
        "class_names": ["normal", "abnormal"],
        "preprocessing": {"image_size": 32, "mean": 0.4, "std": 0.2, "border": 0.0, "stretch": False},
        "threshold": 0.5,
        "temperature": 1.0,
    } | changes


@pytest.fixture
def ckpt(tmp_path: Path) -> Path:
    checkpoint.save(contents(), tmp_path / "ViT.ckpt")
    return tmp_path / "ViT.ckpt"


@pytest.fixture
def folder(tmp_path: Path, pictures: Callable[..., Path]) -> Path:
    prepare(pictures(), tmp_path / "processed", CONFIGURATION)
    return tmp_path / "processed"


def table(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.open()))


def test_every_image_is_in_the_table_and_the_figure_is_drawn(tmp_path: Path, folder: Path, ckpt: Path) -> None:
    predict.main(["--Path", str(folder / "train"), "--Path_Checkpoint", str(ckpt), "--OUTPUT", str(tmp_path / "a.png"),
                  "--num_images", "3"])  # fmt: skip
    rows = table(tmp_path / "predictions.csv")
    assert len(rows) == len(list((folder / "train").rglob("*.npy")))
    assert list(rows[0]) == ["path", "truth", "probability_normal", "probability_abnormal", "predicted"]
    assert {row["truth"] for row in rows} == {"normal", "abnormal"}
    for row in rows:
        assert float(row["probability_normal"]) + float(row["probability_abnormal"]) == pytest.approx(1, abs=2e-6)
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture is not None
    assert picture.shape[0] > 600
    assert picture.std() > 20


def test_probabilities_are_those_of_the_model(tmp_path: Path, folder: Path, ckpt: Path) -> None:
    file = next((folder / "val").rglob("*.npy"))
    predict.main(["-p", str(file), "-k", str(ckpt), "-o", str(tmp_path / "a.png")])
    (row,) = table(tmp_path / "predictions.csv")
    (model,), _ = checkpoint.load(ckpt)
    image = torch.from_numpy((np.load(file).astype(np.float32) / 255 - 0.4) / 0.2)
    expected = model(image[None, None]).softmax(dim=1)[0].detach()
    assert float(row["probability_abnormal"]) == pytest.approx(float(expected[1]), abs=1e-5)


def test_threshold_and_temperature_are_used(tmp_path: Path, folder: Path) -> None:
    predicted = {}
    for threshold in (0.0, 1.1):
        checkpoint.save(contents(threshold=threshold, temperature=3.0), tmp_path / "t.ckpt")
        predict.main(
            ["-p", str(folder / "val"), "-k", str(tmp_path / "t.ckpt"), "-o", str(tmp_path / f"{threshold}" / "a.png")]
        )
        predicted[threshold] = {row["predicted"] for row in table(tmp_path / f"{threshold}" / "predictions.csv")}
    assert predicted == {0.0: {"abnormal"}, 1.1: {"normal"}}


def test_a_folder_gets_a_picture_for_each_image(tmp_path: Path, folder: Path, ckpt: Path) -> None:
    predict.main(["-p", str(folder / "val"), "-k", str(ckpt), "-o", f"{tmp_path / 'each'}/"])
    count = len(list((folder / "val").rglob("*.npy")))
    assert len(list((tmp_path / "each").glob("*.png"))) == count
    assert len(table(tmp_path / "each" / "predictions.csv")) == count


def test_raw_pictures_and_globs_work(tmp_path: Path, pictures: Callable[..., Path], ckpt: Path) -> None:
    raw = pictures(suffix=".jpg")
    predict.main(["-p", f"{raw}/*normal/p0*.jpg", "-k", str(ckpt), "-o", str(tmp_path / "a.png")])
    rows = table(tmp_path / "predictions.csv")
    assert len(rows) == 20
    assert {row["truth"] for row in rows} == {"normal", "abnormal"}


def test_the_published_spelling_with_a_stray_space_works(tmp_path: Path, folder: Path, ckpt: Path) -> None:
    arguments = ["--Path", str(folder / "val"), "--", "Path_Checkpoint", str(ckpt), "--OUTPUT", str(tmp_path / "a.png")]
    predict.main(arguments)
    assert (tmp_path / "a.png").exists()


def test_a_former_table_is_kept(tmp_path: Path, folder: Path, ckpt: Path) -> None:
    (tmp_path / "predictions.csv").write_text("mine\n")
    predict.main(["-p", str(folder / "val"), "-k", str(ckpt), "-o", str(tmp_path / "a.png")])
    (kept,) = tmp_path.glob("predictions_20*.csv")
    assert kept.read_text() == "mine\n"


def test_chosen_images_span_the_probabilities() -> None:
    from data.inputs import Input

    said = [
        predict.Prediction(Input(Path(f"{i}.png"), f"{i}"), "a", [1 - i / 10, i / 10], np.ones((2, 2)))
        for i in range(11)
    ]
    chosen, words = predict.spread(said, 3, "a")
    assert [prediction.item.name for prediction in chosen] == ["10", "5", "0"]
    assert words == "3 of 11 images, evenly spaced in the order of P(a)"


def test_chosen_images_are_of_each_true_class() -> None:
    from data.inputs import Input

    said = [
        predict.Prediction(
            Input(Path(f"{i}.png"), f"{i}", "n" if i < 9 else "a"), "a", [1 - i / 12, i / 12], np.ones((2, 2))
        )
        for i in range(12)
    ]
    chosen, words = predict.spread(said, 4, "a")
    assert [prediction.item.name for prediction in chosen] == ["11", "9", "8", "0"]
    assert "among each true class" in words


class Evil:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("executed"),))


def test_a_malicious_checkpoint_executes_nothing(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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
        (lambda path: torch.save(contents(format_version=99), path), "has format 99, this version reads up to 1"),
        (lambda path: torch.save(contents(state_dict={}), path), "weights and configuration do not fit"),
        (lambda path: torch.save(contents(state_dict=[]), path), "weights and configuration do not fit"),
    ],
)
def test_an_unusable_checkpoint_is_one_line(
    folder: Path, ckpt: Path, damage: Callable[[Path], Any], message: str
) -> None:
    damage(ckpt)
    with pytest.raises(SystemExit, match=message) as error:
        predict.main(["-p", str(folder / "val"), "-k", str(ckpt), "-o", str(ckpt.with_name("a.png"))])
    assert len(str(error.value).splitlines()) == 1


def test_damaged_images_are_listed_and_nothing_is_written(tmp_path: Path, folder: Path, ckpt: Path) -> None:
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
def test_a_wrong_path_says_what_is_wanted(folder: Path, ckpt: Path, option: str, value: str, message: str) -> None:
    given = {"--Path": str(folder / "val"), "--Path_Checkpoint": str(ckpt), "--OUTPUT": "a.png", option: value}
    with pytest.raises(SystemExit, match=message):
        predict.main([word for pair in given.items() for word in pair])


def test_known_lesions_reach_the_picture(tmp_path: Path, pictures: Callable[..., Path], ckpt: Path) -> None:
    from data.inputs import gather

    raw = pictures(height=32, width=32)
    names = sorted(path.relative_to(raw).as_posix() for path in raw.rglob("*.png"))
    lines = [
        f"{name},{name.split('/')[0]},{'' if name.startswith('n') else chr(34) + '8,8,16,16' + chr(34)}"
        for name in names
    ]
    (raw / "manifest.csv").write_text("path,label,lesion_boxes_xyxy\n" + "\n".join(lines) + "\n")
    how = contents()["preprocessing"]
    items = gather([raw / "abnormal" / "p00.png", raw / "normal" / "p00.png"], ["normal", "abnormal"])
    lesion = items[0].lesion(how)
    assert lesion is not None
    assert (int(lesion.sum()), items[1].lesion(how)) == (64, None)


@pytest.mark.parametrize(
    ("folder_name", "names", "truth"),
    [
        ("positive", ["normal", "abnormal"], "abnormal"),
        ("Negative", ["normal", "abnormal"], "normal"),
        ("1", ["normal", "abnormal"], "abnormal"),
        ("soft", ["normal", "soft", "calcified"], "soft"),
        ("positive", ["normal", "soft", "calcified"], ""),
        ("2019", ["normal", "abnormal"], ""),
    ],
)
def test_truth_is_known_from_another_word_for_the_class(
    tmp_path: Path, folder_name: str, names: list[str], truth: str
) -> None:
    path = tmp_path / folder_name / "a.png"
    path.parent.mkdir()
    cv2.imwrite(str(path), np.arange(1024, dtype=np.uint8).reshape(32, 32))
    assert [item.truth for item in gather([path], names)] == [truth]


def test_a_map_is_of_the_method_class_block_and_head_that_are_asked(
    tmp_path: Path, folder: Path, ckpt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[plot.Explained] = []
    monkeypatch.setattr(plot, "predictions", lambda items, *_: shown.extend(items))
    file = str(next((folder / "val").rglob("*.npy")))
    predict.main(["-p", file, "-k", str(ckpt), "-o", str(tmp_path / "a.png")])
    asked = ["--method", "rollout", "--target", "normal", "--layer", "1", "--head", "0"]
    predict.main(["-p", file, "-k", str(ckpt), "-o", str(tmp_path / "b.png"), *asked])
    assert [item.method for item in shown] == ["relevance, for abnormal", "rollout, layer 1, head 0, for normal"]
    (model,), _ = checkpoint.load(ckpt)
    image = torch.from_numpy((np.load(file).astype(np.float32) / 255 - 0.4) / 0.2)[None, None]
    for item, how in zip(shown, ({}, {"method": "rollout", "target": 0, "layer": 1, "head": 0}), strict=True):
        assert np.allclose(item.map, explain(model, image, **how)[1][0], atol=1e-5)  # type: ignore[arg-type]


def test_prepared_images_of_another_size_are_resized_with_a_note(
    tmp_path: Path, ckpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, size in (("a", 32), ("b", 48)):
        np.save(tmp_path / f"{name}.npy", np.arange(size * size, dtype=np.uint8).reshape(size, size))
    predict.main(["-p", str(tmp_path / "*.npy"), "-k", str(ckpt), "-o", str(tmp_path / "x.png")])
    assert "note: 1 images are resized to the model's 32 px" in capsys.readouterr().err


@pytest.mark.parametrize("output", ["", "i.png"])
def test_an_image_is_not_overwritten_by_its_picture(tmp_path: Path, ckpt: Path, output: str) -> None:
    image = tmp_path / "in" / "i.png"
    image.parent.mkdir()
    cv2.imwrite(str(image), np.arange(1024, dtype=np.uint8).reshape(32, 32))
    before = image.read_bytes()
    with pytest.raises(SystemExit, match=r"--OUTPUT: got .*, which would overwrite the image .*i\.png; name another"):
        predict.main(["-p", str(image.parent), "-k", str(ckpt), "-o", f"{image.parent}/{output}"])
    assert image.read_bytes() == before


def test_a_former_picture_is_kept_unless_it_is_the_same(
    tmp_path: Path, ckpt: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = tmp_path / "i$_$.png"
    cv2.imwrite(str(image), np.arange(1024, dtype=np.uint8).reshape(32, 32))
    command = ["-p", str(image), "-k", str(ckpt), "-o", str(tmp_path / "out" / "x.png")]
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "x.png").write_bytes(b"mine")
    predict.main(command)
    predict.main(command)
    assert capsys.readouterr().out.count("kept the former") == 1
    kept = [path for path in (tmp_path / "out").iterdir() if path.name.startswith("x_")]
    assert [path.read_bytes() for path in kept] == [b"mine"]


def test_one_file_and_far_globs_are_drawn_into_the_folder(tmp_path: Path, ckpt: Path) -> None:
    image = tmp_path / "i.png"
    cv2.imwrite(str(image), np.arange(1024, dtype=np.uint8).reshape(32, 32))
    predict.main(["-p", str(image), "-k", str(ckpt), "-o", f"{tmp_path}/one/"])
    assert sorted(path.name for path in (tmp_path / "one").iterdir()) == ["i.png", "predictions.csv"]
    assert predict.picture_names([Path("/a.png")], Path("/*.png")) == ["a.png"]


def test_a_place_where_nothing_can_be_written_is_one_line(tmp_path: Path, ckpt: Path) -> None:
    image = tmp_path / "i.png"
    cv2.imwrite(str(image), np.arange(1024, dtype=np.uint8).reshape(32, 32))
    (tmp_path / "file").write_text("")
    with pytest.raises(SystemExit, match=r"--OUTPUT is a \.png, or a folder, where you may write"):
        predict.main(["-p", str(image), "-k", str(ckpt), "-o", f"{tmp_path}/file/"])


def test_an_ensemble_is_the_mean_of_its_members_explained_or_not(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        model = checkpoint.build_model(asdict(CONFIGURATION))
        states.append({f"model.{name}": 3 * value for name, value in model.state_dict().items()})
    checkpoint.save(contents(state_dict=states[0], members=[states[1]]), tmp_path / "two.ckpt")
    shown: list[plot.Explained] = []
    monkeypatch.setattr(plot, "predictions", lambda items, *_: shown.extend(items))
    file = str(next((folder / "val").rglob("*.npy")))
    image = torch.from_numpy((np.load(file).astype(np.float32) / 255 - 0.4) / 0.2)[None, None]
    members, _ = checkpoint.load(tmp_path / "two.ckpt")
    said, maps = (torch.stack(each).mean(dim=0)[0] for each in zip(*(explain(m, image) for m in members), strict=True))
    for output in ("a.png", "folder/"):
        predict.main(["-p", file, "-k", str(tmp_path / "two.ckpt"), "-o", f"{tmp_path}/{output}"])
        (row,) = table(tmp_path / output.rstrip("a.png") / "predictions.csv")
        assert float(row["probability_abnormal"]) == pytest.approx(float(said.softmax(dim=0)[1]), abs=1e-5)
    assert len(shown) == 2
    assert all(np.allclose(item.map, maps, atol=1e-5) for item in shown)


@pytest.mark.parametrize(("limit", "count"), [(0.0, 1), (1e9, 0)])
def test_tokens_that_stand_out_are_told_once(
    tmp_path: Path, folder: Path, ckpt: Path, limit: float, count: int, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("vit.hooks.OUTLIER", limit)
    where = ["-p", str(folder / "val"), "-k", str(ckpt), "-o", str(tmp_path / "a.png"), "--method", "occlusion"]
    predict.main([*where, "--num_images", "1"])
    images = len(list((folder / "val").rglob("*.npy")))
    assert capsys.readouterr().err.count(f"note: in {images} of {images} images a patch token") == count


def test_help_names_every_method(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        predict.parse(["--help"])
    assert predict.parse(["-p", "x"]).method == DEFAULT
    assert ",".join(METHODS) in "".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--method", "lime", "method: got lime, wanted one of attention, rollout"),
        ("--target", "ill", "--target: got ill, wanted one of normal, abnormal"),
        ("--layer", "2", "layer: got 2, wanted 0 to 1"),
        ("--head", "2", "head: got 2, wanted 0 to 1"),
    ],
)
def test_what_cannot_be_explained_is_said_before_any_work(
    tmp_path: Path, folder: Path, ckpt: Path, option: str, value: str, message: str
) -> None:
    with pytest.raises(SystemExit, match=message):
        predict.main(["-p", str(folder), "-k", str(ckpt), "-o", str(tmp_path / "a.png"), option, value])
    assert not (tmp_path / "predictions.csv").exists()


def test_predict_starts_without_lightning(tmp_path: Path, folder: Path, ckpt: Path) -> None:
    file = next((folder / "val").rglob("*.npy"))
    arguments = ["-p", str(file), "-k", str(ckpt), "-o", str(tmp_path / "a.png")]
    code = f"import sys, predict; predict.main({arguments!r}); print([m for m in sys.modules if 'lightning' in m])"
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
