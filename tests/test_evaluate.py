import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn import metrics
from sklearn.calibration import calibration_curve

from metrics import intervals as module
from metrics.comparison import compare
from metrics.intervals import Estimate, evaluate

# DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837: albumin, total protein, K-G score and
# benefit of surgery of
# the 43 patients without missing values, as printed in the SAS/STAT User's Guide, PROC LOGISTIC,
# "Comparing ROC Curves"
OVARIAN = np.fromstring(
    """3.0 5.8 10 0  3.2 6.3 5 1  3.9 6.8 3 1  2.8 4.8 6 0  3.2 5.8 3 1  0.9 4.0 5 0
    2.5 5.7 8 0  1.6 5.6 5 1  3.8 5.7 5 1  3.7 6.7 6 1  3.2 5.4 4 1  3.8 6.6 6 1
    4.1 6.6 5 1  3.6 5.7 5 1  4.3 7.0 4 1  3.6 6.7 4 0  2.3 4.4 6 1  4.2 7.6 4 0
    4.0 6.6 6 0  3.5 5.8 6 1  3.8 6.8 7 1  3.0 4.7 8 0  4.5 7.4 5 1  3.7 7.4 5 1
    3.1 6.6 6 1  4.1 8.2 6 1  4.3 7.0 5 1  4.3 6.5 4 1  3.2 5.1 5 1  2.6 4.7 6 1
    3.3 6.8 6 0  1.7 4.0 7 0  3.7 6.1 5 1  3.3 6.3 7 1  4.2 7.7 6 1  3.5 6.2 5 1
    2.9 5.7 9 0  2.1 4.8 7 1  2.8 6.2 8 0  4.0 7.0 7 1  3.3 5.7 6 1  3.7 6.9 5 1
    3.6 6.6 5 1""",
    sep=" ",
).reshape(-1, 4)


def made(n: int = 60, seed: int = 0, shift: float = 1.5) -> tuple[NDArray, NDArray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 3 == 0
    return y.astype(int), stats.norm.cdf(rng.normal(size=n) + shift * (y - 0.5))


@st.composite
def weighted(draw: st.DrawFn) -> tuple[NDArray, NDArray, NDArray]:
    """Labels of both classes, scores with many ties, and integer weights under which both classes
    remain.
    """
    n = draw(st.integers(4, 30))
    y = np.array([0, 1, *draw(st.lists(st.integers(0, 1), min_size=n - 2, max_size=n - 2))])
    s = np.array(draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))) / 8
    w = np.array([1, 1, *draw(st.lists(st.integers(0, 4), min_size=n - 2, max_size=n - 2))])
    return y, s, w


@settings(max_examples=40, deadline=None)
@given(weighted())
def test_the_figures_of_a_resample_are_scikit_learns_with_sample_weight(
    case: tuple[NDArray, NDArray, NDArray],
) -> None:
    y, s, w = case
    with np.errstate(invalid="ignore"):
        figures = module.point_values(y > 0, s, 0.5, 0, w[None].astype(float))
    called = s >= 0.5
    how = {"sample_weight": w, "zero_division": np.nan}
    expected = {
        "auroc": metrics.roc_auc_score(y, s, sample_weight=w),
        "average_precision": metrics.average_precision_score(y, s, sample_weight=w),
        "sensitivity": metrics.recall_score(y, called, **how),
        "specificity": metrics.recall_score(y, called, pos_label=0, **how),
        "ppv": metrics.precision_score(y, called, **how),
        "npv": metrics.precision_score(y, called, pos_label=0, **how),
        "f1": metrics.f1_score(y, called, **how),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, called, sample_weight=w),
        "brier_score": metrics.brier_score_loss(y, s, sample_weight=w),
    }
    assert {name: figures[name][0] for name in expected} == pytest.approx(
        expected, abs=1e-12, nan_ok=True
    )


@pytest.mark.parametrize("n", [60, 97])
def test_calibration_error_weighs_scikit_learns_equal_mass_bins_by_their_images(n: int) -> None:
    y, s = made(n)
    share, mean = calibration_curve(y, s, n_bins=10, strategy="quantile")
    sizes = np.bincount(
        np.searchsorted(np.quantile(s, np.linspace(0, 1, 11)[1:-1]), s)
    )  # as calibration_curve bins
    found = evaluate(y, s)["calibration_error"].value
    assert found == pytest.approx(np.abs(share - mean) @ sizes / n)


