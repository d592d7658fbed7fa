"""Metrics, thresholds and losses of findings, against scikit-learn and worked examples."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import expit, logit
from sklearn import metrics
from torch.nn.functional import binary_cross_entropy_with_logits

from errors import UserError
from metrics.calibration import fit_threshold
from metrics.decision import apart, findings_called, joined, sigmoid, which_held
from metrics.multilabel import (
    MEAN,
    compare_findings,
    evaluate_findings,
    fit_temperature_of_findings,
    fit_thresholds,
    in_words,
    without_figures,
)
from training.objectives import finding_loss, finding_metrics

NAMES = ["a", "b", "c"]
HALF = dict.fromkeys(NAMES, 0.5)


def made(count: int = 90, seed: int = 0) -> tuple[NDArray, NDArray, NDArray]:
    """(n, 3) labels and probabilities, and (n,) groups of three images."""
    rng = np.random.default_rng(seed)
    y = rng.random((count, 3)) < (0.5, 0.3, 0.15)
    return y, expit(1.5 * y - 1 + rng.normal(size=y.shape)), np.arange(count) // 3


def test_estimates_are_those_of_scikit_learn() -> None:
    y, s, g = made()
    thresholds = {"a": 0.5, "b": 0.3, "c": 0.6}
    found = evaluate_findings(y, s, NAMES, thresholds, g)
    areas = [metrics.roc_auc_score(y[:, k], s[:, k]) for k in range(3)]
    assert found[MEAN].value == pytest.approx(metrics.roc_auc_score(y, s, average="macro"))
    for k, name in enumerate(NAMES):
        called = s[:, k] >= thresholds[name]
        assert found[f"auroc, {name}"].value == pytest.approx(areas[k])
        precision = metrics.average_precision_score(y[:, k], s[:, k])
        assert found[f"average_precision, {name}"].value == pytest.approx(precision)
        recall = metrics.recall_score(y[:, k], called)
        assert found[f"sensitivity, {name}"].value == pytest.approx(recall)
        specificity = metrics.recall_score(~y[:, k], ~called)
        assert found[f"specificity, {name}"].value == pytest.approx(specificity)
    assert all(each.low < each.value < each.high for each in found.values())
    # findings that err apart are surer together than each alone
    assert found[MEAN].high - found[MEAN].low < found["auroc, c"].high - found["auroc, c"].low


def test_a_finding_of_one_value_has_no_figures_and_is_left_out_of_the_mean() -> None:
    y, s, g = made()
    y[:, 1] = False
    found = evaluate_findings(y, s, NAMES, HALF, g)
    areas = [metrics.roc_auc_score(y[:, k], s[:, k]) for k in (0, 2)]
    assert found[MEAN].value == pytest.approx(np.mean(areas))
    assert not [name for name in found if name.endswith(", b")]
    assert without_figures(y, NAMES) == ["b: no figures, for none of 90 images has it"]
    y[:, 1] = True
    assert without_figures(y, NAMES) == ["b: no figures, for all of 90 images have it"]
    with pytest.raises(UserError, match="of 90 images all have the same of a, b, c"):
        evaluate_findings(np.ones((90, 3)), s, NAMES, HALF)


def test_what_does_not_fit_is_refused() -> None:
    y, s, _ = made()
    with pytest.raises(UserError, match=r"wanted \(n, findings\) twice"):
        evaluate_findings(y[:, :2], s, NAMES, HALF)
    with pytest.raises(UserError, match="wanted numbers from 0 to 1"):
        evaluate_findings(y, s + 1, NAMES, HALF)
    with pytest.raises(UserError, match="wanted 0 or 1 for each finding"):
        evaluate_findings(2 * y.astype(int), s, NAMES, HALF)


def test_groups_widen_the_interval_of_the_mean() -> None:
    y, s, _ = made(30)
    three = [np.repeat(each, 3, axis=0) for each in (y, s)]
    own, tied = (
        evaluate_findings(*three, NAMES, HALF, groups)[MEAN]
        for groups in (None, np.repeat(np.arange(30), 3))
    )
    assert tied.high - tied.low > 1.4 * (own.high - own.low)


def test_a_model_is_compared_with_itself_and_with_chance() -> None:
    y, s, g = made()
    same = compare_findings(y, s, s, NAMES, g)
    assert (same.value, same.low, same.high) == (0, 0, 0)
    worse = compare_findings(y, s, np.full_like(s, 0.5), NAMES, g)
    assert worse.value == pytest.approx(0.5 - metrics.roc_auc_score(y, s, average="macro"))
    assert worse.high < 0


def test_each_finding_has_the_threshold_of_two_classes() -> None:
    y, s, _ = made()
    for sensitivity in (None, 0.9):
        found = fit_thresholds(y, s, NAMES, sensitivity)
        assert found == {
            name: fit_threshold(y[:, k], s[:, k], sensitivity) for k, name in enumerate(NAMES)
        }
    y[:, 2] = True
    assert fit_thresholds(y, s, NAMES)["c"] == 0.5


def test_the_temperature_goes_towards_the_highest_likelihood() -> None:
    y, s, _ = made(600)
    sharp = 3 * logit(s)

    def loss(temperature: float) -> float:
        return float(metrics.log_loss(y.ravel(), expit(sharp.ravel() / temperature)))

    best = minimize_scalar(loss, bounds=(0.5, 10), method="bounded").x
    found = fit_temperature_of_findings(y, sharp)
    assert 1 < found < best
    assert loss(found) < loss(1)
    assert fit_temperature_of_findings(y, sharp / best) == 1.0


def test_the_loss_of_a_worked_example() -> None:
    logits = torch.tensor([[0.3, -1.2], [2.0, 0.4], [-0.7, 0.1]])
    labels = torch.tensor([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]])
    plain = binary_cross_entropy_with_logits(logits, labels)
    assert finding_loss(logits, labels, None, 0) == pytest.approx(plain.item())
    weights = torch.tensor([[1.5, 0.75], [0.75, 1.5]])  # 0.5 / share of images without, with
    p = logits.sigmoid()
    each = -(labels * weights[1] * p.log() + (1 - labels) * weights[0] * (1 - p).log())
    assert finding_loss(logits, labels.long(), weights, 0) == pytest.approx(each.mean().item())
    smooth = binary_cross_entropy_with_logits(logits, 0.8 * labels + 0.1)
    assert finding_loss(logits, labels, None, 0.2) == pytest.approx(smooth.item())


def test_metrics_of_an_epoch_are_means_over_the_findings() -> None:
    y, s, _ = made()
    y[:, 2] = True  # without a figure; torchmetrics alone says 0
    logits = torch.from_numpy(logit(s))
    found = finding_metrics(logits, torch.from_numpy(y.astype(int)), NAMES)
    areas = [metrics.roc_auc_score(y[:, k], s[:, k]) for k in (0, 1)]
    assert float(found["val_auroc"]) == pytest.approx(np.mean(areas), abs=1e-6)
    assert float(found["val_auroc_b"]) == pytest.approx(areas[1], abs=1e-6)
    assert "val_auroc_c" not in found
    called = s >= 0.5
    recalls = [metrics.recall_score(y[:, k], called[:, k]) for k in (0, 1)]
    assert float(found["val_sensitivity"]) == pytest.approx(np.mean(recalls), abs=1e-6)
    assert finding_metrics(logits, torch.ones(90, 3))["val_auroc"].isnan()


def test_labels_are_joined_and_taken_apart() -> None:
    assert (joined(["a", "c"]), joined([])) == ("a;c", "none")
    assert (apart("a;c"), apart("none")) == (["a", "c"], [])
    assert which_held(["a;c", "none"], NAMES).tolist() == [[True, False, True], [False] * 3]
    assert which_held([], NAMES).shape == (0, 3)


def test_a_finding_is_called_from_its_own_threshold_on() -> None:
    thresholds = {"a": 0.2, "b": 0.6, "c": 0.5}
    assert findings_called([0.2, 0.59, 0.9], NAMES, thresholds) == "a;c"
    assert findings_called([0.1, 0.5, 0.4], NAMES, thresholds) == "none"


def test_the_sigmoid_is_finite_for_logits_of_any_size() -> None:
    logits = np.array([-1e30, -800, -3.0, 0, 3.0, 800, 1e30], np.float32)
    with np.errstate(all="raise", under="ignore"):
        found = sigmoid(logits)
    assert found == pytest.approx(expit(logits.astype(float)), abs=1e-7)
    assert found.dtype == np.float32


def test_the_name_of_a_finding_keeps_its_underscores() -> None:
    assert in_words("average_precision, soft_plaque") == "average precision, soft_plaque"
