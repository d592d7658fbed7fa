"""task: multilabel from its head to its files: maps, training, prediction, graph and report."""

import re
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score

import CONFIG
import predict
import train
import vit
from data.prepare import prepare
from data.preprocessing import Preprocessing
from report import app, external, learning_curve, pictures
from report.evaluate import main as evaluate
from tests.conftest import CONFIGURATION, contents, table
from tests.findings import FINDINGS, with_findings
from tests.prediction_tables import write
from tests.test_train import command
from training.initial_weights import InitialWeights
from vit import checkpoint, export, graph_predictor
from vit.archive import CheckpointError
from vit.explain import explain, log_odds, odds_of
from vit.facts import Facts
from vit.map_request import ExplanationError
from vit.model import VisionTransformer
from vit.torch_predictor import TorchPredictor

SEVERAL = replace(CONFIGURATION, task="multilabel", num_classes=3, initializer_range=0.3)
OF_TWO = replace(SEVERAL, num_classes=2, flip="none")
# so that few steps are enough
UNCHANGED = [
    word
    for name in ("rotate", "shift", "zoom", "contrast", "noise", "shading", "dark_border")
    for word in (f"--{name}", "0")
]


def saved(path: Path, config: CONFIG.Config, names: list[str], **changes: Any) -> Path:
    torch.manual_seed(1)
    model = VisionTransformer(config)
    state = {f"model.{name}": value for name, value in model.state_dict().items()}
    plain = contents(config=asdict(config), class_names=names, state_dict=state) | changes
    checkpoint.save(plain, path)
    return path


def test_a_map_is_of_the_logit_of_its_finding_alone() -> None:
    torch.manual_seed(0)
    model = VisionTransformer(SEVERAL).eval()
    images = torch.randn(2, 1, 32, 32)
    logits = model(images)
    target = torch.tensor([2, 0])
    assert odds_of(model, logits, target).tolist() == [logits[0, 2].item(), logits[1, 0].item()]
    classes = VisionTransformer(replace(SEVERAL, task="classes"))
    assert torch.equal(odds_of(classes, logits, target), log_odds(logits, target))


@pytest.mark.parametrize("method", ["relevance", "legrad", "grad-cam", "occlusion", "agreement"])
def test_other_findings_change_no_map(method: str) -> None:
    torch.manual_seed(0)
    model = VisionTransformer(SEVERAL).eval()
    images = torch.randn(2, 1, 32, 32)
    _, before = explain(model, images, method, 1)
    with torch.no_grad():
        model.head[-1].weight[[0, 2]] = 0
        model.head[-1].bias[[0, 2]] = 5
    _, after = explain(model, images, method, 1)
    torch.testing.assert_close(after, before)
    with torch.no_grad():
        model.head[-1].weight[1] *= -1
    _, other = explain(model, images, method, 1)
    assert not torch.allclose(other, before, atol=0.1)


