"""report.charts: what is drawn is what the probabilities say."""

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from sklearn import calibration, metrics

from report import charts

RNG = np.random.default_rng(0)
Y = np.arange(60) % 3 == 0
S = np.clip(0.35 * Y + RNG.uniform(0, 0.6, 60), 0, 1)
THRESHOLD = 0.4


@pytest.fixture
def axes(monkeypatch: pytest.MonkeyPatch) -> list[Axes]:
    """Those of every chart that is drawn."""
    drawn: list[Axes] = []
    monkeypatch.setattr(Figure, "savefig", lambda figure, *_, **__: drawn.append(figure.axes[0]))
    return drawn


def curve(axis: Axes, label: str) -> np.ndarray:
    """(n, 2) places of the first line with that label."""
    return np.asarray(next(line for line in axis.lines if line.get_label() == label).get_xydata())


def test_roc_precision_and_calibration_are_those_of_the_positive_class(axes: list[Axes]) -> None:
    charts.of_predictions(Y, S, THRESHOLD, ["normal", "sick"])
    falsely, rightly, _ = metrics.roc_curve(Y, S, drop_intermediate=False)
    precision, recall, _ = metrics.precision_recall_curve(Y, S)
    share, mean = calibration.calibration_curve(Y, S, n_bins=10, strategy="quantile")
    for axis, wanted in zip(
        axes, ((falsely, rightly), (recall, precision), (mean, share)), strict=False
    ):
        lines = [np.asarray(line.get_xydata()) for line in axis.lines]
        points = np.transpose(wanted)
        assert any(line.shape == points.shape and np.allclose(line, points) for line in lines)


def test_the_threshold_is_marked_where_its_estimates_are(axes: list[Axes]) -> None:
    charts.of_predictions(Y, S, THRESHOLD, ["normal", "sick"])
    called = S >= THRESHOLD
    sensitivity = metrics.recall_score(Y, called)
    precision = metrics.precision_score(Y, called)
    label = f"threshold {THRESHOLD:.3f}"
    assert curve(axes[0], label)[0] == pytest.approx(
        [(called & ~Y).sum() / (~Y).sum(), sensitivity]
    )
    assert curve(axes[1], label)[0] == pytest.approx([sensitivity, precision])
    assert curve(axes[3], label)[:, 0] == pytest.approx([THRESHOLD] * 2)


def test_each_class_has_its_histogram(axes: list[Axes]) -> None:
    charts.of_predictions(Y, S, THRESHOLD, ["normal", "sick"])
    edges = np.linspace(0, 1, 26)
    assert {"normal (40)", "sick (20)"} < set(axes[3].get_legend_handles_labels()[1])
    for bars, side in zip(axes[3].containers, (~Y, Y), strict=True):
        assert [bar.get_height() for bar in bars] == np.histogram(S[side], edges)[0].tolist()


def test_every_fold_has_its_line_without_what_is_no_number(axes: list[Axes]) -> None:
    histories = [
        [
            {
                "epoch": e,
                "train_loss": 1.0 / e,
                "val_loss": 2.0,
                "val_auroc": 0.5 + f / 9 if e > 1 else np.nan,
            }
            for e in (1, 2, 3)
        ]
        for f in (0, 1)
    ]
    charts.of_training(histories)
    loss, area = axes
    assert [line.get_xydata().tolist() for line in area.lines[:2]] == [
        [[2, a], [3, a]] for a in (0.5, 0.5 + 1 / 9)
    ]
    assert curve(loss, "training").tolist() == [[e, 1 / e] for e in (1, 2, 3)]
    assert curve(loss, "validation").tolist() == [[e, 2] for e in (1, 2, 3)]