def test_predictive_values_at_the_samples_own_prevalence_are_the_samples() -> None:
    y, s = made()
    figures = evaluate(y, s, prevalence=float(y.mean()))
    assert figures["ppv_at_prevalence"].value == pytest.approx(figures["ppv"].value)
    assert figures["npv_at_prevalence"].value == pytest.approx(figures["npv"].value)


def test_ppv_at_prevalence_follows_bayes() -> None:
    y = [0] * 10 + [1] * 10
    s = [0.9] * 1 + [0.1] * 9 + [0.9] * 8 + [0.1] * 2
    assert evaluate(y, s, prevalence=0.01)["ppv_at_prevalence"].value == pytest.approx(
        0.008 / (0.008 + 0.099)
    )


def test_every_interval_holds_its_value() -> None:
    for figure in evaluate(*made(), prevalence=0.1).values():
        assert 0 <= figure.low < figure.value < figure.high <= 1


def test_intervals_are_the_same_on_another_day() -> None:
    assert evaluate(*made()) == evaluate(*made())


def test_views_of_one_patient_widen_the_interval_as_if_they_were_one_image() -> None:
    y, s = made(40)
    once = evaluate(y, s)["auroc"]
    repeated = evaluate(
        np.repeat(y, 5), np.repeat(s, 5), np.repeat([f"p{i:02d}" for i in range(40)], 5)
    )["auroc"]
    naive = evaluate(np.repeat(y, 5), np.repeat(s, 5))["auroc"]
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high))
    assert naive.high - naive.low < 0.6 * (once.high - once.low)


def test_the_bootstrap_error_of_the_auroc_is_delongs() -> None:
    y, s = made(342)
    draws = np.concatenate(
        [module.areas(y > 0, s, w)[0] for w in module.resamples(y > 0, np.arange(342))][1:]
    )
    assert len(draws) == module.RESAMPLES
    covariance = structural_components(y, np.stack([s, 1 - s]))[1]
    assert draws.std() == pytest.approx(math.sqrt(covariance[0, 0]), rel=0.05)


def test_resamples_hold_both_classes_and_whole_groups() -> None:
    y = np.arange(12) < 2
    groups = np.arange(12) // 2
    weights = np.concatenate(list(module.resamples(y, groups))[1:])
    assert (weights[:, y].sum(axis=1) > 0).all() and (weights[:, ~y].sum(axis=1) > 0).all()
    assert (weights[:, ::2] == weights[:, 1::2]).all()


def test_a_perfect_result_of_few_images_is_not_certain() -> None:
    figures = evaluate([0] * 10 + [1] * 20, [0.1] * 10 + [0.9] * 20, prevalence=0.1)
    for name, groups in (("auroc", 10), ("sensitivity", 20), ("specificity", 10), ("ppv", 20)):
        assert figures[name] == Estimate(1.0, pytest.approx(0.025 ** (1 / groups)), 1.0)
    low = stats.binomtest(10, 10).proportion_ci(method="exact").low
    assert figures["specificity"].low == pytest.approx(low)
    assert figures["ppv_at_prevalence"].low < 0.25


def test_balanced_accuracy_of_a_model_that_calls_all_positive_is_not_certain() -> None:
    figure = evaluate([0] * 10 + [1] * 10, [0.6, 0.8] * 10)["balanced_accuracy"]
    assert figure.value == 0.5 and figure.low < 0.4 and figure.high > 0.6


def test_a_predictive_value_without_any_prediction_is_undefined() -> None:
    assert math.isnan(evaluate([0, 0, 1, 1], [0.1, 0.2, 0.3, 0.4])["ppv"].value)


def test_one_positive_patient_gives_no_interval() -> None:
    figure = evaluate([0] * 6 + [1] * 3, [0.2, 0.4] * 3 + [0.3, 0.5, 0.1], [*"abcdef", *"ggg"])[
        "auroc"
    ]
    assert str(figure).endswith("(no interval)")


