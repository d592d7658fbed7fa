"""Net benefit: the published example of dcurves, and intervals by groups."""

import csv
import sys
from pathlib import Path

import numpy as np
import pytest

from metrics.decision_curve import THRESHOLDS, DecisionPoint, decision_curve
from metrics.intervals import Estimate

HERE = Path(__file__).parent
EXAMPLE = HERE / "dcurves_example.csv"  # cancer of 750 people, with two predictions
RESULTS = HERE / "dcurves_results.csv"  # what dcurves 1.1.7 gives for it
CLOSE = 1e-6
# interventions avoided per 100 by famhistory, as dcurves publishes the result of its R package
PUBLISHED = {
    0.01: -995.3333333333334,
    0.05: -131.33333333333337,
    0.1: -23.333333333333353,
    0.15: 12.666666666666652,
    0.2: 30.666666666666657,
    0.35: 53.809523809523824,
    0.5: 63.06666666666666,
    0.99: 73.75757575757575,
}


def columns(path: Path) -> dict[str, np.ndarray]:
    with path.open() as file:
        rows = list(csv.DictReader(file))
    return {name: np.array([float(row[name]) for row in rows]) for name in rows[0]}


def curve_of(name: str) -> list[DecisionPoint]:
    example = columns(EXAMPLE)
    return decision_curve(example["cancer"], example[name])


@pytest.mark.parametrize("name", ["famhistory", "cancerpredmarker"])
def test_the_example_of_dcurves_has_its_net_benefits(name: str) -> None:
    expected = columns(RESULTS)
    curve = curve_of(name)
    found = {
        name: [point.model.value for point in curve],
        "all": [point.treat_all.value for point in curve],
        f"{name}_avoided": [point.avoided.value for point in curve],
    }
    assert [point.threshold for point in curve] == list(THRESHOLDS)
    for column, values in found.items():
        assert np.abs(values - expected[column]).max() < CLOSE


def test_interventions_avoided_are_those_that_r_publishes() -> None:
    example = columns(EXAMPLE)
    curve = decision_curve(example["cancer"], example["famhistory"], None, list(PUBLISHED))
    for point, per_100 in zip(curve, PUBLISHED.values(), strict=True):
        assert 100 * point.avoided.value == pytest.approx(per_100, abs=CLOSE)


def test_dcurves_itself_says_the_same_of_another_prevalence() -> None:
    dcurves = pytest.importorskip("dcurves", reason="pip install dcurves")
    pandas = sys.modules["pandas"]
    example = columns(EXAMPLE)
    table = pandas.DataFrame(example).astype({"cancer": bool})
    told = dcurves.dca(
        data=table,
        outcome="cancer",
        modelnames=["cancerpredmarker"],
        thresholds=list(THRESHOLDS),
        prevalence=0.05,
    )
    curve = decision_curve(
        example["cancer"], example["cancerpredmarker"], None, THRESHOLDS, prevalence=0.05
    )
    for model, values in (
        ("cancerpredmarker", [point.model.value for point in curve]),
        ("all", [point.treat_all.value for point in curve]),
    ):
        assert np.abs(values - told[told.model == model].net_benefit.to_numpy()).max() < CLOSE


Y = np.arange(60) % 2
S = np.clip(0.5 + 0.25 * (Y - 0.5) + np.random.default_rng(0).normal(0, 0.2, 60), 0.02, 0.98)


def width(estimate: Estimate) -> float:
    return estimate.high - estimate.low


def test_images_that_are_copies_of_one_another_tell_nothing_new() -> None:
    (once,) = decision_curve(Y, S, None, [0.4])
    groups = np.repeat(np.arange(60), 4)
    (grouped,) = decision_curve(np.repeat(Y, 4), np.repeat(S, 4), groups, [0.4])
    (alone,) = decision_curve(np.repeat(Y, 4), np.repeat(S, 4), None, [0.4])
    assert width(grouped.model) == pytest.approx(width(once.model), rel=1e-6)
    assert width(alone.model) < 0.6 * width(once.model)


def test_where_no_image_is_called_the_benefit_is_0_and_not_sure() -> None:
    (point,) = decision_curve(Y, S, None, [0.99])
    assert point.model.value == 0
    assert point.model.low < -0.5  # a false positive costs 99 true ones
    assert point.model.high > 0.01


def test_where_all_images_are_called_it_is_that_of_treating_all() -> None:
    (point,) = decision_curve(Y, S, None, [0.01])
    assert point.model.value == point.treat_all.value
    assert point.avoided.value == 0
    assert point.avoided.low < 0 < point.avoided.high


def test_a_given_prevalence_leaves_no_doubt_of_treating_all() -> None:
    (point,) = decision_curve(Y, S, None, [0.2], prevalence=0.1)
    assert point.treat_all.value == pytest.approx(0.1 - 0.9 * 0.25)
    assert width(point.treat_all) == 0


def test_the_gain_is_over_the_better_of_treating_all_and_none() -> None:
    low, high = decision_curve(Y, S, None, [0.1, 0.9])
    assert low.gain.value == pytest.approx(low.model.value - low.treat_all.value)
    assert high.gain == high.model


@pytest.mark.parametrize("threshold", [0, 1, -0.1])
def test_a_threshold_that_has_no_price_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"thresholds: got .*wanted each above 0 and below 1"):
        decision_curve(Y, S, None, [threshold])
