"""Metrics of grades equal scikit-learn's; decisions and sets keep the order."""

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn import metrics

from errors import UserError
from metrics.calibration import fit_grade_threshold
from metrics.conformal import conformal_scores, conformal_set, limits
from metrics.decision import decision, grade_called
from metrics.grades import at_least, compare_grades, evaluate_grades

NAMES = ("none", "mild", "moderate", "severe")


def made(count: int = 90, seed: int = 0) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """True grades, probabilities, called grades, and groups of two or three images."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, count)
    near = -1.2 * np.abs(np.arange(4) - (y + rng.normal(0, 1.1, count))[:, None])
    shares = np.exp(near) / np.exp(near).sum(axis=1, keepdims=True)
    called = np.array([grade_called(row, 0.5) for row in shares.tolist()])
    return y, shares, called, np.arange(count) // rng.integers(2, 4)


def test_one_called_grade_has_no_interval_of_kappa() -> None:
    y, shares, called, groups = made()
    same = np.ones_like(called)
    kappa = evaluate_grades(y, shares, same, NAMES, groups)["quadratic_kappa"]
    assert kappa.value == 0
    assert np.isnan([kappa.low, kappa.high]).all()
    change = compare_grades(y, same, same, groups)
    assert np.isnan([change.low, change.high]).all()
    assert not np.isnan(compare_grades(y, same, called, groups).low)


def test_values_are_those_of_scikit_learn() -> None:
    y, shares, called, groups = made()
    found = evaluate_grades(y, shares, called, NAMES, groups)
    wanted = {
        "quadratic_kappa": metrics.cohen_kappa_score(y, called, weights="quadratic"),
        "grade_error": metrics.mean_absolute_error(y, called),
        "grade_right": metrics.accuracy_score(y, called),
    }
    for cut in (1, 2, 3):
        area = metrics.roc_auc_score(y >= cut, at_least(shares)[:, cut - 1])
        wanted[f"auroc, {NAMES[cut]} or more"] = area
    assert {name: each.value for name, each in found.items()} == pytest.approx(wanted)
    assert all(each.low < each.value < each.high for each in found.values())


def test_intervals_are_wider_when_images_of_a_group_go_together() -> None:
    y, shares, called, _ = made(40)
    alone = evaluate_grades(np.tile(y, 4), np.tile(shares, (4, 1)), np.tile(called, 4), NAMES)
    groups = np.tile(np.arange(40), 4)
    drawn = evaluate_grades(
        np.tile(y, 4), np.tile(shares, (4, 1)), np.tile(called, 4), NAMES, groups
    )
    for name in ("quadratic_kappa", "grade_error", "grade_right"):
        assert drawn[name].value == pytest.approx(alone[name].value)
        ratio = (drawn[name].high - drawn[name].low) / (alone[name].high - alone[name].low)
        assert ratio == pytest.approx(2, rel=0.1)


def test_faultless_grades_have_an_interval_all_the_same() -> None:
    y = np.arange(20) % 4
    found = evaluate_grades(y, np.eye(4)[y], y, NAMES)
    assert found["quadratic_kappa"].value == found["quadratic_kappa"].high == 1
    assert found["quadratic_kappa"].low == pytest.approx(2 * 0.025 ** (1 / 20) - 1)
    assert found["grade_error"].value == found["grade_error"].low == 0
    assert found["grade_error"].high == pytest.approx(3 * (1 - 0.025 ** (1 / 20)))


def test_a_cut_without_images_on_one_side_is_left_out() -> None:
    y, shares, called, _ = made()
    kept = y < 3
    found = evaluate_grades(y[kept], shares[kept], called[kept], NAMES)
    assert "auroc, severe or more" not in found
    assert "auroc, moderate or more" in found


def test_the_difference_of_two_kappas_is_paired() -> None:
    y, _, one, groups = made()
    two = np.where(np.arange(len(y)) % 3 == 0, y, one)
    change = compare_grades(y, one, two, groups)
    kappas = [metrics.cohen_kappa_score(y, called, weights="quadratic") for called in (one, two)]
    assert change.value == pytest.approx(kappas[1] - kappas[0])
    assert 0 < change.low < change.value
    same = compare_grades(y, one, one, groups)
    assert (same.value, same.low, same.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": [1, 1, 1]}, "3 images of one grade"),
        ({"labels": [0, 1, 4]}, "labels: wanted the index of a grade, 0 to 3"),
        ({"called": [0, 1, -1]}, "called: wanted the index"),
        ({"called": [0, 1]}, "shapes"),
        ({"probabilities": np.full((3, 3), 1 / 3)}, "probabilities: got shape"),
    ],
)
def test_what_does_not_fit_is_refused(changes: dict[str, object], said: str) -> None:
    given = {"labels": [0, 1, 2], "probabilities": np.full((3, 4), 0.25), "called": [0, 1, 2]}
    with pytest.raises(UserError, match=said):
        evaluate_grades(**{**given, **changes}, names=NAMES)  # type: ignore[arg-type]


def test_the_median_has_the_smallest_expected_error() -> None:
    rng = np.random.default_rng(3)
    grades = np.arange(4)
    for row in rng.dirichlet([0.6] * 4, 200):
        errors = [(row * np.abs(grades - each)).sum() for each in grades]
        assert errors[grade_called(row.tolist(), 0.5)] == pytest.approx(min(errors))


def test_decisions_of_classes_are_as_ever() -> None:
    assert decision([0.4, 0.6], 0.7) == 0
    assert decision([0.3, 0.3, 0.4], 0.5) == 2
    assert decision([0.3, 0.3, 0.4], 0.5, ordered=True) == 1
    assert decision([0.3, 0.3, 0.4], 0.4, ordered=True) == 2
    assert decision([0.4, 0.4, 0.2], 0.5) == 0


def test_the_threshold_has_the_smallest_error() -> None:
    y, shares, _, _ = made(200)
    threshold = fit_grade_threshold(y, shares)
    errors = [
        np.abs([grade_called(row, each / 100) for row in shares.tolist()] - y).mean()
        for each in range(1, 100)
    ]
    assert errors[round(100 * threshold) - 1] == min(errors)
    assert fit_grade_threshold([0, 1, 2], np.eye(3)) == 0.5
    # a grade that training made too probable
    rare = np.tile([0.45, 0.55, 0.0], (10, 1))
    assert fit_grade_threshold([0] * 9 + [1], rare) == 0.56


def test_probabilities_of_each_grade_or_more() -> None:
    assert at_least([[0.1, 0.2, 0.7]])[0] == pytest.approx([0.9, 0.7])
    tiny = at_least([[1e-12, 0.3, 0.7], [3e-12, 0.2, 0.8]])
    assert tiny[0, 0] > tiny[1, 0]  # though both sums of what is above are rounded


def test_sets_of_grades_have_no_hole_and_hold_the_truth_as_often() -> None:
    rng = np.random.default_rng(5)
    y = rng.integers(0, 4, 400)
    shares = (rng.dirichlet([0.5] * 4, 400) + 0.5 * np.eye(4)[y]) / 1.5  # often of two peaks
    level = limits(conformal_scores(y, shares, NAMES), 0.9)
    plain = [conformal_set(row.tolist(), level) for row in shares]
    filled = [conformal_set(row.tolist(), level, ordered=True) for row in shares]
    assert any(one != two for one, two in zip(plain, filled, strict=True))
    for one, two in zip(plain, filled, strict=True):
        assert set(one) <= set(two)
        places = [NAMES.index(name) for name in two]
        assert places == list(range(places[0], places[0] + len(places))) if places else not one
    for grade, name in enumerate(NAMES):
        held = [name in each for each, truth in zip(filled, y, strict=True) if truth == grade]
        assert np.mean(held) >= 0.9