@pytest.mark.parametrize(
    ("labels", "scores", "groups", "message"),
    [
        ([1, 1, 1], [0.1, 0.2, 0.3], None, "got 3 positive of 3 images, wanted both classes"),
        ([0, 1, 1], [0.1, 0.2], None, r"shapes \(3,\), \(2,\), \(3,\), wanted \(n,\) each"),
        ([0, 1], [0.1, 0.2], ["a"], r"shapes \(2,\), \(2,\), \(1,\), wanted"),
        ([0, 1], [0.1, math.nan], None, "scores: got nan, wanted from 0 to 1"),
        ([0, 1], [0.1, 1.5], None, "scores: got 1.5, wanted from 0 to 1"),
        ([0, 2], [0.1, 0.5], None, "labels: got 2, wanted 0 or 1"),
    ],
)
def test_unusable_input_is_named(
    labels: list[int], scores: list[float], groups: list[str] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        evaluate(labels, scores, groups)


def test_a_prevalence_in_percent_is_refused() -> None:
    with pytest.raises(ValueError, match="prevalence: got 10, wanted a share"):
        evaluate([0, 1], [0.1, 0.9], prevalence=10)


def structural_components(y: NDArray, scores: NDArray) -> tuple[NDArray, NDArray]:
    """AUROC and covariance as DeLong et al. 1988 define them: over all pairs of a positive and a
    negative.
    """
    pairs = scores[:, y == 1, None] - scores[:, None, y == 0]
    wins = (pairs > 0) + 0.5 * (pairs == 0)  # (models, positives, negatives)
    s10 = np.cov(wins.mean(axis=2))
    s01 = np.cov(wins.mean(axis=1))
    return wins.mean(axis=(1, 2)), s10 / (y == 1).sum() + s01 / (y == 0).sum()


def test_delong_gives_the_published_figures_of_the_ovarian_cancer_patients() -> None:
    y = OVARIAN[:, 3]
    kg = 1 - OVARIAN[:, 2] / 10
    areas = [
        evaluate(y, score)["auroc"].value for score in (OVARIAN[:, 0] / 10, OVARIAN[:, 1] / 10, kg)
    ]
    assert areas == pytest.approx([0.7366, 0.6478, 0.7258], abs=5e-5)
    albumin, protein = (compare(y, kg, OVARIAN[:, column] / 10) for column in (0, 1))
    assert (albumin[0].value, albumin[1]) == pytest.approx((0.0108, 0.9102), abs=5e-5)
    assert (protein[0].value, protein[1]) == pytest.approx((-0.0780, 0.4561), abs=5e-5)


@settings(max_examples=40, deadline=None)
@given(weighted(), st.integers(0, 10**6))
def test_delong_equals_the_sum_over_all_pairs(
    case: tuple[NDArray, NDArray, NDArray], seed: int
) -> None:
    # two of each class at least
    y = np.tile(case[0], 2)
    one = np.tile(case[1], 2)
    two = np.random.default_rng(seed).integers(6, size=len(y)) / 5
    areas, covariance = structural_components(y, np.stack([one, two]))
    error = math.sqrt(max(0.0, covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]))
    change, p = compare(y, one, two)
    assert change.value == pytest.approx(areas[1] - areas[0])
    if error > 1e-6:
        assert p == pytest.approx(2 * stats.norm.sf(abs(change.value) / error))


def test_views_of_one_patient_are_not_taken_for_more_evidence_in_a_comparison() -> None:
    (y, one), two = made(), made(seed=1)[1]
    groups = np.repeat(np.arange(60), 5)
    repeated = compare(np.repeat(y, 5), np.repeat(one, 5), np.repeat(two, 5), groups)
    assert repeated[1] == pytest.approx(compare(y, one, two)[1])


def test_a_model_compared_with_itself_differs_by_nothing() -> None:
    y, s = made()
    assert compare(y, s, s) == (Estimate(0.0, 0.0, 0.0), 1.0)


def test_a_rescaled_model_is_the_same_model() -> None:
    y, s = made()
    assert compare(y, s, s**3) == (Estimate(0.0, 0.0, 0.0), 1.0)


def test_two_faultless_models_of_few_images_may_differ() -> None:
    change, p = compare(
        [0, 0, 0, 1, 1, 1], [0.1, 0.2, 0.3, 0.7, 0.8, 0.9], [0.3, 0.2, 0.1, 0.7, 0.8, 0.9]
    )
    assert (change.value, p) == (0, 1) and change.high == -change.low == pytest.approx(
        1 - 0.025 ** (1 / 3)
    )


def test_models_are_not_compared_on_one_positive_patient() -> None:
    change, p = compare([0, 0, 0, 0, 1], [0.1, 0.2, 0.3, 0.7, 0.8], [0.3, 0.9, 0.1, 0.7, 0.8])
    assert change.value == -0.25 and math.isnan(change.low) and math.isnan(p)
