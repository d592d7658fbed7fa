"""task: ordinal from its head to its files: likelihood, training, prediction, graph and report."""

import re
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

import CONFIG
import predict
import train
import vit
from data.prepare import prepare
from data.readers import DataError
from data.tables import write_table
from report import app, learning_curve
from report.evaluate import main as evaluate
from tests.conftest import CONFIGURATION, contents, table
from tests.graded import GRADES, graded
from tests.made_report import report
from tests.test_train import command
from training.beginning import Beginning
from training.data_checks import check_images
from training.data_module import CoronaryData
from training.initial_weights import InitialWeights
from training.objectives import grade_metrics
from training.run import Run
from training.trainer import Devices
from vit import checkpoint, export, graph_predictor
from vit.archive import CheckpointError
from vit.cumulative import NEAREST, CumulativeLogits
from vit.explain import explain, log_odds
from vit.map_request import MapRequest
from vit.model import VisionTransformer
from vit.torch_predictor import TorchPredictor

ORDINAL = replace(CONFIGURATION, task="ordinal", num_classes=3)
# the worked example; what statsmodels 0.14 says of it:
# m = OrderedModel(y, x[:, None], distr="logit")
# m.loglike(np.r_[0.8, -1.0, np.log([1.4, 1.3])]); m.fit(method="bfgs").llf
X = [-1.5, -0.9, -0.4, 0.1, 0.3, 0.8, 1.2, 1.9, -0.2, 0.6]
Y = [0, 0, 1, 1, 0, 2, 3, 3, 2, 1]
LOG_LIKELIHOOD = -10.956429535107976
HIGHEST_LOG_LIKELIHOOD = -8.614315351160565
FIRST_SHARES = [0.549834, 0.28218439, 0.11582805, 0.05215356]


def head(weight: float, thresholds: list[float]) -> CumulativeLogits:
    made = CumulativeLogits(1, len(thresholds) + 1)
    gaps = torch.tensor(thresholds).diff() - NEAREST
    made.load_state_dict(
        {
            "score.weight": torch.tensor([[weight]]),
            "lowest": torch.tensor(thresholds[:1]),
            "gaps": gaps.expm1().log(),
        }
    )
    return made


def test_the_loss_is_the_log_likelihood_of_statsmodels() -> None:
    logits = head(0.8, [-1.0, 0.4, 1.7])(torch.tensor(X)[:, None])
    assert logits[0].exp().tolist() == pytest.approx(FIRST_SHARES, abs=1e-6)
    loss = cross_entropy(logits, torch.tensor(Y), reduction="sum")
    assert loss.item() == pytest.approx(-LOG_LIKELIHOOD, rel=1e-6)


