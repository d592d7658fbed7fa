"""The report: its estimates, its maps, and that it has nothing from elsewhere.

Nor does it say where it was made.
"""

import base64
import json
import re
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from sklearn import metrics

import CONFIG
import predict
import train
from data import processed
from report.claim_checklist import ITEMS, claim_checklist
from tests.conftest import contents, table
from tests.made_report import HOSTILE, report
from vit import checkpoint
from vit.checkpoint import Checkpoint
from vit.checkpoint_gate import Plain
from vit.explain import explain


def estimates(page: Path) -> dict[str, str]:
    return dict(
        re.findall(r'<td data-figure="([^"]+)">([^<]+)</td>', page.read_text(encoding="utf-8"))
    )


def inside(page: Path) -> Plain:
    text = page.read_text(encoding="utf-8")
    (found,) = re.findall(
        r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL
    )
    return dict(json.loads(found))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return report(tmp_path)


def test_every_figure_is_what_scikit_learn_says_of_predictions_csv(page: Path) -> None:
    rows = table(page.parent / "predictions.csv")
    y = np.array([row["truth"] == "abnormal" for row in rows])
    s = np.array([float(row["probability_abnormal"]) for row in rows])
    called = np.array([row["predicted"] == "abnormal" for row in rows])
    edges = np.searchsorted(np.quantile(s, np.arange(1, 10) / 10), s)
    shares = [
        (edges == k).mean() * abs(y[edges == k].mean() - s[edges == k].mean()) for k in range(10)
    ]
    wanted = {
        "AUROC": metrics.roc_auc_score(y, s),
        "average precision": metrics.average_precision_score(y, s),
        "sensitivity": metrics.recall_score(y, called),
        "specificity": metrics.recall_score(~y, ~called),
        "PPV": metrics.precision_score(y, called),
        "NPV": metrics.precision_score(~y, ~called),
        "F1": metrics.f1_score(y, called),
        "balanced accuracy": metrics.balanced_accuracy_score(y, called),
        "brier score": metrics.brier_score_loss(y, s),
        "calibration error": sum(shares),
    }
    assert 0 < called.sum() < len(called)
    assert estimates(page) == {name: f"{value:.3f}" for name, value in wanted.items()}
    confusion = re.findall(r'id="confusion".*?<tbody>(.*?)</tbody>', page.read_text(), re.DOTALL)[0]
    counts = [int(cell) for cell in re.findall(r"<td[^>]*>(\d+)</td>", confusion)]
    assert counts == metrics.confusion_matrix(y, called).ravel().tolist()


def test_rows_are_those_of_predictions_csv(page: Path) -> None:
    rows = table(page.parent / "predictions.csv")
    images = inside(page)["images"]
    for row, image in zip(rows, images, strict=True):
        assert row["path"].endswith(image["name"])
        assert [float(row["probability_normal"]), float(row["probability_abnormal"])] == image["p"]
        assert (row["truth"], row["predicted"]) == (image["truth"], image["predicted"])
        assert row["set"] == (";".join(image["set"]) or "none")


def test_maps_are_those_of_explain(page: Path) -> None:
    data = inside(page)
    image = data["images"][4]
    source = checkpoint.load(page.parent / "ViT.ckpt")
    (model,) = source.models
    read = cv2.imread(str(page.parent / "images" / image["name"]), cv2.IMREAD_GRAYSCALE)
    assert read is not None
    grey = read.astype(np.float32) / 255
    standardised = (grey - source.preprocessing.mean) / source.preprocessing.std
    pixels = torch.from_numpy(standardised)[None, None]
    maps = np.frombuffer(zlib.decompress(base64.b64decode(image["maps"])), np.uint8).reshape(
        -1, *data["grid"]
    )
    per = data["perLayer"]
    layers = data["layers"]
    assert len(maps) == len(data["whole"]) + 2 * layers * per
    places = {
        ("agreement", None, None): 0,
        ("relevance", None, None): 1,
        ("grad-cam", None, None): 5,
        ("attention", 1, 0): 6 + per + 1,
        ("relevance", 0, 1): 6 + layers * per + 2,
        ("relevance", 1, None): 6 + layers * per + per,
    }
    for (method, layer, head), number in places.items():
        wanted = explain(model, pixels, method, 1, layer, head)[1][0].numpy()
        top = data["tops"][method if number < 6 else f"heads of {method}"]
        assert maps[number] == pytest.approx(np.clip(wanted / top, 0, 1) * 254, abs=1.0)


def test_patches_that_the_model_left_out_are_marked(tmp_path: Path) -> None:
    data = inside(report(tmp_path, kept_tokens=0.5))
    maps = np.frombuffer(
        zlib.decompress(base64.b64decode(data["images"][0]["maps"])), np.uint8
    ).reshape(-1, 16)
    assert ((maps == 255).sum(axis=1) == 8).all()
    assert ((maps == 255) == (maps[0] == 255)).all()


def test_the_page_asks_for_nothing_from_elsewhere_and_names_no_folder_of_this_machine(
    page: Path,
) -> None:
    text = page.read_text(encoding="utf-8")
    assert not re.findall(
        r'(?:src|href)="(?!data:|#|https://doi\.org/)[^"]*"|@import|url\((?!data:)', text
    )
    assert "default-src 'none'" in text
    assert str(page.parent) not in text


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    text = report(tmp_path, ("<b>normal</b>", "a<script>hacked=1<")).read_text(encoding="utf-8")
    for name in (HOSTILE, "<b>normal", "<script>hacked"):
        assert name not in text
    assert "&lt;b&gt;normal" in text


