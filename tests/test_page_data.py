"""The report says what manifest and checkpoint know: groups, patients, lesions, notes, CLAIM."""

import base64
import csv
import re
import shutil
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import predict
from data import processed
from data.inputs import gather
from metrics.intervals import Estimate, evaluate
from metrics.levels import levels
from report.claim_checklist import claim_checklist
from report.page import of_validation
from report.training_facts import without_folders
from tests.conftest import CONFIGURATION, contents, table
from tests.made_report import report
from tests.test_page import estimates, inside
from training.validation import Validation
from vit import checkpoint, familiarity
from vit.checkpoint import Checkpoint
from vit.checkpoint_gate import Plain
from vit.explain import explain
from vit.model import VisionTransformer

BOX = (4, 18, 12, 24)  # x0, y0, x1, y1 of the one lesion


def again(page: Path, *more: str, path: str = "images", **changes: Any) -> Path:
    """The report once more, by a checkpoint that holds something else."""
    checkpoint.save(
        checkpoint.read(page.with_name("ViT.ckpt")) | changes, page.with_name("ViT.ckpt")
    )
    where = ["-p", str(page.parent / path), "-k", str(page.with_name("ViT.ckpt")), "-o", str(page)]
    predict.main([*where, "--device", "cpu", *more])
    return page


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of images that a manifest knows: groups of two, patients of four, two scanners, a lesion."""
    folder = tmp_path_factory.mktemp("made")
    page = report(folder)
    rows = []
    for i, path in enumerate(sorted((folder / "images").rglob("*.png"))):
        box = ",".join(map(str, BOX)) if i == 0 else ""
        name = path.relative_to(folder / "images").as_posix()
        rows.append([name, path.parent.name, f"g{i // 2}", f"P{i // 4}", "AB"[i % 2], box])
    with open(folder / "images" / "manifest.csv", "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(
            [["path", "label", "group", "patient", "scanner", "lesion_boxes_xyxy"], *rows]
        )
    return again(page)


@pytest.fixture
def page(made: Path, tmp_path: Path) -> Path:
    return shutil.copytree(made.parent, tmp_path / "made") / made.name


def rows_of(page: Path) -> list[dict[str, str]]:
    """Of predictions.csv, with the manifest's columns."""
    listed = {row["path"]: row for row in table(page.parent / "images" / "manifest.csv")}
    return [
        listed["/".join(Path(row["path"]).parts[-2:])] | row
        for row in table(page.with_name("predictions.csv"))
    ]


def judged(page: Path, threshold: float = 0.5) -> dict[str, Estimate]:
    rows = rows_of(page)
    y = [row["truth"] == "abnormal" for row in rows]
    s = [float(row["probability_abnormal"]) for row in rows]
    first: dict[str, str] = {}  # the name of each patient's first group
    patients = [first.setdefault(row["patient"], row["group"]) for row in rows]
    return evaluate(y, s, patients, threshold)


def test_intervals_are_drawn_over_patients_where_groups_are_smaller(page: Path) -> None:
    area = judged(page)["auroc"]
    assert (
        f"{area.value:.3f}</td>\n    <td>{area.low:.3f} to {area.high:.3f}</td>"
        in page.read_text(encoding="utf-8")
    )


def test_estimates_are_those_at_the_checkpoints_threshold(page: Path) -> None:
    threshold = float(
        np.quantile([float(row["probability_abnormal"]) for row in rows_of(page)], 0.8)
    )
    wanted = judged(page, threshold)["sensitivity"].value
    assert wanted != pytest.approx(judged(page)["sensitivity"].value, abs=1e-3)
    assert estimates(again(page, threshold=threshold))["sensitivity"] == f"{wanted:.3f}"


