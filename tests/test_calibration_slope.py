"""Calibration in the large and its slope, against statsmodels and against what is known."""

import numpy as np
import pytest
from scipy import special, stats
from sklearn.linear_model import LogisticRegression

from metrics.calibration_slope import calibration

RNG = np.random.default_rng(3)
TRUE = RNG.normal(0, 1.5, 400)  # logits
Y = (RNG.random(400) < special.expit(TRUE)).astype(int)


def test_intercept_and_slope_are_those_of_statsmodels() -> None:
    statsmodels = pytest.importorskip("statsmodels.api", reason="pip install statsmodels")
    logits = 2 * TRUE + 1
    binomial = statsmodels.families.Binomial()
    ones = np.ones((400, 1))
    shift = statsmodels.GLM(Y, ones, family=binomial, offset=logits).fit(tol=1e-12)
    line = statsmodels.GLM(Y, np.column_stack([ones, logits]), family=binomial).fit(tol=1e-12)
    found = calibration(Y, logits)
    assert found["calibration_intercept"].value == pytest.approx(shift.params[0], abs=1e-8)
    assert found["calibration_slope"].value == pytest.approx(line.params[1], abs=1e-8)
    # of independent images the jackknife's error is near that of the model itself
    (low, high), slope = line.conf_int()[1], found["calibration_slope"]
    assert slope.low == pytest.approx(low, abs=0.05 * (high - low))
    assert slope.high == pytest.approx(high, abs=0.05 * (high - low))


def test_the_interval_is_near_that_of_a_jackknife_with_whole_fits() -> None:
    groups = np.arange(60) // 2
    y, x = Y[:60], TRUE[:60]
    slopes = [
        LogisticRegression(C=np.inf, tol=1e-8).fit(x[groups != k, None], y[groups != k]).coef_[0, 0]
        for k in range(30)
    ]
    found = calibration(y, x, groups)["calibration_slope"]
    error = np.sqrt(29 / 30 * ((np.array(slopes) - found.value) ** 2).sum())
    scarce = min(len(set(groups[y == 1])), len(set(groups[y == 0])))
    half = stats.t.ppf(0.975, 2 * scarce - 2) * error
    assert found.high - found.value == pytest.approx(half, rel=0.1)


def test_the_intercept_makes_the_mean_probability_right() -> None:
    logits = TRUE - 0.7
    added = calibration(Y, logits)["calibration_intercept"].value
    assert special.expit(logits + added).mean() == pytest.approx(Y.mean(), abs=1e-9)


def test_probabilities_that_are_right_are_within_the_intervals() -> None:
    found = calibration(Y, TRUE)
    right = {"observed_less_predicted": 0, "calibration_intercept": 0, "calibration_slope": 1}
    assert found.keys() == right.keys()
    assert all(found[name].low < value < found[name].high for name, value in right.items())


def test_probabilities_that_are_too_high_have_an_intercept_below_0() -> None:
    found = calibration(Y, TRUE + 1)
    assert found["calibration_intercept"].high < 0
    assert found["observed_less_predicted"].high < 0


def test_probabilities_that_are_too_extreme_have_a_slope_below_1() -> None:
    assert calibration(Y, 2 * TRUE)["calibration_slope"].high < 1


def test_an_inverted_score_has_a_slope_below_0() -> None:
    assert calibration(Y, -TRUE)["calibration_slope"].high < 0


def test_groups_make_the_intervals_wider() -> None:
    groups = np.repeat(np.arange(400), 3)
    repeated = np.repeat(Y, 3), np.repeat(TRUE, 3)
    alone = calibration(*repeated)["calibration_slope"]
    grouped = calibration(*repeated, groups)["calibration_slope"]
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)


@pytest.mark.parametrize("logits", [np.where(Y == 1, 2.0, -1.0), np.zeros(400)])
def test_classes_that_are_cut_without_a_fault_and_equal_logits_have_no_slope(
    logits: np.ndarray,
) -> None:
    found = calibration(Y, logits)
    assert np.isnan(found["calibration_slope"].value)
    assert not np.isnan(found["calibration_intercept"].low)


def test_a_group_without_which_a_line_cuts_without_a_fault_does_not_spoil_the_interval() -> None:
    y = np.array([0] * 9 + [1] * 9)
    logits = np.linspace(-3, 3, 18)
    logits[8], logits[9] = logits[9], logits[8]  # two images on the wrong side
    slope = calibration(y, logits)["calibration_slope"]
    assert 0 < slope.high - slope.low < 50 * slope.value


def test_one_group_of_a_class_gives_no_interval() -> None:
    groups = np.where(Y == 1, 0, np.arange(400))
    assert np.isnan(calibration(Y, TRUE, groups)["calibration_slope"].low)


def test_a_logit_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="logits: got inf, wanted finite numbers"):
        calibration([0, 1], [0, np.inf])
