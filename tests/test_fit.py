"""Threshold and temperature from validation images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from metrics.calibration import fit_temperature, fit_threshold


@st.composite
def scored(draw: st.DrawFn) -> tuple[NDArray, NDArray]:
    """Labels of both classes and scores, many of them equal."""
    n = draw(st.integers(2, 30))
    y = np.array([0, 1, *draw(st.lists(st.integers(0, 1), min_size=n - 2, max_size=n - 2))])
    return y, np.array(draw(st.lists(st.integers(0, 10), min_size=n, max_size=n))) / 10


@settings(max_examples=50, deadline=None)
@given(scored())
def test_no_threshold_beats_youdens(case: tuple[NDArray, NDArray]) -> None:
    y, s = case

    def gain(threshold: float) -> float:
        return float((s[y == 1] >= threshold).mean() - (s[y == 0] >= threshold).mean())

    assert gain(fit_threshold(y, s)) == pytest.approx(max(gain(t) for t in s))


@settings(max_examples=50, deadline=None)
@given(scored(), st.floats(0.05, 1))
def test_a_sensitivity_is_reached_with_the_highest_threshold(
    case: tuple[NDArray, NDArray], x: float
) -> None:
    y, s = case
    threshold = fit_threshold(y, s, sensitivity=x)
    assert (s[y == 1] >= threshold).mean() >= x - 1e-9
    assert all((s[y == 1] >= higher).mean() < x for higher in s[s >= threshold] + 1e-9)


def test_the_threshold_lies_between_the_classes_it_separates() -> None:
    assert fit_threshold([0, 0, 1, 1], [0.1, 0.2, 0.8, 0.9]) == pytest.approx(0.5)


def calibrated(seed: int, n: int) -> tuple[NDArray, NDArray]:
    """Labels drawn by the probabilities that (n, 2) logits say."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 2)) * 2
    return (rng.random(n) < 1 / (1 + np.exp(logits[:, 0] - logits[:, 1]))).astype(int), logits


@pytest.mark.parametrize("scale", [0.3, 3])
def test_temperature_finds_by_how_much_logits_were_multiplied(scale: float) -> None:
    y, logits = calibrated(0, 20000)
    assert fit_temperature(y, scale * logits) == pytest.approx(scale, rel=0.1)


def test_temperature_stays_within_what_it_is_fitted_to_undo() -> None:
    """Between 1 and the true one in about 39 of 40 draws."""
    found = [
        fit_temperature(y, 2 * logits)
        for y, logits in (calibrated(seed, 100) for seed in range(200))
    ]
    assert 0.95 <= np.mean([1 <= temperature <= 2 for temperature in found]) < 1


@pytest.mark.parametrize(
    ("count", "most"), [(10, 1), (150, 0.99)]
)  # of 10 images it is never proved, of 150 at times
def test_temperature_of_calibrated_logits_stays_1(count: int, most: float) -> None:
    stayed = [fit_temperature(*calibrated(seed, count)) == 1 for seed in range(200)]
    assert 0.95 <= np.mean(stayed) <= most


def test_images_of_one_group_count_less_than_as_many_groups() -> None:
    y, logits = calibrated(2, 20)
    views = np.tile(y, 20)
    shown = np.tile(3 * logits, (20, 1))
    assert fit_temperature(views, shown) > 1.5
    assert fit_temperature(views, shown, np.tile(np.arange(20), 20)) == 1


@pytest.mark.parametrize(("labels", "end"), [([0, 1] * 500, 20), ([0, 0] * 500, 0.05)])
def test_temperature_stays_between_its_ends(labels: list[int], end: float) -> None:
    spread = 1000 if end == 20 else 1e-6
    assert fit_temperature(labels, [[spread, 0.0]] * 1000) == pytest.approx(end)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 12), st.floats(0.01, 50))
def test_temperature_never_raises_the_loss(seed: int, n: int, scale: float) -> None:
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=n)
    logits = rng.normal(size=(n, 3)) * scale
    one_hot = np.eye(3)[y] == 1
    temperature = fit_temperature(y, logits)

    def loss(z: NDArray) -> float:
        return float((np.logaddexp.reduce(z, axis=1) - z[one_hot]).mean())

    assert loss(logits / temperature) <= loss(logits) + 1e-9


@pytest.mark.parametrize("logit", [np.log(1 / 3), 0.1, -5.55])
@pytest.mark.parametrize("classes", [2, 3, 5])
def test_temperature_of_logits_that_say_nothing_is_1(logit: float, classes: int) -> None:
    labels = np.arange(1000) % classes
    assert fit_temperature(labels, np.full((1000, classes), logit)) == 1


def test_temperature_of_faultless_logits_stays_1() -> None:
    assert fit_temperature([0, 1], [[1.0, 0.0], [0.0, 1.0]]) == 1


def test_temperature_refuses_labels_that_are_no_class() -> None:
    with pytest.raises(ValueError, match="wanted indices"):
        fit_temperature([0, 2], [[1.0, 0.0], [0.0, 1.0]])