def test_patients_have_estimates_of_their_own(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    _, patient = levels(rows_of(page), "abnormal")
    (part,) = re.findall(r"<h3>10 patients, 5 of them abnormal</h3>(.*?)</table>", text, re.DOTALL)
    area = patient.estimates(0.5)["auroc"]
    assert (
        f">AUROC</th><td>{area.value:.3f}</td>\n    <td>{area.low:.3f} to {area.high:.3f}</td>"
        in part
    )


def test_columns_of_the_manifest_make_subgroups(page: Path) -> None:
    (part,) = re.findall(
        r"<h3>By scanner</h3>(.*?)</table>", page.read_text(encoding="utf-8"), re.DOTALL
    )
    assert re.findall(r'<th scope="row">(\w+)</th><td>(\d+)</td><td>(\d+)</td>', part) == [
        ("A", "10", "10"),
        ("B", "10", "10"),
    ]


def test_a_known_lesion_is_outlined_where_it_is(page: Path) -> None:
    known, *others = inside(page)["images"]
    (outline,) = known["lesion"]
    x = outline[::2]
    y = outline[1::2]
    assert (min(x), min(y), max(x), max(y)) == pytest.approx(BOX, abs=0.5)
    assert not any(image["lesion"] for image in others)


def test_what_else_the_manifest_says_of_an_image_is_shown(page: Path) -> None:
    assert inside(page)["images"][0]["more"] == {"group": "g0", "patient": "P0", "scanner": "A"}


def test_of_three_classes_the_likeliest_is_called(tmp_path: Path) -> None:
    names = ("normal", "mild", "severe")
    report(tmp_path, names, 6)
    for row in table(tmp_path / "predictions.csv"):
        assert row["predicted"] == max(names, key=lambda name: float(row[f"probability_{name}"]))


def test_the_picture_is_the_image(page: Path) -> None:
    image = inside(page)["images"][2]
    picture = np.frombuffer(base64.b64decode(image["picture"].split(",")[1]), np.uint8)
    shown = cv2.imdecode(picture, cv2.IMREAD_GRAYSCALE)
    own = cv2.imread(str(page.parent / "images" / image["name"]), 0)
    assert shown is not None
    assert own is not None
    assert np.corrcoef(shown.ravel(), own.ravel())[0, 1] > 0.95


def test_the_level_of_the_sets_is_the_one_that_was_asked_for(page: Path) -> None:
    again(page, "--level", "0.75")
    assert inside(page)["level"] == 0.75
    assert "75 % of each class have it in their set" in page.read_text(encoding="utf-8")


def test_maps_of_an_ensemble_are_the_mean_of_its_members(page: Path) -> None:
    torch.manual_seed(5)
    model = VisionTransformer(checkpoint.load(page.with_name("ViT.ckpt")).config)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    data = inside(again(page, members=[state]))
    source = checkpoint.load(page.with_name("ViT.ckpt"))
    assert len(source.models) == 2
    (item,) = gather([page.parent / "images" / data["images"][0]["name"]], data["classes"])
    pixels = torch.from_numpy((item.image(source.preprocessing) - 0.4) / 0.2)[None, None]
    wanted = np.mean(
        [explain(model, pixels, "agreement", 1)[1][0].numpy() for model in source.models], axis=0
    )
    shown = np.frombuffer(zlib.decompress(base64.b64decode(data["images"][0]["maps"])), np.uint8)[
        : wanted.size
    ]
    assert shown == pytest.approx(
        np.clip(wanted / data["tops"]["agreement"], 0, 1).ravel() * 254, abs=1.0
    )


def test_images_that_were_trained_on_are_told_at_the_top(page: Path) -> None:
    (item,) = gather(
        [page.parent / "images" / inside(page)["images"][0]["name"]], ["normal", "abnormal"]
    )
    digests = sorted(item.digests(Checkpoint.from_plain(contents()).preprocessing))
    text = again(page, training_images_sha256=digests).read_text(encoding="utf-8")
    assert "1 of 40 images were trained on: their predictions look too good." in text
    assert [image["training"] for image in inside(page)["images"]] == [True] + [False] * 39


def test_images_unlike_the_training_images_are_told_at_the_top(page: Path) -> None:
    (model,) = checkpoint.load(page.with_name("ViT.ckpt")).models
    near = familiarity.fit(
        model, [torch.randn(20, 1, 32, 32)], [torch.randn(9, 1, 32, 32)]
    ).state_dict()
    text = again(page, familiarity=[near]).read_text(encoding="utf-8")
    unlike = sum(image["unlike"] > 1 for image in inside(page)["images"])
    said = "lie farther from the training images than 19 in 20 of like images do"
    assert f"{unlike} of 40 images {said}" in text


def test_an_item_of_claim_is_open_where_no_truth_is_known(page: Path) -> None:
    (page.parent / "images" / "manifest.csv").unlink()
    (page.parent / "images" / "abnormal").rename(page.parent / "images" / "unsorted")
    text = again(page, path="images/unsorted").read_text(encoding="utf-8")
    for number in (32, 35, 37, 38, 39):
        assert re.search(rf'<th scope="row">{number} [^<]*</th><td class="open">open<', text)


@pytest.mark.parametrize(
    ("number", "changes", "words"),
    [
        (24, {}, "random, truncated normal"),
        (24, {"init": {"run": "a"}}, "weights of another run"),
        (26, {"validation": {"epoch": 7}}, "weights of epoch 7, best AUROC"),
        (26, {"epoch_chosen_on_validation": False}, "weights of the last epoch of each fold"),
        (27, {"history": [[]]}, "none, a single model"),
        (27, {"history": [[], [], []]}, "logits of 3 models"),
        (35, {"training_images_sha256": ["a", "b"]}, "2 images were learned from"),
    ],
)
def test_claim_says_what_the_checkpoint_knows(number: int, changes: Plain, words: str) -> None:
    source = Checkpoint.from_plain(contents(**changes))
    assert claim_checklist(source, None, "")[number - 1][2].startswith(words)


def of_folder(folder: Path, split: str, **changes: Any) -> str:
    """The report of a split of a ProcessedFolder, by a checkpoint that was trained on it."""
    known = {"split_sha256": processed.load(folder).split_hash(), **changes}
    checkpoint.save(contents(**known), folder.parent / "ViT.ckpt")
    page = folder.parent / "report.html"
    predict.main(
        [
            "-p",
            str(folder / split),
            "-k",
            str(folder.parent / "ViT.ckpt"),
            "-o",
            str(page),
            "--device",
            "cpu",
        ]
    )
    return page.read_text(encoding="utf-8")


CHOSEN = "threshold were chosen on these images: metrics look too good."


def test_only_validation_images_are_called_those_that_were_chosen_on(folder: Path) -> None:
    assert CHOSEN in of_folder(folder, "val")
    assert CHOSEN not in of_folder(folder, "train")


def test_images_of_another_folder_are_not_called_those_that_were_chosen_on(folder: Path) -> None:
    text = of_folder(folder, "val", split_sha256="of another")
    assert CHOSEN not in text
    assert "no: other images, labels, splits or preparation" in text


def test_images_and_groups_of_each_split_are_counted(folder: Path) -> None:
    path = folder / "manifest.csv"
    rows = table(path)
    for row in rows:
        row["group"] = row["split"] + str(int(row["label"] == "normal"))
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    text = of_folder(folder, "val")
    for split in ("train", "val"):
        count = [
            sum((row["split"], row["label"]) == (split, name) for row in rows)
            for name in ("normal", "abnormal")
        ]
        assert (
            f'<tr><th scope="row">{split}</th><td>{count[0]}</td><td>{count[1]}</td><td>2</td></tr>'
            in text
        )


def validation_of(data: processed.Processed, shares: NDArray[Any]) -> Validation:
    """The validation of a folder's validation images, of (n,) probabilities of the positive."""
    samples = data.of("val")
    return Validation(
        data.class_names,
        [sample.path for sample in samples],
        [sample.label for sample in samples],
        [sample.group for sample in samples],
        np.stack([1 - shares, shares], axis=1),
    )


def test_after_cross_validation_each_image_has_the_distance_from_what_its_own_model_learned(
    folder: Path,
) -> None:
    data = processed.load(folder)
    states = list[Plain]()
    known = list[Plain]()
    for seed in range(data.folds):
        torch.manual_seed(seed)
        model = VisionTransformer(CONFIGURATION).eval()
        states.append({f"model.{name}": value for name, value in model.state_dict().items()})
        near = familiarity.fit(model, [torch.randn(9, 1, 32, 32)], [torch.randn(5, 1, 32, 32)])
        known.append(near.state_dict())
    path = folder.parent / "ViT.ckpt"
    checkpoint.save(contents(state_dict=states[0], members=states[1:], familiarity=known), path)
    folds = [data.with_fold(number) for number in range(data.folds)]
    validations = [validation_of(fold, np.full(len(fold.of("val")), 0.5)) for fold in folds]
    of_validation(path, data, validations, torch.device("cpu"))
    source = checkpoint.load(path)
    images = inside(folder.parent / "report.html")["images"]
    told = {tuple(Path(image["name"]).parts[-2:]): image["unlike"] for image in images}
    assert len(told) == 24
    for model, near, fold in zip(source.models, source.familiarity, folds, strict=True):
        for sample in fold.of("val"):
            grey = np.load(folder / sample.path).astype(np.float32) / 255
            pixels = torch.from_numpy((grey - 0.4) / 0.2)[None, None]
            wanted = float(near(model, pixels))
            assert told[Path(sample.path).parts[-2:]] == pytest.approx(wanted, rel=1e-3)


def test_after_training_the_probabilities_are_those_of_validation(folder: Path) -> None:
    data = processed.load(folder)
    shares = np.linspace(0.02, 0.98, len(data.of("val")))
    checkpoint.save(contents(), folder.parent / "ViT.ckpt")
    validation = validation_of(data, shares)
    of_validation(folder.parent / "ViT.ckpt", data, [validation], torch.device("cpu"))
    images = inside(folder.parent / "report.html")["images"]
    told = {tuple(Path(image["name"]).parts[-2:]): image["p"][1] for image in images}
    for path, share in zip(validation.paths, shares, strict=True):
        assert told[Path(path).parts[-2:]] == pytest.approx(share, abs=1e-6)


def test_a_validation_of_other_images_is_not_taken(folder: Path) -> None:
    data = processed.load(folder)
    checkpoint.save(contents(), folder.parent / "ViT.ckpt")
    validation = validation_of(data.with_fold(1), np.full(len(data.with_fold(1).of("val")), 0.5))
    with pytest.raises(AssertionError, match="validation was of other images"):
        of_validation(folder.parent / "ViT.ckpt", data, [validation], torch.device("cpu"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("left out: /home/al/a b/raw/normal/bad.png: no", "left out: bad.png: no"),
        ("C:\\Users\\al\\raw\\x.png is no image", "x.png is no image"),
        ("see (/home/al/x.npy), /srv/y.npy", "see (x.npy), y.npy"),
        ("train/normal/a.npy and 1/2 of val/b.npy; 3 / 4", None),
        ("and/or", None),
    ],
)
def test_a_page_names_files_without_the_folders_of_this_machine(
    text: str, shown: str | None
) -> None:
    assert without_folders(text) == (shown or text)


def test_files_of_the_data_folder_keep_their_path_below_it(tmp_path: Path) -> None:
    text = f"{tmp_path}/train/a.npy = {tmp_path}/val/b.npy"
    assert without_folders(text, tmp_path) == "train/a.npy = val/b.npy"