def test_learning_reaches_the_highest_likelihood_that_statsmodels_finds() -> None:
    learner = head(0.1, [-1.0, 0.0, 1.0])
    optimizer = torch.optim.LBFGS(learner.parameters(), max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        value = cross_entropy(learner(torch.tensor(X)[:, None]), torch.tensor(Y), reduction="sum")
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(loss)  # type: ignore[arg-type]
    assert loss().item() == pytest.approx(-HIGHEST_LOG_LIKELIHOOD, rel=1e-5)


@pytest.mark.parametrize("size", [1.0, 1e3, 1e6])
def test_logits_are_finite_and_their_probabilities_sum_to_1(size: float) -> None:
    torch.manual_seed(0)
    layer = CumulativeLogits(5, 4)
    with torch.no_grad():
        layer.gaps.fill_(-1e4)  # as near as thresholds can come
    logits = layer(size * torch.randn(7, 5))
    logits.sum().backward()
    assert logits.isfinite().all()
    assert logits.exp().sum(dim=1).tolist() == pytest.approx([1.0] * 7, abs=1e-5)
    assert all(part.grad is not None and part.grad.isfinite().all() for part in layer.parameters())


def test_grades_are_alike_before_learning() -> None:
    logits = CumulativeLogits(3, 5)(torch.zeros(1, 3))
    assert logits[0].exp().tolist() == pytest.approx([0.2] * 5)


def test_what_speaks_for_the_highest_grade_is_the_score() -> None:
    layer = head(0.8, [-1.0, 0.4, 1.7])
    tokens = torch.tensor(X)[:, None]
    odds = log_odds(layer(tokens), torch.full((len(X),), 3))
    assert odds.tolist() == pytest.approx((layer.score(tokens)[:, 0] - 1.7).tolist(), abs=1e-5)


def test_maps_are_made_by_every_method() -> None:
    torch.manual_seed(0)
    model = VisionTransformer(replace(ORDINAL, initializer_range=0.3)).eval()
    images = torch.randn(2, 1, 32, 32)
    for method in ("agreement", "relevance", "legrad", "grad-cam", "occlusion", "rollout"):
        logits, maps = explain(model, images, method)
        assert (logits.shape, maps.shape) == ((2, 3), (2, 4, 4)), method
        assert maps.isfinite().all() and maps.amax() > 0, method


def test_metrics_of_a_worked_example() -> None:
    sure = torch.tensor([[4.0, 0, 0], [0, 4, 0], [0, 0, 4], [4, 0, 0], [0, 0, 4]])
    found = grade_metrics(sure, torch.tensor([0, 1, 2, 2, 1]))
    assert float(found["val_accuracy"]) == pytest.approx(3 / 5)
    assert float(found["val_grade_error"]) == pytest.approx((2 + 1) / 5)
    # squares (2, 1) over those of chance: 5 * (mean of y^2 + of c^2) - 2 * 5 * means
    assert float(found["val_kappa"]) == pytest.approx(1 - 5 / (10 + 9 - 2 * 6 * 5 / 5), abs=1e-6)


def of_classes(path: Path, classes: int) -> VisionTransformer:
    """A random model of classes, saved there."""
    config = replace(CONFIGURATION, num_classes=classes)
    source = VisionTransformer(config)
    torch.nn.init.normal_(source.head[-1].bias)
    names = [f"c{i}" for i in range(classes)]
    state = {f"model.{name}": value for name, value in source.state_dict().items()}
    plain = contents(config=asdict(config), class_names=names, state_dict=state)
    checkpoint.save(plain, path)
    return source


def test_any_grade_begins_as_probable_as_the_second_of_two_classes(tmp_path: Path) -> None:
    source = of_classes(tmp_path / "a.ckpt", 2)
    model = VisionTransformer(ORDINAL)
    InitialWeights(tmp_path / "a.ckpt").give_to(model, ORDINAL)
    tokens = torch.randn(7, CONFIGURATION.embedding_size)
    any_grade = model.head(tokens).exp()[:, 1:].sum(dim=1)
    assert torch.allclose(any_grade, source.head(tokens).softmax(dim=1)[:, 1], atol=1e-6)


def test_weights_of_three_classes_leave_the_head_of_grades_as_it_is(tmp_path: Path) -> None:
    source = of_classes(tmp_path / "a.ckpt", 3)
    model = VisionTransformer(ORDINAL)
    before = {name: value.clone() for name, value in model.head.state_dict().items()}
    InitialWeights(tmp_path / "a.ckpt").give_to(model, ORDINAL)
    assert torch.equal(model.norm.weight, source.norm.weight)
    assert torch.equal(model.embeddings.cls_token, source.embeddings.cls_token)
    assert all(torch.equal(value, before[name]) for name, value in model.head.state_dict().items())


def test_a_checkpoint_of_two_grades_is_refused(tmp_path: Path) -> None:
    plain = contents(config=asdict(replace(CONFIGURATION, task="ordinal")))
    checkpoint.save(plain, tmp_path / "a.ckpt")
    with pytest.raises(CheckpointError, match="num_classes: got 2, wanted three grades or more"):
        checkpoint.load(tmp_path / "a.ckpt")


@pytest.fixture(scope="module")
def graded_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """report.html, predictions.csv and ViT.ckpt of grades."""
    folder = tmp_path_factory.mktemp("graded")
    report(folder, ("none", "mild", "severe"), task="ordinal")
    return folder


def test_the_report_tells_grades(graded_report: Path) -> None:
    text = (graded_report / "report.html").read_text(encoding="utf-8")
    assert "<h1>Grades none to severe: ViT.ckpt" in text
    for words in (
        "quadratic weighted kappa",
        "AUROC, mild or more",
        "AUROC, severe or more",
        "the highest grade that, with all above it, has a probability of 0.50 or more",
        "the evidence for a higher grade over it",
        "ROC curve of each cut",
        "quadratic weighted kappa, mean absolute error in grades, AUROC of each cut",
    ):
        assert words in text, words
    assert not re.search(r"counts as severe|severe or not", text)


def test_the_report_of_classes_names_no_threshold_where_there_is_none(tmp_path: Path) -> None:
    report(tmp_path, ("none", "mild", "severe"), count=4)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "An image is called the most probable class." in text


def test_sets_have_no_hole_and_decisions_are_by_the_threshold(graded_report: Path) -> None:
    names = ["none", "mild", "severe"]
    for row in table(graded_report / "predictions.csv"):
        shares = [float(row[f"probability_{name}"]) for name in names]
        assert row["predicted"] == names[sum(sum(shares[k:]) >= 0.5 for k in (1, 2))]
        assert row["set"] != "none;severe"


def test_evaluate_tells_grades(
    graded_report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = graded_report / "predictions.csv"
    evaluate(["--predictions", str(own), "--versus", str(own)])
    said = capsys.readouterr().out
    assert "grades none < mild < severe" in said
    assert re.search(r"quadratic kappa +-?0\.\d{3} \(", said)
    assert "auroc, severe or more" in said
    assert "0.000 (0.000 to 0.000)" in said
    evaluate(["--predictions", str(own), "--order", "severe", "mild", "none"])
    assert "grades severe < mild < none" in capsys.readouterr().out


def test_evaluate_says_where_columns_and_names_order_grades_differently(
    graded_report: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = table(graded_report / "predictions.csv")
    columns = [*rows[0]]
    columns[2:5] = [f"probability_{name}" for name in ("severe", "mild", "none")]
    other = [{name: row[name] for name in columns} for row in rows]
    other[0]["truth"] = ""
    write_table(tmp_path / "other.csv", other)
    evaluate(["--predictions", str(tmp_path / "other.csv")])
    said = capsys.readouterr()
    assert "as their names tell, none < mild < severe, though the columns" in said.err
    assert "--order severe mild none" in said.err
    assert f"1 without truth, such as {rows[0]['path']}" in said.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--threshold", "0.4"], "--threshold: is of two classes, got grades"),
        (["--prevalence", "0.1"], "--prevalence: is of two classes"),
        (["--column", "x"], "--column: is of two classes"),
        (["--order", "none", "mild"], "--order: got none, mild; wanted each class once"),
    ],
)
def test_evaluate_refuses_what_grades_have_not(
    graded_report: Path, options: list[str], said: str
) -> None:
    with pytest.raises(SystemExit, match=said):
        evaluate(["--predictions", str(graded_report / "predictions.csv"), *options])


def test_the_graph_says_what_the_checkpoint_says(tmp_path: Path) -> None:
    report(tmp_path, ("none", "mild", "severe"), task="ordinal", num_hidden_layers=1, flip="none")
    source = checkpoint.load(tmp_path / "ViT.ckpt")
    path = tmp_path / "a.onnx"
    path.write_bytes(export.export(source))
    pixels = np.random.default_rng(0).random((3, 32, 32), np.float32)
    request = MapRequest(2)
    ours, theirs = (
        each.run(pixels, request) for each in (TorchPredictor(source), graph_predictor.load(path))
    )
    assert theirs.logits == pytest.approx(ours.logits, abs=1e-4)
    assert theirs.maps == pytest.approx(ours.maps, abs=1e-3)
    images = sorted((tmp_path / "images" / "mild").glob("*.png"))
    one, other = (vit.load(each).predict(images) for each in (tmp_path / "ViT.ckpt", path))
    assert [each.label for each in one] == [each.label for each in other]
    assert [each.prediction_set for each in one] == [each.prediction_set for each in other]
    with pytest.raises(SystemExit, match=r"tells grades .task: ordinal., which the page does not"):
        app.main([str(path), "--OUTPUT", str(tmp_path / "app.html")])


def test_what_does_not_know_grades_says_so(graded_report: Path, tmp_path: Path) -> None:
    source = str(graded_report / "ViT.ckpt")
    with pytest.raises(SystemExit, match="tells grades"):
        app.main([source, "--OUTPUT", str(tmp_path / "app.html")])
    with pytest.raises(SystemExit, match=r"timm has no place for head\.0\.score\.weight"):
        export.main([source, "--layout", "timm", "--OUTPUT", str(tmp_path / "a.safetensors")])
    with pytest.raises(SystemExit, match="task: got ordinal, but the curve follows the AUROC"):
        learning_curve.main(["--task", "ordinal", "--OUTPUT", str(tmp_path / "curve")])
    assert not [*tmp_path.rglob("*.html"), *tmp_path.rglob("*.safetensors")]


def test_labels_of_groups_know_no_grades() -> None:
    with pytest.raises(CONFIG.ConfigError, match="label_of: got group and task ordinal, wanted"):
        CONFIG.Config(task="ordinal", label_of="group")


def test_a_sensitivity_is_of_two_classes(tmp_path: Path) -> None:
    config = CONFIG.Config(task="ordinal", num_classes=3, sensitivity=0.9)
    result = prepare(graded(tmp_path / "raw"), tmp_path / "processed", config)
    with pytest.raises(DataError, match=r"sensitivity: got 0\.9, which is of two classes"):
        check_images(config, result)


@pytest.mark.parametrize("task", ["classes", "ordinal"])
def test_classes_are_weighted_in_the_loss_and_grades_are_not(tmp_path: Path, task: str) -> None:
    config = replace(CONFIGURATION, task=task, num_classes=3)
    folder = prepare(graded(tmp_path / "raw"), tmp_path / "processed", config)
    run = Run(tmp_path, CoronaryData(config, folder), Devices("cpu"), Beginning(config))
    assert (run.prepare().class_weights is None) == (task == "ordinal")


def test_a_training_of_grades_from_raw_images_to_predictions(
    tmp_path: Path, unreported: None
) -> None:
    prepare(
        graded(tmp_path / "raw"),
        tmp_path / "processed",
        CONFIG.Config(task="ordinal", image_size=32, patch_size=8, val_share=0.3),
    )
    CONFIG.write(CONFIG.Config(), tmp_path / "config.yml")
    options = ("--epochs", "12", "--task", "ordinal", "--num_classes", "3", "--lr", "3e-3")
    train.main(command(tmp_path / "processed", "out", *options))
    source = checkpoint.load(tmp_path / "out" / "ViT.ckpt")
    assert isinstance(source.models[0].head[-1], CumulativeLogits)
    assert source.class_names == list(GRADES)
    figures = source.provenance.estimates
    assert 0 < source.threshold < 1
    assert set(figures) == {
        "quadratic_kappa",
        "grade_error",
        "grade_right",
        "auroc, 1-49 or more",
        "auroc, 50-100 or more",
    }
    assert figures["auroc, 50-100 or more"].value > 0.8
    (metrics,) = (tmp_path / "out").glob("runs/*/metrics.csv")
    assert {"val_kappa", "val_auroc", "val_grade_error"} <= set(table(metrics)[0])
    output = tmp_path / "predictions.png"
    where = ["-p", str(tmp_path / "processed" / "val"), "-k", str(tmp_path / "out" / "ViT.ckpt")]
    predict.main([*where, "-o", str(output), "--device", "cpu"])
    fresh = graded(tmp_path / "fresh", seed=8)
    rows = table(tmp_path / "predictions.csv")
    assert {row["truth"] for row in rows} == set(GRADES)
    predict.main(["--recalibrate", str(fresh), *where[2:], "--device", "cpu"])
    again = checkpoint.load(tmp_path / "out" / "ViT_recalibrated.ckpt")
    assert set(again.provenance.estimates) == set(figures)