def test_weights_of_classes_leave_the_head_of_findings_as_it_is(tmp_path: Path) -> None:
    source = saved(tmp_path / "a.ckpt", CONFIGURATION, ["normal", "abnormal"])
    model = VisionTransformer(OF_TWO)
    before = model.head[-1].weight.clone()
    InitialWeights(source).give_to(model, OF_TWO)
    assert torch.equal(model.head[-1].weight, before)
    own = saved(tmp_path / "b.ckpt", OF_TWO, FINDINGS)
    InitialWeights(own).give_to(model, OF_TWO)
    assert not torch.equal(model.head[-1].weight, before)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"thresholds": {"a": 0.5, "b": 0.5}}, "thresholds"),
        ({"thresholds": {"a": 0.5, "b": 0.5, "c": 2.0}}, "thresholds"),
        ({"class_names": ["a", "b", "none"]}, "class_names"),
        ({"class_names": ["a", "b", "a;b"]}, "class_names"),
    ],
)
def test_a_checkpoint_of_other_findings_is_refused(
    tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(CheckpointError, match=f"do not fit: {said}: got"):
        checkpoint.load(saved(tmp_path / "a.ckpt", SEVERAL, ["a", "b", "c"], **changes))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"label_of": "group"}, "label_of: got group and task multilabel"),
        ({"phantoms": "ct"}, "task: got multilabel with phantoms"),
    ],
)
def test_what_has_one_class_knows_no_findings(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(CONFIG.ConfigError, match=said):
        CONFIG.Config(task="multilabel", **keys)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ViT.ckpt of an untrained model of two findings, and raw/ with such pictures."""
    folder = tmp_path_factory.mktemp("found")
    with_findings(folder / "raw", 3)
    thresholds = {"square": 0.45, "disc": 0.55}
    return saved(folder / "ViT.ckpt", OF_TWO, FINDINGS, thresholds=thresholds)


def test_a_prediction_has_a_probability_for_each_finding(model: Path) -> None:
    asked = vit.load(model, device="cpu")
    assert isinstance(asked, TorchPredictor)
    predictions = asked.predict(model.parent / "raw")
    assert len({each.truth for each in predictions}) == 4
    for each in predictions:
        own = 1 / (1 + np.exp(-np.array(each.logits)))
        assert list(each.probabilities.values()) == pytest.approx(own, abs=1e-6)
        pairs = zip(FINDINGS, own, (0.45, 0.55), strict=True)
        called = [name for name, share, threshold in pairs if share >= threshold]
        assert each.label == (";".join(called) or "none")
        assert each.prediction_set is None
    with pytest.raises(ExplanationError, match="target: got ring, wanted one of square, disc"):
        asked.explain(str(model.parent / "raw" / "p00.png"), target="ring")


def test_a_map_is_of_the_most_probable_finding_unless_one_is_named(model: Path) -> None:
    asked = vit.load(model, device="cpu")
    images = sorted((model.parent / "raw").glob("*.png"))
    (one,) = asked.predict(images[0])
    best = max(one.probabilities, key=lambda name: one.probabilities[name])
    maps = {name: asked.explain(images[0], target=name) for name in FINDINGS}
    assert np.array_equal(asked.explain(images[0]), maps[best])
    assert not np.allclose(maps["square"], maps["disc"])


@pytest.fixture(scope="module")
def page(model: Path) -> Path:
    """report.html of raw/, and predictions.csv beside it."""
    target = model.parent / "report.html"
    predict.main(["-p", str(model.parent / "raw"), "-k", str(model), "-o", str(target)])
    return target


def test_the_report_tells_findings(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for words in (
        "<h1>Findings square, disc: ViT.ckpt",
        "An image has a finding from the finding&#39;s own probability on: square from 0.4500",
        "12 images: 6 with square, 6 with disc, 3 with none",
        "the evidence for the finding farthest above its threshold over it",
        "ROC curve of each finding",
        "has it, missed",
        "a probability of each finding by itself, of which an image may have several",
    ):
        assert words in text, words
    found = dict(re.findall(r'<td data-figure="([^"]+)">([^<]+)</td>', text))
    rows = table(page.with_name("predictions.csv"))
    areas = []
    for name in FINDINGS:
        truths = [name in row["truth"].split(";") for row in rows]
        areas.append(roc_auc_score(truths, [float(row[f"probability_{name}"]) for row in rows]))
        assert found[f"AUROC, {name}"] == f"{areas[-1]:.3f}"
    assert found["AUROC, mean of the findings"] == f"{np.mean(areas):.3f}"
    assert {row["set"] for row in rows} == {""}


def test_evaluate_tells_findings(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    own = str(page.with_name("predictions.csv"))
    manifest = str(page.parent / "raw" / "manifest.csv")
    evaluate(["--predictions", own, "--versus", own, "--manifest", manifest])
    said = capsys.readouterr().out
    assert re.search(r"square 0\.\d+ \(6 have it\), disc 0\.\d+ \(6 have it\)", said)
    assert re.search(r"auroc, mean of the findings +0\.\d{3} \(", said)
    assert "specificity, disc" in said
    assert f"mean AUROC of {own} minus that of {own}: 0.000 (0.000 to 0.000)" in said


def test_labels_of_a_manifest_that_are_no_findings_are_not_compared(
    page: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = page.with_name("predictions.csv")
    listed = "".join(f"{row['path']},LAD\n" for row in table(own))
    (tmp_path / "vessels.csv").write_text(f"path,label\n{listed}")
    evaluate(["--predictions", str(own), "--manifest", str(tmp_path / "vessels.csv")])
    assert "its labels, such as 'LAD', are no classes" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--threshold", "0"], "--threshold: is of classes, got findings"),
        (["--prevalence", "0.1"], "--prevalence: is of classes"),
        (["--column", "x"], "--column: is of classes"),
        (["--order", "square", "disc"], "--order: is of classes"),
    ],
)
def test_evaluate_refuses_what_findings_have_not(page: Path, options: list[str], said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        evaluate(["--predictions", str(page.with_name("predictions.csv")), *options])


def rows(*truths: str, predicted: str = "a", shares: tuple[str, str] = ("0.9", "0.8")) -> Any:
    names = ("probability_a", "probability_b")
    return [
        {"path": f"p{i}", "truth": truth, **dict(zip(names, shares, strict=True))}
        | {"predicted": predicted}
        for i, truth in enumerate(truths)
    ]


@pytest.mark.parametrize(
    ("given", "options", "said"),
    [
        (rows("a", "b"), [], "got a sum of 1.700, wanted 1; if an image may have several of these"),
        (rows("a;b", "c"), [], "truth: got the label 'c', which is none of the findings; wanted a"),
        (rows("a;b", "none;a"), [], "says both none and a finding"),
        (rows("a;b", "none", shares=("1.5", "0.1")), [], "got '1.5', wanted a number from 0 to 1"),
        (rows("a;b", "none", shares=("nan", "0.1")), [], "got 'nan', wanted a number from 0 to 1"),
        (rows("", ""), ["--findings"], "no image of known truth"),
        (rows("a;b", "a;b"), [], "of 2 images all have the same of a, b"),
    ],
)
def test_a_table_that_is_wrong_is_refused(
    tmp_path: Path, given: Any, options: list[str], said: str
) -> None:
    with pytest.raises(SystemExit, match=said):
        evaluate(["--predictions", str(write(tmp_path / "p.csv", given)), *options])


def test_a_finding_without_figures_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path / "p.csv", rows("a;b", "b", "a;b", "b"))
    evaluate(["--predictions", str(path)])
    said = capsys.readouterr()
    assert "b: no figures, for all of 4 images have it" in said.err
    assert "auroc, b" not in said.out


REFUSALS: dict[str, tuple[Callable[[list[str]], Any], list[str], str]] = {
    "app": (app.main, ["MODEL", "-o", "OUT/a.html"], "MODEL"),
    "external": (external.main, ["-p", "RAW", "-k", "MODEL", "-o", "OUT/x"], "MODEL"),
    "pictures": (pictures.main, ["-k", "MODEL", "-o", "OUT/x"], "MODEL"),
    "layout": (
        export.main,
        ["MODEL", "--layout", "timm", "-o", "OUT/a.safetensors"],
        "--layout timm",
    ),
    "int8": (export.main, ["MODEL", "--int8", "RAW", "-o", "OUT/a.onnx"], "--int8"),
    "dicom": (predict.main, ["-p", "RAW", "-k", "MODEL", "-o", "OUT/", "--dicom"], "--dicom"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_what_knows_no_findings_says_so(model: Path, tmp_path: Path, name: str) -> None:
    if name == "dicom":
        pytest.importorskip("highdicom")
    main, words, what = REFUSALS[name]
    places = {"MODEL": str(model), "RAW": str(model.parent / "raw"), "OUT": str(tmp_path)}

    def with_places(text: str) -> str:
        for place, path in places.items():
            text = text.replace(place, path)
        return text

    said = rf"{re.escape(with_places(what))}: got a model of findings \(task: multilabel\)"
    with pytest.raises(SystemExit, match=said):
        main([with_places(word) for word in words])
    assert not list(tmp_path.rglob("*.*"))


def test_the_learning_curve_knows_no_findings(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="task: got multilabel, but the curve follows the AUROC"):
        learning_curve.main(["--task", "multilabel", "--OUTPUT", str(tmp_path / "curve")])


def test_the_graph_says_what_the_checkpoint_says(tmp_path: Path) -> None:
    config = replace(OF_TWO, num_hidden_layers=1)
    source = saved(tmp_path / "ViT.ckpt", config, FINDINGS)
    path = tmp_path / "a.onnx"
    path.write_bytes(export.export(checkpoint.load(source)))
    raw = with_findings(tmp_path / "raw", 1)
    ours = TorchPredictor(checkpoint.load(source))
    theirs = graph_predictor.load(path)
    pixels = np.random.default_rng(0).random((3, 32, 32), np.float32)
    one, other = (each.run(pixels, each.request()) for each in (ours, theirs))
    assert other.logits == pytest.approx(one.logits, abs=1e-4)
    assert other.maps == pytest.approx(one.maps, abs=1e-3)
    assert one.targets is not None and other.targets is not None
    assert one.targets.tolist() == other.targets.tolist()
    said, again = (vit.load(each).predict(raw) for each in (source, path))
    assert [each.label for each in said] == [each.label for each in again]
    assert [each.truth for each in again] == [each.truth for each in said]
    with pytest.raises(
        ExplanationError, match="agreement for the finding farthest above its threshold, of all"
    ):
        theirs.request(target="disc")


def test_a_training_of_findings_from_raw_images_to_predictions(
    tmp_path: Path, unreported: None, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(
        with_findings(tmp_path / "raw", 16),
        tmp_path / "processed",
        CONFIG.Config(image_size=32, patch_size=8, val_share=0.3),
        findings=FINDINGS,
    )
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    options = ["--epochs", "16", "--task", "multilabel", "--num_classes", "2", "--lr", "5e-3"]
    train.main(command(tmp_path / "processed", "out", *options, *UNCHANGED, "--init", "none"))
    trained = tmp_path / "out" / "ViT.ckpt"
    source = checkpoint.load(trained)
    assert source.class_names == FINDINGS and source.multilabel
    assert source.thresholds.keys() == set(FINDINGS)
    figures = source.provenance.estimates
    assert min(figures[f"auroc, {name}"].value for name in FINDINGS) > 0.9
    (metrics,) = (tmp_path / "out").glob("runs/*/metrics.csv")
    best = max(table(metrics), key=lambda row: float(row["val_auroc"]))
    assert {"val_auroc_square", "val_auroc_disc", "val_sensitivity"} <= best.keys()
    where = ["-k", str(trained), "--device", "cpu"]
    fresh = with_findings(tmp_path / "fresh", 10, seed=8, columns=True)
    predict.main(["-p", str(fresh), "-o", str(tmp_path / "new.png"), "--num_images", "2", *where])
    assert "with known truth right in every finding" in capsys.readouterr().out
    told = table(tmp_path / "predictions.csv")
    for name in FINDINGS:
        truths = [name in row["truth"].split(";") for row in told]
        assert roc_auc_score(truths, [float(row[f"probability_{name}"]) for row in told]) > 0.9
    predict.main(["--recalibrate", str(fresh), *where])
    told_after = r"threshold of disc 0\.\d+ now: sensitivity [01]\.\d+ \(.*\), specificity [01]\."
    assert re.search(told_after, capsys.readouterr().out)
    again = checkpoint.load(tmp_path / "out" / "ViT_recalibrated.ckpt")
    assert again.thresholds.keys() == set(FINDINGS)
    few = with_findings(tmp_path / "few", 2, seed=9)
    with pytest.raises(SystemExit, match=r"got 4 with square, 4 without square, 4 with disc"):
        predict.main(["--recalibrate", str(few), *where])


def test_the_map_is_of_the_finding_farthest_above_its_threshold() -> None:
    config = replace(CONFIGURATION, task="multilabel")
    preprocessing = Preprocessing(32, 0.4, 0.2)
    limits = {"square": 0.2, "disc": 0.9}
    facts = Facts(config, ["square", "disc"], preprocessing, thresholds=limits, temperature=2.0)
    assert facts.limits.tolist() == pytest.approx([2 * np.log(0.25), 2 * np.log(9)])
    # disc is more probable, and square alone is there
    assert facts.followed([[-1.0, 3.0], [-9.0, 3.0]]).tolist() == [0, 1]