def test_claim_is_filled_in_by_what_is_known_and_open_else(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    rows = re.findall(
        r'<tr><th scope="row">(\d+) [^<]*</th><td( class="open")?>([^<]*)</td></tr>', text
    )
    assert [int(number) for number, *_ in rows] == list(range(1, len(ITEMS) + 1))
    assert {int(number) for number, left, _ in rows if left} >= {1, 2, 16, 18, 34, 44}
    assert (
        "Vision Transformer, 2 blocks of 2 heads"
        in {int(number): said for number, _, said in rows}[22]
    )


def test_images_of_unknown_truth_make_a_page_without_estimates(tmp_path: Path) -> None:
    report(tmp_path)
    (tmp_path / "images" / "abnormal").rename(tmp_path / "images" / "unsorted")
    argv = [
        "-p",
        str(tmp_path / "images" / "unsorted"),
        "-k",
        str(tmp_path / "ViT.ckpt"),
        "-o",
        str(tmp_path / "b.html"),
    ]
    predict.main(argv)
    assert estimates(tmp_path / "b.html") == {}
    assert "No figures: the truth is not known" in (tmp_path / "b.html").read_text()
    assert len(inside(tmp_path / "b.html")["images"]) == 20


def test_three_classes_have_an_auroc_each(tmp_path: Path) -> None:
    page = report(tmp_path, ("normal", "mild", "severe"), 12)
    rows = table(tmp_path / "predictions.csv")
    for name in ("normal", "mild", "severe"):
        own = [float(row[f"probability_{name}"]) for row in rows]
        area = metrics.roc_auc_score([row["truth"] == name for row in rows], own)
        assert estimates(page)[f"AUROC, {name} or not"] == f"{area:.3f}"


def test_many_images_leave_single_heads_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("report.gallery.MOST_CELLS", 100)
    data = inside(report(tmp_path))
    maps = zlib.decompress(base64.b64decode(data["images"][0]["maps"]))
    assert data["perLayer"] == 1
    assert (
        len(maps) == (len(data["whole"]) + 2 * data["layers"]) * data["grid"][0] * data["grid"][1]
    )


def test_a_former_report_is_kept(page: Path) -> None:
    page.write_text("mine")
    predict.main(
        ["-p", str(page.parent / "images"), "-k", str(page.parent / "ViT.ckpt"), "-o", str(page)]
    )
    assert [kept.read_text() for kept in page.parent.glob("report_20*.html")] == ["mine"]


@pytest.fixture
def trained(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    def run(*how: str) -> Path:
        monkeypatch.chdir(tmp_path)
        small = [
            "--image_size",
            "32",
            "--patch_size",
            "8",
            "--embedding_size",
            "16",
            "--num_heads",
            "2",
        ]
        small += [
            "--num_hidden_layers",
            "2",
            "--epochs",
            "1",
            "--num_workers",
            "0",
            "--data_folder",
            str(folder),
        ]
        CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
        train.main([*small, *how, "--device", "cpu"])
        return tmp_path / "report.html"

    return run


def test_cross_validation_leaves_a_report_of_each_image_by_the_model_that_did_not_learn_from_it(
    trained: Callable[..., Path],
) -> None:
    page = trained("--folds", "5")
    assert len([*page.parent.glob("runs/*/fold_*/curves.png")]) == 5
    joined = table(page.parent / "out_of_fold.csv")
    said = {image["name"]: image for image in inside(page)["images"]}
    assert {Path(row["path"]).name for row in joined} == {Path(name).name for name in said}
    assert not any(image["training"] for image in said.values())
    y = [row["truth"] == "abnormal" for row in joined]
    s = [float(row["probability_abnormal"]) for row in joined]
    assert float(estimates(page)["AUROC"]) == pytest.approx(metrics.roc_auc_score(y, s), abs=6e-3)


@pytest.mark.parametrize(
    ("how", "words"), [((), "The epoch, temperature"), (("--folds", "5"), "Temperature")]
)
def test_what_was_chosen_on_the_images_is_said(
    trained: Callable[..., Path], how: tuple[str], words: str
) -> None:
    text = trained(*how).read_text(encoding="utf-8")
    assert f"{words} and threshold were chosen on these images: metrics look too good." in text
    assert ("epoch was chosen on those images, so of new ones it may be fewer" in text) == (not how)
    assert re.search(r"data folder is as in training</th>\s*<td>yes<", text)


def test_groups_in_two_splits_are_said_under_claim_20(folder: Path) -> None:
    data = processed.load(folder)
    source = Checkpoint.from_plain({**contents(), "history": []})
    assert claim_checklist(source, data, "")[19][2].endswith("none lies in two splits")
    split = data.of("train")[0]
    other = replace(split, path="elsewhere", split="val")
    leaking = replace(data, samples=[*data.samples, other])
    assert claim_checklist(source, leaking, "")[19][2].endswith("1 of them lie in several splits")


def test_a_full_disk_leaves_the_former_report(
    page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("mounting is not allowed here")
    try:
        (disk / "report.html").write_text("the former one")
        with pytest.raises(SystemExit, match="No space left"):
            predict.main(
                [
                    "-p",
                    str(page.parent / "images"),
                    "-k",
                    str(page.parent / "ViT.ckpt"),
                    "-o",
                    f"{disk}/report.html",
                ]
            )
        assert (disk / "report.html").read_text() == "the former one"
        assert {path.suffix for path in disk.iterdir()} == {".html", ".csv"}
    finally:
        subprocess.run(["umount", disk], check=True)
